package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RolloutPhase sums a Rollout up in one word.
type RolloutPhase string

// Phases of a Rollout.
const (
	RolloutPhaseHealthy     RolloutPhase = "Healthy"
	RolloutPhaseProgressing RolloutPhase = "Progressing"
	RolloutPhasePaused      RolloutPhase = "Paused"
	RolloutPhaseDegraded    RolloutPhase = "Degraded"
)

// PauseReason says why the controller paused.
type PauseReason string

// Reasons of a pause.
const (
	PauseReasonCanaryPauseStep        PauseReason = "CanaryPauseStep"
	PauseReasonBlueGreenPause         PauseReason = "BlueGreenPause"
	PauseReasonInconclusiveAnalysis   PauseReason = "InconclusiveAnalysisRun"
	PauseReasonInconclusiveExperiment PauseReason = "InconclusiveExperiment"
)

// PauseCondition is a pause in force.
type PauseCondition struct {
	Reason    PauseReason `json:"reason"`
	StartTime metav1.Time `json:"startTime"`
}

// RolloutStatus is what the controller saw and decided, and the mailbox through which clients command it.
type RolloutStatus struct {
	// A client sets true to abort the update and false to try it again.
	// +optional
	Abort bool `json:"abort,omitempty"`
	// +optional
	AbortedAt *metav1.Time `json:"abortedAt,omitempty"`
	// Pauses in force; a client clears the list to resume.
	// +optional
	PauseConditions []PauseCondition `json:"pauseConditions,omitempty"`
	// True while the controller has paused; with an empty pauseConditions it means that a client resumed.
	// +optional
	ControllerPause bool `json:"controllerPause,omitempty"`
	// A client sets true to skip all steps that remain.
	// +optional
	PromoteFull bool `json:"promoteFull,omitempty"`

	// Hash of the revision that the spec asks for.
	// +optional
	CurrentPodHash string `json:"currentPodHash,omitempty"`
	// Hash of the steps, so that an edit of the steps is noticed.
	// +optional
	CurrentStepHash string `json:"currentStepHash,omitempty"`
	// Hash of the revision that was promoted last.
	// +optional
	StableRS string `json:"stableRS,omitempty"`
	// Index of the current step; equal to the number of steps when all are done, absent without steps.
	// +optional
	CurrentStepIndex *int32 `json:"currentStepIndex,omitempty"`

	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas,omitempty"`
	// +optional
	ReadyReplicas int32 `json:"readyReplicas,omitempty"`
	// +optional
	AvailableReplicas int32 `json:"availableReplicas,omitempty"`
	// Pods that an autoscaler should count.
	// +optional
	HPAReplicas int32 `json:"HPAReplicas,omitempty"`
	// Label selector of the pods that an autoscaler should measure.
	// +optional
	Selector string `json:"selector,omitempty"`
	// +optional
	CollisionCount *int32 `json:"collisionCount,omitempty"`

	// metadata.generation that this status speaks of, in decimal.
	// +optional
	ObservedGeneration string `json:"observedGeneration,omitempty"`
	// Generation of the referenced workload that this status speaks of, in decimal.
	// +optional
	WorkloadObservedGeneration string `json:"workloadObservedGeneration,omitempty"`
	// +optional
	RestartedAt *metav1.Time `json:"restartedAt,omitempty"`

	// +optional
	Phase RolloutPhase `json:"phase,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	Conditions []RolloutCondition `json:"conditions,omitempty"`

	// +optional
	Canary CanaryStatus `json:"canary,omitempty"`
	// +optional
	BlueGreen BlueGreenStatus `json:"blueGreen,omitempty"`
	// +optional
	Duration *RolloutDuration `json:"duration,omitempty"`

	// Kept for objects of the reference; never written.
	// +optional
	ALB *ALBStatus `json:"alb,omitempty"`
	// +optional
	ALBs []ALBStatus `json:"albs,omitempty"`
}

// RolloutCondition is one condition.
type RolloutCondition struct {
	Type   RolloutConditionType   `json:"type"`
	Status corev1.ConditionStatus `json:"status"`
	// +optional
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitempty"`
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
	// +optional
	Reason string `json:"reason,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
}

// CanaryStatus belongs to the canary strategy.
type CanaryStatus struct {
	// +optional
	CurrentStepAnalysisRunStatus *RolloutAnalysisRunStatus `json:"currentStepAnalysisRunStatus,omitempty"`
	// +optional
	CurrentBackgroundAnalysisRunStatus *RolloutAnalysisRunStatus `json:"currentBackgroundAnalysisRunStatus,omitempty"`
	// +optional
	CurrentExperiment string `json:"currentExperiment,omitempty"`
	// Division of the traffic that the router was seen to hold.
	// +optional
	Weights *TrafficWeights `json:"weights,omitempty"`
	// Which of the two ping-pong services is the stable one: ping or pong.
	// +optional
	StablePingPong string `json:"stablePingPong,omitempty"`
	// +optional
	StepPluginStatuses []StepPluginStatus `json:"stepPluginStatuses,omitempty"`
}

// TrafficWeights is a division of the traffic.
type TrafficWeights struct {
	Canary WeightDestination `json:"canary"`
	Stable WeightDestination `json:"stable"`
	// +optional
	Additional []WeightDestination `json:"additional,omitempty"`
	// Whether the router confirmed the weights; absent when nothing can confirm them.
	// +optional
	Verified *bool `json:"verified,omitempty"`
}

// WeightDestination is the share of one revision.
type WeightDestination struct {
	Weight int32 `json:"weight"`
	// +optional
	ServiceName string `json:"serviceName,omitempty"`
	// +optional
	PodTemplateHash string `json:"podTemplateHash,omitempty"`
}

// StepPluginStatus is kept for objects of the reference.
type StepPluginStatus struct {
	Index int32  `json:"index"`
	Name  string `json:"name"`
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	Phase string `json:"phase,omitempty"`
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	UpdatedAt *metav1.Time `json:"updatedAt,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// +optional
	Operation string `json:"operation,omitempty"`
	// +optional
	Backoff string `json:"backoff,omitempty"`
	// +optional
	Executions int32 `json:"executions,omitempty"`
	// +optional
	Disabled bool `json:"disabled,omitempty"`
	// +optional
	Status *apiextensionsv1.JSON `json:"status,omitempty"`
}

// BlueGreenStatus belongs to the blue-green strategy.
type BlueGreenStatus struct {
	// +optional
	PreviewSelector string `json:"previewSelector,omitempty"`
	// +optional
	ActiveSelector string `json:"activeSelector,omitempty"`
	// +optional
	ScaleUpPreviewCheckPoint bool `json:"scaleUpPreviewCheckPoint,omitempty"`
	// +optional
	PrePromotionAnalysisRunStatus *RolloutAnalysisRunStatus `json:"prePromotionAnalysisRunStatus,omitempty"`
	// +optional
	PostPromotionAnalysisRunStatus *RolloutAnalysisRunStatus `json:"postPromotionAnalysisRunStatus,omitempty"`
}

// RolloutAnalysisRunStatus sums up an AnalysisRun of a Rollout.
type RolloutAnalysisRunStatus struct {
	Name   string        `json:"name"`
	Status AnalysisPhase `json:"status"`
	// +optional
	Message string `json:"message,omitempty"`
}

// RolloutDuration records how long an update took.
type RolloutDuration struct {
	// +optional
	RolloutStartedAt *metav1.Time `json:"rolloutStartedAt,omitempty"`
	// +optional
	ManualPauseStartedAt *metav1.Time `json:"manualPauseStartedAt,omitempty"`
	// +optional
	TotalManualPauseDurationSeconds int64 `json:"totalManualPauseDurationSeconds,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Promoted, FastPromoted, Aborted, Superseded, RolledBack or FastRolledBack.
	// +optional
	CompletionStatus string `json:"completionStatus,omitempty"`
}

// ALBStatus is kept for objects of the reference.
type ALBStatus struct {
	// +optional
	Ingress string `json:"ingress,omitempty"`
	// +optional
	LoadBalancer AWSResourceRef `json:"loadBalancer,omitempty"`
	// +optional
	CanaryTargetGroup AWSResourceRef `json:"canaryTargetGroup,omitempty"`
	// +optional
	StableTargetGroup AWSResourceRef `json:"stableTargetGroup,omitempty"`
}

// AWSResourceRef is kept for objects of the reference.
type AWSResourceRef struct {
	Name string `json:"name"`
	// +optional
	ARN string `json:"arn,omitempty"`
	// +optional
	FullName string `json:"fullName,omitempty"`
}
