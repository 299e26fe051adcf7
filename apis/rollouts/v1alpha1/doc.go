// Package v1alpha1 holds the wire types of Rollout, AnalysisTemplate, ClusterAnalysisTemplate, AnalysisRun and Experiment.
//
// Everything is served as argoproj.io/v1alpha1, so that manifests which teams already keep in Git apply unchanged: every field of
// that contract has a place here, also those that this controller refuses, because a field without a place would be lost silently.
// Pod templates and Job specs are kept as the raw JSON that the user wrote; a field that is newer than our Kubernetes libraries survives,
// and a bad value in one template cannot stop the decoding of a whole list.
//
// +kubebuilder:object:generate=true
// +groupName=argoproj.io
package v1alpha1
