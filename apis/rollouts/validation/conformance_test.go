//go:build conformance

package validation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/validation"
	"github.com/sluice-delivery/sluice/internal/conformance"
)

type vector struct {
	ID, Kind, Note    string
	Rollout           v1alpha1.Rollout
	Services          []corev1.Service
	AnalysisTemplates []v1alpha1.AnalysisTemplate
	Expect            struct {
		Errors []struct{ Path, Type string }
	}
}

// What is wrong with metrics is compared where they are judged.
func TestConformanceOfValidation(t *testing.T) {
	conformance.Compare(t, "validation.jsonl", "../../../docs/compatibility/validation.md", "valid-", func(_ *testing.T, v vector) conformance.Case {
		c := conformance.Case{ID: v.ID, Note: v.Note}
		var got []string
		switch {
		case v.Kind == "Rollout":
			got = pathsAndTypes(validation.Rollout(&v.Rollout))
		case v.Kind == "References":
			got = pathsAndTypes(validation.References(&v.Rollout, v.referenced()))
		default:
			c.Foreign = true
			return c
		}
		want := []string{}
		for _, e := range v.Expect.Errors {
			want = append(want, e.Path+" "+e.Type)
		}
		c.Diff = cmp.Diff(want, got)
		return c
	})
}

func (v vector) referenced() validation.Referenced {
	found := validation.Referenced{Services: map[string]*corev1.Service{}}
	for i := range v.Services {
		found.Services[v.Services[i].Name] = &v.Services[i]
	}
	if len(v.AnalysisTemplates) == 0 {
		return found
	}
	library := analysis.Library{Templates: map[string]v1alpha1.AnalysisTemplateSpec{}}
	for _, t := range v.AnalysisTemplates {
		library.Templates[t.Name] = t.Spec
	}
	found.Compose = func(a v1alpha1.RolloutAnalysis) (*v1alpha1.AnalysisRun, error) {
		return analysis.ForRollout(&v.Rollout, a, library, analysis.RunAt{Hash: "new", StableHash: "stable", Type: analysis.TypeBackground})
	}
	return found
}

func pathsAndTypes(errs field.ErrorList) []string {
	all := []string{}
	for _, e := range errs {
		all = append(all, e.Field+" "+string(e.Type))
	}
	return all
}
