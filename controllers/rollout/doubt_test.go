package rollout

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestAServiceThatTheCacheDoesNotShowYetIsAskedForUntilItWasSaidToBeMissing(t *testing.T) {
	r := basic()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "late"}}
	c := &Controller{Client: fake.NewClientBuilder().Build(), Live: fake.NewClientBuilder().WithObjects(service).Build()}
	s := &seen{services: map[string]*corev1.Service{}}
	s.Rollout = r
	if got, err := c.observeService(t.Context(), s, "late"); err != nil || !got.Exists {
		t.Errorf("a cache that lags: it exists %t (%v)", got.Exists, err)
	}
	if got, err := c.observeService(t.Context(), s, "absent"); err != nil || got.Exists {
		t.Errorf("a Service that nobody has: it exists %t (%v)", got.Exists, err)
	}
	r.Status.Conditions = []v1alpha1.RolloutCondition{{Type: v1alpha1.ConditionInvalidSpec, Status: corev1.ConditionTrue}}
	if got, err := c.observeService(t.Context(), s, "late"); err != nil || got.Exists {
		t.Errorf("once it was said: it exists %t (%v)", got.Exists, err)
	}
}
