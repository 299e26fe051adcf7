package strategy

import (
	"fmt"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// planServices points the stable Service at the stable revision and the canary Service at the current one, or at the stable one
// where there is no canary. A Service is switched only to a revision that carries what the Service was seen to carry.
func planServices(o *Observation, p *position, plan *Plan) {
	if p.inferred {
		return // first it is written down who serves, which is read off the Services
	}
	if blueGreen(o.Rollout) != nil {
		planBlueGreenServices(o, p, plan)
		return
	}
	full := v1alpha1.MaxTrafficWeight(o.Rollout)
	stable := p.stable
	if p.fresh {
		stable = p.current
	}
	p.point(o, plan, o.Stable, stable, full-o.Traffic.Lowest)
	canary := p.current
	if p.done() || p.fresh || p.status.Abort || p.superseded(o, stable) {
		canary = stable
	}
	p.point(o, plan, o.Canary, canary, o.Traffic.Highest)
}

// superseded reports whether the canary Service still points at a canary that the spec has left, and the new one has no pod yet. Without a router
// the old one must not keep a pod for the Service, for which the new one may need the room.
func (p *position) superseded(o *Observation, stable *Revision) bool {
	old := o.Canary.Hash
	if o.Routed || stable == nil || old == "" || old == stable.Hash || old == o.Current {
		return false
	}
	return o.available(o.Canary) > 0 && (p.current == nil || p.current.Available == 0)
}

// point switches one Service, whose share of the traffic was seen to be weight, to a revision.
func (p *position) point(o *Observation, plan *Plan, s Service, to *Revision, weight int32) {
	if !s.Exists || to == nil || s.Hash == to.Hash && s.Managed || o.Routed && o.TrafficError != "" {
		return
	}
	if s.Hash == to.Hash || p.mayPoint(o, s, to, weight) {
		p.switchTo(plan, s, to)
	}
}

// available is the number of available pods that a Service selects.
func (o *Observation) available(s Service) int32 {
	_, available := o.behind(s)
	return available
}

// switchTo points a Service at a revision and marks it as managed, unless both are so already.
func (p *position) switchTo(plan *Plan, s Service, to *Revision) {
	if !s.Exists || s.Hash == to.Hash && s.Managed {
		return
	}
	plan.Point = append(plan.Point, ServiceIntent{Service: s.Name, Hash: to.Hash, Why: normal(v1alpha1.ReasonSwitchService,
		fmt.Sprintf("Switched selector for service '%s' from '%s' to '%s'", s.Name, s.Hash, to.Hash))})
	p.pointed = plan.Point
}

// mayPoint reports whether a revision may take over a Service. One that is to serve everybody must have its pods, maxUnavailable forgiven,
// and all of them where the Service selected pods of every revision so far. A canary takes over only what carries nothing yet.
func (p *position) mayPoint(o *Observation, s Service, to *Revision, weight int32) bool {
	switch {
	case p.replicas == 0:
		return true
	case p.fresh || p.takeOver || isOne(to, p.stable):
		return p.mayServeAll(o, s, to)
	case o.Routed && (weight > 0 || o.managedHeld() || o.unconfirmed()):
		return false
	}
	return to.Available >= 1
}

func (p *position) mayServeAll(o *Observation, s Service, to *Revision) bool {
	switch {
	case s.Hash == "" || p.takeOver && !p.done():
		return to.Available >= p.replicas
	case !o.Routed && to.Available > 0 && to.Available >= o.available(s):
		return true // without a router a Service gets no more than the pods of one side, and these are no fewer than it has
	}
	return to.Available >= max(1, p.replicas-v1alpha1.MaxUnavailable(o.Rollout))
}
