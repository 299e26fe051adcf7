package integration

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// TestWhatSomebodyDeletesInMidStepHoldsNoTrafficAndIsTakenUpAgain is group 27 of the hostile inputs.
func TestWhatSomebodyDeletesInMidStepHoldsNoTrafficAndIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	r, route := atHalf(t)
	stable, current := r.Status.StableRS, r.Status.CurrentPodHash
	remove := func(o client.Object) {
		t.Helper()
		if err := suite.admin.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}

	remove(service(r.Namespace, "web-canary"))
	awaitWeight(t, route, 0)
	create(t, service(r.Namespace, "web-canary"))
	awaitWeight(t, route, 50)
	await(t, service(r.Namespace, "web-canary"), "the new Service selects the canary", selects(current))

	remove(route)
	again := route.DeepCopy()
	again.ObjectMeta = metav1.ObjectMeta{Namespace: route.Namespace, Name: route.Name}
	for i := range again.Spec.Rules[0].BackendRefs {
		*again.Spec.Rules[0].BackendRefs[i].Weight = 100 * int32(1-i)
	}
	create(t, again)
	awaitWeight(t, route, 50)

	command(t, r, `{"status":null}`)
	await(t, r, "the lost status is made up again", func(r *v1alpha1.Rollout) bool {
		return paused(r) && r.Status.StableRS == stable && r.Status.CurrentPodHash == current
	})
	awaitWeight(t, route, 50)
	command(t, r, `{"status":{"promoteFull":true}}`)
	await(t, r, "version 2 is healthy", func(r *v1alpha1.Rollout) bool { return healthy(r) && r.Status.StableRS == current })
}
