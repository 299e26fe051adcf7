package strategy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// experimentShares are the shares that the Services of Experiments should have. Every Service is named that may be in the routes, with weight 0
// where it should not: those of marked Experiments, and those that the status says to be there, whose Experiment may be gone.
func experimentShares(r *v1alpha1.Rollout, s *v1alpha1.RolloutStatus, experiments []v1alpha1.Experiment) []trafficrouting.Share {
	var shares []trafficrouting.Share
	add := func(share trafficrouting.Share) {
		i := slices.IndexFunc(shares, func(x trafficrouting.Share) bool { return x.Service == share.Service })
		switch {
		case i < 0:
			shares = append(shares, share)
		case share.Weight > 0:
			shares[i] = share
		}
	}
	for i := range experiments {
		e := &experiments[i]
		if !inRoutes(e) {
			continue
		}
		for t := range e.Spec.Templates {
			if name := routedService(e, &e.Spec.Templates[t]); name != "" {
				add(trafficrouting.Share{Service: name, Weight: allowedShare(r, s, e, &e.Spec.Templates[t])})
			}
		}
	}
	for _, held := range recorded(s) {
		add(trafficrouting.Share{Service: held.ServiceName})
	}
	if sumOf(shares) > v1alpha1.MaxTrafficWeight(r) {
		for i := range shares {
			shares[i].Weight = 0 // the weights were edited into something that no route can hold
		}
	}
	return shares
}

// allowedShare is shareOf once the Service is written down in the status: one that is in the routes before that could be forgotten there.
func allowedShare(r *v1alpha1.Rollout, s *v1alpha1.RolloutStatus, e *v1alpha1.Experiment, t *v1alpha1.TemplateSpec) int32 {
	if !isRecorded(recorded(s), v1alpha1.ExperimentServiceName(e, t)) {
		return 0
	}
	return shareOf(r, s, e, t)
}

func isRecorded(all []v1alpha1.WeightDestination, service string) bool {
	return slices.ContainsFunc(all, func(d v1alpha1.WeightDestination) bool { return d.ServiceName == service })
}

// shareOf is the weight that a template should have now: none unless its Experiment is the one of the current step and runs, and its Service has
// every pod behind it, or some of those behind which it was sent requests already.
func shareOf(r *v1alpha1.Rollout, s *v1alpha1.RolloutStatus, e *v1alpha1.Experiment, t *v1alpha1.TemplateSpec) int32 {
	if !isTried(r, s, e) {
		return 0
	}
	weights, err := v1alpha1.ExperimentWeights(e)
	if err != nil {
		return 0 // an annotation that somebody spoiled asks for nothing, and keeps the pods where they are
	}
	name := v1alpha1.ExperimentServiceName(e, t)
	i := slices.IndexFunc(e.Status.TemplateStatuses, func(x v1alpha1.TemplateStatus) bool { return x.Name == t.Name })
	if i < 0 || e.Status.TemplateStatuses[i].ServiceName != name {
		return 0
	}
	was := slices.ContainsFunc(recorded(s), func(d v1alpha1.WeightDestination) bool { return d.ServiceName == name && d.Weight > 0 })
	if state := &e.Status.TemplateStatuses[i]; state.AvailableReplicas > 0 && (was || state.Status == v1alpha1.TemplateStatusRunning) {
		return max(weights[t.Name], 0)
	}
	return 0
}

// isTried reports whether an Experiment is the one of the current step of an update that goes on, and runs.
func isTried(r *v1alpha1.Rollout, s *v1alpha1.RolloutStatus, e *v1alpha1.Experiment) bool {
	c := r.Spec.Strategy.Canary
	if c == nil || s.Abort || s.PromoteFull || s.StableRS == "" || s.StableRS == s.CurrentPodHash {
		return false
	}
	return experimentAt(c.Steps, indexOf(s)) != nil && s.Canary.CurrentExperiment == e.Name &&
		e.Status.Phase == v1alpha1.AnalysisPhaseRunning && !e.Spec.Terminate && e.DeletionTimestamp == nil
}

// routedService is the Service of a template that is to get a share of the traffic; empty for any other. Where the weights cannot be read, any may.
func routedService(e *v1alpha1.Experiment, t *v1alpha1.TemplateSpec) string {
	if weights, err := v1alpha1.ExperimentWeights(e); err == nil && weights[t.Name] <= 0 {
		return ""
	}
	return v1alpha1.ExperimentServiceName(e, t)
}

// servicesIn are the Services of an Experiment that may be in the routes.
func servicesIn(e *v1alpha1.Experiment) (names []string) {
	for i := range e.Spec.Templates {
		if name := routedService(e, &e.Spec.Templates[i]); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// recorded are the shares of experiments that the status says to be in the routes.
func recorded(s *v1alpha1.RolloutStatus) []v1alpha1.WeightDestination {
	if s.Canary.Weights == nil {
		return nil
	}
	return s.Canary.Weights.Additional
}

func recordedSum(s *v1alpha1.RolloutStatus) (sum int32) {
	for _, d := range recorded(s) {
		sum += d.Weight
	}
	return sum
}

func sumOf(shares []trafficrouting.Share) (sum int32) {
	for _, s := range shares {
		sum += s.Weight
	}
	return sum
}

// recordShares writes down which shares of experiments the routes hold, and which they are to get next. One that was there stays until the routes
// were seen without it, because a Service that nobody remembers is never taken out of them.
func (o *Observation) recordShares(s *v1alpha1.RolloutStatus, weights *v1alpha1.TrafficWeights) {
	for _, share := range o.Traffic.Additional {
		weights.Additional = append(weights.Additional, v1alpha1.WeightDestination{
			Weight: share.Weight, ServiceName: share.Service, PodTemplateHash: o.hashBehind(share.Service),
		})
		weights.Stable.Weight -= share.Weight
	}
	for i := range o.Experiments {
		e := &o.Experiments[i]
		for t := range e.Spec.Templates {
			name := routedService(e, &e.Spec.Templates[t])
			if name != "" && !isRecorded(weights.Additional, name) && shareOf(o.Rollout, s, e, &e.Spec.Templates[t]) > 0 {
				weights.Additional = append(weights.Additional, v1alpha1.WeightDestination{ServiceName: name, PodTemplateHash: o.hashBehind(name)})
			}
		}
	}
	if o.Traffic.Exact {
		return
	}
	for _, before := range recorded(&o.Rollout.Status) {
		if !isRecorded(weights.Additional, before.ServiceName) {
			weights.Additional = append(weights.Additional, before)
			weights.Stable.Weight -= before.Weight
		}
	}
}

// hashBehind is the hash of the pods behind the Service of an Experiment; empty if none says so.
func (o *Observation) hashBehind(service string) string {
	for _, e := range o.Experiments {
		for _, t := range e.Status.TemplateStatuses {
			if t.ServiceName == service {
				return t.PodTemplateHash
			}
		}
	}
	return ""
}

// weightText says what the routes are told, in the words of the wire contract.
func (o *Observation) weightText(weight int32, shares []trafficrouting.Share) string {
	text := fmt.Sprintf("Traffic weight updated from %d to %d", o.Traffic.Highest, weight)
	if o.Traffic.Highest == weight {
		text = fmt.Sprintf("Traffic weight updated to %d", weight)
	}
	var more []string
	for _, s := range shares {
		if s.Weight > 0 {
			more = append(more, fmt.Sprintf("%s %d", s.Service, s.Weight))
		}
	}
	if len(more) > 0 {
		text += ", additional: " + strings.Join(more, ", ")
	}
	return text
}
