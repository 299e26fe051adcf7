package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Source is a place in a repository and how its files become manifests. At most one of helm, kustomize, directory and plugin is set.
type Source struct {
	// URL of the Git repository, Helm repository or registry; the project must allow it.
	// +optional
	RepoURL string `json:"repoURL"`
	// Folder inside the repository.
	// +optional
	Path string `json:"path,omitempty"`
	// Branch, tag, SHA, full ref or semver constraint on tags; HEAD if empty. For a chart, its version.
	// +optional
	TargetRevision string `json:"targetRevision,omitempty"`
	// Start of the tags that a semver constraint chooses from.
	// +optional
	TagPrefix string `json:"tagPrefix,omitempty"`
	// Name of a chart in a Helm repository.
	// +optional
	Chart string `json:"chart,omitempty"`
	// Name under which other sources reach the files of this one, as $ref.
	// +optional
	Ref string `json:"ref,omitempty"`
	// Name of the source where there are several.
	// +optional
	Name string `json:"name,omitempty"`
	// Options of a chart.
	// +optional
	Helm *HelmSource `json:"helm,omitempty"`
	// Options of a kustomization.
	// +optional
	Kustomize *KustomizeSource `json:"kustomize,omitempty"`
	// Options of a plain folder.
	// +optional
	Directory *DirectorySource `json:"directory,omitempty"`
	// Config management plugins; refused by name.
	// +optional
	Plugin *PluginSource `json:"plugin,omitempty"`
}

// HelmSource sets how a chart is rendered. Values: parameters beat valuesObject, that beats values, that beats valueFiles.
type HelmSource struct {
	// Files with values, later ones win; globs, $ref/path and URLs are allowed.
	// +optional
	ValueFiles []string `json:"valueFiles,omitempty"`
	// Values by path, stronger than all others.
	// +optional
	Parameters []HelmParameter `json:"parameters,omitempty"`
	// Parameters whose value is the content of a file.
	// +optional
	FileParameters []HelmFileParameter `json:"fileParameters,omitempty"`
	// Name of the release; that of the Application if empty.
	// +optional
	ReleaseName string `json:"releaseName,omitempty"`
	// Values as YAML text.
	// +optional
	Values string `json:"values,omitempty"`
	// Values as an object.
	// +optional
	ValuesObject *apiextensionsv1.JSON `json:"valuesObject,omitempty"`
	// Accepted without effect.
	// +optional
	Version string `json:"version,omitempty"`
	// Sends the credentials of the repository to other hosts as well.
	// +optional
	PassCredentials bool `json:"passCredentials,omitempty"`
	// True passes over value files that do not exist; false if absent.
	// +optional
	IgnoreMissingValueFiles bool `json:"ignoreMissingValueFiles,omitempty"`
	// True leaves the folder crds out; false if absent.
	// +optional
	SkipCrds bool `json:"skipCrds,omitempty"`
	// True leaves test hooks out; false if absent.
	// +optional
	SkipTests bool `json:"skipTests,omitempty"`
	// True does not check values by the schema of the chart; false if absent.
	// +optional
	SkipSchemaValidation bool `json:"skipSchemaValidation,omitempty"`
	// Namespace of the release; that of the destination if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Kubernetes version that the chart sees; that of the cluster if absent.
	// +optional
	KubeVersion string `json:"kubeVersion,omitempty"`
	// API versions that the chart sees; those of the cluster if absent.
	// +optional
	APIVersions []string `json:"apiVersions,omitempty"`
}

// HelmParameter sets one value by its path.
type HelmParameter struct {
	// Path of the value.
	// +optional
	Name string `json:"name,omitempty"`
	// The value.
	// +optional
	Value string `json:"value,omitempty"`
	// Keeps the value a string even if it looks like a number or a boolean.
	// +optional
	ForceString bool `json:"forceString,omitempty"`
}

// HelmFileParameter sets one value to the content of a file.
type HelmFileParameter struct {
	// Path of the value.
	// +optional
	Name string `json:"name,omitempty"`
	// File of the repository with the value.
	// +optional
	Path string `json:"path,omitempty"`
}

// KustomizeSource sets what is changed in a kustomization before it is built.
type KustomizeSource struct {
	// Text before every name.
	// +optional
	NamePrefix string `json:"namePrefix,omitempty"`
	// Text after every name.
	// +optional
	NameSuffix string `json:"nameSuffix,omitempty"`
	// Namespace of every object.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Each is [old=]name[:tag|@digest].
	// +optional
	Images []string `json:"images,omitempty"`
	// Replicas of workloads by name.
	// +optional
	Replicas []KustomizeReplica `json:"replicas,omitempty"`
	// Labels of every object.
	// +optional
	CommonLabels map[string]string `json:"commonLabels,omitempty"`
	// Lets commonLabels win over labels that are there already.
	// +optional
	ForceCommonLabels bool `json:"forceCommonLabels,omitempty"`
	// Keeps commonLabels out of selectors.
	// +optional
	LabelWithoutSelector bool `json:"labelWithoutSelector,omitempty"`
	// Puts commonLabels into pod templates as well, with labelWithoutSelector.
	// +optional
	LabelIncludeTemplates bool `json:"labelIncludeTemplates,omitempty"`
	// Annotations of every object.
	// +optional
	CommonAnnotations map[string]string `json:"commonAnnotations,omitempty"`
	// Lets commonAnnotations win over annotations that are there already.
	// +optional
	ForceCommonAnnotations bool `json:"forceCommonAnnotations,omitempty"`
	// Replaces the build variables in commonAnnotations.
	// +optional
	CommonAnnotationsEnvsubst bool `json:"commonAnnotationsEnvsubst,omitempty"`
	// Patches to apply.
	// +optional
	Patches []KustomizePatch `json:"patches,omitempty"`
	// Components to add.
	// +optional
	Components []string `json:"components,omitempty"`
	// True passes over components that do not exist; false if absent.
	// +optional
	IgnoreMissingComponents bool `json:"ignoreMissingComponents,omitempty"`
	// A version of kustomize; refused by name, for there is one, built in.
	// +optional
	Version string `json:"version,omitempty"`
	// Kubernetes version that charts in the kustomization see.
	// +optional
	KubeVersion string `json:"kubeVersion,omitempty"`
	// API versions that charts in the kustomization see.
	// +optional
	APIVersions []string `json:"apiVersions,omitempty"`
}

// KustomizeReplica sets the replicas of one workload.
type KustomizeReplica struct {
	// Name of the workload.
	Name string `json:"name"`
	// Number of pods.
	Count intstr.IntOrString `json:"count"`
}

// KustomizePatch is a patch, as text or in a file, and the objects that it is for.
type KustomizePatch struct {
	// File of the repository with the patch.
	// +optional
	Path string `json:"path,omitempty"`
	// The patch itself.
	// +optional
	Patch string `json:"patch,omitempty"`
	// What is patched.
	// +optional
	Target *KustomizeSelector `json:"target,omitempty"`
	// allowNameChange and allowKindChange.
	// +optional
	Options map[string]bool `json:"options,omitempty"`
}

// KustomizeSelector chooses objects; the fields are regular expressions except the selectors.
type KustomizeSelector struct {
	// API group, a regular expression.
	// +optional
	Group string `json:"group,omitempty"`
	// API version, a regular expression.
	// +optional
	Version string `json:"version,omitempty"`
	// Kind, a regular expression.
	// +optional
	Kind string `json:"kind,omitempty"`
	// Name, a regular expression.
	// +optional
	Name string `json:"name,omitempty"`
	// Namespace, a regular expression.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Selects by annotations.
	// +optional
	AnnotationSelector string `json:"annotationSelector,omitempty"`
	// Selects by labels.
	// +optional
	LabelSelector string `json:"labelSelector,omitempty"`
}

// DirectorySource sets which files of a plain folder are manifests.
type DirectorySource struct {
	// True reads folders below; false if absent.
	// +optional
	Recurse bool `json:"recurse,omitempty"`
	// Options of Jsonnet files.
	// +optional
	Jsonnet Jsonnet `json:"jsonnet,omitzero"`
	// Glob over paths that are left out; beats include.
	// +optional
	Exclude string `json:"exclude,omitempty"`
	// Glob over paths that are taken; all if empty.
	// +optional
	Include string `json:"include,omitempty"`
	// Takes files of any extension.
	// +optional
	DisableExtensionFilter bool `json:"disableExtensionFilter,omitempty"`
}

// Jsonnet sets variables and libraries of Jsonnet files.
type Jsonnet struct {
	// External variables.
	// +optional
	ExtVars []JsonnetVar `json:"extVars,omitempty"`
	// Top-level arguments.
	// +optional
	TLAs []JsonnetVar `json:"tlas,omitempty"`
	// Folders with libraries, from the root of the repository.
	// +optional
	Libs []string `json:"libs,omitempty"`
}

// JsonnetVar is a variable, as text or as code.
type JsonnetVar struct {
	// Name of the variable.
	Name string `json:"name"`
	// Its value.
	Value string `json:"value"`
	// True takes the value for code; false if absent.
	// +optional
	Code bool `json:"code,omitempty"`
}

// PluginSource hands the folder to a config management plugin.
type PluginSource struct {
	// Kept as it was written.
	// +optional
	Name string `json:"name,omitempty"`
	// Kept as it was written.
	// +optional
	Env []PluginEnv `json:"env,omitempty"`
	// Kept as it was written.
	// +optional
	Parameters []PluginParameter `json:"parameters,omitempty"`
}

// PluginEnv is one environment variable of a plugin.
type PluginEnv struct {
	// Kept as it was written.
	Name string `json:"name"`
	// Kept as it was written.
	Value string `json:"value"`
}

// PluginParameter is one parameter of a plugin; one of string, map and array is set.
type PluginParameter struct {
	// Kept as it was written.
	// +optional
	Name string `json:"name,omitempty"`
	// Kept as it was written.
	// +optional
	String *string `json:"string,omitempty"`
	// Kept as it was written.
	// +optional
	Map map[string]string `json:"map,omitempty"`
	// Kept as it was written.
	// +optional
	Array []string `json:"array,omitempty"`
}

// SourceHydrator renders into a branch, from which the Application then syncs.
type SourceHydrator struct {
	// Kept as it was written.
	DrySource DrySource `json:"drySource"`
	// Kept as it was written.
	SyncSource SyncSource `json:"syncSource"`
	// Kept as it was written.
	// +optional
	HydrateTo *HydrateTo `json:"hydrateTo,omitempty"`
}

// DrySource is what is rendered.
type DrySource struct {
	// Kept as it was written.
	RepoURL string `json:"repoURL"`
	// Kept as it was written.
	TargetRevision string `json:"targetRevision"`
	// Kept as it was written.
	Path string `json:"path"`
	// Kept as it was written.
	// +optional
	Helm *HelmSource `json:"helm,omitempty"`
	// Kept as it was written.
	// +optional
	Kustomize *KustomizeSource `json:"kustomize,omitempty"`
	// Kept as it was written.
	// +optional
	Directory *DirectorySource `json:"directory,omitempty"`
	// Kept as it was written.
	// +optional
	Plugin *PluginSource `json:"plugin,omitempty"`
}

// SyncSource is where the rendered manifests are synced from.
type SyncSource struct {
	// Kept as it was written.
	// +optional
	RepoURL string `json:"repoURL,omitempty"`
	// Kept as it was written.
	TargetBranch string `json:"targetBranch"`
	// Kept as it was written.
	Path string `json:"path"`
}

// HydrateTo is a branch for rendered manifests that are not synced yet.
type HydrateTo struct {
	// Kept as it was written.
	TargetBranch string `json:"targetBranch"`
}
