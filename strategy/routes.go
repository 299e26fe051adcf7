package strategy

import (
	"slices"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// Split is the division of the traffic by which the routes of a Rollout are to be observed: its Services, the shares of its Experiments, and the
// managed routes that the steps up to the current one ask for. The weights of stable and canary in it mean nothing yet.
func Split(r *v1alpha1.Rollout, experiments ...v1alpha1.Experiment) trafficrouting.Split {
	var s trafficrouting.Split
	c := r.Spec.Strategy.Canary
	if c == nil {
		return s
	}
	s.Stable.Service, s.Canary.Service = c.StableService, c.CanaryService
	s.Additional = experimentShares(r, &r.Status, experiments)
	if r.Status.Abort || r.Status.PromoteFull || r.Status.StableRS == "" || r.Status.StableRS == r.Status.CurrentPodHash {
		return s
	}
	s.Headers, s.Mirrors = routesAt(c.Steps, indexOf(&r.Status))
	return s
}

// routesAt are the header and mirror routes in force at a step: of several steps for one name the latest counts, and one without a match removes it.
func routesAt(steps []v1alpha1.CanaryStep, index int32) (headers []v1alpha1.SetHeaderRoute, mirrors []v1alpha1.SetMirrorRoute) {
	for _, step := range steps[:min(max(int(index)+1, 0), len(steps))] {
		if h := step.SetHeaderRoute; h != nil {
			headers = slices.DeleteFunc(headers, func(x v1alpha1.SetHeaderRoute) bool { return x.Name == h.Name })
			if len(h.Match) > 0 {
				headers = append(headers, *h)
			}
		}
		if m := step.SetMirrorRoute; m != nil {
			mirrors = slices.DeleteFunc(mirrors, func(x v1alpha1.SetMirrorRoute) bool { return x.Name == m.Name })
			if len(m.Match) > 0 {
				mirrors = append(mirrors, *m)
			}
		}
	}
	return headers, mirrors
}

// managedRoutes are the header and mirror routes that should exist now. They lead straight to the canary, so there are none while it has no pod
// or is to have none.
func managedRoutes(o *Observation, p *position) (headers []v1alpha1.SetHeaderRoute, mirrors []v1alpha1.SetMirrorRoute) {
	if !p.leads() || !p.canaryAnswers(o) {
		return nil, nil
	}
	return routesAt(p.steps, p.index())
}

// leads reports whether the steps so far ask for managed routes to the canary.
func (p *position) leads() bool {
	if p.status.Abort || p.done() || p.fresh || p.skipping() {
		return false
	}
	headers, mirrors := routesAt(p.steps, p.index())
	return len(headers)+len(mirrors) > 0
}

// routesHeld reports whether the routes were seen to hold exactly these managed routes.
func routesHeld(t trafficrouting.Observed, headers []v1alpha1.SetHeaderRoute, mirrors []v1alpha1.SetMirrorRoute) bool {
	if len(t.Extra) > 0 || len(t.Headers) != len(headers) || len(t.Mirrors) != len(mirrors) {
		return false
	}
	for _, h := range headers {
		if !slices.Contains(t.Headers, h.Name) {
			return false
		}
	}
	for _, m := range mirrors {
		if !slices.Contains(t.Mirrors, m.Name) {
			return false
		}
	}
	return true
}

// routeStepDone reports whether the managed route of the current step was observed as that step wants it.
// What was observed for an earlier step says nothing about this one. Where there is to be no canary pod there is nobody to lead requests to:
// the route then comes with the first pod, and the step must not wait for it.
func (p *position) routeStepDone(o *Observation) bool {
	headers, mirrors := routesAt(p.steps, p.index())
	if canarySize(o, p) == 0 || p.fresh {
		headers, mirrors = nil, nil
	}
	return o.TrafficError == "" && p.index() == indexOf(&o.Rollout.Status) && !p.restarted &&
		o.Traffic.Confirmation != trafficrouting.Pending && routesHeld(o.Traffic, headers, mirrors)
}

// managedHeld reports whether any managed route leads to the canary Service.
func (o *Observation) managedHeld() bool {
	return len(o.Traffic.Headers)+len(o.Traffic.Mirrors)+len(o.Traffic.Extra) > 0
}
