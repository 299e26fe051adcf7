package gatewayapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

const detailed = `
  - name: own
    matches: [{path: {type: Exact, value: /own}}]
    backendRefs: [{name: other}]
  - matches: [{path: {type: PathPrefix, value: /a}}, {path: {type: PathPrefix, value: /b}, headers: [{name: K, value: v}]}]
    filters: [{type: ResponseHeaderModifier}]
    timeouts: {request: 5s}
    retry: {attempts: 2}
    sessionPersistence: {type: Cookie}
    backendRefs: [{name: stable, port: 80, weight: 90}, {name: canary, port: 81, weight: 10}]
  - backendRefs: [{name: canary, port: 82, weight: 10}, {name: stable, port: 80, weight: 90}]`

func apply(t *testing.T, cl *cluster, r *v1alpha1.Rollout, s trafficrouting.Split) []string {
	t.Helper()
	if err := cl.router().Apply(t.Context(), r, s); err != nil {
		t.Fatal(err)
	}
	return rules(t, cl.web())
}

func yes(name, headerName string) v1alpha1.SetHeaderRoute {
	return header(name, headerName, v1alpha1.StringMatch{Exact: "yes"})
}

func TestAHeaderRouteCopiesTheRulesThatItRefines(t *testing.T) {
	cl := newCluster(t, webRoute(t, detailed))
	before := rules(t, cl.web())
	s := split(10)
	s.Headers = []v1alpha1.SetHeaderRoute{{Name: "h", Match: []v1alpha1.HeaderRoutingMatch{
		{HeaderName: "A", HeaderValue: &v1alpha1.StringMatch{Prefix: "1.2"}}, {HeaderName: "B", HeaderValue: &v1alpha1.StringMatch{Regex: "x|y"}}}}}
	ours := `{"name":"A","type":"RegularExpression","value":"1\\.2.*"},{"name":"B","type":"RegularExpression","value":"x|y"}]`
	want := append([]string{
		`{"backendRefs":[{"name":"canary","port":81,"weight":1}],"filters":[{"type":"ResponseHeaderModifier"}],` +
			`"matches":[{"headers":[` + ours + `,"path":{"type":"PathPrefix","value":"/a"}},` +
			`{"headers":[{"name":"K","value":"v"},` + ours + `,"path":{"type":"PathPrefix","value":"/b"}}],` +
			`"name":"h","retry":{"attempts":2},"sessionPersistence":{"type":"Cookie"},"timeouts":{"request":"5s"}}`,
		`{"backendRefs":[{"name":"canary","port":82,"weight":1}],"matches":[{"headers":[` + ours + `}],"name":"h-1"}`,
	}, before...)
	if diff := cmp.Diff(want, apply(t, cl, webRollout(t), s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, apply(t, cl, webRollout(t), split(10))); diff != "" {
		t.Errorf("after the removal (-want +got):\n%s", diff)
	}
}

func TestAMirrorDividesAsTheRuleDoesAndCopiesToTheCanary(t *testing.T) {
	cl := newCluster(t, webRoute(t, `
  - matches: [{path: {type: PathPrefix, value: /a}}]
    filters: [{type: ResponseHeaderModifier}]
    backendRefs: [{name: stable, port: 80, weight: 90}, {name: canary, port: 81, weight: 10}]`))
	s := split(30)
	s.Mirrors = []v1alpha1.SetMirrorRoute{{Name: "m", Percentage: ptr.To[int32](5), Match: []v1alpha1.RouteMatch{
		{Method: &v1alpha1.StringMatch{Exact: "GET"}, Path: &v1alpha1.StringMatch{Prefix: "/a/b"}}, {Headers: map[string]v1alpha1.StringMatch{"Z": {Exact: "1"}, "B": {Exact: "2"}}}}}}
	want := `{"backendRefs":[{"name":"stable","port":80,"weight":70},{"name":"canary","port":81,"weight":30}],` +
		`"filters":[{"type":"ResponseHeaderModifier"},{"requestMirror":{"backendRef":{"group":"","kind":"Service","name":"canary","port":81},"percent":5},"type":"RequestMirror"}],` +
		`"matches":[{"method":"GET","path":{"type":"PathPrefix","value":"/a/b"}},` +
		`{"headers":[{"name":"B","type":"Exact","value":"2"},{"name":"Z","type":"Exact","value":"1"}],"path":{"type":"PathPrefix","value":"/a"}}],"name":"m"}`
	if diff := cmp.Diff(want, apply(t, cl, webRollout(t), s)[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	cl.edit(cl.web(), func(rules []any) []any {
		backends(rules[0])[1]["weight"] = int64(99)
		return rules
	})
	o, err := cl.router().Observe(t.Context(), webRollout(t), s)
	if err != nil || o.Highest <= 30 || o.Exact || len(o.Mirrors) != 0 || !cmp.Equal(o.Extra, []string{"m"}) {
		t.Errorf("a mirror with other weights was not noticed: %+v, %v", o, err)
	}
}

// names gives the names of all rules, - for those without.
func names(rules []string) string {
	var found []string
	for _, r := range rules {
		_, tail, named := strings.Cut(r, `"name":"h`)
		_, mirror, mirrored := strings.Cut(r, `"name":"m`)
		switch {
		case mirrored:
			name, _, _ := strings.Cut(mirror, `"`)
			found = append(found, "m"+name)
		case named:
			name, _, _ := strings.Cut(tail, `"`)
			found = append(found, "h"+name)
		default:
			found = append(found, "-")
		}
	}
	return strings.Join(found, " ")
}

func TestManagedRoutesStandInTheOrderOfManagedRoutes(t *testing.T) {
	cl := newCluster(t, webRoute(t, both))
	s := split(20)
	mirror := v1alpha1.SetMirrorRoute{Name: "m", Match: []v1alpha1.RouteMatch{{Headers: map[string]v1alpha1.StringMatch{"C": {Exact: "1"}}}}}
	s.Headers = []v1alpha1.SetHeaderRoute{yes("h2", "A"), yes("h", "B")}
	s.Mirrors = []v1alpha1.SetMirrorRoute{mirror}
	if got := names(apply(t, cl, webRollout(t), s)); got != "h m h2 -" {
		t.Fatalf("rules stand as %s, want h m h2 and then the user's", got)
	}
	for name, change := range map[string]func([]any) []any{
		"swapped":            func(rules []any) []any { rules[0], rules[2] = rules[2], rules[0]; return rules },
		"behind the user's":  func(rules []any) []any { return append(rules[1:], rules[0]) },
		"one removed":        func(rules []any) []any { return rules[1:] },
		"one doubled":        func(rules []any) []any { return append([]any{rules[0]}, rules...) },
		"another in between": func(rules []any) []any { return append([]any{map[string]any{"name": "own"}}, rules...) },
	} {
		cl.edit(cl.web(), change)
		o, err := cl.router().Observe(t.Context(), webRollout(t), s)
		if err != nil || len(o.Headers)+len(o.Mirrors) == 3 {
			t.Errorf("%s: not noticed: %+v, %v", name, o, err)
		}
		if got := strings.TrimSuffix(names(apply(t, cl, webRollout(t), s)), " -"); got != "h m h2 -" && got != "h m h2" {
			t.Errorf("%s: rules stand as %s afterwards", name, got)
		}
		o, err = cl.router().Observe(t.Context(), webRollout(t), s)
		if diff := cmp.Diff([][]string{{"h", "h2"}, {"m"}, nil}, [][]string{o.Headers, o.Mirrors, o.Extra}); err != nil || diff != "" {
			t.Errorf("%s: observed afterwards, with error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestAnAlteredManagedRouteIsChangedWhereItStands(t *testing.T) {
	cl := newCluster(t, webRoute(t, both))
	s := split(20)
	s.Headers = []v1alpha1.SetHeaderRoute{yes("h", "A"), yes("h2", "B")}
	apply(t, cl, webRollout(t), s)
	s.Headers[1] = yes("h2", "C")
	o, err := cl.router().Observe(t.Context(), webRollout(t), s)
	if diff := cmp.Diff([][]string{{"h"}, {"h2"}}, [][]string{o.Headers, o.Extra}); err != nil || diff != "" {
		t.Errorf("observed with error %v (-want +got):\n%s", err, diff)
	}
	apply(t, cl, webRollout(t), s)
	last := cl.patches[len(cl.patches)-1]
	if strings.Count(last, `"op":"replace"`) != 1 || strings.Contains(last, `"op":"remove"`) || !strings.Contains(last, `"path":"/spec/rules/1"`) {
		t.Errorf("the patch is not one replacement of rule 1: %s", last)
	}
}

func TestRulesOfTheUserAreNeverTakenForManagedOnes(t *testing.T) {
	const users = `
  - name: preview
    backendRefs: [{name: canary}]
  - name: h
    backendRefs: [{name: stable, weight: 100}, {name: canary, weight: 0}]
  - name: h-2
    backendRefs: [{name: other}]
  - name: h-01
    backendRefs: [{name: canary}]
  - name: m
    filters: [{type: RequestMirror, requestMirror: {backendRef: {name: other}}}]
    backendRefs: [{name: other}]`
	cl := newCluster(t, webRoute(t, users))
	before := rules(t, cl.web())
	if diff := cmp.Diff(before, apply(t, cl, webRollout(t), split(0))); diff != "" || len(cl.patches) > 0 {
		t.Errorf("%d patches (-want +got):\n%s", len(cl.patches), diff)
	}
	s := split(0)
	s.Headers = []v1alpha1.SetHeaderRoute{yes("h", "A")}
	got := apply(t, cl, webRollout(t), s)
	if diff := cmp.Diff(before, got[1:]); diff != "" || !strings.Contains(got[0], `"name":"h-1"`) {
		t.Errorf("the header route should have taken the free name h-1; rules (-want +got):\n%s\nfirst %s", diff, got[0])
	}
	if diff := cmp.Diff(before, apply(t, cl, webRollout(t), split(0))); diff != "" {
		t.Errorf("after the removal (-want +got):\n%s", diff)
	}
}

func TestHeaderRoutesGoOnlyWhereTheyAreAskedFor(t *testing.T) {
	r := rollout(t, `{gatewayAPI: {httpRoutes: [{name: web, useHeaderRoutes: true}, {name: plain}]}, managedRoutes: [{name: h}]}`)
	cl := newCluster(t, webRoute(t, both), named(t, "plain", both))
	s := split(20)
	s.Headers = []v1alpha1.SetHeaderRoute{yes("h", "A")}
	if got := names(apply(t, cl, r, s)); got != "h -" {
		t.Errorf("the route with useHeaderRoutes has the rules %s", got)
	}
	if got := names(rules(t, cl.read("HTTPRoute", "v1", "shop", "plain"))); got != "-" {
		t.Errorf("the route without useHeaderRoutes has the rules %s", got)
	}
	o, err := cl.router().Observe(t.Context(), r, s)
	if err != nil || !cmp.Equal(o.Headers, []string{"h"}) {
		t.Errorf("observed %+v with error %v", o, err)
	}
	r = rollout(t, `{gatewayAPI: {httpRoutes: [{name: web}, {name: plain}]}, managedRoutes: [{name: h}]}`)
	if o, err := cl.router().Observe(t.Context(), r, split(20)); err != nil || !cmp.Equal(o.Extra, []string{"h"}) {
		t.Errorf("a route that takes them no longer still has one, but observed is %+v with error %v", o, err)
	}
	if got := names(apply(t, cl, r, split(20))); got != "-" {
		t.Errorf("a route that takes them no longer has the rules %s", got)
	}
}

func TestAManagedRouteThatCannotBeSaysWhy(t *testing.T) {
	many := strings.Repeat(`
  - backendRefs: [{name: stable}, {name: canary}]`, 9)
	wide := `
  - matches: [` + strings.Repeat(`{path: {value: /x}},`, 64) + `]
    backendRefs: [{name: stable}, {name: canary}]
  - matches: [{path: {value: /y}}]
    backendRefs: [{name: other}]`
	path := func(m v1alpha1.RouteMatch) trafficrouting.Split {
		s := split(20)
		s.Mirrors = []v1alpha1.SetMirrorRoute{{Name: "m", Match: []v1alpha1.RouteMatch{m}}}
		return s
	}
	headers := func(h ...v1alpha1.SetHeaderRoute) trafficrouting.Split {
		s := split(20)
		s.Headers = h
		return s
	}
	twoHeaders := yes("h", "A")
	for i := range 17 {
		twoHeaders.Match = append(twoHeaders.Match, yes("h", fmt.Sprintf("A%d", i)).Match...)
	}
	percent := path(v1alpha1.RouteMatch{})
	percent.Mirrors[0].Percentage = ptr.To[int32](101)
	selected := `{gatewayAPI: {httpRoutes: [{name: web}]}, managedRoutes: [{name: h}]}`
	unnamed := `{gatewayAPI: {httpRoute: web}}`
	invalid := `{gatewayAPI: {httpRoute: web}, managedRoutes: [{name: Not_a_Name}]}`
	for _, c := range []struct {
		name, routing, rules string
		s                    trafficrouting.Split
		want                 string
	}{
		{"too many rules", "", many, headers(yes("h", "A")), "18 rules, and a route may have 16"},
		{"too many matches of a route", "", wide, headers(yes("h", "A")), "129 matches, and a route may have 128"},
		{"too many matches of a rule", "", wide, func() trafficrouting.Split {
			s := path(v1alpha1.RouteMatch{})
			s.Mirrors[0].Match = append(s.Mirrors[0].Match, v1alpha1.RouteMatch{Method: &v1alpha1.StringMatch{Exact: "GET"}})
			return s
		}(), "128 matches, and a rule may have 64"},
		{"too many headers", "", both, headers(twoHeaders), "18 headers at once, and a match may have 16"},
		{"no comparison", "", both, headers(header("h", "A", v1alpha1.StringMatch{})), "header A: set exactly one of exact, prefix and regex"},
		{"two comparisons", "", both, headers(header("h", "A", v1alpha1.StringMatch{Exact: "a", Regex: "b"})), "set exactly one"},
		{"a header that the rule compares otherwise", "", `
  - matches: [{headers: [{name: a, type: RegularExpression, value: x}]}]
    backendRefs: [{name: stable}, {name: canary}]`, headers(yes("h", "A")), "the header A is matched already"},
		{"headers that exclude the rule", "", `
  - matches: [{headers: [{name: a, value: x}]}]
    backendRefs: [{name: stable}, {name: canary}]`, headers(yes("h", "A")), "matches no request"},
		{"a name that is not declared", unnamed, both, headers(yes("h", "A")), `the route "h" is not in managedRoutes`},
		{"a name that is none", invalid, both, headers(yes("Not_a_Name", "A")), `"Not_a_Name" cannot name rule 0`},
		{"the same name twice", "", both, headers(yes("h", "A"), yes("h", "B")), `"h" is asked for twice`},
		{"no route that takes it", selected, both, headers(yes("h", "A")), "set useHeaderRoutes"},
		{"a mirror above 100 percent", "", both, percent, "a mirror of 101%"},
		{"a mirror by part of the method", "", both, path(v1alpha1.RouteMatch{Method: &v1alpha1.StringMatch{Prefix: "G"}}), "use exact"},
		{"a narrower path on a rule that rewrites its prefix", "", `
  - matches: [{path: {type: PathPrefix, value: /a}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
    backendRefs: [{name: stable}, {name: canary}]`, path(v1alpha1.RouteMatch{Path: &v1alpha1.StringMatch{Prefix: "/a/b"}}), "replaces the path prefix"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newCluster(t, webRoute(t, c.rules))
			r := webRollout(t)
			if c.routing != "" {
				r = rollout(t, c.routing)
			}
			o, observing := cl.router().Observe(t.Context(), r, c.s)
			if len(o.Headers)+len(o.Mirrors) > 0 {
				t.Errorf("it is observed as held: %+v", o)
			}
			applying := cl.router().Apply(t.Context(), r, c.s)
			for doing, err := range map[string]error{"observing": observing, "applying": applying} {
				if !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s gave %v, want ... %s", doing, err, c.want)
				}
			}
			if got := names(rules(t, cl.web())); strings.ContainsAny(got, "hm") {
				t.Errorf("the route has the rules %s", got)
			}
		})
	}
}

func TestAGRPCRouteMirrorsByHeaderOnly(t *testing.T) {
	r := rollout(t, `{gatewayAPI: {grpcRoute: web}, managedRoutes: [{name: m}]}`)
	s := split(20)
	s.Mirrors = []v1alpha1.SetMirrorRoute{{Name: "m", Match: []v1alpha1.RouteMatch{{Path: &v1alpha1.StringMatch{Prefix: "/"}}}}}
	if err := newCluster(t, object(t, contractGRPC)).router().Apply(t.Context(), r, s); !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), "match the mirror by header") {
		t.Errorf("got %v", err)
	}
}

func TestAStepWithoutMatchRemovesItsRouteAlone(t *testing.T) {
	cl := newCluster(t, webRoute(t, both))
	s := split(20)
	s.Headers = []v1alpha1.SetHeaderRoute{yes("h", "A"), yes("h2", "B")}
	apply(t, cl, webRollout(t), s)
	s.Headers[0].Match = nil
	if got := names(apply(t, cl, webRollout(t), s)); got != "h2 -" {
		t.Errorf("rules stand as %s, want h2 and the user's", got)
	}
}

func TestAHeaderRouteThatOnlySomeRoutesHoldIsNotInPlace(t *testing.T) {
	r := rollout(t, `{gatewayAPI: {httpRoutes: [{name: web, useHeaderRoutes: true}, {name: second, useHeaderRoutes: true}, {name: plain}]}, managedRoutes: [{name: h}]}`)
	cl := newCluster(t, webRoute(t, both), named(t, "second", both), named(t, "plain", both))
	s := split(20)
	s.Headers = []v1alpha1.SetHeaderRoute{yes("h", "A")}
	apply(t, cl, r, s)
	cl.edit(cl.read("HTTPRoute", "v1", "shop", "second"), func(rules []any) []any { return rules[1:] })
	o, err := cl.router().Observe(t.Context(), r, s)
	if err != nil || len(o.Headers) != 0 || !cmp.Equal(o.Extra, []string{"h"}) {
		t.Errorf("observed %+v with error %v, want h among the extra ones, because it leads to the canary in one route", o, err)
	}
}
