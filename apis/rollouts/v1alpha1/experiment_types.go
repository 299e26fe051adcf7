package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Experiment runs several groups of pods beside each other for a while.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=experiments,shortName=exp
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Experiment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ExperimentSpec `json:"spec"`
	// +optional
	Status ExperimentStatus `json:"status,omitempty"`
}

// ExperimentList is a list of Experiments.
//
// +kubebuilder:object:root=true
type ExperimentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Experiment `json:"items"`
}

// ExperimentSpec says which groups of pods run and how they are judged.
type ExperimentSpec struct {
	// Groups of pods that run beside each other; at least one, each with a name of its own.
	Templates []TemplateSpec `json:"templates"`
	// A Go duration, counted from when all groups are available; no limit if absent.
	// +optional
	Duration DurationString `json:"duration,omitempty"`
	// Seconds without progress after which the experiment fails; 600 if absent.
	// +optional
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds,omitempty"`
	// True ends the experiment.
	// +optional
	Terminate bool `json:"terminate,omitempty"`
	// Analyses that judge the experiment; they start when all groups are available.
	// +optional
	Analyses []ExperimentAnalysisTemplateRef `json:"analyses,omitempty"`
	// Seconds that the pods are kept after the end; 30 if absent.
	// +optional
	ScaleDownDelaySeconds *int32 `json:"scaleDownDelaySeconds,omitempty"`
	// Metrics that are measured and shown but do not judge.
	// +optional
	DryRun []DryRun `json:"dryRun,omitempty"`
	// Measurements that are kept in the status of the runs; 10 of each metric if absent.
	// +optional
	MeasurementRetention []MeasurementRetention `json:"measurementRetention,omitempty"`
	// Labels and annotations of the AnalysisRuns.
	// +optional
	AnalysisRunMetadata AnalysisRunMetadata `json:"analysisRunMetadata,omitempty"`
}

// TemplateSpec is one group of pods.
type TemplateSpec struct {
	// Name of the group, unique in the experiment.
	Name string `json:"name"`
	// Pods of the group; 1 if absent.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// Seconds that a pod must be ready without a crash to count as available; 0 if absent.
	// +optional
	MinReadySeconds int32 `json:"minReadySeconds,omitempty"`
	// Selects the pods of the group; must match the labels of the template.
	Selector *metav1.LabelSelector `json:"selector"`
	// The pod template, kept as it was written.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Template runtime.RawExtension `json:"template"`
	// Asks for a Service in front of the group; none if absent.
	// +optional
	Service *TemplateService `json:"service,omitempty"`
}

// TemplateService asks for a Service in front of a group.
type TemplateService struct {
	// Name of the Service; that of the ReplicaSet if absent.
	// +optional
	Name string `json:"name,omitempty"`
}

// ExperimentAnalysisTemplateRef is one analysis of an experiment.
type ExperimentAnalysisTemplateRef struct {
	// Name of the analysis, unique in the experiment.
	Name string `json:"name"`
	// Name of the template. A missing one ends the experiment with phase Error.
	TemplateName string `json:"templateName"`
	// True names a ClusterAnalysisTemplate; false if absent.
	// +optional
	ClusterScope bool `json:"clusterScope,omitempty"`
	// Values for the arguments of the template.
	// +optional
	Args []Argument `json:"args,omitempty"`
	// True makes the experiment wait for this analysis.
	// +optional
	RequiredForCompletion bool `json:"requiredForCompletion,omitempty"`
}

// ExperimentStatus is what became of an Experiment.
type ExperimentStatus struct {
	// Pending, Running, Successful, Failed, Error or Inconclusive.
	// +optional
	Phase AnalysisPhase `json:"phase,omitempty"`
	// Why the phase is what it is.
	// +optional
	Message string `json:"message,omitempty"`
	// When all groups were available.
	// +optional
	AvailableAt *metav1.Time `json:"availableAt,omitempty"`
	// State of each group.
	// +optional
	TemplateStatuses []TemplateStatus `json:"templateStatuses,omitempty"`
	// State of each analysis.
	// +optional
	AnalysisRuns []ExperimentAnalysisRunStatus `json:"analysisRuns,omitempty"`
	// Conditions of the experiment.
	// +optional
	Conditions []ExperimentCondition `json:"conditions,omitempty"`
}

// TemplateStatus is the state of one group.
type TemplateStatus struct {
	// Name of the group.
	Name string `json:"name"`
	// Progressing, Running, Successful, Failed or Error.
	// +optional
	Status string `json:"status,omitempty"`
	// Why the status is what it is.
	// +optional
	Message string `json:"message,omitempty"`
	// Pods of the group.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// Pods with the template of the group.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas,omitempty"`
	// Pods that are ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas,omitempty"`
	// Pods that have been ready for minReadySeconds.
	// +optional
	AvailableReplicas int32 `json:"availableReplicas,omitempty"`
	// How often a hash was taken by another template; it is part of the hash.
	// +optional
	CollisionCount *int32 `json:"collisionCount,omitempty"`
	// When the status changed; the progress deadline counts from here.
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
	// Service in front of the group.
	// +optional
	ServiceName string `json:"serviceName,omitempty"`
	// Hash that the pods of the group carry as a label.
	// +optional
	PodTemplateHash string `json:"podTemplateHash,omitempty"`
}

// ExperimentAnalysisRunStatus sums up one analysis.
type ExperimentAnalysisRunStatus struct {
	// Name of the analysis.
	Name string `json:"name"`
	// Name of the AnalysisRun.
	AnalysisRun string `json:"analysisRun"`
	// Its phase.
	Phase AnalysisPhase `json:"phase"`
	// Why the phase is what it is.
	// +optional
	Message string `json:"message,omitempty"`
}

// ExperimentCondition is one condition.
type ExperimentCondition struct {
	// Name of the condition.
	Type string `json:"type"`
	// True, False or Unknown.
	Status string `json:"status"`
	// When anything in it changed.
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitempty"`
	// When its status changed.
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
	// The cause in one word.
	Reason string `json:"reason,omitempty"`
	// The cause in a sentence.
	Message string `json:"message,omitempty"`
}
