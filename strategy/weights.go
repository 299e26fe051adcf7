package strategy

import (
	"slices"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// weightAt is the weight of the nearest setWeight at or before a step; 0 if there is none.
func weightAt(steps []v1alpha1.CanaryStep, index int32) int32 {
	for i := min(index, int32(len(steps))-1); i >= 0; i-- {
		if steps[i].SetWeight != nil {
			return *steps[i].SetWeight
		}
	}
	return 0
}

// fixedScale is the setCanaryScale that governs a step, nil if the weight does.
func fixedScale(o *Observation, p *position) *v1alpha1.SetCanaryScale {
	if !o.Routed || p.wantsAll() || p.atEnd() || p.status.Abort && !v1alpha1.KeepsAborted(o.Rollout) {
		return nil
	}
	for i := p.index(); i >= 0; i-- {
		if s := p.steps[i].SetCanaryScale; s != nil {
			if s.MatchTrafficWeight || s.Replicas == nil && s.Weight == nil {
				return nil
			}
			return s
		}
	}
	return nil
}

// wantsAll reports whether the current revision is to have every pod, whatever the steps say.
func (p *position) wantsAll() bool { return p.fresh || p.done() || p.status.PromoteFull }

// unmanned reports whether a setCanaryScale in force asks for no canary pod at all: then there is nobody to send requests to, whatever
// the weight of the step.
func unmanned(o *Observation, p *position) bool {
	s := fixedScale(o, p)
	return s != nil && (s.Replicas != nil && *s.Replicas == 0 || s.Replicas == nil && ptr.Deref(s.Weight, 0) == 0)
}

// scaleWeight is the weight by which the canary's number of pods is reckoned, or the fixed number where a step gives one.
func scaleWeight(o *Observation, p *position) (weight int32, fixed *int32) {
	full := v1alpha1.MaxTrafficWeight(o.Rollout)
	if p.wantsAll() {
		return full, nil
	}
	if o.Rollout.Spec.Paused && (p.current == nil || p.current.Spec == 0) {
		// An update that begins while the user has paused waits without a single pod.
		return 0, nil
	}
	if s := fixedScale(o, p); s != nil {
		if s.Replicas != nil {
			return 0, s.Replicas
		}
		return ptr.Deref(s.Weight, 0), nil
	}
	switch {
	case p.status.Abort && dynamic(o.Rollout):
		return dynamicAbortWeight(o, p, full), nil
	case p.status.Abort:
		return 0, nil
	case p.atEnd():
		return full, nil
	}
	return weightAt(p.steps, p.index()), nil
}

// dynamic reports whether the stable revision shrinks as the traffic leaves it.
func dynamic(r *v1alpha1.Rollout) bool {
	c := r.Spec.Strategy.Canary
	return c != nil && c.DynamicStableScale && c.TrafficRouting != nil
}

// dynamicAbortWeight is the weight by which the canary is sized while an aborted update returns to a stable revision that has shrunk:
// back over the steps to the first weight whose pods the stable revision can do without.
func dynamicAbortWeight(o *Observation, p *position, full int32) int32 {
	if p.stable == nil {
		return full
	}
	missing := p.replicas - p.stable.Available
	if delay, explicit := v1alpha1.AbortScaleDownDelaySeconds(o.Rollout); p.current != nil && (!explicit || delay == 0) {
		missing = max(missing, p.current.Available)
	}
	for i := len(p.steps) - 1; i >= 0; i-- {
		if w := p.steps[i].SetWeight; w != nil && shareUp(p.replicas, *w, full) < missing {
			return *w
		}
	}
	return 0
}

// trafficWeight is the share of the traffic that the current revision should have now, and whether the routes may be written at all.
//
// It rests on one rule for every case: towards the canary only as far as its available pods carry, and towards the stable
// revision only as far as that one's do, with maxUnavailable forgiven.
func trafficWeight(o *Observation, p *position) (weight int32, write bool) {
	if !o.Routed || o.Canary.Name == "" || !o.Stable.Exists {
		return 0, false
	}
	full, held := v1alpha1.MaxTrafficWeight(o.Rollout), o.Traffic.Highest
	goal := goalWeight(o, p, full)
	if goal < held {
		return min(held, max(goal, stableFloor(o, p, full))), true
	}
	return max(min(goal, held), canaryCeiling(o, p, goal)), true
}

// goalWeight is where the weight should go, before it is asked what the pods on either side can carry.
func goalWeight(o *Observation, p *position, full int32) int32 {
	held := o.Traffic.Highest
	switch {
	case !o.Canary.Exists:
		return 0 // whatever goes there is lost, and it needs no Service to be told to go elsewhere
	case (p.done() || p.fresh) && !p.stableServes(o):
		return weightUntilStableServes(o, p, full)
	case p.done() || p.fresh || p.status.Abort || !p.canaryAnswers(o):
		return 0
	case o.Invalid != "":
		return held
	}
	return stepWeight(o, p, full)
}

// weightUntilStableServes keeps the weight while the update is complete but the stable Service still points at the old revision,
// unless nobody is left there to answer.
func weightUntilStableServes(o *Observation, p *position, full int32) int32 {
	old := o.revision(o.Stable.Hash)
	if o.Stable.Hash != "" && (old == nil || old.Available == 0) && p.canaryServes(o) {
		return full
	}
	return o.Traffic.Highest
}

// canaryAnswers reports whether a request that is sent to the canary Service meets a pod of the current revision that should be there.
func (p *position) canaryAnswers(o *Observation) bool {
	return p.canaryServes(o) && p.current != nil && p.current.Available > 0 && !unmanned(o, p)
}

// stepWeight is the weight of the current step once its pods are there, and that of the step before until then.
func stepWeight(o *Observation, p *position, full int32) int32 {
	held := o.Traffic.Highest
	before, now, ready := weightAt(p.steps, p.index()-1), weightAt(p.steps, p.index()), false
	switch {
	case p.skipping():
		before, now, ready = min(held, full), full, enough(o, p, p.replicas)
	case p.atEnd():
		now, ready = full, enough(o, p, p.replicas)
	default:
		ready = atDesired(o, p)
	}
	if now <= before || held == now || ready && !p.held(o) {
		return now
	}
	return before
}

// canaryCeiling is the greatest weight up to goal that the available pods of the current revision carry.
func canaryCeiling(o *Observation, p *position, goal int32) int32 {
	needed := routedCanary(o.Rollout, goal, nil, false)
	if s := fixedScale(o, p); s != nil {
		if weight, fixed := scaleWeight(o, p); fixed != nil {
			needed = *fixed
		} else {
			needed = min(needed, routedCanary(o.Rollout, weight, nil, false))
		}
	}
	if p.current == nil {
		return 0
	}
	if needed <= 0 || enough(o, p, needed) {
		return goal
	}
	return shareDown(goal, p.current.Available, needed)
}

// stableServes reports whether the stable Service points at the revision that is stable, or is about to be.
func (p *position) stableServes(o *Observation) bool {
	hash := p.status.StableRS
	if p.fresh {
		hash = p.status.CurrentPodHash
	}
	return o.Stable.Exists && o.Stable.Hash == hash
}

// stableFloor is the least canary weight at which the available pods behind the stable Service, with maxUnavailable forgiven, carry the rest.
// Where nobody at all answers on one side, everything goes to the other.
func stableFloor(o *Observation, p *position, full int32) int32 {
	spec, carried := o.behind(o.Stable)
	_, canary := o.behind(o.Canary)
	switch {
	case p.replicas == 0:
		return 0
	case carried == 0:
		return full
	case canary == 0:
		return 0
	}
	if spec >= p.replicas {
		// Whatever is missing now was lost, and is not still to come.
		carried += v1alpha1.MaxUnavailable(o.Rollout)
	}
	return full - shareDown(full, min(p.replicas, carried), p.replicas)
}

// behind sums up the wanted and the available pods that a Service selects.
func (o *Observation) behind(s Service) (spec, available int32) {
	for i := range o.Revisions {
		if r := &o.Revisions[i]; s.Exists && (s.Hash == "" || s.Hash == r.Hash) {
			spec, available = spec+r.Spec, available+r.Available
		}
	}
	return spec, available
}

// planTraffic writes the routes when they do not hold what they should.
func planTraffic(o *Observation, p *position, plan *Plan) {
	weight, write := trafficWeight(o, p)
	t := o.Traffic
	headers, mirrors := managedRoutes(o, p)
	shares := experimentShares(o.Rollout, &p.status, o.Experiments)
	full, taken := v1alpha1.MaxTrafficWeight(o.Rollout), sumOf(shares)
	weight = min(weight, full-taken)
	same := t.Lowest == weight && t.Highest == weight && slices.Equal(shares, o.Asked)
	if !write || t.Exact && same && routesHeld(t, headers, mirrors) {
		return
	}
	if o.TrafficError != "" && !o.retreats(weight, taken, len(headers)+len(mirrors) > 0) {
		return
	}
	intent := &TrafficIntent{Split: trafficrouting.Split{
		Stable:     trafficrouting.Share{Service: o.Stable.Name, Weight: full - weight - taken},
		Canary:     trafficrouting.Share{Service: o.Canary.Name, Weight: weight},
		Additional: shares, Headers: headers, Mirrors: mirrors,
	}}
	if t.Lowest != weight || t.Highest != weight || recordedSum(&p.status) != taken {
		intent.Why = ptr.To(normal(v1alpha1.ReasonTrafficWeightUpdated, o.weightText(weight, shares)))
	}
	plan.Traffic, p.intended = intent, &weight
}

// retreats reports whether a division does nothing but take requests away from the canary and from experiments. Only that is written while a route
// cannot be read or used: a failed update must leave every route that can be reached, and no other may be judged by some of them.
func (o *Observation) retreats(weight, taken int32, led bool) bool {
	t := o.Traffic
	switch {
	case t.Confirmation == "" || taken > recordedSum(&o.Rollout.Status):
		return false
	case weight == 0 && taken == 0 && !led:
		return true
	}
	return weight < t.Highest
}
