package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// stepIndex is the current step, kept inside the steps whatever a client wrote there.
func stepIndex(r *v1alpha1.Rollout) int {
	i := int(ptr.Deref(r.Status.CurrentStepIndex, 0))
	return min(max(i, 0), len(r.Spec.Strategy.Canary.Steps))
}

// ladder lists the steps and where the update stands on them.
func ladder(r *v1alpha1.Rollout, now time.Time) (progress string, steps []Step) {
	all := r.Spec.Strategy.Canary.Steps
	if len(all) == 0 {
		return "", nil
	}
	at := stepIndex(r)
	for i, step := range all {
		s := Step{Text: v1alpha1.StepText(step), State: StepPending}
		if step.Analysis != nil {
			s.Text += templates(step.Analysis)
		}
		switch {
		case i < at:
			s.State = StepDone
		case i == at && !r.Status.Abort && r.Status.CurrentStepIndex != nil:
			s.State, s.Info = StepCurrent, stepInfo(r, step, now)
		}
		steps = append(steps, s)
	}
	return fmt.Sprintf("%d/%d", at, len(all)), steps
}

func templates(a *v1alpha1.RolloutAnalysis) string {
	var names []string
	for _, t := range a.Templates {
		names = append(names, t.TemplateName)
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// stepInfo says how far the current step is.
func stepInfo(r *v1alpha1.Rollout, step v1alpha1.CanaryStep, now time.Time) string {
	switch {
	case step.Pause != nil:
		if left, limited := pauseLeft(r, step.Pause, now); limited {
			return span(left) + " left"
		}
	case step.Analysis != nil && r.Status.Canary.CurrentStepAnalysisRunStatus != nil:
		return strings.ToLower(string(r.Status.Canary.CurrentStepAnalysisRunStatus.Status))
	}
	return ""
}

// pauseLeft is what remains of a pause step that has begun and has a length.
func pauseLeft(r *v1alpha1.Rollout, pause *v1alpha1.RolloutPause, now time.Time) (left time.Duration, limited bool) {
	length, indefinite, valid := v1alpha1.PauseDuration(pause)
	i := slices.IndexFunc(r.Status.PauseConditions, func(c v1alpha1.PauseCondition) bool {
		return c.Reason == v1alpha1.PauseReasonCanaryPauseStep
	})
	if indefinite || !valid || i < 0 {
		return 0, false
	}
	return max(r.Status.PauseConditions[i].StartTime.Add(length).Sub(now), 0), true
}
