package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ApplicationStatus is what was last observed of an Application.
type ApplicationStatus struct {
	// Sorted by group, kind, namespace and name.
	// +optional
	Resources []ResourceStatus `json:"resources,omitempty"`
	// +optional
	Sync SyncStatus `json:"sync,omitzero"`
	// +optional
	Health HealthStatus `json:"health,omitzero"`
	// Full syncs that succeeded, oldest first.
	// +optional
	History []RevisionHistory `json:"history,omitempty"`
	// +optional
	Conditions []ApplicationCondition `json:"conditions,omitempty"`
	// +optional
	ReconciledAt *metav1.Time `json:"reconciledAt,omitempty"`
	// Accepted, not written any more.
	// +optional
	ObservedAt *metav1.Time `json:"observedAt,omitempty"`
	// +optional
	OperationState *OperationState `json:"operationState,omitempty"`
	// +optional
	SourceType SourceType `json:"sourceType,omitempty"`
	// +optional
	SourceTypes []SourceType `json:"sourceTypes,omitempty"`
	// +optional
	Summary ApplicationSummary `json:"summary,omitzero"`
	// Where the health of single resources is kept: appTree means not in this object.
	// +optional
	ResourceHealthSource string `json:"resourceHealthSource,omitempty"`
	// +optional
	ControllerNamespace string `json:"controllerNamespace,omitempty"`
	// +optional
	SourceHydrator *SourceHydratorStatus `json:"sourceHydrator,omitempty"`
}

// SourceType is the tool that renders a source.
type SourceType string

// Tools that render.
const (
	SourceTypeHelm      SourceType = "Helm"
	SourceTypeKustomize SourceType = "Kustomize"
	SourceTypeDirectory SourceType = "Directory"
	SourceTypePlugin    SourceType = "Plugin"
)

// SyncStatusCode says whether the cluster holds what the repository says.
type SyncStatusCode string

// Sync states.
const (
	SyncSynced    SyncStatusCode = "Synced"
	SyncOutOfSync SyncStatusCode = "OutOfSync"
	SyncUnknown   SyncStatusCode = "Unknown"
)

// HealthCode says whether an object does its work.
type HealthCode string

// Health states, best first.
const (
	HealthHealthy     HealthCode = "Healthy"
	HealthSuspended   HealthCode = "Suspended"
	HealthProgressing HealthCode = "Progressing"
	HealthMissing     HealthCode = "Missing"
	HealthDegraded    HealthCode = "Degraded"
	HealthUnknown     HealthCode = "Unknown"
)

// HealthStatus is the health of an Application or of one object.
type HealthStatus struct {
	// +optional
	Status HealthCode `json:"status,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
}

// SyncStatus is the outcome of the last comparison.
type SyncStatus struct {
	Status SyncStatusCode `json:"status"`
	// What was compared.
	// +optional
	ComparedTo ComparedTo `json:"comparedTo,omitzero"`
	// Commit that was compared.
	// +optional
	Revision string `json:"revision,omitempty"`
	// One for each of sources.
	// +optional
	Revisions []string `json:"revisions,omitempty"`
}

// ComparedTo is the part of the spec that was compared.
type ComparedTo struct {
	// +optional
	Source Source `json:"source,omitzero"`
	// +optional
	Sources []Source `json:"sources,omitempty"`
	// +optional
	Destination Destination `json:"destination"`
	// +optional
	IgnoreDifferences []IgnoreDifference `json:"ignoreDifferences,omitempty"`
}

// ResourceStatus is what was observed of one object.
type ResourceStatus struct {
	// +optional
	Group string `json:"group,omitempty"`
	// +optional
	Version string `json:"version,omitempty"`
	// +optional
	Kind string `json:"kind,omitempty"`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Status SyncStatusCode `json:"status,omitempty"`
	// +optional
	Health *HealthStatus `json:"health,omitempty"`
	// +optional
	Hook bool `json:"hook,omitempty"`
	// The repository holds it no more.
	// +optional
	RequiresPruning bool `json:"requiresPruning,omitempty"`
	// +optional
	RequiresDeletionConfirmation bool `json:"requiresDeletionConfirmation,omitempty"`
	// +optional
	SyncWave int64 `json:"syncWave,omitempty"`
}

// RevisionHistory is one full sync that succeeded.
type RevisionHistory struct {
	// Counts from 0; what a rollback names.
	ID int64 `json:"id"`
	// +optional
	Revision string `json:"revision,omitempty"`
	// +optional
	Revisions []string `json:"revisions,omitempty"`
	// +optional
	Source Source `json:"source,omitzero"`
	// +optional
	Sources    []Source    `json:"sources,omitempty"`
	DeployedAt metav1.Time `json:"deployedAt"`
	// +optional
	DeployStartedAt *metav1.Time `json:"deployStartedAt,omitempty"`
	// +optional
	InitiatedBy OperationInitiator `json:"initiatedBy,omitzero"`
}

// ApplicationConditionType names a condition of an Application. A type that ends in Error is an error, other ones are warnings.
type ApplicationConditionType string

// Conditions of an Application.
const (
	ConditionDeletionError           ApplicationConditionType = "DeletionError"
	ConditionInvalidSpecError        ApplicationConditionType = "InvalidSpecError"
	ConditionComparisonError         ApplicationConditionType = "ComparisonError"
	ConditionSyncError               ApplicationConditionType = "SyncError"
	ConditionUnknownError            ApplicationConditionType = "UnknownError"
	ConditionSharedResourceWarning   ApplicationConditionType = "SharedResourceWarning"
	ConditionRepeatedResourceWarning ApplicationConditionType = "RepeatedResourceWarning"
	ConditionExcludedResourceWarning ApplicationConditionType = "ExcludedResourceWarning"
	ConditionOrphanedResourceWarning ApplicationConditionType = "OrphanedResourceWarning"
)

// ApplicationCondition is something that a user should know; it is absent when there is nothing to know.
type ApplicationCondition struct {
	Type    ApplicationConditionType `json:"type"`
	Message string                   `json:"message"`
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
}

// ApplicationSummary is what is shown of an Application at a glance.
type ApplicationSummary struct {
	// +optional
	ExternalURLs []string `json:"externalURLs,omitempty"`
	// +optional
	Images []string `json:"images,omitempty"`
	// +optional
	IsAppOfApps bool `json:"isAppOfApps,omitempty"`
}

// SourceHydratorStatus is how far rendering into a branch is.
type SourceHydratorStatus struct {
	// +optional
	LastSuccessfulOperation *SuccessfulHydration `json:"lastSuccessfulOperation,omitempty"`
	// +optional
	CurrentOperation *Hydration `json:"currentOperation,omitempty"`
}

// SuccessfulHydration is a rendering that was pushed.
type SuccessfulHydration struct {
	// +optional
	DrySHA string `json:"drySHA,omitempty"`
	// +optional
	HydratedSHA string `json:"hydratedSHA,omitempty"`
	// The spec's sourceHydrator at that time.
	// +optional
	SourceHydrator *apiextensionsv1.JSON `json:"sourceHydrator,omitempty"`
}

// Hydration is one rendering into a branch.
type Hydration struct {
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	Phase      string       `json:"phase"`
	// +optional
	Message string `json:"message"`
	// +optional
	DrySHA string `json:"drySHA,omitempty"`
	// +optional
	HydratedSHA string `json:"hydratedSHA,omitempty"`
	// The spec's sourceHydrator at that time.
	// +optional
	SourceHydrator *apiextensionsv1.JSON `json:"sourceHydrator,omitempty"`
}
