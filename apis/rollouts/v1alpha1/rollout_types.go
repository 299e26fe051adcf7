package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Rollout runs the pods of one application and moves them from a stable revision to a new one in steps.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=rollouts,shortName=ro
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.HPAReplicas,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicas`,description="Pods wanted"
// +kubebuilder:printcolumn:name="Current",type=integer,JSONPath=`.status.replicas`,description="Pods of all revisions"
// +kubebuilder:printcolumn:name="Up-to-date",type=integer,JSONPath=`.status.updatedReplicas`,description="Pods of the newest revision"
// +kubebuilder:printcolumn:name="Available",type=integer,JSONPath=`.status.availableReplicas`,description="Pods that are available"
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`,description="Healthy, Progressing, Paused or Degraded"
// +kubebuilder:printcolumn:name="Step",type=integer,JSONPath=`.status.currentStepIndex`,description="Index of the current step"
// +kubebuilder:printcolumn:name="Weight",type=integer,JSONPath=`.status.canary.weights.canary.weight`,description="Traffic share of the canary"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Rollout struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec RolloutSpec `json:"spec"`
	// +optional
	Status RolloutStatus `json:"status,omitempty"`
}

// RolloutList is a list of Rollouts.
//
// +kubebuilder:object:root=true
type RolloutList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Rollout `json:"items"`
}

// RolloutSpec says what should run and how a change of it is released.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.selector) || has(self.selector) && self.selector == oldSelf.selector",message="selector is immutable once set: create a new Rollout instead"
type RolloutSpec struct {
	// Number of pods; 1 if absent. The controller writes the default into the object.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`
	// Selects the pods of this Rollout; must match the template's labels and must not be empty. Immutable; that of the workload if absent with workloadRef.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
	// The pod template, kept as it was written. One that the API server refuses is told in the condition InvalidSpec, and what runs stays.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Template runtime.RawExtension `json:"template,omitempty"`
	// A Deployment, ReplicaSet or PodTemplate that holds the pod template instead; while it cannot be read, the update waits.
	// +optional
	WorkloadRef *ObjectRef `json:"workloadRef,omitempty"`
	// Seconds that a pod must be ready without a crash to count as available; 0 if absent.
	// +optional
	MinReadySeconds int32 `json:"minReadySeconds,omitempty"`
	// How a change is released; exactly one of canary and blueGreen.
	// +optional
	Strategy RolloutStrategy `json:"strategy,omitempty"`
	// Old ReplicaSets with zero pods that are kept; 10 if absent.
	// +optional
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`
	// Stops at the current step until it is set back to false; false if absent. Aborts and the traffic of the revisions that run do not wait for it.
	// +optional
	Paused bool `json:"paused,omitempty"`
	// Seconds without progress after which the update counts as timed out; 600 if absent.
	// +optional
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds,omitempty"`
	// Aborts the update when the progress deadline has passed; false if absent.
	// +optional
	ProgressDeadlineAbort bool `json:"progressDeadlineAbort,omitempty"`
	// Evicts every pod that was created before this moment, as far as maxUnavailable and disruption budgets let it; no restart if absent.
	// +optional
	RestartAt *metav1.Time `json:"restartAt,omitempty"`
	// Finished AnalysisRuns and Experiments that are kept; older ones are deleted.
	// +optional
	Analysis *AnalysisRunHistory `json:"analysis,omitempty"`
	// Recent revisions to which one can return without steps; none if absent.
	// +optional
	RollbackWindow *RollbackWindow `json:"rollbackWindow,omitempty"`
}

// ObjectRef names the workload whose pod template a Rollout uses.
type ObjectRef struct {
	// apps/v1 for a Deployment or ReplicaSet, v1 for a PodTemplate; one that is not served is told in the condition InvalidSpec.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Deployment, ReplicaSet or PodTemplate.
	// +optional
	Kind string `json:"kind,omitempty"`
	// Name of the workload in the namespace of the Rollout; a missing one is told in the condition InvalidSpec.
	// +optional
	Name string `json:"name,omitempty"`
	// When the workload itself is scaled down: never (default), onsuccess or progressively.
	// +optional
	ScaleDown string `json:"scaleDown,omitempty"`
}

// AnalysisRunHistory limits how many finished AnalysisRuns and Experiments are kept.
type AnalysisRunHistory struct {
	// Successful ones; 5 if absent.
	// +optional
	SuccessfulRunHistoryLimit *int32 `json:"successfulRunHistoryLimit,omitempty"`
	// Failed, Error and Inconclusive ones; 5 if absent.
	// +optional
	UnsuccessfulRunHistoryLimit *int32 `json:"unsuccessfulRunHistoryLimit,omitempty"`
}

// RollbackWindow names how far back a return is a fast one.
type RollbackWindow struct {
	// Number of revisions before the current one to which a return skips the steps; 0 if absent.
	// +optional
	Revisions int32 `json:"revisions,omitempty"`
}

// RolloutStrategy holds exactly one strategy.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.canary) && has(self.blueGreen))",message="has room for one strategy: remove canary or blueGreen"
type RolloutStrategy struct {
	// Switches a Service from the old revision to the new one at once.
	// +optional
	BlueGreen *BlueGreenStrategy `json:"blueGreen,omitempty"`
	// Moves a share of the traffic, or of the pods, step by step.
	// +optional
	Canary *CanaryStrategy `json:"canary,omitempty"`
}

// BlueGreenStrategy switches a Service from the old revision to the new one at once.
type BlueGreenStrategy struct {
	// Service that carries the users' requests; required. While it is missing the condition InvalidSpec tells so, and nothing is switched.
	// +optional
	ActiveService string `json:"activeService,omitempty"`
	// Service that points at the new revision before it is promoted; no preview if absent. A missing one is told in the condition InvalidSpec.
	// +optional
	PreviewService string `json:"previewService,omitempty"`
	// Pods of the new revision before promotion; all if absent.
	// +optional
	PreviewReplicaCount *int32 `json:"previewReplicaCount,omitempty"`
	// False waits for a promote; true if absent.
	// +optional
	AutoPromotionEnabled *bool `json:"autoPromotionEnabled,omitempty"`
	// Seconds from the start of the pause until promotion; 0, also if absent, sets no time.
	// +optional
	AutoPromotionSeconds int32 `json:"autoPromotionSeconds,omitempty"`
	// Seconds that the old revision is kept after the switch; 30 if absent.
	// +optional
	ScaleDownDelaySeconds *int32 `json:"scaleDownDelaySeconds,omitempty"`
	// Old revisions kept inside their delay at the same time; no limit if absent.
	// +optional
	ScaleDownDelayRevisionLimit *int32 `json:"scaleDownDelayRevisionLimit,omitempty"`
	// Seconds that the new revision is kept after an abort; 30 if absent, 0 keeps it for ever.
	// +optional
	AbortScaleDownDelaySeconds *int32 `json:"abortScaleDownDelaySeconds,omitempty"`
	// Analysis before the switch; a bad verdict aborts the update.
	// +optional
	PrePromotionAnalysis *RolloutAnalysis `json:"prePromotionAnalysis,omitempty"`
	// Analysis after the switch; a bad verdict switches back.
	// +optional
	PostPromotionAnalysis *RolloutAnalysis `json:"postPromotionAnalysis,omitempty"`
	// Pods that may be unavailable during a restart, as a number or percentage (rounded down); 25% if absent.
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
	// Keeps pods of the new revision away from nodes of the old one; off if absent.
	// +optional
	AntiAffinity *AntiAffinity `json:"antiAffinity,omitempty"`
	// Labels and annotations that pods carry while they are previewed; none if absent.
	// +optional
	PreviewMetadata *PodTemplateMetadata `json:"previewMetadata,omitempty"`
	// Labels and annotations that pods carry while they serve; none if absent.
	// +optional
	ActiveMetadata *PodTemplateMetadata `json:"activeMetadata,omitempty"`
}

// CanaryStrategy moves a share of the traffic, or of the pods, to the new revision step by step.
type CanaryStrategy struct {
	// Service that points at the new revision; required with trafficRouting. While it is missing the condition InvalidSpec tells so, and all traffic is stable.
	// +optional
	CanaryService string `json:"canaryService,omitempty"`
	// Service that points at the stable revision; required with trafficRouting. While it is missing the condition InvalidSpec tells so, and no weight moves.
	// +optional
	StableService string `json:"stableService,omitempty"`
	// Steps of a release; absent means a plain rolling update.
	// +optional
	Steps []CanaryStep `json:"steps,omitempty"`
	// What divides the traffic; if absent, the share of pods is the share of traffic.
	// +optional
	TrafficRouting *RolloutTrafficRouting `json:"trafficRouting,omitempty"`
	// Pods above replicas, as a number or percentage; 25% (rounded up) if absent.
	// +optional
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`
	// Pods below replicas, as a number or percentage; 25% (rounded down) if absent.
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
	// Analysis that runs in the background of the steps; Failed and Error abort the update, Inconclusive pauses it. None if absent.
	// +optional
	Analysis *RolloutAnalysisBackground `json:"analysis,omitempty"`
	// Keeps pods of the new revision away from nodes of the old one; off if absent.
	// +optional
	AntiAffinity *AntiAffinity `json:"antiAffinity,omitempty"`
	// Labels and annotations that only canary pods carry; none if absent.
	// +optional
	CanaryMetadata *PodTemplateMetadata `json:"canaryMetadata,omitempty"`
	// Labels and annotations that only stable pods carry; none if absent.
	// +optional
	StableMetadata *PodTemplateMetadata `json:"stableMetadata,omitempty"`
	// Seconds that an old revision is kept after promotion, with trafficRouting; 30 if absent.
	// +optional
	ScaleDownDelaySeconds *int32 `json:"scaleDownDelaySeconds,omitempty"`
	// Old revisions kept inside their delay at the same time; no limit if absent.
	// +optional
	ScaleDownDelayRevisionLimit *int32 `json:"scaleDownDelayRevisionLimit,omitempty"`
	// Seconds that the canary is kept after an abort, with trafficRouting; 30 if absent, 0 keeps it for ever.
	// +optional
	AbortScaleDownDelaySeconds *int32 `json:"abortScaleDownDelaySeconds,omitempty"`
	// Shrinks the stable revision as traffic leaves it; false if absent. Needs trafficRouting, and excludes scaleDownDelaySeconds.
	// +optional
	DynamicStableScale bool `json:"dynamicStableScale,omitempty"`
	// Two Services that swap their roles; refused in the condition InvalidSpec until it is built.
	// +optional
	PingPong *PingPongSpec `json:"pingPong,omitempty"`
	// Least number of pods of any revision that has pods at all, with trafficRouting; 1 if absent.
	// +optional
	MinPodsPerReplicaSet *int32 `json:"minPodsPerReplicaSet,omitempty"`
	// How many of the new pods must be available to go on; all if absent.
	// +optional
	ReplicaProgressThreshold *ReplicaProgressThreshold `json:"replicaProgressThreshold,omitempty"`
}

// ProgressThresholdType is the unit of a ReplicaProgressThreshold.
type ProgressThresholdType string

// Units of a ReplicaProgressThreshold.
const (
	ProgressThresholdPercent ProgressThresholdType = "Percent"
	ProgressThresholdPods    ProgressThresholdType = "Pods"
)

// ReplicaProgressThreshold says how many of the wanted pods are enough.
type ReplicaProgressThreshold struct {
	// Percent or Pods.
	// +kubebuilder:validation:Enum=Percent;Pods
	Type ProgressThresholdType `json:"type"`
	// That many, more than 0; at most 100 for Percent.
	Value int32 `json:"value"`
}

// PingPongSpec names two Services that swap the roles of stable and canary at each promotion.
type PingPongSpec struct {
	// One of the two Services.
	PingService string `json:"pingService"`
	// The other one.
	PongService string `json:"pongService"`
}

// AntiAffinity keeps pods of the new revision away from nodes of the old one; exactly one field.
type AntiAffinity struct {
	// A wish: pods still start where there is no other node.
	// +optional
	PreferredDuringSchedulingIgnoredDuringExecution *PreferredDuringSchedulingIgnoredDuringExecution `json:"preferredDuringSchedulingIgnoredDuringExecution,omitempty"`
	// A demand: without another node pods stay pending.
	// +optional
	RequiredDuringSchedulingIgnoredDuringExecution *RequiredDuringSchedulingIgnoredDuringExecution `json:"requiredDuringSchedulingIgnoredDuringExecution,omitempty"`
}

// PreferredDuringSchedulingIgnoredDuringExecution is a wish with a weight from 1 to 100.
type PreferredDuringSchedulingIgnoredDuringExecution struct {
	// How strong the wish is, from 1 to 100.
	Weight int32 `json:"weight"`
}

// RequiredDuringSchedulingIgnoredDuringExecution is a demand; it has no settings.
type RequiredDuringSchedulingIgnoredDuringExecution struct{}

// PodTemplateMetadata is put on pods for as long as they have a role.
type PodTemplateMetadata struct {
	// Labels to add while the role lasts.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations to add while the role lasts.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// CanaryStep is one step; exactly one field is set.
type CanaryStep struct {
	// Share of the traffic for the canary, 0 to maxTrafficWeight.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SetWeight *int32 `json:"setWeight,omitempty"`
	// Waits for a time or for a promote.
	// +optional
	Pause *RolloutPause `json:"pause,omitempty"`
	// Runs an Experiment and waits for its end.
	// +optional
	Experiment *RolloutExperimentStep `json:"experiment,omitempty"`
	// Runs an analysis and waits for its verdict.
	// +optional
	Analysis *RolloutAnalysis `json:"analysis,omitempty"`
	// Fixes the number of canary pods apart from the weight, with trafficRouting.
	// +optional
	SetCanaryScale *SetCanaryScale `json:"setCanaryScale,omitempty"`
	// Sends requests with certain headers to the canary.
	// +optional
	SetHeaderRoute *SetHeaderRoute `json:"setHeaderRoute,omitempty"`
	// Copies requests to the canary; its answers are thrown away.
	// +optional
	SetMirrorRoute *SetMirrorRoute `json:"setMirrorRoute,omitempty"`
	// A step plugin of the reference; refused in the condition InvalidSpec.
	// +optional
	Plugin *PluginStep `json:"plugin,omitempty"`
}

// RolloutPause is a pause; without a duration it lasts until a promote.
type RolloutPause struct {
	// Seconds as a number or numeric string, or a Go duration such as 5m; until a promote if absent.
	// +optional
	Duration *intstr.IntOrString `json:"duration,omitempty"`
}

// SetCanaryScale fixes the number of canary pods; exactly one field.
type SetCanaryScale struct {
	// Percentage of spec.replicas, rounded up.
	// +optional
	Weight *int32 `json:"weight,omitempty"`
	// Number of pods.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// Returns to as many pods as the traffic weight asks for; false if absent.
	// +optional
	MatchTrafficWeight bool `json:"matchTrafficWeight,omitempty"`
}

// SetHeaderRoute sends requests with certain headers to the canary; no match removes the route.
type SetHeaderRoute struct {
	// One of managedRoutes; another name is told in the condition InvalidSpec.
	// +optional
	Name string `json:"name,omitempty"`
	// Headers, all of which must match; none removes the route.
	// +optional
	Match []HeaderRoutingMatch `json:"match,omitempty"`
}

// HeaderRoutingMatch is one header that must match.
type HeaderRoutingMatch struct {
	// Name of the header; case does not matter.
	HeaderName string `json:"headerName"`
	// What its value must be.
	HeaderValue *StringMatch `json:"headerValue"`
}

// SetMirrorRoute copies matching requests to the canary; no match removes the route.
type SetMirrorRoute struct {
	// One of managedRoutes; another name is told in the condition InvalidSpec.
	Name string `json:"name"`
	// Requests that are copied, any of these; none removes the route.
	// +optional
	Match []RouteMatch `json:"match,omitempty"`
	// Percentage of the matching requests, 0 to 100; 100 if absent.
	// +optional
	Percentage *int32 `json:"percentage,omitempty"`
}

// RouteMatch describes requests; all given fields must match.
type RouteMatch struct {
	// Method of the request.
	// +optional
	Method *StringMatch `json:"method,omitempty"`
	// Path of the request.
	// +optional
	Path *StringMatch `json:"path,omitempty"`
	// Headers by name.
	// +optional
	Headers map[string]StringMatch `json:"headers,omitempty"`
}

// StringMatch is exactly one kind of comparison.
type StringMatch struct {
	// The whole text.
	// +optional
	Exact string `json:"exact,omitempty"`
	// Its beginning.
	// +optional
	Prefix string `json:"prefix,omitempty"`
	// A regular expression, in the language of the gateway.
	// +optional
	Regex string `json:"regex,omitempty"`
}
