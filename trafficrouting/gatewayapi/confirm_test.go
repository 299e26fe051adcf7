package gatewayapi_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/trafficrouting"
)

func TestAGatewayConfirmsWhatItHasTakenOver(t *testing.T) {
	good := func(generation string) string {
		return `[{type: Accepted, status: "True", observedGeneration: ` + generation + `}, {type: ResolvedRefs, status: "True", observedGeneration: ` + generation + `}]`
	}
	for _, c := range []struct {
		name, parentRefs, parents string
		want                      trafficrouting.Confirmation
		message                   string
	}{
		{"no parent reports", "[{name: public}]", `[]`, trafficrouting.Unreported, ""},
		{"the parent has taken it over", "[{name: public}]", `[{parentRef: {name: public}, conditions: ` + good("4") + `}]`, trafficrouting.Confirmed, ""},
		{"the defaults are written out", "[{name: public}]",
			`[{parentRef: {name: public, group: gateway.networking.k8s.io, kind: Gateway, namespace: shop}, conditions: ` + good("4") + `}]`, trafficrouting.Confirmed, ""},
		{"the parent is still at an older generation", "[{name: public}]", `[{parentRef: {name: public}, conditions: ` + good("3") + `}]`,
			trafficrouting.Pending, "HTTPRoute shop/web: Gateway shop/public reports Accepted for generation 3 of the route and not yet for 4"},
		{"a condition is missing", "[{name: public}]", `[{parentRef: {name: public}, conditions: [{type: Accepted, status: "True", observedGeneration: 4}]}]`,
			trafficrouting.Pending, "Gateway shop/public has not reported ResolvedRefs yet"},
		{"no condition at all", "[{name: public}]", `[{parentRef: {name: public}}]`, trafficrouting.Pending, "has not reported Accepted yet"},
		{"a backend is not found", "[{name: public, sectionName: https}]",
			`[{parentRef: {name: public, sectionName: https}, conditions: [{type: Accepted, status: "True", observedGeneration: 4},
			{type: ResolvedRefs, status: "False", observedGeneration: 4, reason: BackendNotFound, message: no Service canary}]}]`,
			trafficrouting.Pending, "Gateway shop/public (section https) reports ResolvedRefs=False (BackendNotFound): no Service canary"},
		{"only a part of the rules is served", "[{name: public}]",
			`[{parentRef: {name: public}, conditions: [{type: PartiallyInvalid, status: "True", observedGeneration: 4, reason: UnsupportedValue, message: rule 0 dropped}, ` + strings.TrimPrefix(good("4"), "[") + `}]`,
			trafficrouting.Pending, "serves only a part of the rules (UnsupportedValue): rule 0 dropped"},
		{"one of two parents lags", "[{name: public}, {name: inner, namespace: mesh}]",
			`[{parentRef: {name: public}, conditions: ` + good("4") + `}, {parentRef: {name: inner, namespace: mesh}, conditions: ` + good("3") + `}]`,
			trafficrouting.Pending, "Gateway mesh/inner reports Accepted for generation 3"},
		{"a parent that nobody speaks for does not count", "[{name: public}, {name: nobody}]", `[{parentRef: {name: public}, conditions: ` + good("4") + `}]`,
			trafficrouting.Confirmed, ""},
		{"a report for a parent of the past does not count", "[{name: public}]",
			`[{parentRef: {name: public}, conditions: ` + good("4") + `}, {parentRef: {name: past}, conditions: ` + good("1") + `}]`, trafficrouting.Confirmed, ""},
		{"a report for another section does not count", "[{name: public, sectionName: https}]", `[{parentRef: {name: public, sectionName: http}, conditions: ` + good("1") + `}]`,
			trafficrouting.Unreported, ""},
		{"a second controller refuses", "[{name: public}]",
			`[{parentRef: {name: public}, controllerName: a/b, conditions: ` + good("4") + `}, {parentRef: {name: public}, controllerName: c/d, conditions: ` + good("3") + `}]`,
			trafficrouting.Pending, "generation 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			route := webRoute(t, both)
			route.SetGeneration(4)
			var refs, parents []any
			if err := yaml.Unmarshal([]byte(c.parentRefs), &refs); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal([]byte(strings.ReplaceAll(c.parents, "\n", " ")), &parents); err != nil {
				t.Fatal(err)
			}
			route.Object["spec"].(map[string]any)["parentRefs"] = refs
			route.Object["status"] = map[string]any{"parents": parents}
			route = object(t, encode(t, route.Object)) // numbers as a server sends them
			o, err := newCluster(t, route).router().Observe(t.Context(), webRollout(t), split(0))
			if err != nil {
				t.Fatal(err)
			}
			if o.Confirmation != c.want || !strings.Contains(o.Message, c.message) || (c.message == "") != (o.Message == "") {
				t.Errorf("got %s %q, want %s %q", o.Confirmation, o.Message, c.want, c.message)
			}
		})
	}
}

func TestAStatusThatCannotBeReadIsAnError(t *testing.T) {
	route := webRoute(t, both)
	route.Object["status"] = map[string]any{"parents": "none"}
	_, err := newCluster(t, route).router().Observe(t.Context(), webRollout(t), split(0))
	if !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), "their status cannot be read") {
		t.Errorf("got %v", err)
	}
}
