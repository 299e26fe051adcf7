package notify

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestReasonsOfEventsNameTriggers(t *testing.T) {
	for reason, want := range map[string]string{
		"RolloutStepCompleted": "on-rollout-step-completed", "ScalingReplicaSet": "on-scaling-replica-set", "RolloutUpdated": "on-rollout-updated",
		"AnalysisRunFailed": "on-analysis-run-failed", "AnalysisRunError": "on-analysis-run-error", "AnalysisRunRunning": "on-analysis-run-running",
		"RolloutAborted": "on-rollout-aborted", "RolloutCompleted": "on-rollout-completed", "RolloutPaused": "on-rollout-paused",
	} {
		if got := TriggerOf(reason); got != want {
			t.Errorf("%s fires %s", reason, got)
		}
	}
}

// release is a Rollout in revision 2 of a canary with three steps, after its first one.
func release(change func(*v1alpha1.Rollout)) *v1alpha1.Rollout {
	r := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationRevision: "2"}}}
	r.Spec.Strategy.Canary = &v1alpha1.CanaryStrategy{Steps: make([]v1alpha1.CanaryStep, 3)}
	r.Status.CurrentPodHash, r.Status.StableRS, r.Status.CurrentStepIndex = "new", "old", ptr.To[int32](1)
	if change != nil {
		change(r)
	}
	return r
}

func TestWhatHappenedWhileNobodyWatchedIsFoundInTheStatus(t *testing.T) {
	then := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	pause := []v1alpha1.PauseCondition{{Reason: v1alpha1.PauseReasonCanaryPauseStep, StartTime: then}}
	paused := func(r *v1alpha1.Rollout) { r.Status.PauseConditions = pause }
	running := func(r *v1alpha1.Rollout) {
		r.Status.Canary.CurrentStepAnalysisRunStatus = &v1alpha1.RolloutAnalysisRunStatus{Name: "a", Status: v1alpha1.AnalysisPhaseRunning}
	}
	for name, test := range map[string]struct {
		before, after func(*v1alpha1.Rollout)
		want          []string
	}{
		"nothing":  {},
		"still so": {before: paused, after: paused},
		"a step":   {after: func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex = ptr.To[int32](2) }, want: []string{"RolloutStepCompleted"}},
		"a pause":  {after: paused, want: []string{"RolloutPaused"}},
		"a new pause": {before: paused, after: func(r *v1alpha1.Rollout) {
			paused(r)
			r.Status.PauseConditions = []v1alpha1.PauseCondition{{StartTime: then}}
		}, want: []string{"RolloutPaused"}},
		"a resume": {before: paused},
		"a run":    {after: running, want: []string{"AnalysisRunRunning"}},
		"a verdict": {before: running, after: func(r *v1alpha1.Rollout) {
			running(r)
			r.Status.Canary.CurrentStepAnalysisRunStatus.Status = v1alpha1.AnalysisPhaseFailed
			r.Status.Abort, r.Status.AbortedAt, r.Status.CurrentStepIndex = true, &then, ptr.To[int32](0)
		}, want: []string{"AnalysisRunFailed", "RolloutAborted"}},
		"the end": {
			before: func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex = ptr.To[int32](2) },
			after:  func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex, r.Status.StableRS = ptr.To[int32](3), "new" },
			want:   []string{"RolloutStepCompleted", "RolloutCompleted"},
		},
		"a jump to the end": {
			before: func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex = ptr.To[int32](0) },
			after:  func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex, r.Status.StableRS = ptr.To[int32](3), "new" },
			want:   []string{"RolloutCompleted"},
		},
		"a return without steps": {
			before: func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex = ptr.To[int32](0) },
			after:  func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex = ptr.To[int32](3) },
		},
		"a full promotion of the last step": {
			before: func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex = ptr.To[int32](2) },
			after:  func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex, r.Status.PromoteFull = ptr.To[int32](3), true },
		},
		"a new revision": {
			after: func(r *v1alpha1.Rollout) {
				r.Annotations[v1alpha1.AnnotationRevision], r.Status.CurrentPodHash = "3", "newer"
			},
			want: []string{"RolloutUpdated", "RolloutStepCompleted"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, one := range Since(MarkOf(release(test.before)), release(test.after)) {
				got = append(got, one.Reason)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
