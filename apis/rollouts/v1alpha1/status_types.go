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
	// CanaryPauseStep, BlueGreenPause, InconclusiveAnalysisRun or InconclusiveExperiment.
	Reason PauseReason `json:"reason"`
	// When the pause began; its duration counts from here, also across restarts.
	StartTime metav1.Time `json:"startTime"`
}

// RolloutStatus is what the controller saw and decided, and the mailbox through which clients command it.
type RolloutStatus struct {
	// A client sets true to abort the update and false to try it again.
	// +optional
	Abort bool `json:"abort,omitempty"`
	// When the update was aborted; the pods of the canary are kept for abortScaleDownDelaySeconds from here.
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

	// Pods of all revisions.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// Pods of the newest revision.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas,omitempty"`
	// Pods that are ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas,omitempty"`
	// Pods that have been ready for minReadySeconds.
	// +optional
	AvailableReplicas int32 `json:"availableReplicas,omitempty"`
	// Pods that an autoscaler should count.
	// +optional
	HPAReplicas int32 `json:"HPAReplicas,omitempty"`
	// Label selector of the pods that an autoscaler should measure.
	// +optional
	Selector string `json:"selector,omitempty"`
	// How often a hash was taken by another template; it is part of the hash.
	// +optional
	CollisionCount *int32 `json:"collisionCount,omitempty"`

	// metadata.generation that this status speaks of, in decimal.
	// +optional
	ObservedGeneration string `json:"observedGeneration,omitempty"`
	// Generation of the referenced workload that this status speaks of, in decimal.
	// +optional
	WorkloadObservedGeneration string `json:"workloadObservedGeneration,omitempty"`
	// The restartAt that has been carried out.
	// +optional
	RestartedAt *metav1.Time `json:"restartedAt,omitempty"`

	// Healthy, Progressing, Paused or Degraded.
	// +optional
	Phase RolloutPhase `json:"phase,omitempty"`
	// Why the phase is what it is.
	// +optional
	Message string `json:"message,omitempty"`
	// Available, Progressing, Paused, Completed, Healthy, InvalidSpec, ReplicaFailure, and Ready, Reconciling and Stalled as kstatus reads them.
	// +optional
	Conditions []RolloutCondition `json:"conditions,omitempty"`

	// State of the canary strategy.
	// +optional
	Canary CanaryStatus `json:"canary,omitempty"`
	// State of the blue-green strategy.
	// +optional
	BlueGreen BlueGreenStatus `json:"blueGreen,omitempty"`
	// How long the newest update takes or took.
	// +optional
	Duration *RolloutDuration `json:"duration,omitempty"`

	// Kept for objects of the reference; never written.
	// +optional
	ALB *ALBStatus `json:"alb,omitempty"`
	// Kept for objects of the reference; never written.
	// +optional
	ALBs []ALBStatus `json:"albs,omitempty"`
}

// RolloutCondition is one condition.
type RolloutCondition struct {
	// Name of the condition.
	Type RolloutConditionType `json:"type"`
	// True, False or Unknown.
	Status corev1.ConditionStatus `json:"status"`
	// When anything in it changed.
	// +optional
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitempty"`
	// When its status changed.
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
	// The cause in one word.
	// +optional
	Reason string `json:"reason,omitempty"`
	// The cause in a sentence.
	// +optional
	Message string `json:"message,omitempty"`
}

// CanaryStatus belongs to the canary strategy.
type CanaryStatus struct {
	// Analysis of the current step.
	// +optional
	CurrentStepAnalysisRunStatus *RolloutAnalysisRunStatus `json:"currentStepAnalysisRunStatus,omitempty"`
	// Analysis beside the steps.
	// +optional
	CurrentBackgroundAnalysisRunStatus *RolloutAnalysisRunStatus `json:"currentBackgroundAnalysisRunStatus,omitempty"`
	// Name of the Experiment of the current step.
	// +optional
	CurrentExperiment string `json:"currentExperiment,omitempty"`
	// Division of the traffic that the router was seen to hold.
	// +optional
	Weights *TrafficWeights `json:"weights,omitempty"`
	// Which of the two ping-pong services is the stable one: ping or pong.
	// +optional
	StablePingPong string `json:"stablePingPong,omitempty"`
	// Kept for objects of the reference; never written.
	// +optional
	StepPluginStatuses []StepPluginStatus `json:"stepPluginStatuses,omitempty"`
}

// TrafficWeights is a division of the traffic.
type TrafficWeights struct {
	// Share of the new revision.
	Canary WeightDestination `json:"canary"`
	// Share of the stable revision.
	Stable WeightDestination `json:"stable"`
	// Shares of the groups of an experiment.
	// +optional
	Additional []WeightDestination `json:"additional,omitempty"`
	// Whether the router confirmed the weights; absent when nothing can confirm them.
	// +optional
	Verified *bool `json:"verified,omitempty"`
}

// WeightDestination is the share of one revision.
type WeightDestination struct {
	// The share, of maxTrafficWeight.
	Weight int32 `json:"weight"`
	// Service that receives it.
	// +optional
	ServiceName string `json:"serviceName,omitempty"`
	// Revision behind that Service.
	// +optional
	PodTemplateHash string `json:"podTemplateHash,omitempty"`
}

// StepPluginStatus is kept for objects of the reference.
type StepPluginStatus struct {
	// Kept as it was written.
	Index int32 `json:"index"`
	// Kept as it was written.
	Name string `json:"name"`
	// Kept as it was written.
	// +optional
	Message string `json:"message,omitempty"`
	// Kept as it was written.
	// +optional
	Phase string `json:"phase,omitempty"`
	// Kept as it was written.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// Kept as it was written.
	// +optional
	UpdatedAt *metav1.Time `json:"updatedAt,omitempty"`
	// Kept as it was written.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Kept as it was written.
	// +optional
	Operation string `json:"operation,omitempty"`
	// Kept as it was written.
	// +optional
	Backoff string `json:"backoff,omitempty"`
	// Kept as it was written.
	// +optional
	Executions int32 `json:"executions,omitempty"`
	// Kept as it was written.
	// +optional
	Disabled bool `json:"disabled,omitempty"`
	// Kept as it was written.
	// +optional
	Status *apiextensionsv1.JSON `json:"status,omitempty"`
}

// BlueGreenStatus belongs to the blue-green strategy.
type BlueGreenStatus struct {
	// Hash of the revision behind the preview Service.
	// +optional
	PreviewSelector string `json:"previewSelector,omitempty"`
	// Hash of the revision behind the active Service.
	// +optional
	ActiveSelector string `json:"activeSelector,omitempty"`
	// Whether the preview has left previewReplicaCount and grows to full size.
	// +optional
	ScaleUpPreviewCheckPoint bool `json:"scaleUpPreviewCheckPoint,omitempty"`
	// Analysis before the switch.
	// +optional
	PrePromotionAnalysisRunStatus *RolloutAnalysisRunStatus `json:"prePromotionAnalysisRunStatus,omitempty"`
	// Analysis after the switch.
	// +optional
	PostPromotionAnalysisRunStatus *RolloutAnalysisRunStatus `json:"postPromotionAnalysisRunStatus,omitempty"`
}

// RolloutAnalysisRunStatus sums up an AnalysisRun of a Rollout.
type RolloutAnalysisRunStatus struct {
	// Name of the AnalysisRun.
	Name string `json:"name"`
	// Its phase.
	Status AnalysisPhase `json:"status"`
	// Why the phase is what it is.
	// +optional
	Message string `json:"message,omitempty"`
}

// RolloutDuration records how long an update took.
type RolloutDuration struct {
	// When the update began.
	// +optional
	RolloutStartedAt *metav1.Time `json:"rolloutStartedAt,omitempty"`
	// When a pause began that only a person ends; absent outside of one.
	// +optional
	ManualPauseStartedAt *metav1.Time `json:"manualPauseStartedAt,omitempty"`
	// Seconds spent in such pauses, up to now.
	// +optional
	TotalManualPauseDurationSeconds int64 `json:"totalManualPauseDurationSeconds,omitempty"`
	// When the update ended, however it did.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Promoted, FastPromoted, Aborted, Superseded, RolledBack or FastRolledBack.
	// +optional
	CompletionStatus string `json:"completionStatus,omitempty"`
}

// ALBStatus is kept for objects of the reference.
type ALBStatus struct {
	// Kept as it was written.
	// +optional
	Ingress string `json:"ingress,omitempty"`
	// Kept as it was written.
	// +optional
	LoadBalancer AWSResourceRef `json:"loadBalancer,omitempty"`
	// Kept as it was written.
	// +optional
	CanaryTargetGroup AWSResourceRef `json:"canaryTargetGroup,omitempty"`
	// Kept as it was written.
	// +optional
	StableTargetGroup AWSResourceRef `json:"stableTargetGroup,omitempty"`
}

// AWSResourceRef is kept for objects of the reference.
type AWSResourceRef struct {
	// Kept as it was written.
	Name string `json:"name"`
	// Kept as it was written.
	// +optional
	ARN string `json:"arn,omitempty"`
	// Kept as it was written.
	// +optional
	FullName string `json:"fullName,omitempty"`
}
