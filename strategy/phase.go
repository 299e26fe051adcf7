package strategy

import (
	"fmt"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Phase sums up the spec and status of a Rollout in one word and a message, in the wire contract's order of questions (section 2.5).
func Phase(r *v1alpha1.Rollout) (v1alpha1.RolloutPhase, string) {
	s := &r.Status
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.ConditionInvalidSpec {
			return v1alpha1.RolloutPhaseDegraded, fmt.Sprintf("%s: %s", v1alpha1.ConditionInvalidSpec, c.Message)
		}
		if c.Reason == v1alpha1.ReasonRolloutAborted || c.Reason == v1alpha1.ReasonProgressDeadlineExceeded {
			return v1alpha1.RolloutPhaseDegraded, fmt.Sprintf("%s: %s", c.Reason, c.Message)
		}
	}
	if r.Spec.Paused {
		return v1alpha1.RolloutPhasePaused, "manually paused"
	}
	if len(s.PauseConditions) > 0 {
		return v1alpha1.RolloutPhasePaused, string(s.PauseConditions[0].Reason)
	}
	if message := unfinished(r); message != "" {
		return v1alpha1.RolloutPhaseProgressing, message
	}
	return v1alpha1.RolloutPhaseHealthy, ""
}

// unfinished says what an update still waits for; empty if nothing.
func unfinished(r *v1alpha1.Rollout) string {
	s := &r.Status
	switch {
	case r.Spec.RestartAt != nil && !r.Spec.RestartAt.Equal(s.RestartedAt):
		return "rollout is restarting"
	case s.UpdatedReplicas < v1alpha1.Replicas(r):
		return "more replicas need to be updated"
	case s.AvailableReplicas < s.UpdatedReplicas:
		return "updated replicas are still becoming available"
	}
	if b := r.Spec.Strategy.BlueGreen; b != nil {
		return unfinishedBlueGreen(r, b)
	}
	c := r.Spec.Strategy.Canary
	switch {
	case c != nil && c.TrafficRouting == nil && s.Replicas > s.UpdatedReplicas:
		return "old replicas are pending termination"
	case c != nil && (s.StableRS == "" || s.StableRS != s.CurrentPodHash):
		return "waiting for all steps to complete"
	}
	return ""
}

func unfinishedBlueGreen(r *v1alpha1.Rollout, b *v1alpha1.BlueGreenStrategy) string {
	s := &r.Status
	switch {
	case s.BlueGreen.ActiveSelector == "" || s.BlueGreen.ActiveSelector != s.CurrentPodHash:
		return "active service cutover pending"
	case s.StableRS == "" || s.StableRS != s.CurrentPodHash:
		post := s.BlueGreen.PostPromotionAnalysisRunStatus
		if b.PostPromotionAnalysis != nil && (post == nil || !post.Status.Completed()) {
			return "waiting for analysis to complete"
		}
		return "waiting for post-promotion verification to complete"
	}
	return ""
}
