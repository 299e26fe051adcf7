package view

import (
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// waiting says what it takes for the update to go on, and which verbs make sense now, the likeliest first.
func waiting(r *v1alpha1.Rollout, now time.Time) (what string, can []Action) {
	s := &r.Status
	switch {
	case s.Abort && updating(r):
		return "the stable revision serves until you retry, undo or apply another spec", []Action{ActionRetry, ActionUndo}
	case invalid(s):
		return "nothing advances until the spec is mended", verbsOfUpdate(r)
	case r.Spec.Paused:
		return "paused by hand, promote goes on", append([]Action{ActionPromote}, verbsOfUpdate(r)...)
	case len(s.PauseConditions) > 0:
		return pauseWords(r, now), append([]Action{ActionPromote}, verbsOfUpdate(r)...)
	case updating(r) && timedOut(s):
		return "the new pods did not become available in time: abort, or apply another spec", verbsOfUpdate(r)
	case updating(r) && hasStep(r):
		return runWords(r), append(verbsOfUpdate(r), ActionPromote)
	}
	return "", verbsOfUpdate(r)
}

func verbsOfUpdate(r *v1alpha1.Rollout) []Action {
	if !updating(r) || r.Status.Abort {
		return nil
	}
	return []Action{ActionAbort, ActionPromoteFull}
}

func invalid(s *v1alpha1.RolloutStatus) bool {
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.ConditionInvalidSpec {
			return true
		}
	}
	return false
}

func timedOut(s *v1alpha1.RolloutStatus) bool {
	for _, c := range s.Conditions {
		if c.Reason == v1alpha1.ReasonProgressDeadlineExceeded {
			return true
		}
	}
	return false
}

// hasStep reports whether a step is under way that a promote can go past.
func hasStep(r *v1alpha1.Rollout) bool {
	c := r.Spec.Strategy.Canary
	return c != nil && stepIndex(r) < len(c.Steps)
}

func pauseWords(r *v1alpha1.Rollout, now time.Time) string {
	switch r.Status.PauseConditions[0].Reason {
	case v1alpha1.PauseReasonInconclusiveAnalysis, v1alpha1.PauseReasonInconclusiveExperiment:
		return "the verdict was inconclusive: promote or abort"
	case v1alpha1.PauseReasonCanaryPauseStep:
		if !hasStep(r) {
			break
		}
		left, limited := pauseLeft(r, r.Spec.Strategy.Canary.Steps[stepIndex(r)].Pause, now)
		switch {
		case limited && left > 0:
			return "goes on by itself in " + span(left)
		case limited:
			return "the pause is over, the controller is about to go on"
		}
	case v1alpha1.PauseReasonBlueGreenPause:
		if b := r.Spec.Strategy.BlueGreen; b != nil && v1alpha1.AutoPromotion(r) && b.AutoPromotionSeconds > 0 {
			end := r.Status.PauseConditions[0].StartTime.Add(time.Duration(b.AutoPromotionSeconds) * time.Second)
			return "is promoted by itself in " + span(end.Sub(now))
		}
	}
	return "goes on when you promote it"
}

// runWords names the analysis or the experiment that the current step waits for.
func runWords(r *v1alpha1.Rollout) string {
	step := r.Spec.Strategy.Canary.Steps[stepIndex(r)]
	if run := r.Status.Canary.CurrentStepAnalysisRunStatus; step.Analysis != nil && run != nil && !run.Status.Completed() {
		return "the verdict of analysis run " + run.Name + " is awaited"
	}
	if name := r.Status.Canary.CurrentExperiment; step.Experiment != nil && name != "" {
		return "the verdict of experiment " + name + " is awaited"
	}
	return ""
}
