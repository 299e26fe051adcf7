package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// AnalysisTemplate describes measurements that judge a revision.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=analysistemplates,shortName=at
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AnalysisTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AnalysisTemplateSpec `json:"spec"`
}

// AnalysisTemplateList is a list of AnalysisTemplates.
//
// +kubebuilder:object:root=true
type AnalysisTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AnalysisTemplate `json:"items"`
}

// ClusterAnalysisTemplate is an AnalysisTemplate that every namespace may use.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clusteranalysistemplates,shortName=cat,scope=Cluster
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterAnalysisTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AnalysisTemplateSpec `json:"spec"`
}

// ClusterAnalysisTemplateList is a list of ClusterAnalysisTemplates.
//
// +kubebuilder:object:root=true
type ClusterAnalysisTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterAnalysisTemplate `json:"items"`
}

// AnalysisTemplateSpec is the content of both kinds of template.
type AnalysisTemplateSpec struct {
	// Metrics, each with a name of its own; together with those of templates at least one, or the run ends with phase Error.
	// +optional
	Metrics []Metric `json:"metrics,omitempty"`
	// Arguments that the metrics use, with values where there is a default.
	// +optional
	Args []Argument `json:"args,omitempty"`
	// Metrics that are measured and shown but do not judge.
	// +optional
	DryRun []DryRun `json:"dryRun,omitempty"`
	// Measurements that are kept in the status of the run; 10 of each metric if absent.
	// +optional
	MeasurementRetention []MeasurementRetention `json:"measurementRetention,omitempty"`
	// Other templates whose content is added to this one.
	// +optional
	Templates []AnalysisTemplateRef `json:"templates,omitempty"`
}

// Argument is a named value that metrics use as {{args.NAME}}.
type Argument struct {
	// Name that metrics use.
	Name string `json:"name"`
	// The value, or the default where whoever makes the run gives another one.
	// +optional
	Value *string `json:"value,omitempty"`
	// Where the value is read from, instead of value.
	// +optional
	ValueFrom *ValueFrom `json:"valueFrom,omitempty"`
}

// ValueFrom takes a value from elsewhere; exactly one field.
type ValueFrom struct {
	// A key of a Secret. Its value is used and shown nowhere; a missing one ends the run with phase Error.
	// +optional
	SecretKeyRef *SecretKeyRef `json:"secretKeyRef,omitempty"`
	// A field of the object that the run belongs to.
	// +optional
	FieldRef *FieldRef `json:"fieldRef,omitempty"`
}

// SecretKeyRef names a key of a Secret in the run's own namespace.
type SecretKeyRef struct {
	// Name of the Secret.
	Name string `json:"name"`
	// Key in the Secret.
	Key string `json:"key"`
}

// DryRun names metrics, by regular expression, that are measured but do not judge.
type DryRun struct {
	// Regular expression that is looked for in the name; one that is none or finds no metric ends the run with phase Error.
	MetricName string `json:"metricName"`
}

// MeasurementRetention says how many measurements of the metrics that a regular expression names are kept; 10 if absent.
type MeasurementRetention struct {
	// Regular expression that is looked for in the name; one that is none or finds no metric ends the run with phase Error.
	MetricName string `json:"metricName"`
	// Measurements to keep, from 1 on.
	Limit int32 `json:"limit"`
}

// DurationString is a Go duration such as 30s or 5m.
type DurationString string

// Metric is one measurement, how often it is taken and how it is judged.
type Metric struct {
	// Name of the metric, unique in the run.
	Name string `json:"name"`
	// Time between two measurements; absent means a single one.
	// +optional
	Interval DurationString `json:"interval,omitempty"`
	// Time before the first measurement; none if absent.
	// +optional
	InitialDelay DurationString `json:"initialDelay,omitempty"`
	// Number of measurements; without it and with an interval there is no end.
	// +optional
	Count *intstr.IntOrString `json:"count,omitempty"`
	// Expression over result that must be true for a good measurement.
	// +optional
	SuccessCondition string `json:"successCondition,omitempty"`
	// Expression over result that is true for a bad measurement; wins over successCondition.
	// +optional
	FailureCondition string `json:"failureCondition,omitempty"`
	// Bad measurements that are tolerated; 0 if absent, -1 for no limit.
	// +optional
	FailureLimit *intstr.IntOrString `json:"failureLimit,omitempty"`
	// Inconclusive measurements that are tolerated; 0 if absent.
	// +optional
	InconclusiveLimit *intstr.IntOrString `json:"inconclusiveLimit,omitempty"`
	// Errors in a row that are tolerated; 4 if absent.
	// +optional
	ConsecutiveErrorLimit *intstr.IntOrString `json:"consecutiveErrorLimit,omitempty"`
	// Good measurements in a row that end the metric as successful; 0, off, if absent.
	// +optional
	ConsecutiveSuccessLimit *intstr.IntOrString `json:"consecutiveSuccessLimit,omitempty"`
	// Where the measurement comes from.
	Provider MetricProvider `json:"provider"`
}

// MetricProvider holds exactly one source of measurements.
type MetricProvider struct {
	// A query to a Prometheus server.
	// +optional
	Prometheus *PrometheusMetric `json:"prometheus,omitempty"`
	// An HTTP request.
	// +optional
	Web *WebMetric `json:"web,omitempty"`
	// A Job whose end is the verdict.
	// +optional
	Job *JobMetric `json:"job,omitempty"`
	// A judgement by Spinnaker Kayenta.
	// +optional
	Kayenta *KayentaMetric `json:"kayenta,omitempty"`
	// A query to Datadog.
	// +optional
	Datadog *DatadogMetric `json:"datadog,omitempty"`
	// A query to Wavefront.
	// +optional
	Wavefront *WavefrontMetric `json:"wavefront,omitempty"`
	// A query to New Relic.
	// +optional
	NewRelic *NewRelicMetric `json:"newRelic,omitempty"`
	// Queries to Amazon CloudWatch.
	// +optional
	CloudWatch *CloudWatchMetric `json:"cloudWatch,omitempty"`
	// A query to Graphite.
	// +optional
	Graphite *GraphiteMetric `json:"graphite,omitempty"`
	// A query to InfluxDB.
	// +optional
	Influxdb *InfluxdbMetric `json:"influxdb,omitempty"`
	// A query to SkyWalking.
	// +optional
	SkyWalking *SkyWalkingMetric `json:"skywalking,omitempty"`
	// Metric plugins of the reference; the metric ends with phase Error and says so.
	// +optional
	Plugin map[string]apiextensionsv1.JSON `json:"plugin,omitempty"`
}

// AnalysisPhase is the verdict of a measurement, a metric or a run.
type AnalysisPhase string

// Phases of a measurement, a metric or a run.
const (
	AnalysisPhasePending      AnalysisPhase = "Pending"
	AnalysisPhaseRunning      AnalysisPhase = "Running"
	AnalysisPhaseSuccessful   AnalysisPhase = "Successful"
	AnalysisPhaseFailed       AnalysisPhase = "Failed"
	AnalysisPhaseError        AnalysisPhase = "Error"
	AnalysisPhaseInconclusive AnalysisPhase = "Inconclusive"
)

// Completed reports whether nothing more will be measured.
func (p AnalysisPhase) Completed() bool {
	switch p {
	case AnalysisPhaseSuccessful, AnalysisPhaseFailed, AnalysisPhaseError, AnalysisPhaseInconclusive:
		return true
	}
	return false
}

// AnalysisRun is one execution of templates.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=analysisruns,shortName=ar
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AnalysisRun struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AnalysisRunSpec `json:"spec"`
	// +optional
	Status AnalysisRunStatus `json:"status,omitempty"`
}

// AnalysisRunList is a list of AnalysisRuns.
//
// +kubebuilder:object:root=true
type AnalysisRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AnalysisRun `json:"items"`
}

// AnalysisRunSpec is a frozen copy of the templates, arguments filled in except for secrets.
type AnalysisRunSpec struct {
	// Metrics to measure; at least one.
	Metrics []Metric `json:"metrics"`
	// Arguments with their values; only secrets are still to be read.
	// +optional
	Args []Argument `json:"args,omitempty"`
	// True ends the run.
	// +optional
	Terminate bool `json:"terminate,omitempty"`
	// Metrics that are measured and shown but do not judge.
	// +optional
	DryRun []DryRun `json:"dryRun,omitempty"`
	// Measurements that are kept in the status; 10 of each metric if absent.
	// +optional
	MeasurementRetention []MeasurementRetention `json:"measurementRetention,omitempty"`
	// When the run is deleted after its end; never if absent.
	// +optional
	TTLStrategy *TTLStrategy `json:"ttlStrategy,omitempty"`
}

// TTLStrategy says how many seconds after its end a run is deleted.
type TTLStrategy struct {
	// After any end.
	// +optional
	SecondsAfterCompletion *int32 `json:"secondsAfterCompletion,omitempty"`
	// After phase Failed; wins over secondsAfterCompletion.
	// +optional
	SecondsAfterFailure *int32 `json:"secondsAfterFailure,omitempty"`
	// After phase Successful; wins over secondsAfterCompletion.
	// +optional
	SecondsAfterSuccess *int32 `json:"secondsAfterSuccess,omitempty"`
}

// AnalysisRunStatus is what was measured and what it means.
type AnalysisRunStatus struct {
	// Pending, Running, Successful, Failed, Error or Inconclusive: the worst of the metrics that judge.
	Phase AnalysisPhase `json:"phase,omitempty"`
	// Why the phase is what it is.
	// +optional
	Message string `json:"message,omitempty"`
	// One result for each metric that was measured.
	// +optional
	MetricResults []MetricResult `json:"metricResults,omitempty"`
	// When the first measurement began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// When the run ended.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// Metrics that judge, counted by their phase.
	// +optional
	RunSummary RunSummary `json:"runSummary,omitempty"`
	// Metrics that do not judge, counted by their phase.
	// +optional
	DryRunSummary *RunSummary `json:"dryRunSummary,omitempty"`
}

// RunSummary counts metrics by their phase.
type RunSummary struct {
	// All of them.
	// +optional
	Count int32 `json:"count,omitempty"`
	// Those that ended well.
	// +optional
	Successful int32 `json:"successful,omitempty"`
	// Those that failed.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// Those that ended without a verdict.
	// +optional
	Inconclusive int32 `json:"inconclusive,omitempty"`
	// Those that could not be measured.
	// +optional
	Error int32 `json:"error,omitempty"`
}

// MetricResult is the result of one metric.
type MetricResult struct {
	// Name of the metric.
	Name string `json:"name"`
	// Pending, Running, Successful, Failed, Error or Inconclusive.
	Phase AnalysisPhase `json:"phase"`
	// The newest measurements, as many as measurementRetention says.
	// +optional
	Measurements []Measurement `json:"measurements,omitempty"`
	// Why the phase is what it is.
	// +optional
	Message string `json:"message,omitempty"`
	// Measurements that count; errors do not.
	// +optional
	Count int32 `json:"count,omitempty"`
	// Good measurements.
	// +optional
	Successful int32 `json:"successful,omitempty"`
	// Bad measurements.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// Measurements that are neither.
	// +optional
	Inconclusive int32 `json:"inconclusive,omitempty"`
	// Measurements that could not be taken.
	// +optional
	Error int32 `json:"error,omitempty"`
	// Errors in a row, up to now.
	// +optional
	ConsecutiveError int32 `json:"consecutiveError,omitempty"`
	// Good measurements in a row, up to now.
	// +optional
	ConsecutiveSuccess int32 `json:"consecutiveSuccess,omitempty"`
	// Whether the metric does not judge.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// What the provider tells of its query, without secrets.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Measurement is one measurement.
type Measurement struct {
	// Running, Successful, Failed, Error or Inconclusive.
	Phase AnalysisPhase `json:"phase"`
	// Why the phase is what it is.
	// +optional
	Message string `json:"message,omitempty"`
	// When it began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// When it ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// What was measured, as text, without secrets.
	// +optional
	Value string `json:"value,omitempty"`
	// What the provider tells of this measurement, for example the name of its Job.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
	// When a measurement that is still running is looked at again.
	// +optional
	ResumeAt *metav1.Time `json:"resumeAt,omitempty"`
}
