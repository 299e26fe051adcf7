package rollout

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// outbox writes down what it is given, and keeps a copy to see whether somebody changes it.
type outbox struct {
	given, copies []*v1alpha1.Rollout
	told          []*v1alpha1.Rollout
	reasons       []string
	forgotten     []types.NamespacedName
}

func (o *outbox) Seen(r *v1alpha1.Rollout) {
	o.given, o.copies = append(o.given, r), append(o.copies, r.DeepCopy())
}

func (o *outbox) Told(r *v1alpha1.Rollout, eventType, reason string) {
	o.Seen(r)
	o.told, o.reasons = append(o.told, r), append(o.reasons, eventType+" "+reason)
}

func (o *outbox) Forget(key types.NamespacedName) { o.forgotten = append(o.forgotten, key) }

func TestTheOutboxIsToldWhatPeopleAreTold(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	box := &outbox{}
	w.loop.Outbox = box
	w.release()
	var events []string
	for _, e := range w.told() {
		words := strings.Fields(e)
		events = append(events, words[0]+" "+words[1])
	}
	if diff := cmp.Diff(events, box.reasons); diff != "" {
		t.Error(diff)
	}
	if len(box.given) == 0 || box.given[0].Status.CurrentPodHash != "" {
		t.Error("the outbox has not seen the Rollout before anything happened to it")
	}
	var steps []int32
	for i, reason := range box.reasons {
		if reason == "Normal "+v1alpha1.ReasonRolloutStepCompleted {
			steps = append(steps, ptr.Deref(box.told[i].Status.CurrentStepIndex, 0))
		}
	}
	if diff := cmp.Diff([]int32{1, 2}, steps); diff != "" {
		t.Errorf("the status does not hold what is told of it: %s", diff)
	}
	if err := w.server.Delete(w.ctx(), w.rollout()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pass(); err != nil || !cmp.Equal([]types.NamespacedName{webKey}, box.forgotten) {
		t.Errorf("forgotten are %v, error %v", box.forgotten, err)
	}
}

func TestNobodyChangesARolloutThatTheOutboxHas(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	box := &outbox{}
	w.loop.Outbox = box
	w.release()
	for i, r := range box.given {
		if !equality.Semantic.DeepEqual(box.copies[i], r) {
			t.Errorf("the Rollout of version %s was changed afterwards", r.ResourceVersion)
		}
	}
}

func TestTheEndOfAPauseIsToldOnce(t *testing.T) {
	w := halfway(t)
	w.told()
	r := w.rollout()
	r.Status.PauseConditions = nil
	if err := w.server.Status().Update(w.ctx(), r); err != nil {
		t.Fatal(err)
	}
	w.settle()
	told := slices.DeleteFunc(w.told(), func(line string) bool { return !strings.Contains(line, v1alpha1.ReasonRolloutResumed) })
	if diff := cmp.Diff([]string{"Normal RolloutResumed Rollout is resumed"}, told); diff != "" {
		t.Error(diff)
	}
}
