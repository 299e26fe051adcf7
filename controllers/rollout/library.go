package rollout

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// observeLibrary reads the templates that the strategy names, and those that they name in turn. A template that does not exist is left out:
// whoever composes a run from the library says which one is missing.
func (c *Controller) observeLibrary(ctx context.Context, s *seen) error {
	s.Library = analysis.Library{
		Templates:        map[string]v1alpha1.AnalysisTemplateSpec{},
		ClusterTemplates: map[string]v1alpha1.AnalysisTemplateSpec{},
	}
	due := templateRefs(s.Rollout)
	looked := map[libraryKey]bool{}
	for len(due) > 0 {
		key := keyOf(due[0])
		due = due[1:]
		if looked[key] {
			continue
		}
		looked[key] = true
		spec, err := c.readTemplate(ctx, s.Rollout.Namespace, key)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if key.cluster {
			s.Library.ClusterTemplates[key.name] = spec
		} else {
			s.Library.Templates[key.name] = spec
		}
		due = append(due, spec.Templates...)
	}
	return nil
}

type libraryKey struct {
	name    string
	cluster bool
}

func keyOf(ref v1alpha1.AnalysisTemplateRef) libraryKey {
	return libraryKey{name: ref.TemplateName, cluster: ref.InCluster()}
}

func (c *Controller) readTemplate(ctx context.Context, namespace string, key libraryKey) (v1alpha1.AnalysisTemplateSpec, error) {
	if key.cluster {
		template := &v1alpha1.ClusterAnalysisTemplate{}
		err := c.Client.Get(ctx, types.NamespacedName{Name: key.name}, template)
		return template.Spec, err
	}
	template := &v1alpha1.AnalysisTemplate{}
	err := c.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: key.name}, template)
	return template.Spec, err
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
		}
	}
	if blueGreen := r.Spec.Strategy.BlueGreen; blueGreen != nil {
		add(blueGreen.PrePromotionAnalysis)
		add(blueGreen.PostPromotionAnalysis)
	}
	return refs
}
