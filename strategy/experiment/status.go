package experiment

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	conditionInvalidSpec = string(v1alpha1.ConditionInvalidSpec)
	conditionProgressing = string(v1alpha1.ConditionProgressing)
)

// planStatus fills in the conditions and hands over what was decided.
func planStatus(o *Observation, p *position, plan *Plan) {
	p.setInvalid(o)
	p.setProgressing(o)
	plan.Status, plan.Notes, plan.After = p.status, p.notes, p.after
}

// Fail enters into a plan that the API server refuses the pods or the Service of a template for good, which ends the experiment at the next look.
func (p *Plan) Fail(template, message string) {
	for i := range p.Status.TemplateStatuses {
		if t := &p.Status.TemplateStatuses[i]; t.Name == template && !templateOver(t.Status) {
			t.Status, t.Message = v1alpha1.TemplateStatusError, message
		}
	}
}

// Excuse enters into a plan what keeps the pods or the Service of a template from being made for now.
func (p *Plan) Excuse(template, message string) {
	for i := range p.Status.TemplateStatuses {
		if t := &p.Status.TemplateStatuses[i]; t.Name == template && !templateOver(t.Status) {
			t.Message = message
		}
	}
}

func condition(s *v1alpha1.ExperimentStatus, kind string) *v1alpha1.ExperimentCondition {
	i := slices.IndexFunc(s.Conditions, func(c v1alpha1.ExperimentCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &s.Conditions[i]
}

func (p *position) setInvalid(o *Observation) {
	if o.Invalid == "" || p.status.Phase != v1alpha1.AnalysisPhaseError || p.status.Message != o.Invalid {
		p.status.Conditions = slices.DeleteFunc(p.status.Conditions, func(c v1alpha1.ExperimentCondition) bool { return c.Type == conditionInvalidSpec })
		return
	}
	p.set(o, v1alpha1.ExperimentCondition{Type: conditionInvalidSpec, Status: string(corev1.ConditionTrue), Reason: v1alpha1.ReasonInvalidSpec, Message: o.Invalid})
}

func (p *position) setProgressing(o *Observation) {
	c := v1alpha1.ExperimentCondition{Type: conditionProgressing, Status: string(corev1.ConditionTrue)}
	name := o.Experiment.Name
	late := slices.IndexFunc(p.status.TemplateStatuses, func(t v1alpha1.TemplateStatus) bool { return t.Status == v1alpha1.TemplateStatusFailed })
	switch {
	case late >= 0:
		c.Status, c.Reason = string(corev1.ConditionFalse), v1alpha1.ReasonProgressDeadlineExceeded
		c.Message = fmt.Sprintf("Experiment %q has timed out progressing.", name)
	case bad(p.status.Phase) || p.status.Phase == v1alpha1.AnalysisPhaseInconclusive:
		c.Status, c.Reason = string(corev1.ConditionFalse), v1alpha1.ReasonExperimentCompleted
		c.Message = fmt.Sprintf("Experiment %q has ended: %s", name, p.status.Phase)
	case p.status.Phase.Completed():
		c.Reason, c.Message = v1alpha1.ReasonExperimentCompleted, fmt.Sprintf("Experiment %q has successfully ran and completed.", name)
	case p.status.AvailableAt != nil:
		c.Reason, c.Message = v1alpha1.ReasonNewReplicaSetAvailable, fmt.Sprintf("Experiment %q is running.", name)
	default:
		c.Reason, c.Message = v1alpha1.ReasonReplicaSetUpdated, fmt.Sprintf("Experiment %q is progressing.", name)
	}
	p.set(o, c)
}

// set writes a condition; its times move only when something else does.
func (p *position) set(o *Observation, c v1alpha1.ExperimentCondition) {
	c.LastUpdateTime, c.LastTransitionTime = o.clock(), o.clock()
	old := condition(&p.status, c.Type)
	if old == nil {
		p.status.Conditions = append(p.status.Conditions, c)
		return
	}
	if old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
		if old.Reason == c.Reason && old.Message == c.Message {
			c.LastUpdateTime = old.LastUpdateTime
		}
	}
	*old = c
}
