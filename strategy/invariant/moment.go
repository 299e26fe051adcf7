package invariant

import (
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// Moment is the truth of one instant: what could be observed if nothing were stale, and what cannot.
type Moment struct {
	strategy.Observation
	// Weight is the canary's weight by which requests are really divided; the routes may hold another one already.
	Weight int32
	// Headers and Mirrors are the managed routes that requests really take.
	Headers []v1alpha1.SetHeaderRoute
	Mirrors []v1alpha1.SetMirrorRoute
	// Reached are the shares of experiments by which requests may really be sent.
	Reached []trafficrouting.Share
	// Lent is the number of available pods of the workload that workloadRef names; only a Service that selects pods of every revision meets them.
	Lent int32
}

// Decision is a plan and what it was made from, which may be older than the world that it is written to.
type Decision struct {
	Seen Moment
	Plan strategy.Plan
}

// Write is one write of a controller that took effect.
type Write struct {
	*Decision
	Before, After Moment
	// Object is what was written: its kind and name, such as pod/web-1.
	Object string
	// SeenVersion is the object's version that the decision rests on, Version the one that the write met; 0 if it did not exist.
	SeenVersion, Version int64
}

func (m *Moment) full() int32 { return v1alpha1.MaxTrafficWeight(m.Rollout) }

func (m *Moment) replicas() int32 { return v1alpha1.Replicas(m.Rollout) }

func (m *Moment) unavailable() int32 { return v1alpha1.MaxUnavailable(m.Rollout) }

func (m *Moment) steps() []v1alpha1.CanaryStep {
	if c := m.Rollout.Spec.Strategy.Canary; c != nil {
		return c.Steps
	}
	return nil
}

func (m *Moment) revision(hash string) *strategy.Revision {
	for i := range m.Revisions {
		if hash != "" && m.Revisions[i].Hash == hash {
			return &m.Revisions[i]
		}
	}
	return nil
}

func (m *Moment) available(hash string) int32 {
	if r := m.revision(hash); r != nil {
		return r.Available
	}
	return 0
}

// total is the number of available pods of all revisions, and of the workload that the Rollout takes over from.
func (m *Moment) total() int32 {
	sum := m.Lent
	for i := range m.Revisions {
		sum += m.Revisions[i].Available
	}
	return sum
}

func (m *Moment) blueGreen() *v1alpha1.BlueGreenStrategy { return m.Rollout.Spec.Strategy.BlueGreen }

// basic reports whether the Rollout shares its traffic by nothing but numbers of pods.
func (m *Moment) basic() bool { return !m.Routed && m.blueGreen() == nil }

// weights are the canary weights by which requests may be divided before anything is observed again:
// a gateway that has not confirmed the routes may follow them at any instant.
func (m *Moment) weights() []int32 {
	switch {
	case !m.Routed:
		return []int32{0} // the active Service of blue-green gets everything
	case m.Traffic.Confirmation == trafficrouting.Pending:
		return []int32{m.Weight, m.Traffic.Lowest, m.Traffic.Highest}
	}
	return []int32{m.Weight}
}

// backend is a Service and the greatest share of the traffic that it may be sent.
type backend struct {
	strategy.Service
	share int32
	// picked is true while managed routes lead to the Service, whatever its share.
	picked bool
}

// reached reports whether any request may be sent to the Service.
func (b backend) reached() bool { return b.share > 0 || b.picked }

func (m *Moment) canary() backend {
	b := backend{Service: m.Canary, picked: m.Routed && m.managed()}
	for _, w := range m.weights() {
		b.share = max(b.share, w)
	}
	return b
}

// managed reports whether requests may take managed routes.
func (m *Moment) managed() bool {
	t := &m.Traffic
	return len(m.Headers)+len(m.Mirrors) > 0 || t.Confirmation == trafficrouting.Pending && len(t.Headers)+len(t.Mirrors)+len(t.Extra) > 0
}

func (m *Moment) stable() backend {
	b := backend{Service: m.Stable}
	for _, w := range m.weights() {
		b.share = max(b.share, m.full()-w-m.elsewhere())
	}
	return b
}

// elsewhere is the least share of the traffic that goes to experiments.
func (m *Moment) elsewhere() int32 {
	if m.Traffic.Confirmation == trafficrouting.Pending {
		return min(sum(m.Reached), sum(m.Traffic.Additional))
	}
	return sum(m.Reached)
}

func sum(shares []trafficrouting.Share) (all int32) {
	for _, s := range shares {
		all += s.Weight
	}
	return all
}

// backends are the two Services of a Rollout: with blue-green the preview and the active one.
func (m *Moment) backends() [2]backend { return [2]backend{m.canary(), m.stable()} }

// demand is how many pods the greatest share of a Service asks for.
func (m *Moment) demand(b backend, replicas int32) int32 {
	pods := shareUp(replicas, b.share, m.full())
	if b.picked {
		pods = max(pods, 1)
	}
	return pods
}

func (b backend) selects(hash string) bool { return b.Exists && (b.Hash == "" || b.Hash == hash) }

// behind is the number of available pods that a Service selects.
func (m *Moment) behind(b backend) int32 {
	sum := int32(0)
	if b.Exists && b.Hash == "" {
		sum = m.Lent
	}
	for i := range m.Revisions {
		if b.selects(m.Revisions[i].Hash) {
			sum += m.Revisions[i].Available
		}
	}
	return sum
}

// answers reports whether any request finds somebody.
func (m *Moment) answers() bool {
	for _, b := range m.backends() {
		if b.reached() && m.behind(b) > 0 {
			return true
		}
	}
	return false
}

// serving is the revision that was promoted last and still exists. Where the status was lost, it is the one that the stable Service selects,
// unless that has no pods and the newest other one has. A first deploy that is not complete has none yet.
func (m *Moment) serving() *strategy.Revision {
	if hash := m.Rollout.Status.StableRS; hash != "" {
		return m.alive(hash)
	}
	selected := m.alive(m.Stable.Hash)
	if selected != nil && selected.Available > 0 {
		return selected
	}
	if m.Rollout.Status.CurrentPodHash != "" {
		return nil
	}
	for i := range m.Revisions {
		if r := &m.Revisions[i]; r.Hash != m.Current && r.Available > 0 && !r.Deleting {
			return r
		}
	}
	return selected
}

func (m *Moment) alive(hash string) *strategy.Revision {
	if r := m.revision(hash); r != nil && !r.Deleting {
		return r
	}
	return nil
}

// sameUpdate reports whether a decision is about the revision and the steps that the status speaks of.
func (d *Decision) sameUpdate() bool {
	before, after := &d.Seen.Rollout.Status, &d.Plan.Status
	return before.CurrentPodHash == after.CurrentPodHash && before.CurrentStepHash == after.CurrentStepHash
}

// sameAttempt reports whether a decision goes on with the update that it found, rather than beginning one or trying it again.
func (d *Decision) sameAttempt() bool {
	before := &d.Seen.Rollout.Status
	return d.sameUpdate() && (before.AbortedAt == nil || before.Abort)
}

// skipping reports whether steps and verdicts do not count: nothing served before, the user promoted in full, or went back to what
// serves or to where steps are not asked for.
func (d *Decision) skipping() bool {
	serving := d.Seen.serving()
	return d.Seen.Rollout.Status.PromoteFull && d.sameUpdate() && !d.Plan.Status.Abort || serving == nil || serving.Hash == d.Plan.Status.CurrentPodHash ||
		d.returning(serving) || d.insideDelay()
}

// insideDelay reports whether blue-green goes back to a revision older than the one that serves which has every pod because its scale-down
// delay is not over.
func (d *Decision) insideDelay() bool {
	now, serving := d.Seen.revision(d.Plan.Status.CurrentPodHash), d.Seen.serving()
	return d.Seen.blueGreen() != nil && now != nil && now.Deadline != nil && d.Seen.Now.Before(*now.Deadline) &&
		now.Spec == d.Seen.replicas() && now.Available == d.Seen.replicas() && olderThan(now, serving)
}

// olderThan compares by creation and, of two made in one second, by number.
func olderThan(a, b *strategy.Revision) bool {
	return a.Created.Before(b.Created) || a.Created.Equal(b.Created) && a.Number < b.Number
}

// returning reports whether the new revision is older than the one that serves, with fewer between them than rollbackWindow.revisions.
func (d *Decision) returning(serving *strategy.Revision) bool {
	window, now := d.Seen.Rollout.Spec.RollbackWindow, d.Seen.revision(d.Plan.Status.CurrentPodHash)
	if window == nil || now == nil || !now.Created.Before(serving.Created) {
		return false
	}
	between := int32(0)
	for _, r := range d.Seen.Revisions {
		if r.Created.After(now.Created) && r.Created.Before(serving.Created) {
			between++
		}
	}
	return between < window.Revisions
}

// updating reports whether a plan leaves an update under way, away from a revision that serves.
func (d *Decision) updating() bool {
	serving := d.Seen.serving()
	return serving != nil && d.Plan.Status.StableRS == serving.Hash && d.Plan.Status.CurrentPodHash != serving.Hash
}

// promotes reports whether a decision gives the new revision the place of one that could still serve.
func (d *Decision) promotes() bool {
	serving, promoted := d.Seen.serving(), d.Plan.Status.StableRS
	return serving != nil && promoted != serving.Hash && promoted != d.Seen.Rollout.Status.StableRS
}

func indexOf(s *v1alpha1.RolloutStatus) int {
	if s.CurrentStepIndex == nil {
		return 0
	}
	return int(*s.CurrentStepIndex)
}

// shareUp is n*weight/full rounded up.
func shareUp(n, weight, full int32) int32 {
	return int32((int64(n)*int64(weight) + int64(full) - 1) / int64(full))
}
