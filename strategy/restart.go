package strategy

import (
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// restartPace is how long after an eviction the remaining pods are looked at again, if nothing else wakes the Rollout.
const restartPace = 30 * time.Second

// Restarting reports whether pods have to be observed because a restart is due or was just asked for.
func Restarting(r *v1alpha1.Rollout, now time.Time) bool {
	at := r.Spec.RestartAt
	return at != nil && !at.Equal(r.Status.RestartedAt) && now.After(at.Time)
}

// planRestart evicts pods that are older than spec.restartAt, as many at a time as may be missing.
func planRestart(o *Observation, p *position, plan *Plan) {
	at := o.Rollout.Spec.RestartAt
	if at == nil || at.Equal(p.status.RestartedAt) || p.inferred { // first it is written down who serves, which is read off the pods
		return
	}
	if !o.Now.After(at.Time) {
		p.look(at.Sub(o.Now) + 1)
		return
	}
	if !evictOlder(o, p, plan, at.Time) {
		p.status.RestartedAt = at
		return
	}
	p.look(restartPace)
}

// evictOlder evicts pods that are older than a moment as far as they are spared; it reports whether there are any left.
func evictOlder(o *Observation, p *position, plan *Plan, than time.Time) (left bool) {
	available, own := countPods(o.Pods)
	if plan.Traffic != nil || len(plan.Point) > 0 || plan.shrinks() {
		available = 0 // nothing is taken from a side that gets traffic, or loses other pods, by this very plan
	}
	missing := max(v1alpha1.MaxUnavailable(o.Rollout), 1)
	wanted := max(p.replicas, wantedPods(o.Revisions)) - missing
	for _, pod := range o.Pods {
		if !pod.Created.Before(than) {
			continue
		}
		left = true
		if pod.Deleting {
			continue
		}
		spared := available > wanted && own[pod.Hash] > p.kept(o, pod.Hash, missing)
		if spared || !pod.Available {
			plan.Evict = append(plan.Evict, pod.Name)
		}
		if spared && pod.Available {
			available--
			own[pod.Hash]--
		}
	}
	return left
}

// wantedPods sums up the sizes of all revisions.
func wantedPods(revisions []Revision) (sum int32) {
	for _, r := range revisions {
		sum += r.Spec
	}
	return sum
}

// countPods counts available pods, all and by revision.
func countPods(pods []Pod) (available int32, own map[string]int32) {
	own = map[string]int32{}
	for _, pod := range pods {
		if pod.Available && !pod.Deleting {
			available++
			own[pod.Hash]++
		}
	}
	return available, own
}

// believable lowers the available pods of revisions to those that are really there, where pods are observed: a ReplicaSet may not know yet
// of one that was evicted a moment ago. What was observed stays as it is.
func believable(revisions []Revision, pods []Pod) []Revision {
	if len(pods) == 0 {
		return revisions
	}
	_, own := countPods(pods)
	revisions = slices.Clone(revisions)
	for i := range revisions {
		revisions[i].Available = min(revisions[i].Available, own[revisions[i].Hash])
	}
	return revisions
}

// kept is how many available pods of a revision a restart leaves: what its traffic demands but for those that may be missing, and the last one
// unless it is the only one and could not be restarted in any other way.
func (p *position) kept(o *Observation, hash string, missing int32) int32 {
	r := o.revision(hash)
	if r == nil {
		return 0
	}
	return max(o.needed(p, r)-missing, min(r.Spec-1, 1), 0)
}

// planStamp writes what belongs to the Rollout itself: the default of spec.replicas and the revision number.
func planStamp(o *Observation, p *position, plan *Plan) {
	var stamp Stamp
	if o.Rollout.Spec.Replicas == nil {
		stamp.Replicas = ptr.To(p.replicas)
	}
	if p.number != revisionOf(o.Rollout) && p.number > 0 && o.Invalid == "" {
		stamp.Revision = p.number
		p.note(normal(v1alpha1.ReasonRolloutUpdated, "Rollout updated to revision "+numberText(p.number)))
	}
	if w := o.Workload; w != nil && o.Rollout.Annotations[v1alpha1.AnnotationWorkloadGeneration] != numberText(w.Generation) {
		stamp.WorkloadGeneration = w.Generation
	}
	if stamp != (Stamp{}) {
		plan.Stamp = &stamp
	}
}
