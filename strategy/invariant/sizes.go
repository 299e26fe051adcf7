package invariant

import (
	"fmt"
	"slices"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// SizesStayInRange is the other half of I12: no ReplicaSet is sized below zero or grown beyond what the strategy can ask for,
// whatever stands in the spec; one that neither is new nor stable never grows.
func SizesStayInRange(d *Decision) string {
	total, after := int32(0), int32(0)
	for i := range d.Seen.Revisions {
		total += d.Seen.Revisions[i].Spec
	}
	after = total
	for _, i := range d.Plan.Scale {
		if i.Replicas == nil {
			continue
		}
		if *i.Replicas < 0 {
			return fmt.Sprintf("ReplicaSet %s is sized to %d", i.Name, *i.Replicas)
		}
		after += *i.Replicas - i.From
		if limit := d.largest(i.Hash); *i.Replicas > max(limit, i.From) {
			return fmt.Sprintf("ReplicaSet %s grows from %d to %d, and %d is the most", i.Name, i.From, *i.Replicas, limit)
		}
	}
	limit := d.Seen.replicas() + v1alpha1.MaxSurge(d.Seen.Rollout)
	if d.Seen.basic() && after > max(total, limit) {
		return fmt.Sprintf("all ReplicaSets together grow from %d to %d, and %d is the most", total, after, limit)
	}
	return ""
}

func (d *Decision) largest(hash string) int32 {
	s := &d.Plan.Status
	switch {
	case hash != s.CurrentPodHash && hash != s.StableRS:
		return 0
	case d.Seen.blueGreen() != nil:
		return max(d.Seen.replicas(), v1alpha1.PreviewReplicaCount(d.Seen.Rollout))
	case !d.Seen.Routed:
		return d.Seen.replicas() + v1alpha1.MaxSurge(d.Seen.Rollout)
	}
	if fixed := d.fixed(); fixed != nil && hash == s.CurrentPodHash {
		return max(d.Seen.replicas(), *fixed)
	}
	return d.Seen.replicas()
}

// AbortedNeverGrows is I5 for an autoscaler: a revision that was turned back from gets no pods, whatever spec.replicas becomes.
func AbortedNeverGrows(d *Decision) string {
	if !d.Plan.Status.Abort || !d.updating() {
		return ""
	}
	for _, i := range d.Plan.Scale {
		if i.Hash == d.Plan.Status.CurrentPodHash && i.Replicas != nil && *i.Replicas > i.From {
			return fmt.Sprintf("the aborted ReplicaSet %s grows from %d to %d", i.Name, i.From, *i.Replicas)
		}
	}
	return ""
}

// SuccessorServesFirst is I9 before the change of roles: a revision that serves is replaced only by one that has every pod, or as many
// as replicaProgressThreshold asks for. Without a router, a Service keeps one pod of the old revision until it is switched, and maxSurge
// may leave no room for one of the new revision beside it.
func SuccessorServesFirst(d *Decision) string {
	if !d.promotes() {
		return ""
	}
	hash, full := d.Plan.Status.StableRS, d.Seen.replicas()
	if surge := v1alpha1.MaxSurge(d.Seen.Rollout); d.Seen.basic() && (d.Seen.Stable.Exists || d.Seen.Canary.Exists) {
		full = min(full, full+surge-1)
	}
	if have, need := d.Seen.available(hash), d.enough(full); have < need {
		return fmt.Sprintf("revision %s is promoted with %d available pods of %d", hash, have, need)
	}
	return ""
}

// StableKeepsItsPods is I9 while an update is under way behind a router or with blue-green: the revision that serves is neither shrunk below
// spec.replicas nor deleted, so that there is always something whole to turn back to.
func StableKeepsItsPods(d *Decision) string {
	c := d.Seen.Rollout.Spec.Strategy.Canary
	if d.Seen.basic() || !d.updating() || c != nil && c.DynamicStableScale {
		return ""
	}
	for _, i := range d.Plan.Scale {
		if i.Hash == d.Plan.Status.StableRS && i.Replicas != nil && *i.Replicas < min(i.From, d.Seen.replicas()) {
			return fmt.Sprintf("the stable ReplicaSet %s shrinks from %d to %d while an update is under way", i.Name, i.From, *i.Replicas)
		}
	}
	return ""
}

// OnlyTheUnusedIsDeleted is I9 for good: no ReplicaSet is deleted that has pods, that serves, or that a Service selects.
func OnlyTheUnusedIsDeleted(d *Decision) string {
	for _, name := range d.Plan.Prune {
		i := slices.IndexFunc(d.Seen.Revisions, func(r strategy.Revision) bool { return r.Name == name })
		if i < 0 {
			return fmt.Sprintf("ReplicaSet %s is deleted and was not even seen", name)
		}
		r := &d.Seen.Revisions[i]
		if r.Spec > 0 || r.Replicas > 0 || r.Hash == d.Plan.Status.StableRS || r.Hash == d.Plan.Status.CurrentPodHash ||
			r.Hash == d.Seen.Stable.Hash || r.Hash == d.Seen.Canary.Hash {
			return fmt.Sprintf("ReplicaSet %s is deleted and still in use", name)
		}
	}
	return ""
}

// NoNewsNoRelease is I18: without a new pod template no ReplicaSet is made, no revision is numbered and no step is taken back.
func NoNewsNoRelease(d *Decision) string {
	before, after := &d.Seen.Rollout.Status, &d.Plan.Status
	for _, i := range d.Plan.Scale {
		switch {
		case i.Create && i.Hash != d.Seen.Current:
			return fmt.Sprintf("ReplicaSet %s is made, which the spec does not ask for", i.Name)
		case i.Create && d.Seen.revision(i.Hash) != nil:
			return fmt.Sprintf("ReplicaSet %s is made though there is one of its revision", i.Name)
		case i.Revision != 0 && d.newest(i.Hash):
			return fmt.Sprintf("ReplicaSet %s gets the number %d and is the newest already", i.Name, i.Revision)
		}
	}
	if d.sameAttempt() && indexOf(after) < indexOf(before) && !after.Abort && len(d.Seen.steps()) >= indexOf(before) {
		return fmt.Sprintf("the step goes back from %d to %d without anything new", indexOf(before), indexOf(after))
	}
	return ""
}

// newest reports whether a revision has the highest number already.
func (d *Decision) newest(hash string) bool {
	r := d.Seen.revision(hash)
	return r != nil && r.Number > 0 && !slices.ContainsFunc(d.Seen.Revisions, func(o strategy.Revision) bool { return o.Number > r.Number })
}
