package gatewayapi_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// anyJSON draws something that a newer Gateway API or another controller might have written.
func anyJSON(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.Float64Range(-1e6, 1e6), func(f float64) any { return f + 0.25 }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(anyJSON(depth-1), 0, 3), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z~/"\x{1F600}]{1,6}`), anyJSON(depth-1), 0, 3), func(m map[string]any) any { return m }))
}

// drawRule draws a rule of a user. divides says whether it has both Services.
func drawRule(t *rapid.T, i int, divides bool) map[string]any {
	rule := map[string]any{"ofTheFuture": anyJSON(2).Draw(t, "future")}
	if rapid.Bool().Draw(t, "named") {
		rule["name"] = rapid.SampledFrom([]string{"h-7", "h-", "h-01", "mine", "x-1"}).Draw(t, "name") + fmt.Sprint("-r", i)
	}
	if rapid.Bool().Draw(t, "matches") {
		rule["matches"] = []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": fmt.Sprintf("/%d", i)}, "more": anyJSON(1).Draw(t, "more")}}
	}
	if rapid.Bool().Draw(t, "filters") {
		rule["filters"] = []any{map[string]any{"type": "ExtensionRef", "extensionRef": anyJSON(1).Draw(t, "extension")}}
	}
	services := []string{"other", "third"}
	if divides {
		services = append(services, "stable", "canary")
	} else {
		services = append(services, rapid.SampledFrom([]string{"stable", "canary", "fourth"}).Draw(t, "single"))
	}
	var refs []any
	for _, service := range rapid.Permutation(services).Draw(t, "services") {
		ref := map[string]any{"name": service, "port": int64(80), "extra": anyJSON(1).Draw(t, "extra")}
		if rapid.Bool().Draw(t, "weighted") {
			ref["weight"] = rapid.Int64Range(0, 1000000).Draw(t, "weight")
		}
		refs = append(refs, ref)
	}
	rule["backendRefs"] = refs
	return rule
}

// withoutWeights is a rule of the user without the two weights that the router owns.
func withoutWeights(rule any, divides bool) any {
	body := runtime.DeepCopyJSON(rule.(map[string]any))
	for _, ref := range backends(body) {
		if divides && (ref["name"] == "stable" || ref["name"] == "canary") {
			delete(ref, "weight")
		}
	}
	return body
}

func drawSplit(t *rapid.T) trafficrouting.Split {
	s := split(rapid.Int32Range(0, 100).Draw(t, "canary"))
	for _, name := range []string{"h", "h2"} {
		if rapid.Bool().Draw(t, name) {
			value := rapid.SampledFrom([]v1alpha1.StringMatch{{Exact: "1"}, {Prefix: "a.b"}, {Regex: ".*"}}).Draw(t, "value")
			s.Headers = append(s.Headers, header(name, "X-"+name, value))
		}
	}
	if rapid.Bool().Draw(t, "mirror") {
		s.Mirrors = []v1alpha1.SetMirrorRoute{{Name: "m", Percentage: ptr.To(rapid.Int32Range(0, 100).Draw(t, "percent")),
			Match: []v1alpha1.RouteMatch{{Headers: map[string]v1alpha1.StringMatch{"X-Mirror": {Exact: "1"}}}}}}
	}
	return s
}

// I13: whatever a route holds besides, it still holds after any sequence of splits, byte by byte; and each split is held exactly.
func TestWhatTheRouterDoesNotOwnStaysAsItIs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		divides := rapid.SliceOfN(rapid.Bool(), 0, 4).Draw(rt, "divides")
		divides = append(divides, true)
		if n := len(divides); n > 2 {
			divides[0], divides[1] = divides[1], false // at most four divide, so that three managed routes fit into sixteen rules
		}
		var users []any
		bases := 0
		for i, d := range divides {
			users = append(users, drawRule(rt, i, d))
			if d {
				bases++
			}
		}
		if bases > 3 {
			rt.Skip("more managed rules than a route may have")
		}
		route := webRoute(t, " []")
		route.Object["spec"].(map[string]any)["rules"] = users
		route.Object["spec"].(map[string]any)["newer"] = anyJSON(2).Draw(rt, "newer")
		cl := newCluster(t, route)
		before := cl.web()
		for range rapid.IntRange(1, 4).Draw(rt, "splits") {
			s := drawSplit(rt)
			if err := cl.router().Apply(t.Context(), webRollout(t), s); err != nil {
				rt.Fatal(err)
			}
			after := cl.web()
			managed := bases * (len(s.Headers) + len(s.Mirrors))
			got := after.Object["spec"].(map[string]any)["rules"].([]any)
			if len(got) != managed+len(users) {
				rt.Fatalf("%d rules, want %d managed ones and %d of the user", len(got), managed, len(users))
			}
			for i, was := range before.Object["spec"].(map[string]any)["rules"].([]any) {
				want, is := encode(t, withoutWeights(was, divides[i])), encode(t, withoutWeights(got[managed+i], divides[i]))
				if want != is {
					rt.Fatalf("rule %d (-want +got):\n%s", i, cmp.Diff(want, is))
				}
			}
			if want, is := rest(t, before), rest(t, after); want != is {
				rt.Fatalf("outside of the rules (-want +got):\n%s", cmp.Diff(want, is))
			}
			o, err := cl.router().Observe(t.Context(), webRollout(t), s)
			if err != nil || !o.Exact || o.Lowest != s.Canary.Weight || len(o.Headers) != len(s.Headers) || len(o.Mirrors) != len(s.Mirrors) || len(o.Extra) > 0 {
				rt.Fatalf("applied %+v, observed %+v with error %v", s, o, err)
			}
		}
	})
}

// rest is a route without its rules.
func rest(t *testing.T, o *unstructured.Unstructured) string {
	o = o.DeepCopy()
	o.SetResourceVersion("")
	unstructured.RemoveNestedField(o.Object, "spec", "rules")
	return encode(t, o.Object)
}

// I12: whatever weights a route holds, the canary is between 0 and the maximum; whatever weights are asked for,
// the route holds exactly them, or they are none and nothing is written.
func TestWeightsOfTheWholeRangeAreHeldOrRefused(t *testing.T) {
	const highest = 1000000
	rapid.Check(t, func(rt *rapid.T) {
		weight := rapid.OneOf(rapid.Int32(), rapid.Int32Range(-1, 101))
		stableNow, canaryNow := weight.Draw(rt, "stable now"), weight.Draw(rt, "canary now")
		total, canary, stable := weight.Draw(rt, "total"), weight.Draw(rt, "canary"), weight.Draw(rt, "stable")
		if rapid.Bool().Draw(rt, "fits") {
			stableNow, canaryNow = rapid.Int32Range(0, highest).Draw(rt, "stable now"), rapid.Int32Range(0, highest).Draw(rt, "canary now")
			total = rapid.Int32Range(1, highest).Draw(rt, "total")
			canary = rapid.Int32Range(0, total).Draw(rt, "canary")
			stable = total - canary
		}
		possible := min(stableNow, canaryNow, stable, canary) >= 0 && max(stableNow, canaryNow, total) <= highest &&
			total > 0 && int64(stable)+int64(canary) == int64(total)
		cl := newCluster(t, webRoute(t, fmt.Sprintf(`
  - backendRefs: [{name: stable, weight: %d}, {name: canary, weight: %d}]`, stableNow, canaryNow)))
		r := webRollout(t)
		r.Spec.Strategy.Canary.TrafficRouting.MaxTrafficWeight = &total
		s := split(0)
		s.Canary.Weight, s.Stable.Weight = canary, stable

		o, err := cl.router().Observe(t.Context(), r, s)
		if err == nil && (o.Lowest < 0 || o.Lowest > o.Highest || o.Highest > total) {
			rt.Fatalf("observed %+v of %d", o, total)
		}
		err = cl.router().Apply(t.Context(), r, s)
		if (err == nil) != possible {
			rt.Fatalf("applying %+v of %d over %d and %d gave %v", s, total, stableNow, canaryNow, err)
		}
		if err != nil {
			if len(cl.patches) > 0 {
				rt.Fatalf("refused with %v, but written: %v", err, cl.patches)
			}
			return
		}
		o, err = cl.router().Observe(t.Context(), r, s)
		refs := backends(cl.web().Object["spec"].(map[string]any)["rules"].([]any)[0])
		if err != nil || !o.Exact || o.Lowest != canary || refs[0]["weight"] != int64(stable) || refs[1]["weight"] != int64(canary) {
			rt.Fatalf("asked for %+v of %d, observed %+v with error %v in %v", s, total, o, err, refs)
		}
	})
}
