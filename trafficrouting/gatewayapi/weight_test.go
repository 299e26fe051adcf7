package gatewayapi_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/trafficrouting"
)

func TestObserveMeasuresTheCanary(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		want        string
	}{
		{"a tenth", `
  - backendRefs: [{name: stable, weight: 90}, {name: canary, weight: 10}]`, "10 to 10, exact true"},
		{"absent weights are one each", `
  - backendRefs: [{name: stable}, {name: canary}]`, "50 to 50, exact false"},
		{"one absent weight", `
  - backendRefs: [{name: stable, weight: 99}, {name: canary}]`, "1 to 1, exact true"},
		{"thirds are rounded apart", `
  - backendRefs: [{name: stable, weight: 2}, {name: canary, weight: 1}]`, "33 to 34, exact false"},
		{"a share below one is not nothing", `
  - backendRefs: [{name: stable, weight: 1000000}, {name: canary, weight: 1}]`, "0 to 1, exact false"},
		{"no weight at all sends the canary nothing", `
  - backendRefs: [{name: stable, weight: 0}, {name: canary, weight: 0}]`, "0 to 0, exact false"},
		{"the weight of a third backend does not count", `
  - backendRefs: [{name: stable, weight: 90}, {name: canary, weight: 10}, {name: other, weight: 300}]`, "10 to 10, exact true"},
		{"two rules that differ", `
  - backendRefs: [{name: stable, weight: 90}, {name: canary, weight: 10}]
  - backendRefs: [{name: stable, weight: 70}, {name: canary, weight: 30}]`, "10 to 30, exact false"},
		{"rules with only one of the two are not counted", `
  - backendRefs: [{name: stable}]
  - backendRefs: [{name: stable, weight: 90}, {name: canary, weight: 10}]
  - backendRefs: [{name: canary}]
  - filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]`, "10 to 10, exact true"},
		{"a Service of another namespace, group or kind is another", `
  - backendRefs: [{name: stable, weight: 90}, {name: canary, weight: 10}, {name: canary, namespace: elsewhere, weight: 9}, {name: canary, kind: Import, weight: 9}, {name: stable, group: x, weight: 9}]`,
			"10 to 10, exact true"},
		{"the defaults may be written out", `
  - backendRefs: [{name: stable, weight: 90, group: "", kind: Service, namespace: shop}, {name: canary, weight: 10, namespace: shop}]`, "10 to 10, exact true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newCluster(t, webRoute(t, c.rules))
			o, err := cl.router().Observe(t.Context(), webRollout(t), split(0))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d to %d, exact %v", o.Lowest, o.Highest, o.Exact); got != c.want {
				t.Errorf("observed %s, want %s", got, c.want)
			}
			if len(cl.patches) > 0 {
				t.Errorf("observing has written %v", cl.patches)
			}
		})
	}
}

func TestARouteThatCannotBeDividedSaysWhatToDo(t *testing.T) {
	for _, c := range []struct{ name, rules, want string }{
		{"no rules", ` []`, "no rule has the Services stable and canary as backends"},
		{"no canary", `
  - backendRefs: [{name: stable}]`, "add it with weight 0 beside stable"},
		{"no stable", `
  - backendRefs: [{name: canary}]`, "no rule has the stable Service stable as a backend"},
		{"different rules", `
  - backendRefs: [{name: stable}]
  - backendRefs: [{name: canary}]`, "backends of different rules"},
		{"one Service twice", `
  - backendRefs: [{name: stable}, {name: canary, port: 80}, {name: canary, port: 81}]`, "rule 0 lists the Service canary 2 times"},
		{"a weight that is none", `
  - name: main
    backendRefs: [{name: stable}, {name: canary, weight: -1}]`, "rule 0 (main) gives the backend canary the weight -1"},
		{"a rule that is no object", ` [nonsense]`, "spec.rules[0] is not an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newCluster(t, webRoute(t, c.rules))
			_, observing := cl.router().Observe(t.Context(), webRollout(t), split(20))
			applying := cl.router().Apply(t.Context(), webRollout(t), split(20))
			for doing, err := range map[string]error{"observing": observing, "applying": applying} {
				var unusable *trafficrouting.UnusableError
				if !errors.As(err, &unusable) || unusable.Route != "HTTPRoute shop/web" || !strings.Contains(unusable.Problem, c.want) {
					t.Errorf("%s gave %v, want HTTPRoute shop/web: ... %s", doing, err, c.want)
				}
			}
			if len(cl.patches) > 0 {
				t.Errorf("it was written: %v", cl.patches)
			}
		})
	}
}

func TestARouteInAnotherNamespaceNamesTheServicesWithTheirs(t *testing.T) {
	route := webRoute(t, both)
	route.SetNamespace("edge")
	r := rollout(t, `{gatewayAPI: {httpRoute: web, namespace: edge}}`)
	err := newCluster(t, route).router().Apply(t.Context(), r, split(20))
	if err == nil || !strings.Contains(err.Error(), "add both to the rule whose traffic is to be divided and the namespace shop") {
		t.Errorf("without a namespace the Services are those of the namespace edge; got %v", err)
	}
	route = webRoute(t, `
  - backendRefs: [{name: stable, namespace: shop}, {name: canary, namespace: shop}]`)
	route.SetNamespace("edge")
	if err := newCluster(t, route).router().Apply(t.Context(), r, split(20)); err != nil {
		t.Error(err)
	}
}

func TestARouteIsChangedByOnePatchThatTestsWhatItReplaces(t *testing.T) {
	cl := newCluster(t, webRoute(t, `
  - backendRefs: [{name: other, weight: 5}]
  - backendRefs: [{name: stable, port: 80}, {name: third}, {name: canary, port: 80, weight: 10}]
  - backendRefs: [{name: canary, weight: 1}, {name: stable, weight: 9}]`))
	if err := cl.router().Apply(t.Context(), webRollout(t), split(1)); err != nil {
		t.Fatal(err)
	}
	want := []string{`[` + strings.Join([]string{
		`{"op":"test","path":"/metadata/resourceVersion","value":"999"}`,
		`{"op":"test","path":"/spec/rules/1/backendRefs/0/name","value":"stable"}`,
		`{"op":"test","path":"/spec/rules/1/backendRefs/2/name","value":"canary"}`,
		`{"op":"add","path":"/spec/rules/1/backendRefs/0/weight","value":99}`,
		`{"op":"add","path":"/spec/rules/1/backendRefs/2/weight","value":1}`,
		`{"op":"test","path":"/spec/rules/2/backendRefs/1/name","value":"stable"}`,
		`{"op":"add","path":"/spec/rules/2/backendRefs/1/weight","value":99}`,
	}, ",") + `]`}
	if diff := cmp.Diff(want, cl.patches); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMaxTrafficWeightIsTheScale(t *testing.T) {
	r := rollout(t, `{gatewayAPI: {httpRoute: web}, maxTrafficWeight: 1000}`)
	cl := newCluster(t, webRoute(t, both))
	s := split(0)
	s.Stable.Weight, s.Canary.Weight = 995, 5
	if err := cl.router().Apply(t.Context(), r, s); err != nil {
		t.Fatal(err)
	}
	o, err := cl.router().Observe(t.Context(), r, s)
	if err != nil || o.Lowest != 5 || o.Highest != 5 || !o.Exact {
		t.Errorf("observed %+v with error %v", o, err)
	}
}

func TestAScaleThatTheGatewayAPIDoesNotKnowIsRefused(t *testing.T) {
	r := rollout(t, `{gatewayAPI: {httpRoute: web}, maxTrafficWeight: 1000001}`)
	s := split(0)
	s.Stable.Weight = 1000001
	if err := newCluster(t, webRoute(t, both)).router().Apply(t.Context(), r, s); !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), "from 0 to 1000000") {
		t.Errorf("got %v", err)
	}
}

func TestExperimentsTakePartAndLeave(t *testing.T) {
	cl := newCluster(t, webRoute(t, `
  - backendRefs: [{name: stable, port: 80}, {name: canary, port: 8080, filters: [{type: x}]}, {name: third, weight: 3}]`))
	with := func(a, b int32) trafficrouting.Split {
		s := split(20)
		s.Stable.Weight -= a + b
		s.Additional = []trafficrouting.Share{{Service: "a", Weight: a}, {Service: "b", Weight: b}}
		return s
	}
	for _, c := range []struct {
		name string
		s    trafficrouting.Split
		want string
	}{
		{"two begin", with(5, 7), `{"backendRefs":[{"name":"stable","port":80,"weight":68},` +
			`{"filters":[{"type":"x"}],"name":"canary","port":8080,"weight":20},{"name":"third","weight":3},` +
			`{"filters":[{"type":"x"}],"name":"a","port":8080,"weight":5},{"filters":[{"type":"x"}],"name":"b","port":8080,"weight":7}]}`},
		{"one changes and one ends", with(6, 0), `{"backendRefs":[{"name":"stable","port":80,"weight":74},` +
			`{"filters":[{"type":"x"}],"name":"canary","port":8080,"weight":20},{"name":"third","weight":3},` +
			`{"filters":[{"type":"x"}],"name":"a","port":8080,"weight":6}]}`},
		{"the other ends", with(0, 0), `{"backendRefs":[{"name":"stable","port":80,"weight":80},` +
			`{"filters":[{"type":"x"}],"name":"canary","port":8080,"weight":20},{"name":"third","weight":3}]}`},
	} {
		before, err := cl.router().Observe(t.Context(), webRollout(t), c.s)
		if err != nil || before.Exact {
			t.Errorf("%s: observed before %+v with error %v", c.name, before, err)
		}
		if err := cl.router().Apply(t.Context(), webRollout(t), c.s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{c.want}, rules(t, cl.web())); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", c.name, diff)
		}
		o, err := cl.router().Observe(t.Context(), webRollout(t), c.s)
		if err != nil || !o.Exact || o.Lowest != 20 {
			t.Errorf("%s: observed %+v with error %v", c.name, o, err)
		}
	}
}
