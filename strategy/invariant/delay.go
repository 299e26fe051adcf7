package invariant

import (
	"fmt"
	"math"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// DelaysAreKept is the end of I2: what was scaled away from keeps its pods until the deadline that stands on it, because those who program the
// data plane may be late and somebody may want to return. It needs no more of them than spec.replicas.
func DelaysAreKept(d *Decision) string {
	if !d.Seen.delays() {
		return ""
	}
	for _, i := range d.Plan.Scale {
		r := d.Seen.revision(i.Hash)
		if r == nil || i.Replicas == nil || r.Deadline == nil || !d.Seen.Now.Before(*r.Deadline) {
			continue
		}
		old := i.Hash != d.Plan.Status.CurrentPodHash && i.Hash != d.Plan.Status.StableRS
		if least := min(i.From, d.Seen.replicas()); old && *i.Replicas < least {
			return fmt.Sprintf("ReplicaSet %s is scaled to %d and was to keep %d pods until %s", i.Name, *i.Replicas, least, r.Deadline)
		}
	}
	return ""
}

// delays reports whether every old revision keeps its pods for a while.
func (m *Moment) delays() bool {
	c := m.Rollout.Spec.Strategy.Canary
	return !m.basic() && (c == nil || !c.DynamicStableScale) && v1alpha1.ScaleDownDelaySeconds(m.Rollout) > 0 &&
		v1alpha1.ScaleDownDelayRevisionLimit(m.Rollout) == math.MaxInt32
}

// ManagedRoutesAreInPlace is I4 for managed routes: where an update has come to rest and its canary answers, requests take exactly the managed
// routes that the steps so far ask for, whoever removed or changed one.
func ManagedRoutesAreInPlace(m *Moment) string {
	s := &m.Rollout.Status
	d := Decision{Seen: *m}
	d.Plan.Status = *s
	leads := m.Routed && m.Invalid == "" && s.CurrentPodHash == m.Current && m.Canary.Hash == m.Current && m.available(m.Current) > 0
	if !leads || !d.updating() || s.Abort || d.skipping() || d.asksForNobody(indexOf(s)) {
		return ""
	}
	headers, mirrors := m.managedAt(indexOf(s))
	if m.takes(headers, mirrors) {
		return ""
	}
	return fmt.Sprintf("at step %d requests take the managed routes %v %v and not %v %v", indexOf(s), m.Headers, m.Mirrors, headers, mirrors)
}
