package health

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// Texts of the wire contract.
const (
	unobservedRollout = "Waiting for rollout spec update to be observed"
	finishing         = "Waiting for roll out to finish: "
)

// rollout judges a Rollout by the phase that its controller gives it, once that knows the Rollout's present generation and that of the workload
// it refers to: never by how an older commit went.
func rollout(o *unstructured.Unstructured) gitsync.Health {
	if !rolloutObserved(o) || !workloadObserved(o) || retryAsked(o) {
		return progressing(unobservedRollout)
	}
	message := text(o.Object, "status", "message")
	switch v1alpha1.RolloutPhase(text(o.Object, "status", "phase")) {
	case v1alpha1.RolloutPhaseHealthy:
		return healthy(message)
	case v1alpha1.RolloutPhaseDegraded:
		return degraded(message)
	case v1alpha1.RolloutPhasePaused:
		return suspended(message)
	case v1alpha1.RolloutPhaseProgressing:
		return progressing(message)
	}
	return rolloutWithoutPhase(o)
}

// rolloutObserved compares generations. Controllers before 1.0 wrote a hash instead, which cannot be compared and is taken for the present one.
func rolloutObserved(o *unstructured.Unstructured) bool {
	if at(o.Object, "status") == nil {
		return false
	}
	generation, err := strconv.ParseInt(text(o.Object, "status", "observedGeneration"), 10, 64)
	return err != nil || generation >= o.GetGeneration()
}

func workloadObserved(o *unstructured.Unstructured) bool {
	if at(o.Object, "spec", "workloadRef") == nil {
		return true
	}
	wanted, found := o.GetAnnotations()[v1alpha1.AnnotationWorkloadGeneration]
	return !found || wanted == text(o.Object, "status", "workloadObservedGeneration")
}

// retryAsked reports whether somebody asked an aborted Rollout to begin again and its controller has not read that yet.
func retryAsked(o *unstructured.Unstructured) bool {
	aborted, _ := at(o.Object, "status", "abort").(bool)
	return !aborted && text(o.Object, "status", "abortedAt") != ""
}

// rolloutWithoutPhase judges what a controller before 1.0 left behind.
func rolloutWithoutPhase(o *unstructured.Unstructured) gitsync.Health {
	if invalid := conditionOf(o, string(v1alpha1.ConditionInvalidSpec)); invalid.found {
		return degraded(invalid.message)
	}
	if p := conditionOf(o, string(v1alpha1.ConditionProgressing)); p.reason == "RolloutAborted" || p.reason == "ProgressDeadlineExceeded" {
		return degraded(p.message)
	}
	if paused, _ := at(o.Object, "spec", "paused").(bool); paused {
		return suspended("Rollout is paused")
	}
	want, _ := replicas(o)
	updated, available := count(o.Object, "status", "updatedReplicas"), count(o.Object, "status", "availableReplicas")
	switch {
	case updated < want:
		return progressing(finishing + "More replicas need to be updated")
	case available < updated:
		return progressing(finishing + "updated replicas are still becoming available")
	case at(o.Object, "spec", "strategy", "canary") == nil:
		return oldBlueGreen(o)
	case count(o.Object, "status", "replicas") > updated:
		return progressing(finishing + "old replicas are pending termination")
	}
	stable, current := text(o.Object, "status", "stableRS"), text(o.Object, "status", "currentPodHash")
	if stable != current && text(o.Object, "status", "canary", "stableRS") != current {
		return progressing(finishing + "the new version is not stable yet")
	}
	return healthy("")
}

func oldBlueGreen(o *unstructured.Unstructured) gitsync.Health {
	if text(o.Object, "status", "blueGreen", "activeSelector") != text(o.Object, "status", "currentPodHash") {
		return progressing(finishing + "active service cutover pending")
	}
	return healthy("")
}
