package gitsync

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// awaitWorkloads gives what lives, with each Rollout Progressing that has not looked yet at the workload that its workloadRef names as that is now: what
// it says is about an older commit. Its own generation tells nothing, because a commit may change the workload alone.
func awaitWorkloads(live []Live) []Live {
	copied := false
	for i := range live {
		behind := behindOf(live, live[i].Object)
		if behind == "" {
			continue
		}
		if !copied {
			live, copied = slices.Clone(live), true
		}
		live[i].Health = Health{Status: Progressing, Message: behind}
	}
	return live
}

// behindOf says which workload a Rollout has not looked at; empty if there is none, or if its controller does not say what it looked at.
func behindOf(live []Live, o *unstructured.Unstructured) string {
	seen, _, _ := unstructured.NestedString(o.Object, "status", "workloadObservedGeneration")
	generation, err := strconv.ParseInt(seen, 10, 64)
	if err != nil || !isRollout(KeyOf(o)) {
		return ""
	}
	for i := range live {
		if w := live[i].Object; refersTo(o, KeyOf(w)) && w.GetGeneration() != generation {
			return fmt.Sprintf("waiting for generation %d of %s to be observed", w.GetGeneration(), title(KeyOf(w)))
		}
	}
	return ""
}

// abroadLook is how often a Rollout of somebody else is looked at that is under way, because its changes are told to that one only.
const abroadLook = 10 * time.Second

// seenAbroad gives a Rollout of somebody else as it stands for its workload: as its controller says, if it says so of the workload as that is now.
func seenAbroad(rollout, workload *unstructured.Unstructured) *Live {
	status := func(field string) string {
		text, _, _ := unstructured.NestedString(rollout.Object, "status", field)
		return text
	}
	l := &Live{Object: rollout, Health: Health{Status: Progressing}}
	knows := status("observedGeneration") == strconv.FormatInt(rollout.GetGeneration(), 10) &&
		status("workloadObservedGeneration") == strconv.FormatInt(workload.GetGeneration(), 10)
	if phase := HealthStatus(status("phase")); knows && (phase == Degraded || phase == Healthy) {
		l.Health.Status = phase
	}
	return l
}
