package strategy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

func progressed(ago time.Duration) func(*Observation) {
	return status(func(s *v1alpha1.RolloutStatus) {
		s.Conditions = []v1alpha1.RolloutCondition{{Type: v1alpha1.ConditionProgressing, Status: corev1.ConditionTrue, Reason: v1alpha1.ReasonReplicaSetUpdated,
			Message: `ReplicaSet "web-new" is progressing.`, LastUpdateTime: metav1.NewTime(noon.Add(-ago)), LastTransitionTime: metav1.NewTime(noon.Add(-ago))}}
		s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas = 12, 2, 10, 10
	})
}

func TestConditionsSayWhereARolloutStands(t *testing.T) {
	for name, c := range map[string]struct {
		change []func(*Observation)
		kind   v1alpha1.RolloutConditionType
		want   string
	}{
		"an update that moves is progressing":            {[]func(*Observation){pods("new", 2, 0)}, v1alpha1.ConditionProgressing, `True ReplicaSetUpdated ReplicaSet "web-new" is progressing.`},
		"nothing moved for longer than the deadline":     {[]func(*Observation){pods("new", 2, 0), progressed(601 * time.Second)}, v1alpha1.ConditionProgressing, `False ProgressDeadlineExceeded ReplicaSet "web-new" has timed out progressing.`},
		"nothing moved for less than the deadline":       {[]func(*Observation){pods("new", 2, 0), progressed(599 * time.Second)}, v1alpha1.ConditionProgressing, `True ReplicaSetUpdated ReplicaSet "web-new" is progressing.`},
		"a pause is no progress and no failure":          {[]func(*Observation){step(1), held(20), pods("new", 2, 2)}, v1alpha1.ConditionProgressing, "Unknown RolloutPaused Rollout is paused"},
		"an abort says what it aborted":                  {[]func(*Observation){status(func(s *v1alpha1.RolloutStatus) { s.Abort = true })}, v1alpha1.ConditionProgressing, "False RolloutAborted Rollout aborted update to revision 2"},
		"an update is not complete":                      {nil, v1alpha1.ConditionCompleted, "False RolloutCompleted RolloutCompleted"},
		"enough pods of any revision are available":      {nil, v1alpha1.ConditionAvailable, "True AvailableReason Rollout has minimum availability"},
		"too few pods of any revision are available":     {[]func(*Observation){pods("old", 10, 9)}, v1alpha1.ConditionAvailable, "False AvailableReason Rollout does not have minimum availability"},
		"an invalid spec says why":                       {[]func(*Observation){func(o *Observation) { o.Invalid = "spec.x: wrong" }}, v1alpha1.ConditionInvalidSpec, "True InvalidSpec spec.x: wrong"},
		"a valid spec has no such condition":             {nil, v1alpha1.ConditionInvalidSpec, "  "},
		"a ReplicaSet that cannot make pods is quoted":   {[]func(*Observation){func(o *Observation) { o.Revisions[0].Failure = "quota" }}, v1alpha1.ConditionReplicaFailure, "True FailedCreate quota"},
		"routes that nobody reports on are not verified": {[]func(*Observation){func(o *Observation) { o.Traffic.Confirmation = trafficrouting.Unreported }}, v1alpha1.ConditionTrafficVerified, "Unknown NoParentStatus no gateway reports a status for the routes; their spec is taken for the truth"},
		"an update in progress is not ready":             {[]func(*Observation){pods("new", 2, 0)}, v1alpha1.ConditionReady, "False Progressing more replicas need to be updated"},
		"an aborted update is stalled":                   {[]func(*Observation){status(func(s *v1alpha1.RolloutStatus) { s.Abort = true })}, v1alpha1.ConditionStalled, "True Degraded RolloutAborted: Rollout aborted update to revision 2"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := Decide(*seen(t, behindRoute, c.change...))
			got := condition(&plan.Status, c.kind)
			if diff := cmp.Diff(c.want, string(got.Status)+" "+got.Reason+" "+got.Message); diff != "" {
				t.Errorf("condition %s, -want +got:\n%s", c.kind, diff)
			}
		})
	}
}

func TestAStatusThatSaysTheSameIsNotWrittenAnew(t *testing.T) {
	o := seen(t, behindRoute, step(1), held(20), pods("new", 2, 2))
	first := Decide(*o)
	o.Rollout.Status, o.Rollout.Annotations = first.Status, map[string]string{v1alpha1.AnnotationRevision: "2"}
	o.Now = o.Now.Add(time.Hour)
	second := Decide(*o)
	if diff := cmp.Diff(first.Status, second.Status); diff != "" {
		t.Errorf("the status changed by time alone, -first +second:\n%s", diff)
	}
	if !second.Empty() {
		t.Errorf("something is left to write: %+v", second)
	}
}

func TestCommandsInTheStatusAreObeyed(t *testing.T) {
	at := ptr.To(metav1.NewTime(noon.Add(-time.Minute)))
	for name, c := range map[string]struct {
		change func(*v1alpha1.RolloutStatus)
		check  func(v1alpha1.RolloutStatus) bool
	}{
		"abort goes back to the first step":          {func(s *v1alpha1.RolloutStatus) { s.Abort = true }, func(s v1alpha1.RolloutStatus) bool { return *s.CurrentStepIndex == 0 && s.AbortedAt != nil }},
		"retry clears the abort":                     {func(s *v1alpha1.RolloutStatus) { s.AbortedAt = at }, func(s v1alpha1.RolloutStatus) bool { return !s.Abort && s.AbortedAt == nil }},
		"promote full goes to the end":               {func(s *v1alpha1.RolloutStatus) { s.PromoteFull = true }, func(s v1alpha1.RolloutStatus) bool { return *s.CurrentStepIndex == 4 && s.PauseConditions == nil }},
		"promote full beats an earlier abort":        {func(s *v1alpha1.RolloutStatus) { s.PromoteFull, s.Abort, s.AbortedAt = true, true, at }, func(s v1alpha1.RolloutStatus) bool { return !s.Abort && s.PromoteFull }},
		"an abort beats a promotion that is running": {func(s *v1alpha1.RolloutStatus) { s.PromoteFull, s.Abort = true, true }, func(s v1alpha1.RolloutStatus) bool { return s.Abort && !s.PromoteFull }},
		"resuming completes the pause":               {func(s *v1alpha1.RolloutStatus) { s.ControllerPause = true }, func(s v1alpha1.RolloutStatus) bool { return *s.CurrentStepIndex == 2 && !s.ControllerPause }},
		"a skipped step is left behind":              {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex = ptr.To[int32](3) }, func(s v1alpha1.RolloutStatus) bool { return *s.CurrentStepIndex == 3 }},
		"an index beyond the steps is the end":       {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex = ptr.To[int32](99) }, func(s v1alpha1.RolloutStatus) bool { return *s.CurrentStepIndex == 4 }},
		"an index below the steps is the first":      {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex = ptr.To[int32](-7) }, func(s v1alpha1.RolloutStatus) bool { return *s.CurrentStepIndex >= 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(*seen(t, behindRoute, step(1), held(20), pods("new", 2, 2), status(c.change))).Status
			if !c.check(got) {
				t.Errorf("the status does not show it: index %d, abort %t at %v, promoteFull %t, pauses %v, controllerPause %t",
					*got.CurrentStepIndex, got.Abort, got.AbortedAt, got.PromoteFull, got.PauseConditions, got.ControllerPause)
			}
		})
	}
}

func TestTheProgressDeadlineSurvivesAClockThatIsSetBack(t *testing.T) {
	o := seen(t, behindRoute, pods("new", 6, 3), step(2), held(20), status(func(s *v1alpha1.RolloutStatus) {
		s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas = 16, 6, 13, 13
		s.Conditions = []v1alpha1.RolloutCondition{{Type: v1alpha1.ConditionProgressing, Status: corev1.ConditionTrue, Reason: v1alpha1.ReasonReplicaSetUpdated,
			LastUpdateTime: metav1.NewTime(noon.Add(time.Hour))}}
	}))
	plan := Decide(*o)
	if deadline := 10*time.Minute + 1; plan.After != deadline {
		t.Errorf("the next look is after %s, want %s", plan.After, deadline)
	}
	if begun := condition(&plan.Status, v1alpha1.ConditionProgressing).LastUpdateTime; !begun.Time.Equal(noon) {
		t.Errorf("the deadline counts from %s, want %s", begun, noon)
	}
}
