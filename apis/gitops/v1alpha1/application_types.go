package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Application brings one place of a cluster to what a repository says. It has no status subresource: spec, operation and status are
// written by the same request.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=applications,shortName=app;apps
// +kubebuilder:printcolumn:name="Sync Status",type=string,JSONPath=`.status.sync.status`
// +kubebuilder:printcolumn:name="Health Status",type=string,JSONPath=`.status.health.status`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.sync.revision`,priority=10
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.project`,priority=10
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec ApplicationSpec `json:"spec"`
	// +optional
	Status ApplicationStatus `json:"status,omitzero"`
	// A sync that somebody asks for; whoever may write the object may set it.
	// +optional
	Operation *Operation `json:"operation,omitempty"`
}

// ApplicationList is a list of Applications.
//
// +kubebuilder:object:root=true
type ApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []Application `json:"items"`
}

// ApplicationSpec says what should be where, and who brings it there.
type ApplicationSpec struct {
	// The AppProject whose rules apply; default if empty.
	// +optional
	Project string `json:"project"`
	// The cluster and namespace that are brought to what the source says.
	// +optional
	Destination Destination `json:"destination"`
	// Where the manifests are; left aside if sources is not empty.
	// +optional
	Source *Source `json:"source,omitempty"`
	// Several places, whose manifests are put together.
	// +optional
	Sources []Source `json:"sources,omitempty"`
	// Refused by name in the condition InvalidSpecError.
	// +optional
	SourceHydrator *SourceHydrator `json:"sourceHydrator,omitempty"`
	// When and how it syncs; by hand only if absent.
	// +optional
	SyncPolicy *SyncPolicy `json:"syncPolicy,omitempty"`
	// Fields whose differences do not count.
	// +optional
	IgnoreDifferences []IgnoreDifference `json:"ignoreDifferences,omitempty"`
	// Facts that are only shown.
	// +optional
	Info []Info `json:"info,omitempty"`
	// Entries of status.history that are kept; 10 if absent, 0 keeps none.
	// +optional
	RevisionHistoryLimit *int64 `json:"revisionHistoryLimit,omitempty"`
}

// Destination is a cluster, by server or by name, and the namespace of objects that name none.
type Destination struct {
	// URL of the API server; not together with name.
	// +optional
	Server string `json:"server,omitempty"`
	// Name of the cluster; not together with server.
	// +optional
	Name string `json:"name,omitempty"`
	// Namespace of objects that name none.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// IgnoreDifference names fields that are left out of the comparison.
type IgnoreDifference struct {
	// Glob over API groups; empty means the core group.
	// +optional
	Group string `json:"group,omitempty"`
	// Glob over kinds.
	Kind string `json:"kind"`
	// Name of the object; all of the kind if absent.
	// +optional
	Name string `json:"name,omitempty"`
	// Namespace of the object; all if absent.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// RFC 6901 pointers.
	// +optional
	JSONPointers []string `json:"jsonPointers,omitempty"`
	// jq paths of the fields; one that cannot be read is a ComparisonError.
	// +optional
	JQPathExpressions []string `json:"jqPathExpressions,omitempty"`
	// Field managers whose fields do not count.
	// +optional
	ManagedFieldsManagers []string `json:"managedFieldsManagers,omitempty"`
}

// Info is one fact that is only shown.
type Info struct {
	// What the line is about.
	Name string `json:"name"`
	// The line.
	Value string `json:"value"`
}
