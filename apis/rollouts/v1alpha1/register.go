package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version under which every kind of this package is served.
var GroupVersion = schema.GroupVersion{Group: "argoproj.io", Version: "v1alpha1"}

// RolloutKind is the kind of the object that owns ReplicaSets, AnalysisRuns and Experiments.
var RolloutKind = GroupVersion.WithKind("Rollout")

// AnalysisRunKind is the kind of the object that owns the Jobs of job metrics.
var AnalysisRunKind = GroupVersion.WithKind("AnalysisRun")

// ExperimentKind is the kind of the object that owns the ReplicaSets, Services and AnalysisRuns of an experiment.
var ExperimentKind = GroupVersion.WithKind("Experiment")

// AddToScheme registers the kinds of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Rollout{}, &RolloutList{},
		&AnalysisTemplate{}, &AnalysisTemplateList{},
		&ClusterAnalysisTemplate{}, &ClusterAnalysisTemplateList{},
		&AnalysisRun{}, &AnalysisRunList{},
		&Experiment{}, &ExperimentList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
