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
	// +optional
	Query string `json:"query,omitempty"`
	// +optional
	Authentication Authentication `json:"authentication,omitempty"`
	// Seconds until the query is given up; 30 if absent.
	// +optional
	Timeout *int64 `json:"timeout,omitempty"`
	// True accepts any server certificate.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
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
	// +optional
	Basic *BasicAuth `json:"basic,omitempty"`
	// +optional
	OAuth2 *OAuth2Config `json:"oauth2,omitempty"`
	// +optional
	Sigv4 *Sigv4Config `json:"sigv4,omitempty"`
}

// BasicAuth is a user name and password; use {{args.NAME}} with a secretKeyRef for both.
type BasicAuth struct {
	// +optional
	Username string `json:"username,omitempty"`
	// +optional
	Password string `json:"password,omitempty"`
}

// OAuth2Config asks a token server with client credentials.
type OAuth2Config struct {
	// +optional
	TokenURL string `json:"tokenUrl,omitempty"`
	// +optional
	ClientID string `json:"clientId,omitempty"`
	// +optional
	ClientSecret string `json:"clientSecret,omitempty"`
	// +optional
	Scopes []string `json:"scopes,omitempty"`
}

// Sigv4Config signs requests as AWS asks.
type Sigv4Config struct {
	// +optional
	Region string `json:"region,omitempty"`
	// +optional
	Profile string `json:"profile,omitempty"`
	// +optional
	RoleARN string `json:"roleArn,omitempty"`
}

// WebMetric is an HTTP request whose JSON answer is judged.
type WebMetric struct {
	// GET, POST or PUT; GET if absent.
	// +optional
	Method string `json:"method,omitempty"`
	URL    string `json:"url"`
	// +optional
	Headers []WebMetricHeader `json:"headers,omitempty"`
	// +optional
	Body string `json:"body,omitempty"`
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
	// +optional
	Authentication Authentication `json:"authentication,omitempty"`
}

// WebMetricHeader is one HTTP header.
type WebMetricHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// JobMetric runs a Job; its end is the verdict.
type JobMetric struct {
	// +optional
	Metadata JobMetadata `json:"metadata,omitempty"`
	// A batch/v1 JobSpec, kept as it was written.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Spec runtime.RawExtension `json:"spec"`
}

// JobMetadata is put on the Job.
type JobMetadata struct {
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// KayentaMetric asks Spinnaker Kayenta for a judgement.
type KayentaMetric struct {
	Address                  string           `json:"address"`
	Application              string           `json:"application"`
	CanaryConfigName         string           `json:"canaryConfigName"`
	MetricsAccountName       string           `json:"metricsAccountName"`
	ConfigurationAccountName string           `json:"configurationAccountName"`
	StorageAccountName       string           `json:"storageAccountName"`
	Threshold                KayentaThreshold `json:"threshold"`
	Scopes                   []KayentaScope   `json:"scopes"`
	// +optional
	Lookback bool `json:"lookback,omitempty"`
}

// KayentaThreshold holds the scores that separate pass, marginal and fail.
type KayentaThreshold struct {
	Pass     int64 `json:"pass"`
	Marginal int64 `json:"marginal"`
}

// KayentaScope pairs the control and the experiment.
type KayentaScope struct {
	Name            string      `json:"name"`
	ControlScope    ScopeDetail `json:"controlScope"`
	ExperimentScope ScopeDetail `json:"experimentScope"`
}

// ScopeDetail is one side of a KayentaScope.
type ScopeDetail struct {
	Scope  string `json:"scope"`
	Region string `json:"region"`
	Step   int64  `json:"step"`
	Start  string `json:"start"`
	End    string `json:"end"`
}

// DatadogMetric is a query to Datadog.
type DatadogMetric struct {
	// Time that the query looks back; 5m if absent.
	// +optional
	Interval DurationString `json:"interval,omitempty"`
	// +optional
	Query string `json:"query,omitempty"`
	// Named queries for formula, with apiVersion v2.
	// +optional
	Queries map[string]string `json:"queries,omitempty"`
	// +optional
	Formula string `json:"formula,omitempty"`
	// v1 (default) or v2.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// avg, min, max, sum, last, percentile, mean, l2norm or area, with apiVersion v2; last if absent.
	// +optional
	Aggregator string `json:"aggregator,omitempty"`
	// +optional
	SecretRef *DatadogSecretRef `json:"secretRef,omitempty"`
}

// DatadogSecretRef names the Secret with the keys of Datadog.
type DatadogSecretRef struct {
	// +optional
	Name string `json:"name,omitempty"`
	// True looks in the run's namespace instead of the controller's.
	// +optional
	Namespaced bool `json:"namespaced,omitempty"`
}

// WavefrontMetric is a query to Wavefront.
type WavefrontMetric struct {
	// +optional
	Address string `json:"address,omitempty"`
	// +optional
	Query string `json:"query,omitempty"`
}

// NewRelicMetric is a NRQL query.
type NewRelicMetric struct {
	// Secret with the keys; newrelic if absent.
	// +optional
	Profile string `json:"profile,omitempty"`
	Query   string `json:"query"`
	// Seconds; 5 if absent.
	// +optional
	Timeout *int64 `json:"timeout,omitempty"`
}

// CloudWatchMetric is a GetMetricData request.
type CloudWatchMetric struct {
	// +optional
	Interval          DurationString              `json:"interval,omitempty"`
	MetricDataQueries []CloudWatchMetricDataQuery `json:"metricDataQueries"`
}

// CloudWatchMetricDataQuery is one query of a CloudWatchMetric.
type CloudWatchMetricDataQuery struct {
	// +optional
	ID string `json:"id,omitempty"`
	// +optional
	Expression *string `json:"expression,omitempty"`
	// +optional
	Label *string `json:"label,omitempty"`
	// +optional
	MetricStat *CloudWatchMetricStat `json:"metricStat,omitempty"`
	// +optional
	Period *intstr.IntOrString `json:"period,omitempty"`
	// +optional
	ReturnData *bool `json:"returnData,omitempty"`
}

// CloudWatchMetricStat is a metric and how it is summed up.
type CloudWatchMetricStat struct {
	// +optional
	Metric CloudWatchMetricStatMetric `json:"metric,omitempty"`
	// +optional
	Period intstr.IntOrString `json:"period,omitempty"`
	// +optional
	Stat string `json:"stat,omitempty"`
	// +optional
	Unit string `json:"unit,omitempty"`
}

// CloudWatchMetricStatMetric names a metric.
type CloudWatchMetricStatMetric struct {
	// +optional
	Dimensions []CloudWatchMetricStatMetricDimension `json:"dimensions,omitempty"`
	// +optional
	MetricName string `json:"metricName,omitempty"`
	// +optional
	Namespace *string `json:"namespace,omitempty"`
}

// CloudWatchMetricStatMetricDimension narrows a metric.
type CloudWatchMetricStatMetricDimension struct {
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Value string `json:"value,omitempty"`
}

// GraphiteMetric is a query to Graphite.
type GraphiteMetric struct {
	// +optional
	Address string `json:"address,omitempty"`
	// +optional
	Query string `json:"query,omitempty"`
}

// InfluxdbMetric is a Flux query.
type InfluxdbMetric struct {
	// Secret with the address and token; influxdb if absent.
	// +optional
	Profile string `json:"profile,omitempty"`
	// +optional
	Query string `json:"query,omitempty"`
}

// SkyWalkingMetric is a GraphQL query to SkyWalking.
type SkyWalkingMetric struct {
	// +optional
	Address string `json:"address,omitempty"`
	// +optional
	Query string `json:"query,omitempty"`
	// +optional
	Interval DurationString `json:"interval,omitempty"`
}
