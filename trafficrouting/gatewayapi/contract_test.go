package gatewayapi_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting/routertest"
)

const contractHTTP = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: web
  namespace: shop
  labels: {team: shop}
  annotations: {note: "keep <me>"}
spec:
  hostnames: [shop.example.com]
  parentRefs: [{name: public, sectionName: https}]
  aFieldOfTheFuture: {list: [1, 2.5, null, "x"]}
  rules:
  - name: teapot
    matches: [{path: {type: Exact, value: /teapot}}]
    backendRefs: [{name: teapot, port: 80, weight: 7}]
  - matches: [{path: {type: PathPrefix, value: /}}]
    filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-shop, value: "1"}]}}]
    timeouts: {request: 5s}
    alsoOfTheFuture: true
    backendRefs:
    - {name: stable, port: 80, weight: 100}
    - {name: third, port: 81, weight: 3}
    - {name: canary, port: 80, weight: 0, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [x-a]}}]}
  - name: preview
    matches: [{headers: [{name: preview, value: "1"}]}]
    backendRefs: [{name: canary, port: 80}]
`

const contractGRPC = `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: web, namespace: shop, labels: {team: shop}}
spec:
  parentRefs: [{name: public}]
  rules:
  - matches: [{method: {service: shop.Cart}}]
    sessionPersistence: {sessionName: cart}
    backendRefs: [{name: canary, port: 90, weight: 5}, {name: stable, port: 90, weight: 95}]
  - matches: [{method: {service: shop.Other}}]
    backendRefs: [{name: other, port: 90}]
`

const contractTCP = `
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: public, port: 5432}]
  rules:
  - backendRefs: [{name: stable, port: 5432}, {name: canary, port: 5432}, {name: third, port: 5432, weight: 9}]
`

const contractTLS = `
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: public}]
  hostnames: [shop.example.com]
  rules:
  - backendRefs: [{name: stable, port: 443}, {name: canary, port: 443}]
`

func TestRouterKeepsTheContract(t *testing.T) {
	for _, c := range []struct {
		name, manifest, routing string
		managed                 bool
	}{
		{"an HTTPRoute named by the field", contractHTTP, `{gatewayAPI: {httpRoute: web}, managedRoutes: [{name: h}, {name: m}]}`, true},
		{"an HTTPRoute named by the plugin", contractHTTP,
			`{plugins: {argoproj-labs/gatewayAPI: {httpRoutes: [{name: web, useHeaderRoutes: true}]}}, managedRoutes: [{name: h}, {name: m}]}`, true},
		{"an HTTPRoute selected by its label", contractHTTP, `{gatewayAPI: {httpRouteSelector: {matchLabels: {team: shop}}}}`, false},
		{"a GRPCRoute", contractGRPC, `{gatewayAPI: {grpcRoute: web}, managedRoutes: [{name: h}, {name: m}]}`, true},
		{"a TCPRoute of an older version", contractTCP, `{gatewayAPI: {tcpRoute: web}}`, false},
		{"a TLSRoute", contractTLS, `{gatewayAPI: {tlsRoutes: [{name: web}]}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			routertest.Contract(t, func(t *testing.T) routertest.World { return world(t, c.manifest, rollout(t, c.routing), c.managed) })
		})
	}
}

func world(t *testing.T, manifest string, r *v1alpha1.Rollout, managed bool) routertest.World {
	first := object(t, manifest)
	c := newCluster(t, first)
	stored := func() *unstructured.Unstructured {
		return c.read(first.GetKind(), first.GroupVersionKind().Version, "shop", "web")
	}
	w := routertest.World{
		Router: c.router(), Rollout: r, Stable: "stable", Canary: "canary",
		Writes:  func() int { return len(c.patches) },
		Foreign: func() string { return foreign(t, stored()) },
		EditWeights: func() {
			c.edit(stored(), func(rules []any) []any {
				for _, ref := range backends(rules[dividing(rules)]) {
					ref["weight"] = int64(50)
				}
				return rules
			})
		},
		EditForeign: func() {
			c.edit(stored(), func(rules []any) []any {
				last := rules[len(rules)-1].(map[string]any)
				last["backendRefs"] = append([]any{map[string]any{"name": "newcomer", "port": int64(1)}}, last["backendRefs"].([]any)...)
				return rules
			})
		},
		BeforeWrite: func(do func()) { c.beforeWrite = do },
		Remove: func() {
			if err := c.Delete(t.Context(), stored()); client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
		},
	}
	if managed {
		w.Header = ptr.To(header("h", "X-Canary", v1alpha1.StringMatch{Prefix: "a.b"}))
		w.Mirror = &v1alpha1.SetMirrorRoute{Name: "m", Percentage: ptr.To[int32](20),
			Match: []v1alpha1.RouteMatch{{Headers: map[string]v1alpha1.StringMatch{"X-Copy": {Exact: "yes"}}}}}
		w.EditManaged = func() {
			c.edit(stored(), func(rules []any) []any {
				rules[1].(map[string]any)["filters"] = []any{map[string]any{"type": "RequestMirror", "requestMirror": map[string]any{
					"backendRef": map[string]any{"name": "canary", "port": int64(80)}}}}
				return rules[1:]
			})
		}
	}
	return w
}

// dividing finds the rule of the user that has both Services.
func dividing(rules []any) int {
	for i, r := range rules {
		if name, _ := r.(map[string]any)["name"].(string); name == "h" || name == "m" {
			continue
		}
		names := map[any]bool{}
		for _, ref := range backends(r) {
			names[ref["name"]] = true
		}
		if names["stable"] && names["canary"] {
			return i
		}
	}
	return -1
}

func backends(rule any) []map[string]any {
	var refs []map[string]any
	list, _ := rule.(map[string]any)["backendRefs"].([]any)
	for _, ref := range list {
		refs = append(refs, ref.(map[string]any))
	}
	return refs
}

// foreign is a route without what the router owns: the two weights in the rule with both Services, and the rules h and m.
func foreign(t *testing.T, o *unstructured.Unstructured) string {
	t.Helper()
	o = o.DeepCopy()
	o.SetResourceVersion("")
	list, _, err := unstructured.NestedSlice(o.Object, "spec", "rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range backends(list[dividing(list)]) {
		if ref["name"] == "stable" || ref["name"] == "canary" {
			delete(ref, "weight")
		}
	}
	var kept []any
	for _, r := range list {
		if name := r.(map[string]any)["name"]; name != "h" && name != "m" {
			kept = append(kept, r)
		}
	}
	if err := unstructured.SetNestedSlice(o.Object, kept, "spec", "rules"); err != nil {
		t.Fatal(err)
	}
	return encode(t, o.Object)
}
