package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PluginStep runs a step plugin of the reference controller.
type PluginStep struct {
	// Name of the plugin. Every step plugin is refused in the condition InvalidSpec.
	Name string `json:"name"`
	// Configuration of the plugin, kept as it was written.
	// +optional
	Config *apiextensionsv1.JSON `json:"config,omitempty"`
}

// RolloutAnalysis names the templates of an AnalysisRun and fills their arguments.
type RolloutAnalysis struct {
	// Templates whose metrics are put together into one run; a missing one is told in the condition InvalidSpec, and the update waits.
	// +optional
	Templates []AnalysisTemplateRef `json:"templates,omitempty"`
	// Values for the arguments of the templates. An argument that stays without a value makes the run end with phase Error.
	// +optional
	Args []AnalysisRunArgument `json:"args,omitempty"`
	// Metrics that are measured and shown but do not judge.
	// +optional
	DryRun []DryRun `json:"dryRun,omitempty"`
	// Measurements that are kept in the status of the run; 10 of each metric if absent.
	// +optional
	MeasurementRetention []MeasurementRetention `json:"measurementRetention,omitempty"`
	// Labels and annotations of the AnalysisRun.
	// +optional
	AnalysisRunMetadata *AnalysisRunMetadata `json:"analysisRunMetadata,omitempty"`
}

// RolloutAnalysisBackground is an analysis beside the steps.
type RolloutAnalysisBackground struct {
	RolloutAnalysis `json:",inline"`
	// Index of the step from which on the analysis runs; 0 if absent.
	// +optional
	StartingStep *int32 `json:"startingStep,omitempty"`
}

// AnalysisTemplateRef names an AnalysisTemplate, or a ClusterAnalysisTemplate if clusterScope is true. That is a pointer because StepHash
// tells an explicit false from an absent field; InCluster reads it.
type AnalysisTemplateRef struct {
	// Name of the template. A cycle of templates ends the run with phase Error.
	// +optional
	TemplateName string `json:"templateName,omitempty"`
	// True names a ClusterAnalysisTemplate, false or absent an AnalysisTemplate of the same namespace.
	// +optional
	ClusterScope *bool `json:"clusterScope,omitempty"`
}

// AnalysisRunMetadata is put on the AnalysisRuns that a Rollout or Experiment makes.
type AnalysisRunMetadata struct {
	// Labels to add; those that the controller needs win.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations to add.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// AnalysisRunArgument is a value for an argument of the templates.
type AnalysisRunArgument struct {
	// Name of the argument in the templates.
	Name string `json:"name"`
	// The value itself.
	// +optional
	Value string `json:"value,omitempty"`
	// Where the value is read from when the run is made, instead of value.
	// +optional
	ValueFrom *ArgumentValueFrom `json:"valueFrom,omitempty"`
}

// ArgumentValueFrom takes a value from the Rollout; exactly one field.
type ArgumentValueFrom struct {
	// Stable or Latest: the pod template hash of that revision.
	// +optional
	PodTemplateHashValue *ValueFromPodTemplateHash `json:"podTemplateHashValue,omitempty"`
	// A field of the Rollout. A field that does not exist is told in the condition InvalidSpec.
	// +optional
	FieldRef *FieldRef `json:"fieldRef,omitempty"`
}

// ValueFromPodTemplateHash names a revision by its role.
type ValueFromPodTemplateHash string

// Roles that podTemplateHashValue can name.
const (
	PodTemplateHashStable ValueFromPodTemplateHash = "Stable"
	PodTemplateHashLatest ValueFromPodTemplateHash = "Latest"
)

// FieldRef is a path into the Rollout, such as metadata.labels['region'].
type FieldRef struct {
	// The path, for example metadata.labels['region'] or status.canary.weights.canary.weight.
	FieldPath string `json:"fieldPath"`
}

// RolloutExperimentStep runs an Experiment and waits for it.
type RolloutExperimentStep struct {
	// Groups of pods that run beside each other; at least one. Pods that do not become available fail the experiment, which aborts the update.
	Templates []RolloutExperimentTemplate `json:"templates"`
	// A Go duration; no limit if absent.
	// +optional
	Duration string `json:"duration,omitempty"`
	// Analyses that judge the experiment; none if absent. Failed or Error ends it and aborts the update.
	// +optional
	Analyses []RolloutExperimentAnalysis `json:"analyses,omitempty"`
	// Metrics that are measured and shown but do not judge.
	// +optional
	DryRun []DryRun `json:"dryRun,omitempty"`
	// Labels and annotations of the AnalysisRuns.
	// +optional
	AnalysisRunMetadata AnalysisRunMetadata `json:"analysisRunMetadata,omitempty"`
	// Seconds that the pods of the experiment are kept after its end; 30 if absent.
	// +optional
	ScaleDownDelaySeconds *int32 `json:"scaleDownDelaySeconds,omitempty"`
}

// RolloutExperimentTemplate is one group of pods of an experiment step.
type RolloutExperimentTemplate struct {
	// Name of the group, unique in the step.
	Name string `json:"name"`
	// stable or canary: whose pod template is used.
	SpecRef string `json:"specRef"`
	// Pods of the group; 1 if absent.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// Labels and annotations that the pods of the group carry besides.
	// +optional
	Metadata PodTemplateMetadata `json:"metadata,omitempty"`
	// Selects the pods of the group; that of the Rollout if absent.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
	// Traffic share of this group, of maxTrafficWeight and taken from the stable revision; none if absent. Needs trafficRouting.
	// +optional
	Weight *int32 `json:"weight,omitempty"`
	// Asks for a Service in front of the group; a group with a weight always has one.
	// +optional
	Service *TemplateService `json:"service,omitempty"`
}

// RolloutExperimentAnalysis is one analysis of an experiment step.
type RolloutExperimentAnalysis struct {
	// Name of the analysis, unique in the step.
	Name string `json:"name"`
	// Name of the template. A missing one ends the experiment with phase Error.
	TemplateName string `json:"templateName"`
	// True names a ClusterAnalysisTemplate; false if absent.
	// +optional
	ClusterScope bool `json:"clusterScope,omitempty"`
	// Values for the arguments of the template.
	// +optional
	Args []AnalysisRunArgument `json:"args,omitempty"`
	// True makes the experiment wait for the end of this analysis; false if absent.
	// +optional
	RequiredForCompletion bool `json:"requiredForCompletion,omitempty"`
}

// RolloutTrafficRouting names what divides the traffic; several routers may be set together.
type RolloutTrafficRouting struct {
	// Routes made by steps, the first with the highest precedence.
	// +optional
	ManagedRoutes []ManagedRoute `json:"managedRoutes,omitempty"`
	// The weight that means all traffic; 100 if absent.
	// +optional
	MaxTrafficWeight *int32 `json:"maxTrafficWeight,omitempty"`
	// Routes of the Gateway API. One that is missing or cannot be used is told in an event and keeps the weights from rising; an abort still reaches the others.
	// +optional
	GatewayAPI *GatewayAPITrafficRouting `json:"gatewayAPI,omitempty"`
	// Configuration of router plugins by name; argoproj-labs/gatewayAPI is built in.
	// +optional
	Plugins map[string]apiextensionsv1.JSON `json:"plugins,omitempty"`
	// Refused in the condition InvalidSpec; use Routes of the Gateway API.
	// +optional
	Istio *IstioTrafficRouting `json:"istio,omitempty"`
	// Refused in the condition InvalidSpec; use Routes of the Gateway API.
	// +optional
	Nginx *NginxTrafficRouting `json:"nginx,omitempty"`
	// Refused in the condition InvalidSpec; use Routes of the Gateway API.
	// +optional
	ALB *ALBTrafficRouting `json:"alb,omitempty"`
	// Refused in the condition InvalidSpec; use Routes of the Gateway API.
	// +optional
	SMI *SMITrafficRouting `json:"smi,omitempty"`
	// Refused in the condition InvalidSpec; use Routes of the Gateway API.
	// +optional
	Ambassador *AmbassadorTrafficRouting `json:"ambassador,omitempty"`
	// Refused in the condition InvalidSpec; use Routes of the Gateway API.
	// +optional
	AppMesh *AppMeshTrafficRouting `json:"appMesh,omitempty"`
	// Refused in the condition InvalidSpec; use Routes of the Gateway API.
	// +optional
	Traefik *TraefikTrafficRouting `json:"traefik,omitempty"`
	// Refused in the condition InvalidSpec; use Routes of the Gateway API.
	// +optional
	Apisix *ApisixTrafficRouting `json:"apisix,omitempty"`
}

// ManagedRoute names a route that steps may create.
type ManagedRoute struct {
	// Name of the rule that a setHeaderRoute or setMirrorRoute step writes.
	Name string `json:"name"`
}

// PluginGatewayAPI is the name under which plugins holds a GatewayAPITrafficRouting.
const PluginGatewayAPI = "argoproj-labs/gatewayAPI"

// GatewayAPITrafficRouting names the routes whose weights divide the traffic.
type GatewayAPITrafficRouting struct {
	// Namespace of the routes; the Rollout's own if absent.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of one HTTPRoute. A missing route, or one without both Services as backends, is told in the condition InvalidSpec.
	// +optional
	HTTPRoute string `json:"httpRoute,omitempty"`
	// Name of one GRPCRoute.
	// +optional
	GRPCRoute string `json:"grpcRoute,omitempty"`
	// Name of one TCPRoute.
	// +optional
	TCPRoute string `json:"tcpRoute,omitempty"`
	// Name of one TLSRoute.
	// +optional
	TLSRoute string `json:"tlsRoute,omitempty"`
	// Several HTTPRoutes.
	// +optional
	HTTPRoutes []GatewayAPIRoute `json:"httpRoutes,omitempty"`
	// Several GRPCRoutes.
	// +optional
	GRPCRoutes []GatewayAPIRoute `json:"grpcRoutes,omitempty"`
	// Several TCPRoutes.
	// +optional
	TCPRoutes []GatewayAPIRoute `json:"tcpRoutes,omitempty"`
	// Several TLSRoutes.
	// +optional
	TLSRoutes []GatewayAPIRoute `json:"tlsRoutes,omitempty"`
	// Selects HTTPRoutes by label; header routes are off for them.
	// +optional
	HTTPRouteSelector *metav1.LabelSelector `json:"httpRouteSelector,omitempty"`
	// Selects GRPCRoutes by label; header routes are off for them.
	// +optional
	GRPCRouteSelector *metav1.LabelSelector `json:"grpcRouteSelector,omitempty"`
	// Selects TCPRoutes by label.
	// +optional
	TCPRouteSelector *metav1.LabelSelector `json:"tcpRouteSelector,omitempty"`
	// Selects TLSRoutes by label.
	// +optional
	TLSRouteSelector *metav1.LabelSelector `json:"tlsRouteSelector,omitempty"`
	// Accepted for compatibility; no label is ever put on a route.
	// +optional
	DisableInProgressLabel bool `json:"disableInProgressLabel,omitempty"`
	// Accepted for compatibility; no label is ever put on a route.
	// +optional
	InProgressLabelKey string `json:"inProgressLabelKey,omitempty"`
	// Accepted for compatibility; no label is ever put on a route.
	// +optional
	InProgressLabelValue string `json:"inProgressLabelValue,omitempty"`
}

// GatewayAPIRoute names one route.
type GatewayAPIRoute struct {
	// Name of the route.
	Name string `json:"name"`
	// Whether header routes are added to this route; only HTTPRoute and GRPCRoute.
	// +optional
	UseHeaderRoutes bool `json:"useHeaderRoutes,omitempty"`
}

// IstioTrafficRouting is kept for manifests of the reference.
type IstioTrafficRouting struct {
	// Kept as it was written.
	// +optional
	VirtualService *IstioVirtualService `json:"virtualService,omitempty"`
	// Kept as it was written.
	// +optional
	VirtualServices []IstioVirtualService `json:"virtualServices,omitempty"`
	// Kept as it was written.
	// +optional
	DestinationRule *IstioDestinationRule `json:"destinationRule,omitempty"`
}

// IstioVirtualService names the routes of a VirtualService.
type IstioVirtualService struct {
	// Kept as it was written.
	// +optional
	Name string `json:"name,omitempty"`
	// Kept as it was written.
	// +optional
	Routes []string `json:"routes,omitempty"`
	// Kept as it was written.
	// +optional
	TLSRoutes []TLSRoute `json:"tlsRoutes,omitempty"`
	// Kept as it was written.
	// +optional
	TCPRoutes []TCPRoute `json:"tcpRoutes,omitempty"`
}

// TLSRoute names a TLS route of a VirtualService by port or host.
type TLSRoute struct {
	// Kept as it was written.
	// +optional
	Port int64 `json:"port,omitempty"`
	// Kept as it was written.
	// +optional
	SNIHosts []string `json:"sniHosts,omitempty"`
}

// TCPRoute names a TCP route of a VirtualService by port.
type TCPRoute struct {
	// Kept as it was written.
	// +optional
	Port int64 `json:"port,omitempty"`
}

// IstioDestinationRule names the subsets of a DestinationRule.
type IstioDestinationRule struct {
	// Kept as it was written.
	Name string `json:"name"`
	// Kept as it was written.
	// +optional
	CanarySubsetName string `json:"canarySubsetName,omitempty"`
	// Kept as it was written.
	// +optional
	StableSubsetName string `json:"stableSubsetName,omitempty"`
	// Kept as it was written.
	// +optional
	AdditionalSubsetNames []string `json:"additionalSubsetNames,omitempty"`
}

// NginxTrafficRouting is kept for manifests of the reference.
type NginxTrafficRouting struct {
	// Kept as it was written.
	// +optional
	AnnotationPrefix string `json:"annotationPrefix,omitempty"`
	// Kept as it was written.
	// +optional
	StableIngress string `json:"stableIngress,omitempty"`
	// Kept as it was written.
	// +optional
	StableIngresses []string `json:"stableIngresses,omitempty"`
	// Kept as it was written.
	// +optional
	AdditionalIngressAnnotations map[string]string `json:"additionalIngressAnnotations,omitempty"`
	// Kept as it was written.
	// +optional
	CanaryIngressAnnotations map[string]string `json:"canaryIngressAnnotations,omitempty"`
}

// ALBTrafficRouting is kept for manifests of the reference.
type ALBTrafficRouting struct {
	// Kept as it was written.
	// +optional
	Ingress string `json:"ingress,omitempty"`
	// Kept as it was written.
	// +optional
	Ingresses []string `json:"ingresses,omitempty"`
	// Kept as it was written.
	ServicePort int32 `json:"servicePort"`
	// Kept as it was written.
	// +optional
	RootService string `json:"rootService,omitempty"`
	// Kept as it was written.
	// +optional
	AnnotationPrefix string `json:"annotationPrefix,omitempty"`
	// Kept as it was written.
	// +optional
	StickinessConfig *StickinessConfig `json:"stickinessConfig,omitempty"`
}

// StickinessConfig is kept for manifests of the reference.
type StickinessConfig struct {
	// Kept as it was written.
	Enabled bool `json:"enabled"`
	// Kept as it was written.
	DurationSeconds int64 `json:"durationSeconds"`
}

// SMITrafficRouting is kept for manifests of the reference.
type SMITrafficRouting struct {
	// Kept as it was written.
	// +optional
	RootService string `json:"rootService,omitempty"`
	// Kept as it was written.
	// +optional
	TrafficSplitName string `json:"trafficSplitName,omitempty"`
}

// AmbassadorTrafficRouting is kept for manifests of the reference.
type AmbassadorTrafficRouting struct {
	// Kept as it was written.
	Mappings []string `json:"mappings"`
}

// AppMeshTrafficRouting is kept for manifests of the reference.
type AppMeshTrafficRouting struct {
	// Kept as it was written.
	// +optional
	VirtualService *AppMeshVirtualService `json:"virtualService,omitempty"`
	// Kept as it was written.
	// +optional
	VirtualNodeGroup *AppMeshVirtualNodeGroup `json:"virtualNodeGroup,omitempty"`
}

// AppMeshVirtualService names the routes of a virtual service.
type AppMeshVirtualService struct {
	// Kept as it was written.
	Name string `json:"name"`
	// Kept as it was written.
	// +optional
	Routes []string `json:"routes,omitempty"`
}

// AppMeshVirtualNodeGroup names the nodes of both revisions.
type AppMeshVirtualNodeGroup struct {
	// Kept as it was written.
	CanaryVirtualNodeRef *AppMeshVirtualNodeReference `json:"canaryVirtualNodeRef"`
	// Kept as it was written.
	StableVirtualNodeRef *AppMeshVirtualNodeReference `json:"stableVirtualNodeRef"`
}

// AppMeshVirtualNodeReference names a virtual node.
type AppMeshVirtualNodeReference struct {
	// Kept as it was written.
	Name string `json:"name"`
}

// TraefikTrafficRouting is kept for manifests of the reference.
type TraefikTrafficRouting struct {
	// Kept as it was written.
	WeightedTraefikServiceName string `json:"weightedTraefikServiceName"`
}

// ApisixTrafficRouting is kept for manifests of the reference.
type ApisixTrafficRouting struct {
	// Kept as it was written.
	// +optional
	Route *ApisixRoute `json:"route,omitempty"`
}

// ApisixRoute names the rules of an ApisixRoute.
type ApisixRoute struct {
	// Kept as it was written.
	Name string `json:"name"`
	// Kept as it was written.
	// +optional
	Rules []string `json:"rules,omitempty"`
}
