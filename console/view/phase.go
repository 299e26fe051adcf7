package view

import (
	"strconv"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// Phase is the phase and message that a client shows: what the controller wrote, unless that is known to be out of date.
// The order of questions is that of section 2.5 of the wire contract.
func Phase(r *v1alpha1.Rollout) (v1alpha1.RolloutPhase, string) {
	s := &r.Status
	switch {
	case behind(s.ObservedGeneration, r.Generation):
		return v1alpha1.RolloutPhaseProgressing, "waiting for rollout spec update to be observed"
	case s.ControllerPause && len(s.PauseConditions) == 0:
		return v1alpha1.RolloutPhaseProgressing, "waiting for rollout to unpause"
	case r.Spec.WorkloadRef != nil && workloadBehind(r):
		return v1alpha1.RolloutPhaseProgressing, "waiting for rollout spec update to be observed for the reference workload"
	case s.Phase != "":
		return s.Phase, s.Message
	}
	return strategy.Phase(r)
}

// behind reports whether a status speaks of an earlier generation; one that is no number counts as current.
func behind(observed string, generation int64) bool {
	n, err := strconv.ParseInt(observed, 10, 64)
	return err == nil && n < generation
}

// workloadBehind compares the generation of the referenced workload with the one that the status speaks of, where both are numbers.
func workloadBehind(r *v1alpha1.Rollout) bool {
	wanted, err := strconv.ParseInt(r.Annotations[v1alpha1.AnnotationWorkloadGeneration], 10, 64)
	if err != nil {
		return false
	}
	seen, err := strconv.ParseInt(r.Status.WorkloadObservedGeneration, 10, 64)
	return err == nil && seen != wanted
}
