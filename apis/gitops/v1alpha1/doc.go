// Package v1alpha1 holds the wire types of Application, AppProject and ApplicationSet.
//
// Everything is served as argoproj.io/v1alpha1, beside the kinds of apis/rollouts/v1alpha1, so that manifests which teams already keep in
// Git apply unchanged: every field of that contract has a place here, also those that this controller refuses. Parts whose shape is the
// user's own (values of a chart, elements of a list generator, generators inside generators) are kept as the JSON that was written, so
// that a bad value in one object cannot stop the decoding of a whole list.
//
// +kubebuilder:object:generate=true
// +groupName=argoproj.io
package v1alpha1
