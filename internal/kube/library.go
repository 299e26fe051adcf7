package kube

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Library reads templates and those that they name in turn. A template that does not exist is left out:
// whoever composes a run from the library says which one is missing.
func Library(ctx context.Context, c client.Reader, namespace string, refs []v1alpha1.AnalysisTemplateRef) (analysis.Library, error) {
	library := analysis.Library{
		Templates:        map[string]v1alpha1.AnalysisTemplateSpec{},
		ClusterTemplates: map[string]v1alpha1.AnalysisTemplateSpec{},
	}
	due := append([]v1alpha1.AnalysisTemplateRef(nil), refs...)
	looked := map[libraryKey]bool{}
	for len(due) > 0 {
		key := libraryKey{name: due[0].TemplateName, cluster: due[0].InCluster()}
		due = due[1:]
		if looked[key] {
			continue
		}
		looked[key] = true
		spec, err := readTemplate(ctx, c, namespace, key)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return library, err
		}
		if key.cluster {
			library.ClusterTemplates[key.name] = spec
		} else {
			library.Templates[key.name] = spec
		}
		due = append(due, spec.Templates...)
	}
	return library, nil
}

type libraryKey struct {
	name    string
	cluster bool
}

func readTemplate(ctx context.Context, c client.Reader, namespace string, key libraryKey) (v1alpha1.AnalysisTemplateSpec, error) {
	if key.cluster {
		template := &v1alpha1.ClusterAnalysisTemplate{}
		err := c.Get(ctx, types.NamespacedName{Name: key.name}, template)
		return template.Spec, err
	}
	template := &v1alpha1.AnalysisTemplate{}
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: key.name}, template)
	return template.Spec, err
}
