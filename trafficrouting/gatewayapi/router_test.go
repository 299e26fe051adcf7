package gatewayapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
	"github.com/sluice-delivery/sluice/trafficrouting/gatewayapi"
)

func named(t *testing.T, name, rules string) *unstructured.Unstructured {
	t.Helper()
	o := webRoute(t, rules)
	o.SetName(name)
	return o
}

func TestARouteThatFailsKeepsNoOtherFromBeingWritten(t *testing.T) {
	r := rollout(t, `{gatewayAPI: {httpRoutes: [{name: absent}, {name: broken}, {name: fine}]}}`)
	cl := newCluster(t, named(t, "fine", both), named(t, "broken", `
  - backendRefs: [{name: stable}]`))
	err := cl.router().Apply(t.Context(), r, split(20))
	for _, part := range []string{"HTTPRoute shop/absent: it does not exist", "HTTPRoute shop/broken: no rule has the canary Service"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error %v does not say %q", err, part)
		}
	}
	o, err := cl.router().Observe(t.Context(), r, split(20))
	if o.Lowest != 20 || o.Highest != 20 || !trafficrouting.IsUnusable(err) {
		t.Errorf("observed %+v with error %v, want what the usable route holds", o, err)
	}
}

func TestNothingIsClaimedWhenNoRouteCanBeObserved(t *testing.T) {
	o, err := newCluster(t).router().Observe(t.Context(), webRollout(t), split(20))
	if diff := cmp.Diff(trafficrouting.Observed{}, o); diff != "" || !trafficrouting.IsUnusable(err) {
		t.Errorf("with error %v (-want +got):\n%s", err, diff)
	}
}

func TestRoutesOfEveryKindHoldTheSameSplit(t *testing.T) {
	r := rollout(t, `{gatewayAPI: {httpRoute: web, grpcRoute: web, tcpRoute: web, tlsRoute: web}}`)
	cl := newCluster(t, object(t, contractHTTP), object(t, contractGRPC), object(t, contractTCP), object(t, contractTLS))
	if err := cl.router().Apply(t.Context(), r, split(20)); err != nil {
		t.Fatal(err)
	}
	o, err := cl.router().Observe(t.Context(), r, split(20))
	if err != nil || o.Lowest != 20 || o.Highest != 20 || !o.Exact || len(cl.patches) != 4 {
		t.Errorf("observed %+v after %d patches with error %v", o, len(cl.patches), err)
	}
}

func TestARouteThatIsNamedTwiceIsWrittenOnce(t *testing.T) {
	route := webRoute(t, both)
	route.SetLabels(map[string]string{"team": "shop"})
	cl := newCluster(t, route)
	r := rollout(t, `{gatewayAPI: {httpRoutes: [{name: web}, {name: web, useHeaderRoutes: true}], httpRouteSelector: {matchLabels: {team: shop}}}, managedRoutes: [{name: h}]}`)
	s := split(20)
	s.Headers = []v1alpha1.SetHeaderRoute{header("h", "X", v1alpha1.StringMatch{Exact: "1"})}
	if err := cl.router().Apply(t.Context(), r, s); err != nil {
		t.Fatal(err)
	}
	if n := len(rules(t, cl.web())); len(cl.patches) != 1 || n != 2 {
		t.Errorf("%d patches left %d rules, want one patch and the header route", len(cl.patches), n)
	}
}

func TestASelectorTakesOnlyWhatItSelects(t *testing.T) {
	chosen, other := named(t, "chosen", both), named(t, "other", both)
	chosen.SetLabels(map[string]string{"team": "shop"})
	cl := newCluster(t, chosen, other)
	r := rollout(t, `{gatewayAPI: {httpRouteSelector: {matchExpressions: [{key: team, operator: In, values: [shop, bar]}]}}}`)
	if err := cl.router().Apply(t.Context(), r, split(20)); err != nil {
		t.Fatal(err)
	}
	if got := rules(t, cl.read("HTTPRoute", "v1", "shop", "other")); !strings.Contains(got[0], `"weight":100`) {
		t.Errorf("a route that is not selected was changed: %v", got)
	}
	if got := rules(t, cl.read("HTTPRoute", "v1", "shop", "chosen")); !strings.Contains(got[0], `"weight":20`) {
		t.Errorf("the selected route was not changed: %v", got)
	}
	r = rollout(t, `{gatewayAPI: {httpRouteSelector: {matchLabels: {team: nobody}}}}`)
	if err := cl.router().Apply(t.Context(), r, split(20)); !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), "team=nobody: there are none") {
		t.Errorf("a selector without routes gave %v", err)
	}
}

func TestAWrongConfigurationIsAnErrorOfTheRollout(t *testing.T) {
	cl := newCluster(t, webRoute(t, both))
	for name, r := range map[string]*v1alpha1.Rollout{
		"an unknown key": rollout(t, `{plugins: {argoproj-labs/gatewayAPI: {httpRoutez: web}}}`),
		"no route":       rollout(t, `{plugins: {argoproj-labs/gatewayAPI: {}}}`),
	} {
		if !cl.router().Handles(r) {
			t.Errorf("%s: the router does not feel concerned, so nobody would report the error", name)
		}
		_, observing := cl.router().Observe(t.Context(), r, split(20))
		applying := cl.router().Apply(t.Context(), r, split(20))
		for doing, err := range map[string]error{"observing": observing, "applying": applying} {
			if !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), "Rollout shop/web: spec.strategy.canary.trafficRouting.plugins") {
				t.Errorf("%s: %s gave %v", name, doing, err)
			}
		}
	}
}

func TestAConcurrentChangeIsTriedAgainOnlyAFewTimes(t *testing.T) {
	cl := newCluster(t, webRoute(t, both))
	var disturb func()
	disturb = func() { // somebody else is always faster
		cl.edit(cl.web(), func(rules []any) []any { return append(rules, map[string]any{"name": "one-more"}) })
		cl.beforeWrite = disturb
	}
	cl.beforeWrite = disturb
	if err := cl.router().Apply(t.Context(), webRollout(t), split(20)); !apierrors.IsConflict(err) {
		t.Errorf("got %v, want a conflict", err)
	}
	if len(cl.patches) != 3 {
		t.Errorf("%d attempts, want 3", len(cl.patches))
	}
}

func TestAStaleCacheEndsTheAttempts(t *testing.T) {
	cl := newCluster(t, webRoute(t, both))
	cl.refuse = func(client.Object, *client.PatchOptions) error {
		return apierrors.NewGenericServerResponse(422, "", schema.GroupResource{}, "", "the test of an operation failed", 0, false)
	}
	if err := cl.router().Apply(t.Context(), webRollout(t), split(20)); !apierrors.IsConflict(err) {
		t.Errorf("got %v, want a conflict", err)
	}
	if len(cl.patches) != 1 {
		t.Errorf("%d attempts on the same stale route, want 1", len(cl.patches))
	}
}

func TestWhatTheServerFindsInvalidIsTold(t *testing.T) {
	cl := newCluster(t, webRoute(t, both))
	cl.refuse = func(o client.Object, _ *client.PatchOptions) error {
		return apierrors.NewInvalid(schema.GroupKind{Group: group, Kind: "HTTPRoute"}, o.GetName(), field.ErrorList{
			field.Invalid(field.NewPath("spec", "rules"), nil, "no more than 3 rules here")})
	}
	err := cl.router().Apply(t.Context(), webRollout(t), split(20))
	if !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), "no more than 3 rules here") || len(cl.patches) != 1 {
		t.Errorf("got %v after %d attempts", err, len(cl.patches))
	}
}

func TestAServerThatDoesNotKnowRuleNamesRefusesManagedRoutesButNotWeights(t *testing.T) {
	cl := newCluster(t, webRoute(t, both))
	cl.refuse = func(_ client.Object, options *client.PatchOptions) error {
		if options.FieldValidation != metav1.FieldValidationStrict {
			return nil
		}
		return apierrors.NewInvalid(schema.GroupKind{}, "", field.ErrorList{field.Invalid(field.NewPath("patch"), strings.Repeat("the whole route ", 1000),
			runtime.NewStrictDecodingError([]error{errors.New(`unknown field "spec.rules[0].name"`)}).Error())})
	}
	if err := cl.router().Apply(t.Context(), webRollout(t), split(20)); err != nil {
		t.Fatalf("weights alone: %v", err)
	}
	s := split(20)
	s.Headers = []v1alpha1.SetHeaderRoute{header("h", "X", v1alpha1.StringMatch{Exact: "1"})}
	err := cl.router().Apply(t.Context(), webRollout(t), s)
	if !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), `refuses the change: unknown field "spec.rules[0].name"; managed routes need`) {
		t.Errorf("got %v", err)
	}
}

func TestAClusterWithoutUsableRoutesSaysSo(t *testing.T) {
	old := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: group, Version: "v1beta1"}})
	old.Add(schema.GroupVersionKind{Group: group, Version: "v1beta1", Kind: "HTTPRoute"}, meta.RESTScopeNamespace)
	for _, c := range []struct {
		name   string
		mapper meta.RESTMapper
		want   string
	}{
		{"no Gateway API", meta.NewDefaultRESTMapper(nil), "install the custom resource definitions of the Gateway API"},
		{"an old Gateway API", old, "the cluster serves it as v1beta1"},
	} {
		router := gatewayapi.Router{Client: fake.NewClientBuilder().WithScheme(runtime.NewScheme()).WithRESTMapper(c.mapper).Build()}
		_, err := router.Observe(t.Context(), webRollout(t), split(0))
		if !trafficrouting.IsUnusable(err) || !strings.Contains(err.Error(), "HTTPRoute shop/web: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if watches, err := gatewayapi.Watches(c.mapper); err != nil || len(watches) != 0 {
			t.Errorf("%s: watches %v with error %v", c.name, watches, err)
		}
	}
}

func TestRoutesAreWatchedInTheVersionThatTheClusterServes(t *testing.T) {
	watches, err := gatewayapi.Watches(newCluster(t).RESTMapper())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range watches {
		got = append(got, o.GetObjectKind().GroupVersionKind().String())
	}
	want := []string{"gateway.networking.k8s.io/v1, Kind=HTTPRoute", "gateway.networking.k8s.io/v1, Kind=GRPCRoute",
		"gateway.networking.k8s.io/v1alpha2, Kind=TCPRoute", "gateway.networking.k8s.io/v1, Kind=TLSRoute"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAChangedRouteFindsItsRollouts(t *testing.T) {
	byName := rollout(t, `{gatewayAPI: {httpRoute: web, httpRoutes: [{name: web}, {name: api}]}}`)
	if diff := cmp.Diff([]string{"HTTPRoute/shop/api", "HTTPRoute/shop/web"}, gatewayapi.RoutesOf(byName)); diff != "" {
		t.Errorf("by name (-want +got):\n%s", diff)
	}
	bySelector := rollout(t, `{plugins: {argoproj-labs/gatewayAPI: {namespace: edge, grpcRouteSelector: {matchLabels: {a: b}}}}}`)
	if diff := cmp.Diff([]string{"GRPCRoute/edge/*"}, gatewayapi.RoutesOf(bySelector)); diff != "" {
		t.Errorf("by selector (-want +got):\n%s", diff)
	}
	for name, r := range map[string]*v1alpha1.Rollout{"no router": {}, "a broken configuration": rollout(t, `{plugins: {argoproj-labs/gatewayAPI: {x: y}}}`)} {
		if keys := gatewayapi.RoutesOf(r); len(keys) != 0 {
			t.Errorf("%s: got %v", name, keys)
		}
	}
	if diff := cmp.Diff([]string{"HTTPRoute/shop/web", "HTTPRoute/shop/*"}, gatewayapi.KeysOf(webRoute(t, both))); diff != "" {
		t.Errorf("keys of a route (-want +got):\n%s", diff)
	}
}
