package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SyncPolicy says when and how differences are removed.
type SyncPolicy struct {
	// Syncs without being asked; manual if absent.
	// +optional
	Automated *AutomatedSync `json:"automated,omitempty"`
	// Each is Key=value.
	// +optional
	SyncOptions []string `json:"syncOptions,omitempty"`
	// How often a failed sync is tried again; not at all if absent.
	// +optional
	Retry *RetryStrategy `json:"retry,omitempty"`
	// Labels and annotations of the destination namespace, with CreateNamespace=true.
	// +optional
	ManagedNamespaceMetadata *ManagedNamespaceMetadata `json:"managedNamespaceMetadata,omitempty"`
}

// AutomatedSync says how far a sync goes that nobody asked for.
type AutomatedSync struct {
	// False is the same as no automated sync; true if absent.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// Deletes what is not in the repository any more; false if absent.
	// +optional
	Prune *bool `json:"prune,omitempty"`
	// Undoes changes that were made in the cluster; false if absent.
	// +optional
	SelfHeal *bool `json:"selfHeal,omitempty"`
	// Lets a prune delete everything; false if absent.
	// +optional
	AllowEmpty *bool `json:"allowEmpty,omitempty"`
}

// RetryStrategy says how often a failed sync is tried again.
type RetryStrategy struct {
	// Further attempts; 0 for none, below 0 without limit.
	// +optional
	Limit int64 `json:"limit,omitempty"`
	// Time between two tries.
	// +optional
	Backoff *Backoff `json:"backoff,omitempty"`
	// Tries again with the newest revision.
	// +optional
	Refresh bool `json:"refresh,omitempty"`
}

// Backoff is the wait between attempts. Durations are Go durations or seconds.
type Backoff struct {
	// First wait; 5s if empty.
	// +optional
	Duration string `json:"duration,omitempty"`
	// By what each wait is longer than the one before; 2 if absent.
	// +optional
	Factor *int64 `json:"factor,omitempty"`
	// Longest wait; 3m if empty.
	// +optional
	MaxDuration string `json:"maxDuration,omitempty"`
}

// ManagedNamespaceMetadata is put on the destination namespace.
type ManagedNamespaceMetadata struct {
	// Labels of the namespace.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the namespace.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Operation is a sync that is asked for or under way.
type Operation struct {
	// The sync that is asked for.
	// +optional
	Sync *SyncOperation `json:"sync,omitempty"`
	// Who asks.
	// +optional
	InitiatedBy OperationInitiator `json:"initiatedBy,omitzero"`
	// Lines for people.
	// +optional
	Info []Info `json:"info,omitempty"`
	// How often it is tried again if it fails; not at all if absent.
	// +optional
	Retry RetryStrategy `json:"retry,omitzero"`
}

// OperationInitiator says who asked.
type OperationInitiator struct {
	// Name of the person.
	// +optional
	Username string `json:"username,omitempty"`
	// True if the controller began it.
	// +optional
	Automated bool `json:"automated,omitempty"`
}

// SyncOperation is what a sync should do.
type SyncOperation struct {
	// The spec's target revision if empty.
	// +optional
	Revision string `json:"revision,omitempty"`
	// One for each of sources.
	// +optional
	Revisions []string `json:"revisions,omitempty"`
	// True deletes what Git no longer has; false if absent.
	// +optional
	Prune bool `json:"prune,omitempty"`
	// True only asks the API server what would be; false if absent.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// Apply or hook; hook if absent.
	// +optional
	SyncStrategy *SyncStrategy `json:"syncStrategy,omitempty"`
	// Only these objects; all if empty.
	// +optional
	Resources []SyncResource `json:"resources,omitempty"`
	// Instead of the spec's source, as a rollback asks for.
	// +optional
	Source *Source `json:"source,omitempty"`
	// Instead of the spec's sources.
	// +optional
	Sources []Source `json:"sources,omitempty"`
	// Manifests to sync instead of those of the repository, each as YAML or JSON.
	// +optional
	Manifests []string `json:"manifests,omitempty"`
	// Options of this sync, such as Prune=false.
	// +optional
	SyncOptions []string `json:"syncOptions,omitempty"`
	// Self-heals in a row that led to this one.
	// +optional
	AutoHealAttemptsCount int64 `json:"autoHealAttemptsCount,omitempty"`
}

// SyncStrategy runs with hooks, which is the default, or without.
type SyncStrategy struct {
	// Applies and runs no hooks.
	// +optional
	Apply *SyncStrategyApply `json:"apply,omitempty"`
	// Applies and runs hooks.
	// +optional
	Hook *SyncStrategyHook `json:"hook,omitempty"`
}

// SyncStrategyApply applies without hooks.
type SyncStrategyApply struct {
	// Deletes and creates what cannot be changed in place.
	// +optional
	Force bool `json:"force,omitempty"`
}

// SyncStrategyHook applies with hooks.
type SyncStrategyHook struct {
	// Deletes and creates what cannot be changed in place.
	// +optional
	Force bool `json:"force,omitempty"`
}

// SyncResource names one object of a partial sync.
type SyncResource struct {
	// API group.
	// +optional
	Group string `json:"group,omitempty"`
	// Kind.
	Kind string `json:"kind"`
	// Name.
	Name string `json:"name"`
	// Any namespace if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// OperationPhase is how far an operation or a hook is.
type OperationPhase string

// Phases of an operation.
const (
	OperationRunning     OperationPhase = "Running"
	OperationTerminating OperationPhase = "Terminating"
	OperationFailed      OperationPhase = "Failed"
	OperationError       OperationPhase = "Error"
	OperationSucceeded   OperationPhase = "Succeeded"
)

// Completed reports whether nothing more will happen.
func (p OperationPhase) Completed() bool {
	return p == OperationFailed || p == OperationError || p == OperationSucceeded
}

// HookType is the phase in which an object is applied.
type HookType string

// Hook types; PreSync, Sync, PostSync and SyncFail are also the phases of a sync.
const (
	HookPreSync    HookType = "PreSync"
	HookSync       HookType = "Sync"
	HookPostSync   HookType = "PostSync"
	HookSyncFail   HookType = "SyncFail"
	HookSkip       HookType = "Skip"
	HookPreDelete  HookType = "PreDelete"
	HookPostDelete HookType = "PostDelete"
)

// HookDeletePolicy says when a hook object is deleted.
type HookDeletePolicy string

// Policies for deleting hook objects.
const (
	HookSucceeded          HookDeletePolicy = "HookSucceeded"
	HookFailed             HookDeletePolicy = "HookFailed"
	HookBeforeHookCreation HookDeletePolicy = "BeforeHookCreation"
)

// ResultCode is what a sync did with one object.
type ResultCode string

// Outcomes for one object.
const (
	ResultSynced     ResultCode = "Synced"
	ResultSyncFailed ResultCode = "SyncFailed"
	ResultPruned     ResultCode = "Pruned"
	ResultPruneSkip  ResultCode = "PruneSkipped"
)

// OperationState is an operation and what became of it.
type OperationState struct {
	// What was asked for.
	Operation Operation `json:"operation"`
	// Running, Succeeded, Failed, Error or Terminating.
	Phase OperationPhase `json:"phase"`
	// The cause in a sentence.
	// +optional
	Message string `json:"message,omitempty"`
	// What became of each object.
	// +optional
	SyncResult *SyncResult `json:"syncResult,omitempty"`
	// When it began.
	StartedAt metav1.Time `json:"startedAt"`
	// When it ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Attempts after the first.
	// +optional
	RetryCount int64 `json:"retryCount,omitempty"`
}

// SyncResult is what a sync did.
type SyncResult struct {
	// Each object.
	// +optional
	Resources []ResourceResult `json:"resources,omitempty"`
	// Commit that was synced.
	// +optional
	Revision string `json:"revision"`
	// Commits, where there are several sources.
	// +optional
	Revisions []string `json:"revisions,omitempty"`
	// The source.
	// +optional
	Source Source `json:"source,omitzero"`
	// The sources, where there are several.
	// +optional
	Sources []Source `json:"sources,omitempty"`
	// Labels and annotations that the namespace was given.
	// +optional
	ManagedNamespaceMetadata *ManagedNamespaceMetadata `json:"managedNamespaceMetadata,omitempty"`
}

// ResourceResult is what a sync did with one object.
type ResourceResult struct {
	// API group.
	Group string `json:"group"`
	// API version.
	Version string `json:"version"`
	// Kind.
	Kind string `json:"kind"`
	// Namespace.
	Namespace string `json:"namespace"`
	// Name.
	Name string `json:"name"`
	// +optional
	Status ResultCode `json:"status,omitempty"`
	// The cause in a sentence.
	// +optional
	Message string `json:"message,omitempty"`
	// Empty for objects that are no hooks.
	// +optional
	HookType HookType `json:"hookType,omitempty"`
	// How far the hook is, for other objects how far the apply is.
	// +optional
	HookPhase OperationPhase `json:"hookPhase,omitempty"`
	// PreSync, Sync, PostSync, SyncFail, PreDelete or PostDelete.
	// +optional
	SyncPhase HookType `json:"syncPhase,omitempty"`
	// Images of the object.
	// +optional
	Images []string `json:"images,omitempty"`
}
