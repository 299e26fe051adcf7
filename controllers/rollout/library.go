package rollout

import (
	"context"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// observeLibrary reads the templates that the strategy names, and those that they name in turn.
func (c *Controller) observeLibrary(ctx context.Context, s *seen) (err error) {
	s.Library, err = kube.Library(ctx, c.named(s), s.Rollout.Namespace, templateRefs(s.Rollout))
	return err
}

// templateRefs lists the templates that a strategy names itself.
func templateRefs(r *v1alpha1.Rollout) []v1alpha1.AnalysisTemplateRef {
	var refs []v1alpha1.AnalysisTemplateRef
	add := func(a *v1alpha1.RolloutAnalysis) {
		if a != nil {
			refs = append(refs, a.Templates...)
		}
	}
	if canary := r.Spec.Strategy.Canary; canary != nil {
		if canary.Analysis != nil {
			add(&canary.Analysis.RolloutAnalysis)
		}
		for i := range canary.Steps {
			add(canary.Steps[i].Analysis)
			refs = append(refs, experimentRefs(canary.Steps[i].Experiment)...)
		}
	}
	if blueGreen := r.Spec.Strategy.BlueGreen; blueGreen != nil {
		add(blueGreen.PrePromotionAnalysis)
		add(blueGreen.PostPromotionAnalysis)
	}
	return refs
}

func experimentRefs(e *v1alpha1.RolloutExperimentStep) (refs []v1alpha1.AnalysisTemplateRef) {
	if e == nil {
		return nil
	}
	for _, a := range e.Analyses {
		refs = append(refs, v1alpha1.AnalysisTemplateRef{TemplateName: a.TemplateName, ClusterScope: &a.ClusterScope})
	}
	return refs
}
