package validation

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestReferencesJudgesServices(t *testing.T) {
	service := func(selector, annotations map[string]string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "s", Annotations: annotations}, Spec: corev1.ServiceSpec{Selector: selector}}
	}
	for _, c := range []struct {
		name     string
		services map[string]*corev1.Service
		want     []string
	}{
		{"one that was not looked for is not judged", nil, nil},
		{"one that does not exist", map[string]*corev1.Service{"s": nil}, []string{"spec.strategy.canary.stableService: Invalid value"}},
		{"one of our own, with a revision selected", map[string]*corev1.Service{"s": service(
			map[string]string{"app": "shop", v1alpha1.LabelPodTemplateHash: "x"}, map[string]string{v1alpha1.AnnotationManagedByRollouts: "shop"})}, nil},
		{"one of another Rollout", map[string]*corev1.Service{"s": service(nil, map[string]string{v1alpha1.AnnotationManagedByRollouts: "other"})},
			[]string{"spec.strategy.canary.stableService: Invalid value"}},
		{"one that selects other pods", map[string]*corev1.Service{"s": service(map[string]string{"app": "shop", "tier": "x"}, nil)},
			[]string{"spec.strategy.canary.stableService: Invalid value"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := with(t, "strategy: {canary: {stableService: s, canaryService: c}}")
			if diff := cmp.Diff(c.want, lines(References(r, Referenced{Services: c.services}))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReferencesJudgesAnalyses(t *testing.T) {
	endless := []v1alpha1.Metric{{Name: "m", Interval: "1m"}}
	once := intstr.FromInt32(1)
	for _, c := range []struct {
		name, strategy string
		metrics        []v1alpha1.Metric
		failure        error
		want           []string
	}{
		{"an endless metric beside the steps is fine", "canary: {analysis: {templates: [{templateName: t}]}}", endless, nil, nil},
		{"an endless metric in a step never ends", "canary: {steps: [{pause: {}}, {analysis: {templates: [{templateName: t}]}}]}", endless, nil,
			[]string{"spec.strategy.canary.steps[1].analysis.templates: Invalid value"}},
		{"a counted metric in a step ends", "canary: {steps: [{analysis: {}}]}", []v1alpha1.Metric{{Name: "m", Interval: "1m", Count: &once}}, nil, nil},
		{"what cannot be composed", "canary: {analysis: {templates: [{templateName: t}]}}", nil, errors.New("no such template"),
			[]string{"spec.strategy.canary.analysis.templates: Invalid value"}},
		{"both analyses of blue-green", "blueGreen: {prePromotionAnalysis: {}, postPromotionAnalysis: {}}", endless, nil,
			[]string{"spec.strategy.blueGreen.prePromotionAnalysis.templates: Invalid value", "spec.strategy.blueGreen.postPromotionAnalysis.templates: Invalid value"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			compose := func(v1alpha1.RolloutAnalysis) (*v1alpha1.AnalysisRun, error) {
				return &v1alpha1.AnalysisRun{Spec: v1alpha1.AnalysisRunSpec{Metrics: c.metrics}}, c.failure
			}
			r := with(t, "strategy: {"+c.strategy+"}")
			if diff := cmp.Diff(c.want, lines(References(r, Referenced{Compose: compose}))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
