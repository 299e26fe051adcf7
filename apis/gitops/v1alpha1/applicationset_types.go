package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ApplicationSet makes Applications from a template and what its generators find.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=applicationsets,shortName=appset;appsets
// +kubebuilder:subresource:status
type ApplicationSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec ApplicationSetSpec `json:"spec"`
	// +optional
	Status ApplicationSetStatus `json:"status,omitzero"`
}

// ApplicationSetList is a list of ApplicationSets.
//
// +kubebuilder:object:root=true
type ApplicationSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ApplicationSet `json:"items"`
}

// ApplicationSetSpec says which Applications there should be.
type ApplicationSetSpec struct {
	// Uses Go templates instead of plain placeholders.
	// +optional
	GoTemplate bool `json:"goTemplate,omitempty"`
	// Such as missingkey=error.
	// +optional
	GoTemplateOptions []string `json:"goTemplateOptions,omitempty"`
	// Where the parameters come from; each list of parameters makes one Application.
	Generators []Generator `json:"generators"`
	// The Application, with parameters in its texts.
	// +optional
	Template ApplicationTemplate `json:"template"`
	// A template of a patch in YAML, merged over each rendered Application.
	// +optional
	TemplatePatch *string `json:"templatePatch,omitempty"`
	// What may be done to Applications that exist; everything if absent.
	// +optional
	SyncPolicy *ApplicationSetSyncPolicy `json:"syncPolicy,omitempty"`
	// The order in which Applications are synced; all at once if absent.
	// +optional
	Strategy *ApplicationSetStrategy `json:"strategy,omitempty"`
	// Annotations and labels of Applications that are left alone.
	// +optional
	PreservedFields *PreservedFields `json:"preservedFields,omitempty"`
	// Accepted without effect: nested selectors always count.
	// +optional
	ApplyNestedSelectors bool `json:"applyNestedSelectors,omitempty"`
	// Fields of generated Applications that users may change.
	// +optional
	IgnoreApplicationDifferences []IgnoreApplicationDifference `json:"ignoreApplicationDifferences,omitempty"`
}

// ApplicationTemplate is an Application whose texts hold placeholders.
type ApplicationTemplate struct {
	// +optional
	Metadata ApplicationTemplateMeta `json:"metadata"`
	// +optional
	Spec ApplicationSpec `json:"spec"`
}

// ApplicationTemplateMeta is the metadata of a template.
type ApplicationTemplateMeta struct {
	// Name of the Application.
	// +optional
	Name string `json:"name,omitempty"`
	// Without effect: Applications lie where their ApplicationSet lies.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Labels of the Application.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the Application.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// Finalizers of the Application.
	// +optional
	Finalizers []string `json:"finalizers,omitempty"`
}

// ApplicationsSync limits what an ApplicationSet may do to its Applications.
type ApplicationsSync string

// Limits for an ApplicationSet.
const (
	ApplicationsSyncAll          ApplicationsSync = "sync"
	ApplicationsSyncCreateOnly   ApplicationsSync = "create-only"
	ApplicationsSyncCreateUpdate ApplicationsSync = "create-update"
	ApplicationsSyncCreateDelete ApplicationsSync = "create-delete"
)

// ApplicationSetSyncPolicy limits what an ApplicationSet may do.
type ApplicationSetSyncPolicy struct {
	// Leaves the resources of Applications alone when these are deleted; false if absent.
	// +optional
	PreserveResourcesOnDeletion bool `json:"preserveResourcesOnDeletion,omitempty"`
	// create-only, create-update, create-delete or sync, which is the default.
	// +optional
	// +kubebuilder:validation:Enum=create-only;create-update;create-delete;sync
	ApplicationsSync *ApplicationsSync `json:"applicationsSync,omitempty"`
}

// Strategies by which Applications are synced, and orders in which they are deleted.
const (
	StrategyAllAtOnce      = "AllAtOnce"
	StrategyRollingSync    = "RollingSync"
	DeletionOrderAllAtOnce = "AllAtOnce"
	DeletionOrderReverse   = "Reverse"
)

// ApplicationSetStrategy says in which order changed Applications are synced.
type ApplicationSetStrategy struct {
	// AllAtOnce, which is the default, or RollingSync.
	// +optional
	Type string `json:"type,omitempty"`
	// Steps, for type RollingSync.
	// +optional
	RollingSync *RollingSync `json:"rollingSync,omitempty"`
	// AllAtOnce, which is the default, or Reverse.
	// +optional
	DeletionOrder string `json:"deletionOrder,omitempty"`
}

// RollingSync syncs step by step.
type RollingSync struct {
	// Groups of Applications; the next is synced when the one before is healthy.
	// +optional
	Steps []RollingSyncStep `json:"steps,omitempty"`
}

// RollingSyncStep chooses Applications by their labels.
type RollingSyncStep struct {
	// Which Applications belong to the step; all must match.
	// +optional
	MatchExpressions []MatchExpression `json:"matchExpressions,omitempty"`
	// Applications synced at the same time, as a number or a percentage; all if absent, 0 waits for manual syncs.
	// +optional
	MaxUpdate *intstr.IntOrString `json:"maxUpdate,omitempty"`
}

// MatchExpression compares one label with values.
type MatchExpression struct {
	// Label of the Application.
	// +optional
	Key string `json:"key,omitempty"`
	// In or NotIn.
	// +optional
	Operator string `json:"operator,omitempty"`
	// Values of the label.
	// +optional
	Values []string `json:"values,omitempty"`
}

// PreservedFields are left on Applications as they are found.
type PreservedFields struct {
	// Annotations by name.
	// +optional
	Annotations []string `json:"annotations,omitempty"`
	// Labels by name.
	// +optional
	Labels []string `json:"labels,omitempty"`
}

// IgnoreApplicationDifference names fields of Applications that users may change.
type IgnoreApplicationDifference struct {
	// Of all Applications if empty.
	// +optional
	Name string `json:"name,omitempty"`
	// JSON pointers of the fields.
	// +optional
	JSONPointers []string `json:"jsonPointers,omitempty"`
	// jq paths of the fields.
	// +optional
	JQPathExpressions []string `json:"jqPathExpressions,omitempty"`
}

// ApplicationSetStatus is what was last observed of an ApplicationSet.
type ApplicationSetStatus struct {
	// ErrorOccurred, ParametersGenerated, ResourcesUpToDate and RolloutProgressing.
	// +optional
	Conditions []ApplicationSetCondition `json:"conditions,omitempty"`
	// How far each Application is, with RollingSync.
	// +optional
	ApplicationStatus []ApplicationSetApplicationStatus `json:"applicationStatus,omitempty"`
	// At most 5000.
	// +optional
	Resources []ResourceStatus `json:"resources,omitempty"`
	// Generated Applications, also those that resources has no room for.
	// +optional
	ResourcesCount int64 `json:"resourcesCount,omitempty"`
	// Health of the set.
	// +optional
	Health HealthStatus `json:"health,omitzero"`
}

// ApplicationSetConditionType names a condition of an ApplicationSet.
type ApplicationSetConditionType string

// Conditions of an ApplicationSet.
const (
	ConditionErrorOccurred       ApplicationSetConditionType = "ErrorOccurred"
	ConditionParametersGenerated ApplicationSetConditionType = "ParametersGenerated"
	ConditionResourcesUpToDate   ApplicationSetConditionType = "ResourcesUpToDate"
	ConditionRolloutProgressing  ApplicationSetConditionType = "RolloutProgressing"
	ConditionInvalidRollout      ApplicationSetConditionType = "InvalidRolloutConfig"
)

// Reasons of conditions of an ApplicationSet, as the wire contract spells them.
const (
	ReasonParamsError     = "ApplicationGenerationFromParamsError"
	ReasonTemplateError   = "RenderTemplateParamsError"
	ReasonValidationError = "ApplicationValidationError"
)

// ApplicationSetCondition is one condition.
type ApplicationSetCondition struct {
	// Name of the condition.
	Type ApplicationSetConditionType `json:"type"`
	// The cause in a sentence.
	Message string `json:"message"`
	// When its status changed.
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
	// True, False or Unknown.
	Status metav1.ConditionStatus `json:"status"`
	// The cause in one word.
	Reason string `json:"reason"`
}

// ProgressiveStatus is how far one Application is in a RollingSync.
type ProgressiveStatus string

// States of an Application in a RollingSync, in their order.
const (
	ProgressiveWaiting     ProgressiveStatus = "Waiting"
	ProgressivePending     ProgressiveStatus = "Pending"
	ProgressiveProgressing ProgressiveStatus = "Progressing"
	ProgressiveHealthy     ProgressiveStatus = "Healthy"
)

// ApplicationSetApplicationStatus is how far one Application is in a RollingSync.
type ApplicationSetApplicationStatus struct {
	// Name of the Application.
	Application string `json:"application"`
	// When its status changed.
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
	// The cause in a sentence.
	Message string            `json:"message"`
	Status  ProgressiveStatus `json:"status"`
	// Number of the step, counted from 1.
	Step string `json:"step"`
	// Revisions that the state is about.
	// +optional
	TargetRevisions []string `json:"targetRevisions,omitempty"`
}
