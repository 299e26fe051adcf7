package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// PrometheusMetric is a query to a Prometheus server.
type PrometheusMetric struct {
	// URL of the server; the controller's ARGO_ROLLOUTS_PROMETHEUS_ADDRESS if absent.
	// +optional
	Address string `json:"address,omitempty"`
	// PromQL. A scalar gives a number, a vector or matrix a list of numbers; an error of the server is an error of the measurement.
	// +optional
	Query string `json:"query,omitempty"`
	// How the server is told who asks; nothing if absent.
	// +optional
	Authentication Authentication `json:"authentication,omitempty"`
	// Seconds until the query is given up; 30 if absent.
	// +optional
	Timeout *int64 `json:"timeout,omitempty"`
	// True accepts any server certificate.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Headers of the request; use {{args.NAME}} for secret ones.
	// +optional
	Headers []WebMetricHeader `json:"headers,omitempty"`
	// Makes it a range query.
	// +optional
	RangeQuery *PrometheusRangeQueryArgs `json:"rangeQuery,omitempty"`
}

// PrometheusRangeQueryArgs are the bounds of a range query.
type PrometheusRangeQueryArgs struct {
	// Expression such as now() - duration("1h").
	// +optional
	Start string `json:"start,omitempty"`
	// Expression such as now().
	// +optional
	End string `json:"end,omitempty"`
	// A Go duration.
	// +optional
	Step string `json:"step,omitempty"`
}

// Authentication proves to a server who asks.
type Authentication struct {
	// User name and password.
	// +optional
	Basic *BasicAuth `json:"basic,omitempty"`
	// Client credentials.
	// +optional
	OAuth2 *OAuth2Config `json:"oauth2,omitempty"`
	// A signature as Amazon Managed Service for Prometheus asks.
	// +optional
	Sigv4 *Sigv4Config `json:"sigv4,omitempty"`
}

// BasicAuth is a user name and password; use {{args.NAME}} with a secretKeyRef for both.
type BasicAuth struct {
	// User name.
	// +optional
	Username string `json:"username,omitempty"`
	// Password.
	// +optional
	Password string `json:"password,omitempty"`
}

// OAuth2Config asks a token server with client credentials.
type OAuth2Config struct {
	// Where tokens are asked for.
	// +optional
	TokenURL string `json:"tokenUrl,omitempty"`
	// Name of the client.
	// +optional
	ClientID string `json:"clientId,omitempty"`
	// Secret of the client; use {{args.NAME}} with a secretKeyRef.
	// +optional
	ClientSecret string `json:"clientSecret,omitempty"`
	// Scopes to ask for.
	// +optional
	Scopes []string `json:"scopes,omitempty"`
}

// Sigv4Config signs requests as AWS asks.
type Sigv4Config struct {
	// Region of the service; AWS_REGION of the controller if absent.
	// +optional
	Region string `json:"region,omitempty"`
	// Profile of the controller's shared configuration; the default one if absent.
	// +optional
	Profile string `json:"profile,omitempty"`
	// Role to assume; none if absent.
	// +optional
	RoleARN string `json:"roleArn,omitempty"`
}

// WebMetric is an HTTP request whose JSON answer is judged.
type WebMetric struct {
	// GET, POST or PUT; GET if absent.
	// +optional
	Method string `json:"method,omitempty"`
	// URL, beginning with http:// or https://. An answer other than 2xx is an error of the measurement.
	URL string `json:"url"`
	// Headers of the request; use {{args.NAME}} for secret ones.
	// +optional
	Headers []WebMetricHeader `json:"headers,omitempty"`
	// Text to send.
	// +optional
	Body string `json:"body,omitempty"`
	// JSON to send, instead of body.
	// +optional
	JSONBody *apiextensionsv1.JSON `json:"jsonBody,omitempty"`
	// Seconds until the request is given up; 10 if absent.
	// +optional
	TimeoutSeconds int64 `json:"timeoutSeconds,omitempty"`
	// JSONPath of the value; the whole document if absent.
	// +optional
	JSONPath string `json:"jsonPath,omitempty"`
	// True accepts any server certificate.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// How the server is told who asks; nothing if absent.
	// +optional
	Authentication Authentication `json:"authentication,omitempty"`
}

// WebMetricHeader is one HTTP header.
type WebMetricHeader struct {
	// Name of the header.
	Key string `json:"key"`
	// Its value.
	Value string `json:"value"`
}

// JobMetric runs a Job; its end is the verdict.
type JobMetric struct {
	// Labels and annotations of the Job.
	// +optional
	Metadata JobMetadata `json:"metadata,omitempty"`
	// A batch/v1 JobSpec, kept as it was written.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Spec runtime.RawExtension `json:"spec"`
}

// JobMetadata is put on the Job.
type JobMetadata struct {
	// Labels to add.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations to add.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// KayentaMetric asks Spinnaker Kayenta for a judgement.
type KayentaMetric struct {
	// URL of the Kayenta server.
	Address string `json:"address"`
	// Application, as Kayenta knows it.
	Application string `json:"application"`
	// Name of the canary configuration; a missing one is an error of the measurement.
	CanaryConfigName string `json:"canaryConfigName"`
	// Account that measures.
	MetricsAccountName string `json:"metricsAccountName"`
	// Account that holds the configuration.
	ConfigurationAccountName string `json:"configurationAccountName"`
	// Account that holds the results.
	StorageAccountName string `json:"storageAccountName"`
	// Scores that separate pass, marginal and fail.
	Threshold KayentaThreshold `json:"threshold"`
	// What is compared with what; at least one.
	Scopes []KayentaScope `json:"scopes"`
	// True lets the beginning of the interval grow with the measurements; false if absent.
	// +optional
	Lookback bool `json:"lookback,omitempty"`
}

// KayentaThreshold holds the scores that separate pass, marginal and fail.
type KayentaThreshold struct {
	// Score from which on a judgement is good.
	Pass int64 `json:"pass"`
	// Score from which on a judgement is inconclusive; below it is bad.
	Marginal int64 `json:"marginal"`
}

// KayentaScope pairs the control and the experiment.
type KayentaScope struct {
	// Name of the scope in the configuration.
	Name string `json:"name"`
	// The side that is compared with.
	ControlScope ScopeDetail `json:"controlScope"`
	// The side that is judged.
	ExperimentScope ScopeDetail `json:"experimentScope"`
}

// ScopeDetail is one side of a KayentaScope.
type ScopeDetail struct {
	// Name of the deployment, server group or the like.
	Scope string `json:"scope"`
	// Its region.
	Region string `json:"region"`
	// Seconds between two values.
	Step int64 `json:"step"`
	// Begin of the interval, as RFC 3339 time.
	Start string `json:"start"`
	// End of the interval, as RFC 3339 time.
	End string `json:"end"`
}

// DatadogMetric is a query to Datadog.
type DatadogMetric struct {
	// Time that the query looks back; 5m if absent.
	// +optional
	Interval DurationString `json:"interval,omitempty"`
	// The query; with apiVersion v1 required.
	// +optional
	Query string `json:"query,omitempty"`
	// Named queries for formula, with apiVersion v2.
	// +optional
	Queries map[string]string `json:"queries,omitempty"`
	// Formula over queries, with apiVersion v2.
	// +optional
	Formula string `json:"formula,omitempty"`
	// v1 (default) or v2.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// avg, min, max, sum, last, percentile, mean, l2norm or area, with apiVersion v2; last if absent.
	// +optional
	Aggregator string `json:"aggregator,omitempty"`
	// Secret with the keys; datadog in the controller's namespace if absent.
	// +optional
	SecretRef *DatadogSecretRef `json:"secretRef,omitempty"`
}

// DatadogSecretRef names the Secret with the keys of Datadog.
type DatadogSecretRef struct {
	// Name of the Secret.
	// +optional
	Name string `json:"name,omitempty"`
	// True looks in the run's namespace instead of the controller's.
	// +optional
	Namespaced bool `json:"namespaced,omitempty"`
}

// WavefrontMetric is a query to Wavefront.
type WavefrontMetric struct {
	// Host of Wavefront, as the Secret wavefront-api-tokens names it.
	// +optional
	Address string `json:"address,omitempty"`
	// The query; an answer without data is an error of the measurement.
	// +optional
	Query string `json:"query,omitempty"`
}

// NewRelicMetric is a NRQL query.
type NewRelicMetric struct {
	// Secret with the keys; newrelic if absent.
	// +optional
	Profile string `json:"profile,omitempty"`
	// NRQL that gives one row.
	Query string `json:"query"`
	// Seconds; 5 if absent.
	// +optional
	Timeout *int64 `json:"timeout,omitempty"`
}

// CloudWatchMetric is a GetMetricData request.
type CloudWatchMetric struct {
	// Time that the queries look back; 5m if absent.
	// +optional
	Interval DurationString `json:"interval,omitempty"`
	// Queries; the result is the list of their answers.
	MetricDataQueries []CloudWatchMetricDataQuery `json:"metricDataQueries"`
}

// CloudWatchMetricDataQuery is one query of a CloudWatchMetric.
type CloudWatchMetricDataQuery struct {
	// Name of the query, for expressions.
	// +optional
	ID string `json:"id,omitempty"`
	// A metric math expression, instead of metricStat.
	// +optional
	Expression *string `json:"expression,omitempty"`
	// Label of the answer.
	// +optional
	Label *string `json:"label,omitempty"`
	// A metric, instead of an expression.
	// +optional
	MetricStat *CloudWatchMetricStat `json:"metricStat,omitempty"`
	// Seconds between two values, for an expression.
	// +optional
	Period *intstr.IntOrString `json:"period,omitempty"`
	// False leaves the answer out of the result; true if absent.
	// +optional
	ReturnData *bool `json:"returnData,omitempty"`
}

// CloudWatchMetricStat is a metric and how it is summed up.
type CloudWatchMetricStat struct {
	// The metric.
	// +optional
	Metric CloudWatchMetricStatMetric `json:"metric,omitempty"`
	// Seconds between two values.
	// +optional
	Period intstr.IntOrString `json:"period,omitempty"`
	// Statistic, such as Sum or p99.
	// +optional
	Stat string `json:"stat,omitempty"`
	// Unit of the values; any if absent.
	// +optional
	Unit string `json:"unit,omitempty"`
}

// CloudWatchMetricStatMetric names a metric.
type CloudWatchMetricStatMetric struct {
	// Dimensions that narrow the metric.
	// +optional
	Dimensions []CloudWatchMetricStatMetricDimension `json:"dimensions,omitempty"`
	// Name of the metric.
	// +optional
	MetricName string `json:"metricName,omitempty"`
	// Namespace of the metric, such as AWS/ApplicationELB.
	// +optional
	Namespace *string `json:"namespace,omitempty"`
}

// CloudWatchMetricStatMetricDimension narrows a metric.
type CloudWatchMetricStatMetricDimension struct {
	// Name of the dimension.
	// +optional
	Name string `json:"name,omitempty"`
	// Its value.
	// +optional
	Value string `json:"value,omitempty"`
}

// GraphiteMetric is a query to Graphite.
type GraphiteMetric struct {
	// URL of the server.
	// +optional
	Address string `json:"address,omitempty"`
	// The target to render.
	// +optional
	Query string `json:"query,omitempty"`
}

// InfluxdbMetric is a Flux query.
type InfluxdbMetric struct {
	// Secret with the address and token; influxdb if absent.
	// +optional
	Profile string `json:"profile,omitempty"`
	// Flux; the result is the list of values of the answer.
	// +optional
	Query string `json:"query,omitempty"`
}

// SkyWalkingMetric is a GraphQL query to SkyWalking.
type SkyWalkingMetric struct {
	// URL of the server.
	// +optional
	Address string `json:"address,omitempty"`
	// GraphQL; the result is the data of the answer.
	// +optional
	Query string `json:"query,omitempty"`
	// Time that the query looks back; 5m if absent.
	// +optional
	Interval DurationString `json:"interval,omitempty"`
}
