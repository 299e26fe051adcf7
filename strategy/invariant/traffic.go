package invariant

import (
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// BackendsAnswer is I1: no write leaves a Service that is sent requests without an available pod, if anybody answered before.
// A request that reaches nobody is an outage, however short.
func BackendsAnswer(w *Write) string {
	before := w.Before.backends()
	if w.After.basic() || w.Seen.replicas() == 0 || !w.Before.answers() {
		return ""
	}
	for i, b := range w.After.backends() {
		if !b.reached() || w.After.behind(b) > 0 || before[i].reached() && w.Before.behind(before[i]) == 0 || w.mustEvict(b) {
			continue
		}
		return fmt.Sprintf("Service %s may be sent %d of %d and no pod behind it is available", b.Name, b.share, w.After.full())
	}
	return ""
}

// ServicesAnswer is I1 for a canary without a router, whose Services are asked by nobody knows whom: no write leaves one without an available pod
// that had any, unless maxUnavailable allows that nobody is there.
func ServicesAnswer(w *Write) string {
	if !w.After.basic() || w.Seen.replicas() <= w.Seen.unavailable() || strings.HasPrefix(w.Object, "pod/") {
		return ""
	}
	after := w.After.backends()
	for i, b := range w.Before.backends() {
		if b.Exists && w.Before.behind(b) > 0 && w.After.behind(after[i]) == 0 {
			return fmt.Sprintf("Service %s is left without an available pod", b.Name)
		}
	}
	return ""
}

// mustEvict reports whether a restart took the only pod of a revision, which cannot be restarted in any other way.
func (w *Write) mustEvict(b backend) bool {
	return strings.HasPrefix(w.Object, "pod/") && w.Before.behind(b) == 1
}

// CapacityFollowsDemand is I2: no write takes available pods from a revision below what the traffic that reaches it demands.
// Requests leave first, and only what nobody asks any more may end. The user's own setCanaryScale is enough by definition,
// and a restart may take as many pods as maxUnavailable says, but at least one.
func CapacityFollowsDemand(w *Write) string {
	spared := int32(0)
	if strings.HasPrefix(w.Object, "pod/") {
		spared = max(1, w.Seen.unavailable())
	}
	if w.After.basic() {
		floor := w.Seen.replicas() - max(spared, w.Seen.unavailable())
		if before, after := w.Before.total(), w.After.total(); after < min(before, floor) {
			return fmt.Sprintf("%d available pods are left of %d, and %d are the least", after, before, floor)
		}
		return ""
	}
	for i := range w.Before.Revisions {
		r := &w.Before.Revisions[i]
		demand, after := w.demand(r.Hash)-spared, w.After.available(r.Hash)
		if after < min(r.Available, demand) {
			return fmt.Sprintf("revision %s is left with %d available pods of %d, and its traffic demands %d", r.Hash, after, r.Available, demand)
		}
	}
	for _, b := range w.After.backends() {
		demand := w.After.demand(b, w.Seen.replicas()) - spared
		if before, after := w.Before.total(), w.After.total(); b.Exists && b.Hash == "" && after < min(before, demand) {
			return fmt.Sprintf("%d available pods are left of %d behind Service %s, and its traffic demands %d", after, before, b.Name, demand)
		}
	}
	return ""
}

// demand is how many pods the traffic of a revision asks for after a write.
func (w *Write) demand(hash string) int32 {
	demand := int32(0)
	for i, b := range w.After.backends() {
		if b.Hash != hash || !b.Exists {
			continue
		}
		share := w.After.demand(b, w.Seen.replicas())
		if fixed := w.fixed(); i == 0 && fixed != nil && hash == w.Plan.Status.CurrentPodHash {
			share = min(share, *fixed)
		}
		demand += share
	}
	return min(demand, w.Seen.replicas()) // both Services of one revision are never sent more than everything
}

// fixed is the number of canary pods that a setCanaryScale in force asks for; nil without one.
func (d *Decision) fixed() *int32 {
	s := &d.Plan.Status
	if s.CurrentPodHash == s.StableRS || s.Abort && !v1alpha1.KeepsAborted(d.Seen.Rollout) {
		return nil
	}
	return d.fixedAt(indexOf(s))
}

func (d *Decision) fixedAt(step int) *int32 {
	steps := d.Seen.steps()
	if !d.Seen.Routed || d.skipping() || step >= len(steps) {
		return nil
	}
	for i := step; i >= 0; i-- {
		switch scale := steps[i].SetCanaryScale; {
		case scale == nil:
			continue
		case scale.MatchTrafficWeight:
			return nil
		case scale.Replicas != nil:
			return scale.Replicas
		default:
			return ptr.To(shareUp(d.Seen.replicas(), ptr.Deref(scale.Weight, 0), d.Seen.full()))
		}
	}
	return nil
}

// StableCarriesItsShare is I3: no write gives the stable Service more traffic, or fewer pods, than maxUnavailable allows for.
// A return to the stable revision must not overload the few pods that it has left. Only when nobody answers for the canary
// is a crowded pod better than none.
func StableCarriesItsShare(w *Write) string {
	if w.After.basic() || strings.HasPrefix(w.Object, "pod/") {
		return ""
	}
	before, after := w.missing(&w.Before), w.missing(&w.After)
	if canary := w.Before.canary(); after <= max(before, 0) || canary.share > 0 && w.Before.behind(canary) == 0 {
		return ""
	}
	stable := w.After.stable()
	return fmt.Sprintf("%d pods are missing behind Service %s, which may be sent %d of %d, and before this write %d were",
		after, stable.Name, stable.share, w.After.full(), before)
}

// missing is by how many pods the stable Service falls short of its share, maxUnavailable forgiven.
func (w *Write) missing(m *Moment) int32 {
	stable := m.stable()
	return shareUp(w.Seen.replicas(), stable.share, m.full()) - w.Seen.unavailable() - m.behind(stable)
}

// SharesFollowPods is law 3: no share of the traffic is raised beyond what the available pods of the revision that receives it carry.
func SharesFollowPods(d *Decision) string {
	t := d.Plan.Traffic
	if t == nil || d.Seen.replicas() == 0 {
		return ""
	}
	weight, seen := t.Split.Canary.Weight, &d.Seen
	canary, stable := seen.canary(), seen.stable()
	switch {
	case weight > seen.Traffic.Highest:
		need := d.enough(shareUp(seen.replicas(), weight, seen.full()))
		if canary.Hash != d.Plan.Status.CurrentPodHash {
			return fmt.Sprintf("the canary's weight rises to %d while its Service selects %q and not the new revision", weight, canary.Hash)
		}
		if have := seen.available(canary.Hash); have < need && seen.behind(stable) > 0 {
			return fmt.Sprintf("the canary's weight rises from %d to %d with %d available pods of %d that carry it", seen.Traffic.Highest, weight, have, need)
		}
	case weight < seen.Traffic.Lowest:
		need := shareUp(seen.replicas(), t.Split.Stable.Weight, seen.full()) - seen.unavailable()
		if have := seen.behind(stable); have < need && seen.behind(canary) > 0 {
			return fmt.Sprintf("the canary's weight falls from %d to %d with %d available stable pods of %d that carry the rest", seen.Traffic.Lowest, weight, have, need)
		}
	}
	return ""
}

// enough is how many available canary pods are enough where need are wanted: fewer with a fixed scale or a replicaProgressThreshold.
func (d *Decision) enough(need int32) int32 {
	if fixed := d.fixed(); fixed != nil {
		need = min(need, *fixed)
	}
	if c := d.Seen.Rollout.Spec.Strategy.Canary; c != nil && c.ReplicaProgressThreshold != nil && c.ReplicaProgressThreshold.Value >= 0 {
		t := c.ReplicaProgressThreshold
		if t.Type == v1alpha1.ProgressThresholdPods {
			return min(need, t.Value)
		}
		return min(need, shareUp(need, t.Value, 100))
	}
	return need
}

// ServicesFollowPods is law 4: a Service is switched only to a revision that carries what the Service is sent. With blue-green and nothing whole,
// one with no fewer pods than there are behind the Service is better than none.
func ServicesFollowPods(d *Decision) string {
	if d.Seen.basic() || d.Seen.replicas() == 0 {
		return ""
	}
	for _, p := range d.Plan.Point {
		for _, b := range d.Seen.backends() {
			if p.Service != b.Name || p.Hash == b.Hash || !b.reached() {
				continue
			}
			need := max(1, shareUp(d.Seen.replicas(), b.share, d.Seen.full())-d.Seen.unavailable())
			if !d.Seen.Routed {
				need = max(1, min(need, d.Seen.behind(b)))
			}
			if have := d.Seen.available(p.Hash); have < need {
				return fmt.Sprintf("Service %s, which may be sent %d of %d, is pointed at %s with %d available pods of %d that carry it",
					b.Name, b.share, d.Seen.full(), p.Hash, have, need)
			}
		}
	}
	return ""
}

// ManagedRoutesLeadToPods is law 3 for managed routes, which send requests to the canary whatever its weight: there are some only while it answers.
func ManagedRoutesLeadToPods(d *Decision) string {
	t, seen := d.Plan.Traffic, &d.Seen
	if t == nil || len(t.Split.Headers)+len(t.Split.Mirrors) == 0 {
		return ""
	}
	switch {
	case !d.updating() || d.Plan.Status.Abort:
		return "there are managed routes and no update under way that could ask for them"
	case seen.Canary.Hash != d.Plan.Status.CurrentPodHash || seen.available(seen.Canary.Hash) == 0:
		return fmt.Sprintf("managed routes lead to Service %s, which selects %q with %d available pods", seen.Canary.Name, seen.Canary.Hash, seen.available(seen.Canary.Hash))
	}
	return ""
}

// AbortNeverRaises is law 6: while an update is aborted the canary's weight only falls.
func AbortNeverRaises(d *Decision) string {
	if t := d.Plan.Traffic; t != nil && d.Plan.Status.Abort && d.updating() && t.Split.Canary.Weight > d.Seen.Traffic.Highest {
		return fmt.Sprintf("the update is aborted and the canary's weight rises from %d to %d", d.Seen.Traffic.Highest, t.Split.Canary.Weight)
	}
	return ""
}

// WeightsStayInRange is half of I12: each share lies between nothing and everything, and together they are everything.
func WeightsStayInRange(d *Decision) string {
	if d.Plan.Traffic == nil {
		return ""
	}
	if err := d.Plan.Traffic.Split.Check(d.Seen.full()); err != nil {
		return err.Error()
	}
	return ""
}
