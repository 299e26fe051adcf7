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
	// What was compared, and the result.
	// +optional
	Sync SyncStatus `json:"sync,omitzero"`
	// The worst health of the objects.
	// +optional
	Health HealthStatus `json:"health,omitzero"`
	// Full syncs that succeeded, oldest first.
	// +optional
	History []RevisionHistory `json:"history,omitempty"`
	// What is wrong: ComparisonError, InvalidSpecError, SyncError, OrphanedResourceWarning and others.
	// +optional
	Conditions []ApplicationCondition `json:"conditions,omitempty"`
	// When it was compared last.
	// +optional
	ReconciledAt *metav1.Time `json:"reconciledAt,omitempty"`
	// Accepted, not written any more.
	// +optional
	ObservedAt *metav1.Time `json:"observedAt,omitempty"`
	// The newest sync.
	// +optional
	OperationState *OperationState `json:"operationState,omitempty"`
	// Directory, Helm or Kustomize.
	// +optional
	SourceType SourceType `json:"sourceType,omitempty"`
	// The same for each of several sources.
	// +optional
	SourceTypes []SourceType `json:"sourceTypes,omitempty"`
	// Images and addresses of the objects.
	// +optional
	Summary ApplicationSummary `json:"summary,omitzero"`
	// Where the health of single resources is kept: appTree means not in this object.
	// +optional
	ResourceHealthSource string `json:"resourceHealthSource,omitempty"`
	// Namespace of the controller that serves it.
	// +optional
	ControllerNamespace string `json:"controllerNamespace,omitempty"`
	// Kept for objects of the reference; never written.
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
	// The cause in a sentence.
	// +optional
	Message string `json:"message,omitempty"`
	// When the status changed.
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
	// The source.
	// +optional
	Source Source `json:"source,omitzero"`
	// The sources, where there are several.
	// +optional
	Sources []Source `json:"sources,omitempty"`
	// The destination.
	// +optional
	Destination Destination `json:"destination"`
	// Differences that were left out.
	// +optional
	IgnoreDifferences []IgnoreDifference `json:"ignoreDifferences,omitempty"`
}

// ResourceStatus is what was observed of one object.
type ResourceStatus struct {
	// API group.
	// +optional
	Group string `json:"group,omitempty"`
	// API version.
	// +optional
	Version string `json:"version,omitempty"`
	// Kind.
	// +optional
	Kind string `json:"kind,omitempty"`
	// Namespace.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name.
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Status SyncStatusCode `json:"status,omitempty"`
	// Health of the object.
	// +optional
	Health *HealthStatus `json:"health,omitempty"`
	// True for a hook.
	// +optional
	Hook bool `json:"hook,omitempty"`
	// The repository holds it no more.
	// +optional
	RequiresPruning bool `json:"requiresPruning,omitempty"`
	// True if it is deleted only after a person confirmed.
	// +optional
	RequiresDeletionConfirmation bool `json:"requiresDeletionConfirmation,omitempty"`
	// Its wave; 0 if absent.
	// +optional
	SyncWave int64 `json:"syncWave,omitempty"`
}

// RevisionHistory is one full sync that succeeded.
type RevisionHistory struct {
	// Counts from 0; what a rollback names.
	ID int64 `json:"id"`
	// Commit that was synced.
	// +optional
	Revision string `json:"revision,omitempty"`
	// Commits, where there are several sources.
	// +optional
	Revisions []string `json:"revisions,omitempty"`
	// The source then.
	// +optional
	Source Source `json:"source,omitzero"`
	// The sources then.
	// +optional
	Sources []Source `json:"sources,omitempty"`
	// When the sync ended.
	DeployedAt metav1.Time `json:"deployedAt"`
	// When the sync began.
	// +optional
	DeployStartedAt *metav1.Time `json:"deployStartedAt,omitempty"`
	// Who began it.
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
	// Name of the condition.
	Type ApplicationConditionType `json:"type"`
	// What is wrong and what to do.
	Message string `json:"message"`
	// When it appeared.
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
}

// ApplicationSummary is what is shown of an Application at a glance.
type ApplicationSummary struct {
	// Addresses of the objects.
	// +optional
	ExternalURLs []string `json:"externalURLs,omitempty"`
	// Images of the objects.
	// +optional
	Images []string `json:"images,omitempty"`
	// True if there are Applications among the objects.
	// +optional
	IsAppOfApps bool `json:"isAppOfApps,omitempty"`
}

// SourceHydratorStatus is how far rendering into a branch is.
type SourceHydratorStatus struct {
	// Kept as it was written.
	// +optional
	LastSuccessfulOperation *SuccessfulHydration `json:"lastSuccessfulOperation,omitempty"`
	// Kept as it was written.
	// +optional
	CurrentOperation *Hydration `json:"currentOperation,omitempty"`
}

// SuccessfulHydration is a rendering that was pushed.
type SuccessfulHydration struct {
	// Kept as it was written.
	// +optional
	DrySHA string `json:"drySHA,omitempty"`
	// Kept as it was written.
	// +optional
	HydratedSHA string `json:"hydratedSHA,omitempty"`
	// The spec's sourceHydrator at that time.
	// +optional
	SourceHydrator *apiextensionsv1.JSON `json:"sourceHydrator,omitempty"`
}

// Hydration is one rendering into a branch.
type Hydration struct {
	// Kept as it was written.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// Kept as it was written.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Kept as it was written.
	Phase string `json:"phase"`
	// Kept as it was written.
	// +optional
	Message string `json:"message"`
	// Kept as it was written.
	// +optional
	DrySHA string `json:"drySHA,omitempty"`
	// Kept as it was written.
	// +optional
	HydratedSHA string `json:"hydratedSHA,omitempty"`
	// The spec's sourceHydrator at that time.
	// +optional
	SourceHydrator *apiextensionsv1.JSON `json:"sourceHydrator,omitempty"`
}
