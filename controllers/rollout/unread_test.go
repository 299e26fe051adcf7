package rollout

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// halfway is a world whose canary rests with half of the traffic.
func halfway(t *testing.T) *world {
	t.Helper()
	r := canary()
	r.Spec.Strategy.Canary.Steps = []v1alpha1.CanaryStep{{SetWeight: ptr.To[int32](50)}, {Pause: &v1alpha1.RolloutPause{}}}
	w := newWorld(t, append(around(), r)...)
	w.settle()
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	w.settle()
	if weight := w.weight(); weight != 50 {
		t.Fatalf("the canary has weight %d", weight)
	}
	return w
}

// sameWithout is the template of app:v2 with one field less, so that only a trial tells whether it means the same.
func sameWithout() runtime.RawExtension {
	return runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"app:v2"}]}}`)}
}

// abort asks for the abort and gives the controller a few passes, whatever errors they end with.
func (w *world) abort() (last error) {
	w.t.Helper()
	r := w.rollout()
	r.Status.Abort = true
	if err := w.server.Status().Update(w.ctx(), r); err != nil {
		w.t.Fatal(err)
	}
	for range 5 {
		_, last = w.pass()
		w.playPods()
	}
	return last
}

func TestAnAbortTakesTheTrafficBackThoughReplicaSetsMayNotBeMade(t *testing.T) {
	w := halfway(t)
	w.refusing("app:v2", apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "replicasets"}, "web", errors.New("denied by policy")))
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = sameWithout() })
	if _, err := w.pass(); err == nil || !strings.Contains(err.Error(), "denied by policy") {
		t.Errorf("error %v", err)
	}
	if c := w.condition(v1alpha1.ConditionProgressing); c.Reason != v1alpha1.ReasonReplicaSetCreateError || !strings.Contains(c.Message, "denied by policy") {
		t.Errorf("condition %+v", c)
	}
	if w.abort(); w.weight() != 0 {
		t.Errorf("the canary still has weight %d", w.weight())
	}
}
