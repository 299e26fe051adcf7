package strategy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// sizes are the wanted pods of the new and the stable revision; Stable means nothing while both are the same or there is none.
type sizes struct {
	New, Stable int32
}

// wantedSizes applies the wire contract's arithmetic for the strategy in force.
func wantedSizes(o *Observation, p *position) sizes {
	if blueGreen(o.Rollout) != nil {
		return blueGreenSizes(o, p)
	}
	if o.Routed {
		return routedSizes(o, p)
	}
	c := basicCounts(o, p)
	canary, stable := basicStep(c)
	return sizes{New: canary, Stable: stable}
}

func routedSizes(o *Observation, p *position) sizes {
	weight, _ := scaleWeight(o, p)
	want := sizes{New: canarySize(o, p), Stable: p.replicas}
	if !dynamic(o.Rollout) || p.done() {
		return want
	}
	full := v1alpha1.MaxTrafficWeight(o.Rollout)
	want.Stable = shareUp(p.replicas, full-weight, full)
	if fixedScale(o, p) != nil {
		// The canary's size says nothing about the traffic that the stable revision is to keep.
		want.Stable = max(want.Stable, shareUp(p.replicas, full-weightAt(p.steps, p.index()), full))
	}
	if o.Canary.Exists && !p.canaryServes(o) {
		want.Stable = p.replicas // the canary Service can move on only once the stable revision carries everything
	}
	if o.Traffic.Confirmation != "" {
		want.Stable = max(want.Stable, shareUp(p.replicas, full-o.Traffic.Lowest, full))
		if p.status.Abort {
			want.New = max(want.New, shareUp(p.replicas, o.Traffic.Highest, full))
		}
	}
	want.New, want.Stable = leastPods(o.Rollout, want.New), leastPods(o.Rollout, want.Stable)
	return want
}

// canarySize is the number of canary pods behind a router: that of the weight or of a fixed scale, but one where managed routes lead to the
// canary although its weight asks for none.
func canarySize(o *Observation, p *position) int32 {
	weight, fixed := scaleWeight(o, p)
	n := routedCanary(o.Rollout, weight, fixed, dynamic(o.Rollout))
	if n == 0 && fixed == nil && fixedScale(o, p) == nil && p.leads() && p.replicas > 0 {
		return leastPods(o.Rollout, 1)
	}
	return n
}

func basicCounts(o *Observation, p *position) counts {
	weight, _ := scaleWeight(o, p)
	c := counts{
		replicas: p.replicas, surge: v1alpha1.MaxSurge(o.Rollout), unavailable: v1alpha1.MaxUnavailable(o.Rollout),
		weight: weight, max: v1alpha1.MaxTrafficWeight(o.Rollout), fresh: p.fresh || p.done(),
	}
	for _, r := range o.Revisions {
		switch {
		case p.current != nil && r.Hash == p.current.Hash:
			c.newSpec, c.newAvailable, c.newHeld = r.Spec, r.Available, o.needed(p, p.current)
		case p.stable != nil && r.Hash == p.stable.Hash:
			c.stableSpec, c.stableAvailable, c.stableHeld = r.Spec, r.Available, o.needed(p, p.stable)
		default:
			c.otherSpec, c.otherAvailable = c.otherSpec+r.Spec, c.otherAvailable+r.Available
		}
	}
	return c
}

// enough reports whether so many pods of the current revision are there and available, or as many of them as replicaProgressThreshold asks for.
// A threshold of more pods than there are to be is capped, because an update could never meet it.
func enough(o *Observation, p *position, wanted int32) bool {
	if p.current == nil {
		return wanted == 0
	}
	available := p.current.Available
	if c := o.Rollout.Spec.Strategy.Canary; c != nil && c.ReplicaProgressThreshold != nil && c.ReplicaProgressThreshold.Value >= 0 {
		t := c.ReplicaProgressThreshold
		if t.Type == v1alpha1.ProgressThresholdPods {
			return available >= min(t.Value, wanted)
		}
		return wanted == 0 || int64(available)*100 >= int64(t.Value)*int64(wanted)
	}
	return available >= wanted
}

// atDesired reports whether the pods that the current step asks for are there, so that the step may complete or its weight be set.
func atDesired(o *Observation, p *position) bool {
	if p.orphaned {
		return enough(o, p, p.replicas)
	}
	if p.current == nil || p.stable == nil {
		return false
	}
	if o.Routed {
		canary := canarySize(o, p)
		if dynamic(o.Rollout) {
			return canaryReached(o, p, canary)
		}
		return canaryReached(o, p, canary) && p.stable.Spec == p.replicas && p.stable.Replicas == p.replicas
	}
	c := basicCounts(o, p)
	canary, stable := c.targets()
	return canaryReached(o, p, canary) && p.stable.Spec == stable && p.stable.Replicas == stable && c.otherAvailable == 0
}

func canaryReached(o *Observation, p *position, wanted int32) bool {
	if c := o.Rollout.Spec.Strategy.Canary; c != nil && c.ReplicaProgressThreshold != nil && c.ReplicaProgressThreshold.Value >= 0 {
		return enough(o, p, wanted)
	}
	return p.current.Spec == wanted && p.current.Available == wanted
}

// planReplicas creates, scales and annotates ReplicaSets.
func planReplicas(o *Observation, p *position, plan *Plan) {
	want := wantedSizes(o, p)
	moved := false
	if p.stable != nil && p.stable != p.current && !p.done() {
		moved = planKept(o, p, plan, p.stable, want.Stable) || moved
	}
	if p.current == nil {
		if o.Invalid == "" {
			if p.turnsAway() {
				want.New = 0
			}
			planCreate(o, p, plan, want.New)
		}
		moved = true
	} else {
		moved = planKept(o, p, plan, p.current, want.New) || moved
	}
	planOthers(o, p, plan, moved)
	planPrune(o, p, plan)
}

func planCreate(o *Observation, p *position, plan *Plan, size int32) {
	name := o.Rollout.Name + "-" + o.Current
	created := fmt.Sprintf("Created ReplicaSet %s (revision %d)", name, p.number)
	intent := ReplicaSetIntent{
		Name: name, Hash: o.Current, Create: true, Replicas: ptr.To(size), Revision: p.number,
		Desired: ptr.To(p.replicas), MinReadySeconds: ptr.To(o.Rollout.Spec.MinReadySeconds),
		Why: []Note{normal(v1alpha1.ReasonNewReplicaSetCreated, created)},
	}
	if m := p.roleMetadata(o, nil); len(m.Labels)+len(m.Annotations) > 0 {
		intent.Metadata = &m
	}
	if a := antiAffinity(o.Rollout); a != nil && p.stable != nil {
		intent.AntiAffinity, intent.Avoid = a, p.stable.Hash
	}
	plan.Scale = append(plan.Scale, intent)
}

// planKept brings the new or the stable revision to its size; it reports whether the size changes.
func planKept(o *Observation, p *position, plan *Plan, r *Revision, size int32) bool {
	intent := ReplicaSetIntent{Name: r.Name, Hash: r.Hash, From: r.Spec}
	isNew, deadline := r.Hash == p.status.CurrentPodHash, ""
	switch {
	case !isNew || p.done():
	case p.turnsAway():
		size, deadline = p.turnedAwayFrom(o, r, size)
	case insideDelay(o, p):
		deadline = dateOf(r) // it is why nothing is asked again, and is needed until the return is complete
		p.look(r.Deadline.Sub(o.Now))
	}
	switch {
	case p.inferred:
		size = max(size, r.Spec)
	case size < r.Spec:
		size = min(r.Spec, max(size, o.needed(p, r)))
	}
	if size != r.Spec {
		intent.resize(r, size, p.replicas)
	} else if r.Desired != p.replicas && size > 0 {
		intent.Desired = ptr.To(p.replicas)
	}
	intent.redate(r, deadline)
	if isNew && o.Invalid == "" {
		intent.renumber(r, p.number, o.Rollout.Spec.MinReadySeconds)
	}
	intent.redress(r, p.roleMetadata(o, r))
	plan.scale(intent)
	return size != r.Spec
}

// turnsAway reports whether the update is aborted and there is somebody else to serve.
func (p *position) turnsAway() bool { return p.status.Abort && !p.fresh }

// turnedAwayFrom is the size of an aborted revision, and its deadline.
func (p *position) turnedAwayFrom(o *Observation, r *Revision, size int32) (wanted int32, deadline string) {
	wanted = size
	if o.Routed || blueGreen(o.Rollout) != nil {
		wanted, deadline = abortedSize(o, p, r, size)
	}
	if !o.Routed && blueGreen(o.Rollout) == nil {
		return min(wanted, r.Spec, r.Available), deadline // what does not even run must not take the room of what should
	}
	// Neither an autoscaler nor an edited route brings back what was turned away from.
	return min(wanted, r.Spec), deadline
}

// renumber writes the revision number and minReadySeconds where they differ.
func (i *ReplicaSetIntent) renumber(r *Revision, number int64, minReadySeconds int32) {
	if r.Number != number {
		i.Revision, i.History = number, historyOf(r)
	}
	if r.MinReadySeconds != minReadySeconds {
		i.MinReadySeconds = ptr.To(minReadySeconds)
	}
}

// abortedSize keeps the pods of an aborted revision until its deadline, which starts to run once the stable revision serves everything again.
func abortedSize(o *Observation, p *position, r *Revision, size int32) (int32, string) {
	if r.Spec == 0 {
		if blueGreen(o.Rollout) != nil {
			size = 0
		}
		return size, dateOf(r)
	}
	if _, explicit := v1alpha1.AbortScaleDownDelaySeconds(o.Rollout); v1alpha1.KeepsAborted(o.Rollout) || dynamic(o.Rollout) && !explicit {
		if blueGreen(o.Rollout) != nil {
			return r.Spec, ""
		}
		return size, ""
	}
	if r.Deadline == nil && (p.stable == nil || p.stable.Available < p.replicas || o.carriesWeight(p, r)) {
		return r.Spec, ""
	}
	delay, _ := v1alpha1.AbortScaleDownDelaySeconds(o.Rollout)
	end, over := o.endOf(p, r, delay)
	if over {
		return 0, dateOf(r)
	}
	return r.Spec, dateText(end)
}

// endOf is when the delay of a revision ends, and whether it is over; a revision without a deadline begins it now. A deadline that lies beyond
// the delay was set before the clock was set back.
func (o *Observation) endOf(p *position, r *Revision, delay int32) (end time.Time, over bool) {
	end = o.Now.Add(seconds(delay))
	if r.Deadline != nil && r.Deadline.Sub(end) <= setBack {
		end, over = *r.Deadline, !o.Now.Before(*r.Deadline)
	}
	if !over {
		p.look(end.Sub(o.Now))
	}
	return end, over
}

// planOthers scales down revisions that are neither new nor stable, once nothing needs them any more.
func planOthers(o *Observation, p *position, plan *Plan, moved bool) {
	budget := -(p.replicas - v1alpha1.MaxUnavailable(o.Rollout))
	for _, r := range o.Revisions {
		budget += r.Available
	}
	kept := int32(0)
	for i := range o.Revisions {
		r := &o.Revisions[i]
		if r.Deleting || isOne(r, p.current, p.stable) {
			continue
		}
		intent := ReplicaSetIntent{Name: r.Name, Hash: r.Hash, From: r.Spec}
		size, deadline := r.Spec, ""
		if o.Routed || blueGreen(o.Rollout) != nil {
			size, deadline = o.otherRouted(p, r, &kept, budget)
		} else if !moved && !p.inferred {
			size = max(otherBasic(r, &budget), o.needed(p, r))
		}
		if size != r.Spec {
			intent.resize(r, size, p.replicas)
			budget -= min(r.Available, r.Spec-size)
		}
		intent.redate(r, deadline)
		if size > 0 {
			intent.redress(r, p.roleMetadata(o, r))
		}
		plan.scale(intent)
	}
}

// isOne reports whether a revision is one of others, of which any may be nil.
func isOne(r *Revision, others ...*Revision) bool {
	return slices.ContainsFunc(others, func(x *Revision) bool { return x != nil && x.Hash == r.Hash })
}

// otherBasic first takes the pods of an old revision that are not available, then the available ones that the budget spares.
func otherBasic(r *Revision, budget *int32) int32 {
	size := min(r.Spec, r.Available)
	if *budget > 0 {
		size -= min(size, *budget)
	}
	return size
}

// otherRouted keeps an old revision while a Service points at it, then for its scale-down delay; one that an update superseded goes at once.
func (o *Observation) otherRouted(p *position, r *Revision, kept *int32, budget int32) (size int32, deadline string) {
	if r.Spec == 0 {
		return 0, ""
	}
	if p.inferred || p.referenced(o, r) || budget < r.Available || o.TrafficError != "" || o.unconfirmed() {
		return r.Spec, dateOf(r)
	}
	if !p.done() && r.Deadline == nil {
		return 0, ""
	}
	*kept++
	return o.delayed(p, r, *kept)
}

// delayed keeps the pods of an old revision, the so-manieth that is kept, for the scale-down delay, but no more than anybody could ask for.
func (o *Observation) delayed(p *position, r *Revision, kept int32) (size int32, deadline string) {
	delay, left := v1alpha1.ScaleDownDelaySeconds(o.Rollout), min(r.Spec, p.replicas)
	if delay <= 0 || dynamic(o.Rollout) || kept > v1alpha1.ScaleDownDelayRevisionLimit(o.Rollout) {
		return 0, ""
	}
	end, over := o.endOf(p, r, delay)
	if over {
		return 0, ""
	}
	return left, dateText(end)
}

// referenced reports whether a Service of the Rollout may send requests to a revision.
func (p *position) referenced(o *Observation, r *Revision) bool {
	for _, s := range []Service{o.Stable, o.Canary} {
		if p.selects(s, r) && (o.Routed || s.Hash != "" || blueGreen(o.Rollout) != nil || p.points(s, r)) {
			return true
		}
	}
	return false
}

// selects reports whether a Service sends requests to pods of a revision, as it was seen or as this plan leaves it.
func (p *position) selects(s Service, r *Revision) bool {
	return s.Exists && (s.Hash == r.Hash || s.Hash == "") || p.points(s, r)
}

// points reports whether this plan switches a Service to a revision.
func (p *position) points(s Service, r *Revision) bool {
	return slices.ContainsFunc(p.pointed, func(i ServiceIntent) bool { return i.Service == s.Name && i.Hash == r.Hash })
}

// unconfirmed reports whether the data plane may still hold something else than the routes say.
func (o *Observation) unconfirmed() bool {
	return o.Routed && o.Traffic.Confirmation == trafficrouting.Pending
}

// carriesWeight reports whether requests may still be sent to a revision through a Service with weight.
func (o *Observation) carriesWeight(p *position, r *Revision) bool {
	return o.needed(p, r) > 0
}

// needed is how many pods of a revision the routes can demand, as they were seen or as this plan leaves them: below it no revision shrinks.
// A fixed canary scale is the user's own word on what is enough.
func (o *Observation) needed(p *position, r *Revision) int32 {
	switch {
	case !p.referenced(o, r):
		return 0
	case blueGreen(o.Rollout) != nil:
		if p.selects(o.Stable, r) {
			return p.replicas
		}
		return 0
	case !o.Routed:
		// Whoever asks the Service itself must find somebody, unless maxUnavailable allows that nobody is there.
		return max(0, min(1, r.Spec, p.replicas-v1alpha1.MaxUnavailable(o.Rollout)))
	case (o.TrafficError != "" || o.unconfirmed()) && p.selects(o.Stable, r):
		return max(r.Spec, p.replicas) // whoever has not followed may still send it everything
	case o.TrafficError != "" || o.unconfirmed():
		return max(r.Spec, o.demanded(p, r))
	}
	return o.demanded(p, r)
}

// demanded is the number of pods for the weights that the Services of a revision hold or are about to get.
func (o *Observation) demanded(p *position, r *Revision) (need int32) {
	full := v1alpha1.MaxTrafficWeight(o.Rollout)
	lowest, highest := o.Traffic.Lowest, o.Traffic.Highest
	if p.intended != nil {
		lowest, highest = min(lowest, *p.intended), max(highest, *p.intended)
	}
	canary, stable := shareUp(p.replicas, highest, full), shareUp(p.replicas, full-lowest, full)
	if s := fixedScale(o, p); s != nil && r.Hash == p.status.CurrentPodHash {
		weight, fixed := scaleWeight(o, p)
		canary = min(canary, max(1, ptr.Deref(fixed, shareUp(p.replicas, weight, full))))
	}
	if p.selects(o.Canary, r) {
		need += canary
		if o.managedHeld() {
			need = max(need, 1)
		}
	}
	if p.selects(o.Stable, r) {
		need += stable
	}
	return need
}

// planPrune deletes the oldest ReplicaSets without pods beyond revisionHistoryLimit.
func planPrune(o *Observation, p *position, plan *Plan) {
	left := v1alpha1.RevisionHistoryLimit(o.Rollout)
	for _, r := range o.Revisions { // newest first
		if r.Deleting || r.Spec > 0 || r.Replicas > 0 || p.referenced(o, &r) ||
			r.Hash == p.status.CurrentPodHash || r.Hash == p.status.StableRS || r.Hash == o.Current {
			continue
		}
		if left--; left < 0 {
			plan.Prune = append(plan.Prune, r.Name)
		}
	}
}

func (i *ReplicaSetIntent) resize(r *Revision, size, replicas int32) {
	i.Replicas = ptr.To(size)
	if r.Desired != replicas {
		i.Desired = ptr.To(replicas)
	}
	direction := "up"
	if size < r.Spec {
		direction = "down"
	}
	i.Why = append(i.Why, normal(v1alpha1.ReasonScalingReplicaSet,
		fmt.Sprintf("Scaled %s ReplicaSet %s (revision %d) from %d to %d", direction, r.Name, r.Number, r.Spec, size)))
}

// redate sets or removes the scale-down deadline where it differs.
func (i *ReplicaSetIntent) redate(r *Revision, deadline string) {
	if deadline != dateOf(r) {
		i.Deadline = ptr.To(deadline)
	}
}

func (p *Plan) scale(i ReplicaSetIntent) {
	if i.Replicas != nil || i.Deadline != nil || i.Desired != nil || i.Revision != 0 || i.MinReadySeconds != nil || i.Metadata != nil {
		p.Scale = append(p.Scale, i)
	}
}

func dateText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func dateOf(r *Revision) string {
	if r.Deadline == nil {
		return ""
	}
	return dateText(*r.Deadline)
}

// historyOf appends the number that a revision had to the list of those that it had before.
func historyOf(r *Revision) string {
	if r.Number == 0 {
		return r.History
	}
	return strings.TrimPrefix(r.History+","+strconv.FormatInt(r.Number, 10), ",")
}
