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
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Operation is a sync that is asked for or under way.
type Operation struct {
	// +optional
	Sync *SyncOperation `json:"sync,omitempty"`
	// +optional
	InitiatedBy OperationInitiator `json:"initiatedBy,omitzero"`
	// +optional
	Info []Info `json:"info,omitempty"`
	// +optional
	Retry RetryStrategy `json:"retry,omitzero"`
}

// OperationInitiator says who asked.
type OperationInitiator struct {
	// +optional
	Username string `json:"username,omitempty"`
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
	// +optional
	Prune bool `json:"prune,omitempty"`
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
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
	// +optional
	SyncOptions []string `json:"syncOptions,omitempty"`
	// Self-heals in a row that led to this one.
	// +optional
	AutoHealAttemptsCount int64 `json:"autoHealAttemptsCount,omitempty"`
}

// SyncStrategy runs with hooks, which is the default, or without.
type SyncStrategy struct {
	// +optional
	Apply *SyncStrategyApply `json:"apply,omitempty"`
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
	// +optional
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
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
	Operation Operation      `json:"operation"`
	Phase     OperationPhase `json:"phase"`
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	SyncResult *SyncResult `json:"syncResult,omitempty"`
	StartedAt  metav1.Time `json:"startedAt"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Attempts after the first.
	// +optional
	RetryCount int64 `json:"retryCount,omitempty"`
}

// SyncResult is what a sync did.
type SyncResult struct {
	// +optional
	Resources []ResourceResult `json:"resources,omitempty"`
	// +optional
	Revision string `json:"revision"`
	// +optional
	Revisions []string `json:"revisions,omitempty"`
	// +optional
	Source Source `json:"source,omitzero"`
	// +optional
	Sources []Source `json:"sources,omitempty"`
	// +optional
	ManagedNamespaceMetadata *ManagedNamespaceMetadata `json:"managedNamespaceMetadata,omitempty"`
}

// ResourceResult is what a sync did with one object.
type ResourceResult struct {
	Group     string `json:"group"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// +optional
	Status ResultCode `json:"status,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
	// Empty for objects that are no hooks.
	// +optional
	HookType HookType `json:"hookType,omitempty"`
	// How far the hook is, for other objects how far the apply is.
	// +optional
	HookPhase OperationPhase `json:"hookPhase,omitempty"`
	// +optional
	SyncPhase HookType `json:"syncPhase,omitempty"`
	// +optional
	Images []string `json:"images,omitempty"`
}
