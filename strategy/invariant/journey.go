package invariant

import (
	"fmt"
	"reflect"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// AbortArrives is I4 for an abort: where pods come, gateways follow and passes are made, it ends with no request at the canary.
// It judges the moment at which the abort should have ended.
func AbortArrives(m *Moment) string {
	if left := routedAway(m); left != "" {
		return left
	}
	if m.blueGreen() != nil && m.Stable.Hash != m.Rollout.Status.StableRS {
		return fmt.Sprintf("the active Service selects %s, and the stable revision is %s", m.Stable.Hash, m.Rollout.Status.StableRS)
	}
	if r := m.revision(m.Rollout.Status.CurrentPodHash); m.basic() && m.Rollout.Status.Abort && r != nil && r.Spec > 0 {
		return fmt.Sprintf("the aborted revision %s still has %d pods", r.Hash, r.Spec)
	}
	return ""
}

// UpdateArrives is I4 for a promotion: where everything goes well, and whoever is asked says yes, the revision that the spec asks for serves
// alone at the end.
func UpdateArrives(m *Moment) string {
	s := &m.Rollout.Status
	if s.CurrentPodHash != m.Current || s.StableRS != m.Current {
		return fmt.Sprintf("the spec asks for %s, and the stable revision is %s", m.Current, s.StableRS)
	}
	if left := routedAway(m); left != "" {
		return left
	}
	for _, service := range []strategy.Service{m.Stable, m.Canary} {
		if service.Exists && service.Hash != m.Current {
			return fmt.Sprintf("Service %s selects %s, and the stable revision is %s", service.Name, service.Hash, m.Current)
		}
	}
	if alone := servesAlone(m); alone != "" {
		return alone
	}
	if s.Phase != v1alpha1.RolloutPhaseHealthy {
		return fmt.Sprintf("the phase is %s: %s", s.Phase, s.Message)
	}
	return ""
}

// routedAway says which requests still take another way than to the stable Service.
func routedAway(m *Moment) string {
	switch {
	case !m.Routed:
		return ""
	case m.reaches():
		return "requests are still sent to an experiment"
	case m.Weight != 0 || m.Traffic.Highest != 0:
		return fmt.Sprintf("the canary still has the weight %d, and the routes hold %d", m.Weight, m.Traffic.Highest)
	case m.managed():
		return "managed routes still lead to the canary"
	}
	return ""
}

// servesAlone says which revision has not the pods that it should have when the one that the spec asks for has them all.
func servesAlone(m *Moment) string {
	for i := range m.Revisions {
		r := &m.Revisions[i]
		want := int32(0)
		if r.Hash == m.Current {
			want = m.replicas()
		}
		if r.Spec != want || r.Available != want {
			return fmt.Sprintf("revision %s has %d pods, of which %d are available, and should have %d", r.Hash, r.Spec, r.Available, want)
		}
	}
	return ""
}

// SameOutcome is I15 for the world: an update that was interrupted after any write comes to rest where it would have without.
func SameOutcome(a, b *Moment) string {
	switch {
	case a.Traffic.Highest != b.Traffic.Highest || a.Weight != b.Weight:
		return fmt.Sprintf("the weight is %d after an interruption and %d without", a.Traffic.Highest, b.Traffic.Highest)
	case a.Stable.Hash != b.Stable.Hash || a.Canary.Hash != b.Canary.Hash && (a.behind(a.canary()) > 0 || b.behind(b.canary()) > 0):
		return fmt.Sprintf("the Services select %s and %s after an interruption, %s and %s without", a.Stable.Hash, a.Canary.Hash, b.Stable.Hash, b.Canary.Hash)
	case len(a.Runs) != len(b.Runs):
		return fmt.Sprintf("there are %d AnalysisRuns after an interruption and %d without", len(a.Runs), len(b.Runs))
	case a.Rollout.Status.StableRS != b.Rollout.Status.StableRS || indexOf(&a.Rollout.Status) != indexOf(&b.Rollout.Status):
		return fmt.Sprintf("the update is at step %d (stable %s) after an interruption and at %d (stable %s) without",
			indexOf(&a.Rollout.Status), a.Rollout.Status.StableRS, indexOf(&b.Rollout.Status), b.Rollout.Status.StableRS)
	}
	if x, y := inUse(a), inUse(b); !reflect.DeepEqual(x, y) {
		return fmt.Sprintf("the ReplicaSets are %+v after an interruption and %+v without", x, y)
	}
	return ""
}

// inUse are the revisions that the status or the stable Service names; what else there is has no part in the update any more.
func inUse(m *Moment) (all []strategy.Revision) {
	for _, r := range m.Revisions {
		if s := &m.Rollout.Status; r.Hash == s.CurrentPodHash || r.Hash == s.StableRS || r.Hash == m.Stable.Hash {
			all = append(all, r)
		}
	}
	return all
}

// AutoscalerSettles is I11: an autoscaler under constant load stops changing spec.replicas. Pods that exist only because of the update must
// not look to it like pods that the load needed. It judges the recommendations that an autoscaler made one after the other.
func AutoscalerSettles(recommended []int32) string {
	const calm = 3
	n := len(recommended)
	for i := max(1, n-calm); i < n; i++ {
		if recommended[i] != recommended[i-1] {
			return fmt.Sprintf("under constant load the autoscaler recommends %d one after the other", recommended)
		}
	}
	return ""
}

// Return is what it cost to go back, in the middle of an update, to the revision that was serving all the time.
type Return struct {
	// Writes counts the writes besides those of the status and of analyses, and besides deletions of what the history keeps no longer.
	Writes int
	// Started counts the pods that were started.
	Started int32
}

// mostWrites suffice for a return: one for the routes, two for Services, three for ReplicaSets and one for the Rollout.
const mostWrites = 7

// ReturnIsCheap is I19: to go back to a revision that still serves starts no pod and takes a handful of writes.
func ReturnIsCheap(r Return) string {
	switch {
	case r.Started > 0:
		return fmt.Sprintf("%d pods were started in order to go back to a revision that serves", r.Started)
	case r.Writes > mostWrites:
		return fmt.Sprintf("%d writes were made in order to go back to a revision that serves", r.Writes)
	}
	return ""
}
