package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PluginStep runs a step plugin of the reference controller.
type PluginStep struct {
	Name string `json:"name"`
	// +optional
	Config *apiextensionsv1.JSON `json:"config,omitempty"`
}

// RolloutAnalysis names the templates of an AnalysisRun and fills their arguments.
type RolloutAnalysis struct {
	// +optional
	Templates []AnalysisTemplateRef `json:"templates,omitempty"`
	// +optional
	Args []AnalysisRunArgument `json:"args,omitempty"`
	// +optional
	DryRun []DryRun `json:"dryRun,omitempty"`
	// +optional
	MeasurementRetention []MeasurementRetention `json:"measurementRetention,omitempty"`
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

// AnalysisTemplateRef names an AnalysisTemplate, or a ClusterAnalysisTemplate if clusterScope is true.
type AnalysisTemplateRef struct {
	// +optional
	TemplateName string `json:"templateName,omitempty"`
	// A pointer because StepHash tells an explicit false from an absent field; InCluster reads it.
	// +optional
	ClusterScope *bool `json:"clusterScope,omitempty"`
}

// AnalysisRunMetadata is put on the AnalysisRuns that a Rollout or Experiment makes.
type AnalysisRunMetadata struct {
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// AnalysisRunArgument is a value for an argument of the templates.
type AnalysisRunArgument struct {
	Name string `json:"name"`
	// +optional
	Value string `json:"value,omitempty"`
	// +optional
	ValueFrom *ArgumentValueFrom `json:"valueFrom,omitempty"`
}

// ArgumentValueFrom takes a value from the Rollout; exactly one field.
type ArgumentValueFrom struct {
	// Stable or Latest: the pod template hash of that revision.
	// +optional
	PodTemplateHashValue *ValueFromPodTemplateHash `json:"podTemplateHashValue,omitempty"`
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
	FieldPath string `json:"fieldPath"`
}

// RolloutExperimentStep runs an Experiment and waits for it.
type RolloutExperimentStep struct {
	Templates []RolloutExperimentTemplate `json:"templates"`
	// A Go duration; no limit if absent.
	// +optional
	Duration string `json:"duration,omitempty"`
	// +optional
	Analyses []RolloutExperimentAnalysis `json:"analyses,omitempty"`
	// +optional
	DryRun []DryRun `json:"dryRun,omitempty"`
	// +optional
	AnalysisRunMetadata AnalysisRunMetadata `json:"analysisRunMetadata,omitempty"`
	// Seconds that the pods of the experiment are kept after its end; 30 if absent.
	// +optional
	ScaleDownDelaySeconds *int32 `json:"scaleDownDelaySeconds,omitempty"`
}

// RolloutExperimentTemplate is one group of pods of an experiment step.
type RolloutExperimentTemplate struct {
	Name string `json:"name"`
	// stable or canary: whose pod template is used.
	SpecRef string `json:"specRef"`
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// +optional
	Metadata PodTemplateMetadata `json:"metadata,omitempty"`
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
	// Traffic share of this group.
	// +optional
	Weight *int32 `json:"weight,omitempty"`
	// +optional
	Service *TemplateService `json:"service,omitempty"`
}

// RolloutExperimentAnalysis is one analysis of an experiment step.
type RolloutExperimentAnalysis struct {
	Name         string `json:"name"`
	TemplateName string `json:"templateName"`
	// +optional
	ClusterScope bool `json:"clusterScope,omitempty"`
	// +optional
	Args []AnalysisRunArgument `json:"args,omitempty"`
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
	// Routes of the Gateway API.
	// +optional
	GatewayAPI *GatewayAPITrafficRouting `json:"gatewayAPI,omitempty"`
	// Configuration of router plugins by name; argoproj-labs/gatewayAPI is built in.
	// +optional
	Plugins map[string]apiextensionsv1.JSON `json:"plugins,omitempty"`
	// +optional
	Istio *IstioTrafficRouting `json:"istio,omitempty"`
	// +optional
	Nginx *NginxTrafficRouting `json:"nginx,omitempty"`
	// +optional
	ALB *ALBTrafficRouting `json:"alb,omitempty"`
	// +optional
	SMI *SMITrafficRouting `json:"smi,omitempty"`
	// +optional
	Ambassador *AmbassadorTrafficRouting `json:"ambassador,omitempty"`
	// +optional
	AppMesh *AppMeshTrafficRouting `json:"appMesh,omitempty"`
	// +optional
	Traefik *TraefikTrafficRouting `json:"traefik,omitempty"`
	// +optional
	Apisix *ApisixTrafficRouting `json:"apisix,omitempty"`
}

// ManagedRoute names a route that steps may create.
type ManagedRoute struct {
	Name string `json:"name"`
}

// PluginGatewayAPI is the name under which plugins holds a GatewayAPITrafficRouting.
const PluginGatewayAPI = "argoproj-labs/gatewayAPI"

// GatewayAPITrafficRouting names the routes whose weights divide the traffic.
type GatewayAPITrafficRouting struct {
	// Namespace of the routes; the Rollout's own if absent.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// +optional
	HTTPRoute string `json:"httpRoute,omitempty"`
	// +optional
	GRPCRoute string `json:"grpcRoute,omitempty"`
	// +optional
	TCPRoute string `json:"tcpRoute,omitempty"`
	// +optional
	TLSRoute string `json:"tlsRoute,omitempty"`
	// +optional
	HTTPRoutes []GatewayAPIRoute `json:"httpRoutes,omitempty"`
	// +optional
	GRPCRoutes []GatewayAPIRoute `json:"grpcRoutes,omitempty"`
	// +optional
	TCPRoutes []GatewayAPIRoute `json:"tcpRoutes,omitempty"`
	// +optional
	TLSRoutes []GatewayAPIRoute `json:"tlsRoutes,omitempty"`
	// Selects HTTPRoutes by label; header routes are off for them.
	// +optional
	HTTPRouteSelector *metav1.LabelSelector `json:"httpRouteSelector,omitempty"`
	// +optional
	GRPCRouteSelector *metav1.LabelSelector `json:"grpcRouteSelector,omitempty"`
	// +optional
	TCPRouteSelector *metav1.LabelSelector `json:"tcpRouteSelector,omitempty"`
	// +optional
	TLSRouteSelector *metav1.LabelSelector `json:"tlsRouteSelector,omitempty"`
	// Accepted for compatibility; no label is ever put on a route.
	// +optional
	DisableInProgressLabel bool `json:"disableInProgressLabel,omitempty"`
	// +optional
	InProgressLabelKey string `json:"inProgressLabelKey,omitempty"`
	// +optional
	InProgressLabelValue string `json:"inProgressLabelValue,omitempty"`
}

// GatewayAPIRoute names one route.
type GatewayAPIRoute struct {
	Name string `json:"name"`
	// Whether header routes are added to this route; only HTTPRoute and GRPCRoute.
	// +optional
	UseHeaderRoutes bool `json:"useHeaderRoutes,omitempty"`
}

// IstioTrafficRouting is kept for manifests of the reference.
type IstioTrafficRouting struct {
	// +optional
	VirtualService *IstioVirtualService `json:"virtualService,omitempty"`
	// +optional
	VirtualServices []IstioVirtualService `json:"virtualServices,omitempty"`
	// +optional
	DestinationRule *IstioDestinationRule `json:"destinationRule,omitempty"`
}

// IstioVirtualService names the routes of a VirtualService.
type IstioVirtualService struct {
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Routes []string `json:"routes,omitempty"`
	// +optional
	TLSRoutes []TLSRoute `json:"tlsRoutes,omitempty"`
	// +optional
	TCPRoutes []TCPRoute `json:"tcpRoutes,omitempty"`
}

// TLSRoute names a TLS route of a VirtualService by port or host.
type TLSRoute struct {
	// +optional
	Port int64 `json:"port,omitempty"`
	// +optional
	SNIHosts []string `json:"sniHosts,omitempty"`
}

// TCPRoute names a TCP route of a VirtualService by port.
type TCPRoute struct {
	// +optional
	Port int64 `json:"port,omitempty"`
}

// IstioDestinationRule names the subsets of a DestinationRule.
type IstioDestinationRule struct {
	Name string `json:"name"`
	// +optional
	CanarySubsetName string `json:"canarySubsetName,omitempty"`
	// +optional
	StableSubsetName string `json:"stableSubsetName,omitempty"`
	// +optional
	AdditionalSubsetNames []string `json:"additionalSubsetNames,omitempty"`
}

// NginxTrafficRouting is kept for manifests of the reference.
type NginxTrafficRouting struct {
	// +optional
	AnnotationPrefix string `json:"annotationPrefix,omitempty"`
	// +optional
	StableIngress string `json:"stableIngress,omitempty"`
	// +optional
	StableIngresses []string `json:"stableIngresses,omitempty"`
	// +optional
	AdditionalIngressAnnotations map[string]string `json:"additionalIngressAnnotations,omitempty"`
	// +optional
	CanaryIngressAnnotations map[string]string `json:"canaryIngressAnnotations,omitempty"`
}

// ALBTrafficRouting is kept for manifests of the reference.
type ALBTrafficRouting struct {
	// +optional
	Ingress string `json:"ingress,omitempty"`
	// +optional
	Ingresses   []string `json:"ingresses,omitempty"`
	ServicePort int32    `json:"servicePort"`
	// +optional
	RootService string `json:"rootService,omitempty"`
	// +optional
	AnnotationPrefix string `json:"annotationPrefix,omitempty"`
	// +optional
	StickinessConfig *StickinessConfig `json:"stickinessConfig,omitempty"`
}

// StickinessConfig is kept for manifests of the reference.
type StickinessConfig struct {
	Enabled         bool  `json:"enabled"`
	DurationSeconds int64 `json:"durationSeconds"`
}

// SMITrafficRouting is kept for manifests of the reference.
type SMITrafficRouting struct {
	// +optional
	RootService string `json:"rootService,omitempty"`
	// +optional
	TrafficSplitName string `json:"trafficSplitName,omitempty"`
}

// AmbassadorTrafficRouting is kept for manifests of the reference.
type AmbassadorTrafficRouting struct {
	Mappings []string `json:"mappings"`
}

// AppMeshTrafficRouting is kept for manifests of the reference.
type AppMeshTrafficRouting struct {
	// +optional
	VirtualService *AppMeshVirtualService `json:"virtualService,omitempty"`
	// +optional
	VirtualNodeGroup *AppMeshVirtualNodeGroup `json:"virtualNodeGroup,omitempty"`
}

// AppMeshVirtualService names the routes of a virtual service.
type AppMeshVirtualService struct {
	Name string `json:"name"`
	// +optional
	Routes []string `json:"routes,omitempty"`
}

// AppMeshVirtualNodeGroup names the nodes of both revisions.
type AppMeshVirtualNodeGroup struct {
	CanaryVirtualNodeRef *AppMeshVirtualNodeReference `json:"canaryVirtualNodeRef"`
	StableVirtualNodeRef *AppMeshVirtualNodeReference `json:"stableVirtualNodeRef"`
}

// AppMeshVirtualNodeReference names a virtual node.
type AppMeshVirtualNodeReference struct {
	Name string `json:"name"`
}

// TraefikTrafficRouting is kept for manifests of the reference.
type TraefikTrafficRouting struct {
	WeightedTraefikServiceName string `json:"weightedTraefikServiceName"`
}

// ApisixTrafficRouting is kept for manifests of the reference.
type ApisixTrafficRouting struct {
	// +optional
	Route *ApisixRoute `json:"route,omitempty"`
}

// ApisixRoute names the rules of an ApisixRoute.
type ApisixRoute struct {
	Name string `json:"name"`
	// +optional
	Rules []string `json:"rules,omitempty"`
}
