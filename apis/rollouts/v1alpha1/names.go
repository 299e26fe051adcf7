package v1alpha1

// Labels and annotations of the wire contract.
const (
	// LabelPodTemplateHash is on every ReplicaSet and pod of a Rollout, and in the selector of each Service that it manages.
	LabelPodTemplateHash = "rollouts-pod-template-hash"
	// LabelInstanceID binds an object to the controller that was started with the same --instance-id.
	LabelInstanceID = "argo-rollouts.argoproj.io/controller-instance-id"
	// LabelRolloutType tells why an AnalysisRun was made: Step, Background, PrePromotion or PostPromotion.
	LabelRolloutType = "rollout-type"
	// LabelStepIndex is the step that an AnalysisRun or Experiment belongs to.
	LabelStepIndex = "step-index"
	// LabelAnalysisRunUID is on each Job of a job metric.
	LabelAnalysisRunUID = "analysisrun.argoproj.io/uid"

	// AnnotationAnalysisRunName, AnnotationAnalysisRunNamespace and AnnotationAnalysisRunMetric stand on each Job of a job metric.
	AnnotationAnalysisRunName      = "analysisrun.argoproj.io/name"
	AnnotationAnalysisRunNamespace = "analysisrun.argoproj.io/namespace"
	AnnotationAnalysisRunMetric    = "analysisrun.argoproj.io/metric-name"

	// AnnotationRevision is the revision number, on the Rollout, its ReplicaSets, AnalysisRuns and Experiments.
	AnnotationRevision = "rollout.argoproj.io/revision"
	// AnnotationRevisionHistory is the comma-separated list of earlier revision numbers of a ReplicaSet.
	AnnotationRevisionHistory = "rollout.argoproj.io/revision-history"
	// AnnotationDesiredReplicas is spec.replicas of the Rollout when the ReplicaSet was last scaled.
	AnnotationDesiredReplicas = "rollout.argoproj.io/desired-replicas"
	// AnnotationEphemeralMetadata is the JSON of labels and annotations injected by canaryMetadata and its siblings.
	AnnotationEphemeralMetadata = "rollout.argoproj.io/ephemeral-metadata"
	// AnnotationWorkloadGeneration is the generation of the workload that workloadRef names.
	AnnotationWorkloadGeneration = "rollout.argoproj.io/workload-generation"
	// AnnotationScaleDownDeadline is the RFC 3339 UTC moment from which a ReplicaSet may be scaled to zero; empty means none.
	AnnotationScaleDownDeadline = "scale-down-deadline"
	// AnnotationManagedByRollouts names the Rollout that switches the selector of a Service.
	AnnotationManagedByRollouts = "argo-rollouts.argoproj.io/managed-by-rollouts"
	// AnnotationExperimentName and AnnotationExperimentTemplateName stand on each ReplicaSet and Service of an Experiment.
	AnnotationExperimentName         = "experiment.argoproj.io/name"
	AnnotationExperimentTemplateName = "experiment.argoproj.io/template-name"
	// AnnotationExperimentWeights is, on an Experiment of a Rollout, the JSON of the traffic share that each of its templates is to get.
	// As long as it stands there the routes may send requests to the pods, so the Experiment keeps them, whatever became of it.
	AnnotationExperimentWeights = "rollout.sluice.dev/experiment-weights"
	// AnnotationExperimentPortsOf is, on an Experiment of a Rollout, the Service whose ports the Services of its templates have.
	AnnotationExperimentPortsOf = "rollout.sluice.dev/experiment-ports-of"
)

// RolloutConditionType names a condition of a Rollout.
type RolloutConditionType string

// Conditions of a Rollout. The first eight are the wire contract's; Ready, Reconciling and Stalled follow kstatus.
const (
	ConditionInvalidSpec    RolloutConditionType = "InvalidSpec"
	ConditionAvailable      RolloutConditionType = "Available"
	ConditionProgressing    RolloutConditionType = "Progressing"
	ConditionReplicaFailure RolloutConditionType = "ReplicaFailure"
	ConditionPaused         RolloutConditionType = "Paused"
	ConditionCompleted      RolloutConditionType = "Completed"
	ConditionHealthy        RolloutConditionType = "Healthy"
	ConditionReady          RolloutConditionType = "Ready"
	ConditionReconciling    RolloutConditionType = "Reconciling"
	ConditionStalled        RolloutConditionType = "Stalled"
	// ConditionTrafficVerified tells what the routes were seen to hold, and whether a gateway has confirmed it.
	ConditionTrafficVerified RolloutConditionType = "TrafficVerified"
)

// Reasons of conditions, as the wire contract spells them.
const (
	ReasonInvalidSpec              = "InvalidSpec"
	ReasonAvailable                = "AvailableReason"
	ReasonNewReplicaSetCreated     = "NewReplicaSetCreated"
	ReasonFoundNewReplicaSet       = "FoundNewReplicaSet"
	ReasonReplicaSetUpdated        = "ReplicaSetUpdated"
	ReasonNewReplicaSetAvailable   = "NewReplicaSetAvailable"
	ReasonReplicaSetNotAvailable   = "ReplicaSetNotAvailable"
	ReasonReplicaSetCreateError    = "ReplicaSetCreateError"
	ReasonRolloutPaused            = "RolloutPaused"
	ReasonRolloutResumed           = "RolloutResumed"
	ReasonRolloutRetry             = "RolloutRetry"
	ReasonRolloutAborted           = "RolloutAborted"
	ReasonProgressDeadlineExceeded = "ProgressDeadlineExceeded"
	ReasonRolloutCompleted         = "RolloutCompleted"
	ReasonRolloutHealthy           = "RolloutHealthy"
)

// Reasons of events that are not condition reasons as well, as the wire contract spells them.
const (
	ReasonRolloutUpdated          = "RolloutUpdated"
	ReasonRolloutNotCompleted     = "RolloutNotCompleted"
	ReasonScalingReplicaSet       = "ScalingReplicaSet"
	ReasonSwitchService           = "SwitchService"
	ReasonRolloutStepCompleted    = "RolloutStepCompleted"
	ReasonTrafficWeightUpdated    = "TrafficWeightUpdated"
	ReasonTrafficRoutingError     = "TrafficRoutingError"
	ReasonSkipSteps               = "SkipSteps"
	ReasonReconciliationError     = "ReconciliationError"
	ReasonAnalysisRunRunning      = "AnalysisRunRunning"
	ReasonAnalysisRunSuccessful   = "AnalysisRunSuccessful"
	ReasonAnalysisRunFailed       = "AnalysisRunFailed"
	ReasonAnalysisRunError        = "AnalysisRunError"
	ReasonAnalysisRunInconclusive = "AnalysisRunInconclusive"
	ReasonExperimentCreated       = "ExperimentCreated"
	ReasonExperimentCompleted     = "ExperimentCompleted"
)
