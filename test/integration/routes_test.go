package integration

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// backends are a stable and a canary Service with all traffic on the stable one.
func backends() []gatewayv1.BackendRef {
	var both []gatewayv1.BackendRef
	for name, weight := range map[string]int32{"web-stable": 100, "web-canary": 0} {
		both = append(both, gatewayv1.BackendRef{Weight: ptr.To(weight), BackendObjectReference: gatewayv1.BackendObjectReference{
			Name: gatewayv1.ObjectName(name), Port: ptr.To(gatewayv1.PortNumber(80)),
		}})
	}
	return both
}

// canaryOf is the canary's weight among backends.
func canaryOf(refs []gatewayv1.BackendRef) int32 {
	for _, ref := range refs {
		if ref.Name == "web-canary" {
			return *ref.Weight
		}
	}
	return -1
}

func TestTCPRoutesTLSRoutesAndRoutesFoundByTheirLabelsAreDividedTogether(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 2, append(weights(50), hold)...)
	labelled := metav1.ObjectMeta{Namespace: namespace, Name: "web", Labels: map[string]string{"team": "blue"}}
	first := around[2].(*gatewayv1.HTTPRoute)
	first.Labels = labelled.Labels
	second := first.DeepCopy()
	second.Name, second.Spec.Hostnames = "other", []gatewayv1.Hostname{gatewayv1.Hostname("other." + namespace + ".example.com")}
	tcp := &gatewayv1.TCPRoute{ObjectMeta: labelled, Spec: gatewayv1.TCPRouteSpec{Rules: []gatewayv1.TCPRouteRule{{BackendRefs: backends()}}}}
	tls := &gatewayv1.TLSRoute{ObjectMeta: labelled, Spec: gatewayv1.TLSRouteSpec{
		Hostnames: first.Spec.Hostnames, Rules: []gatewayv1.TLSRouteRule{{BackendRefs: backends()}},
	}}
	r.Spec.Strategy.Canary.TrafficRouting.GatewayAPI = &v1alpha1.GatewayAPITrafficRouting{
		HTTPRouteSelector: &metav1.LabelSelector{MatchLabels: labelled.Labels}, TCPRouteSelector: &metav1.LabelSelector{MatchLabels: labelled.Labels}, TLSRoute: "web",
	}
	create(t, append(around, second, tcp, tls, client.Object(r))...)
	hold := func(weight int32) {
		t.Helper()
		awaitWeight(t, first, weight)
		awaitWeight(t, second, weight)
		what := fmt.Sprintf("the canary has the weight %d", weight)
		await(t, tcp, what, func(r *gatewayv1.TCPRoute) bool { return canaryOf(r.Spec.Rules[0].BackendRefs) == weight })
		await(t, tls, what, func(r *gatewayv1.TLSRoute) bool { return canaryOf(r.Spec.Rules[0].BackendRefs) == weight })
	}
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses at 50 %", paused)
	hold(50)
	command(t, r, `{"status":{"abort":true}}`)
	hold(0)
}
