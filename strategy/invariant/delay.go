package invariant

import (
	"fmt"
	"math"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// DelaysAreKept is the end of I2: what was scaled away from keeps its pods until the deadline that stands on it, because those who program the
// data plane may be late and somebody may want to return. It needs no more of them than spec.replicas.
func DelaysAreKept(d *Decision) string {
	c := d.Seen.Rollout.Spec.Strategy.Canary
	if d.Seen.basic() || c != nil && c.DynamicStableScale || v1alpha1.ScaleDownDelaySeconds(d.Seen.Rollout) <= 0 ||
		v1alpha1.ScaleDownDelayRevisionLimit(d.Seen.Rollout) != math.MaxInt32 {
		return ""
	}
	for _, i := range d.Plan.Scale {
		r := d.Seen.revision(i.Hash)
		if r == nil || i.Replicas == nil || r.Deadline == nil || !d.Seen.Now.Before(*r.Deadline) || i.Hash == d.Plan.Status.CurrentPodHash ||
			i.Hash == d.Plan.Status.StableRS {
			continue
		}
		if least := min(i.From, d.Seen.replicas()); *i.Replicas < least {
			return fmt.Sprintf("ReplicaSet %s is scaled to %d and was to keep %d pods until %s", i.Name, *i.Replicas, least, r.Deadline)
		}
	}
	return ""
}

// ManagedRoutesAreInPlace is I4 for managed routes: where an update has come to rest and its canary answers, requests take exactly the managed
// routes that the steps so far ask for, whoever removed or changed one.
func ManagedRoutesAreInPlace(m *Moment) string {
	s := &m.Rollout.Status
	updating := m.alive(s.StableRS) != nil && s.StableRS != s.CurrentPodHash && s.CurrentPodHash == m.Current && !s.Abort && !s.PromoteFull
	if !m.Routed || m.Invalid != "" || !updating || m.Canary.Hash != m.Current || m.available(m.Current) == 0 {
		return ""
	}
	d := Decision{Seen: *m}
	d.Plan.Status = *s
	if d.skipping() || d.asksForNobody(indexOf(s)) {
		return ""
	}
	headers, mirrors := m.managedAt(indexOf(s))
	if len(headers)+len(mirrors)+len(m.Headers)+len(m.Mirrors) == 0 ||
		equality.Semantic.DeepEqual(headers, m.Headers) && equality.Semantic.DeepEqual(mirrors, m.Mirrors) {
		return ""
	}
	return fmt.Sprintf("at step %d requests take the managed routes %v %v and not %v %v", indexOf(s), m.Headers, m.Mirrors, headers, mirrors)
}
