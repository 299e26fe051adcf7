package strategy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestTheRecordOfAnUpdateTellsHowItEndedAndHowLongItWaitedForPeople(t *testing.T) {
	now := ptr.To(metav1.NewTime(noon))
	begun, asked := ptr.To(metav1.NewTime(noon.Add(-time.Hour))), ptr.To(metav1.NewTime(noon.Add(-time.Minute)))
	record := func(d v1alpha1.RolloutDuration) func(*Observation) {
		d.RolloutStartedAt = begun
		return status(func(s *v1alpha1.RolloutStatus) { s.Duration = &d })
	}
	running, waiting := record(v1alpha1.RolloutDuration{}), record(v1alpha1.RolloutDuration{ManualPauseStartedAt: asked, TotalManualPauseDurationSeconds: 10})
	for name, c := range map[string]struct {
		change []func(*Observation)
		want   v1alpha1.RolloutDuration
	}{
		"a pause without a duration waits for a person": {[]func(*Observation){running, step(1), held(20), pods("new", 2, 2)},
			v1alpha1.RolloutDuration{RolloutStartedAt: begun, ManualPauseStartedAt: now}},
		"a pause of a user does so too": {[]func(*Observation){running, spec(func(s *v1alpha1.RolloutSpec) { s.Paused = true })},
			v1alpha1.RolloutDuration{RolloutStartedAt: begun, ManualPauseStartedAt: now}},
		"a pause that ends by itself waits for nobody": {[]func(*Observation){spec(func(s *v1alpha1.RolloutSpec) {
			s.Strategy.Canary.Steps[1].Pause.Duration = ptr.To(intstr.FromInt32(60))
		}), func(o *Observation) { o.Rollout.Status.CurrentStepHash = v1alpha1.StepHash(o.Rollout) }, running, step(1), held(20), pods("new", 2, 2)},
			v1alpha1.RolloutDuration{RolloutStartedAt: begun}},
		"going on adds what the pause took": {[]func(*Observation){waiting, step(1), held(20), pods("new", 2, 2), status(func(s *v1alpha1.RolloutStatus) { s.ControllerPause = true })},
			v1alpha1.RolloutDuration{RolloutStartedAt: begun, TotalManualPauseDurationSeconds: 70}},
		"an abort ends it": {[]func(*Observation){waiting, status(func(s *v1alpha1.RolloutStatus) { s.Abort = true })},
			v1alpha1.RolloutDuration{RolloutStartedAt: begun, TotalManualPauseDurationSeconds: 70, FinishedAt: now, CompletionStatus: "Aborted"}},
		"going back to the stable revision ends it": {[]func(*Observation){running, func(o *Observation) { o.Current = "old" }},
			v1alpha1.RolloutDuration{RolloutStartedAt: begun, FinishedAt: now, CompletionStatus: "RolledBack"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(*seen(t, behindRoute, c.change...)).Status.Duration
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
