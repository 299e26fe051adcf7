package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Source is a place in a repository and how its files become manifests. At most one of helm, kustomize, directory and plugin is set.
type Source struct {
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
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Helm *HelmSource `json:"helm,omitempty"`
	// +optional
	Kustomize *KustomizeSource `json:"kustomize,omitempty"`
	// +optional
	Directory *DirectorySource `json:"directory,omitempty"`
	// +optional
	Plugin *PluginSource `json:"plugin,omitempty"`
}

// HelmSource sets how a chart is rendered. Values: parameters beat valuesObject, that beats values, that beats valueFiles.
type HelmSource struct {
	// Files with values, later ones win; globs, $ref/path and URLs are allowed.
	// +optional
	ValueFiles []string `json:"valueFiles,omitempty"`
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
	// +optional
	IgnoreMissingValueFiles bool `json:"ignoreMissingValueFiles,omitempty"`
	// +optional
	SkipCrds bool `json:"skipCrds,omitempty"`
	// +optional
	SkipTests bool `json:"skipTests,omitempty"`
	// +optional
	SkipSchemaValidation bool `json:"skipSchemaValidation,omitempty"`
	// Namespace of the release; that of the destination if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// +optional
	KubeVersion string `json:"kubeVersion,omitempty"`
	// +optional
	APIVersions []string `json:"apiVersions,omitempty"`
}

// HelmParameter sets one value by its path.
type HelmParameter struct {
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Value string `json:"value,omitempty"`
	// Keeps the value a string even if it looks like a number or a boolean.
	// +optional
	ForceString bool `json:"forceString,omitempty"`
}

// HelmFileParameter sets one value to the content of a file.
type HelmFileParameter struct {
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Path string `json:"path,omitempty"`
}

// KustomizeSource sets what is changed in a kustomization before it is built.
type KustomizeSource struct {
	// +optional
	NamePrefix string `json:"namePrefix,omitempty"`
	// +optional
	NameSuffix string `json:"nameSuffix,omitempty"`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Each is [old=]name[:tag|@digest].
	// +optional
	Images []string `json:"images,omitempty"`
	// +optional
	Replicas []KustomizeReplica `json:"replicas,omitempty"`
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
	// +optional
	CommonAnnotations map[string]string `json:"commonAnnotations,omitempty"`
	// Lets commonAnnotations win over annotations that are there already.
	// +optional
	ForceCommonAnnotations bool `json:"forceCommonAnnotations,omitempty"`
	// Replaces the build variables in commonAnnotations.
	// +optional
	CommonAnnotationsEnvsubst bool `json:"commonAnnotationsEnvsubst,omitempty"`
	// +optional
	Patches []KustomizePatch `json:"patches,omitempty"`
	// +optional
	Components []string `json:"components,omitempty"`
	// +optional
	IgnoreMissingComponents bool `json:"ignoreMissingComponents,omitempty"`
	// +optional
	Version string `json:"version,omitempty"`
	// +optional
	KubeVersion string `json:"kubeVersion,omitempty"`
	// +optional
	APIVersions []string `json:"apiVersions,omitempty"`
}

// KustomizeReplica sets the replicas of one workload.
type KustomizeReplica struct {
	Name  string             `json:"name"`
	Count intstr.IntOrString `json:"count"`
}

// KustomizePatch is a patch, as text or in a file, and the objects that it is for.
type KustomizePatch struct {
	// +optional
	Path string `json:"path,omitempty"`
	// +optional
	Patch string `json:"patch,omitempty"`
	// +optional
	Target *KustomizeSelector `json:"target,omitempty"`
	// +optional
	Options map[string]bool `json:"options,omitempty"`
}

// KustomizeSelector chooses objects; the fields are regular expressions except the selectors.
type KustomizeSelector struct {
	// +optional
	Group string `json:"group,omitempty"`
	// +optional
	Version string `json:"version,omitempty"`
	// +optional
	Kind string `json:"kind,omitempty"`
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// +optional
	AnnotationSelector string `json:"annotationSelector,omitempty"`
	// +optional
	LabelSelector string `json:"labelSelector,omitempty"`
}

// DirectorySource sets which files of a plain folder are manifests.
type DirectorySource struct {
	// +optional
	Recurse bool `json:"recurse,omitempty"`
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
	// +optional
	ExtVars []JsonnetVar `json:"extVars,omitempty"`
	// +optional
	TLAs []JsonnetVar `json:"tlas,omitempty"`
	// Folders with libraries, from the root of the repository.
	// +optional
	Libs []string `json:"libs,omitempty"`
}

// JsonnetVar is a variable, as text or as code.
type JsonnetVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// +optional
	Code bool `json:"code,omitempty"`
}

// PluginSource hands the folder to a config management plugin.
type PluginSource struct {
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Env []PluginEnv `json:"env,omitempty"`
	// +optional
	Parameters []PluginParameter `json:"parameters,omitempty"`
}

// PluginEnv is one environment variable of a plugin.
type PluginEnv struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// PluginParameter is one parameter of a plugin; one of string, map and array is set.
type PluginParameter struct {
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	String *string `json:"string,omitempty"`
	// +optional
	Map map[string]string `json:"map,omitempty"`
	// +optional
	Array []string `json:"array,omitempty"`
}

// SourceHydrator renders into a branch, from which the Application then syncs.
type SourceHydrator struct {
	DrySource  DrySource  `json:"drySource"`
	SyncSource SyncSource `json:"syncSource"`
	// +optional
	HydrateTo *HydrateTo `json:"hydrateTo,omitempty"`
}

// DrySource is what is rendered.
type DrySource struct {
	RepoURL        string `json:"repoURL"`
	TargetRevision string `json:"targetRevision"`
	Path           string `json:"path"`
	// +optional
	Helm *HelmSource `json:"helm,omitempty"`
	// +optional
	Kustomize *KustomizeSource `json:"kustomize,omitempty"`
	// +optional
	Directory *DirectorySource `json:"directory,omitempty"`
	// +optional
	Plugin *PluginSource `json:"plugin,omitempty"`
}

// SyncSource is where the rendered manifests are synced from.
type SyncSource struct {
	// +optional
	RepoURL      string `json:"repoURL,omitempty"`
	TargetBranch string `json:"targetBranch"`
	Path         string `json:"path"`
}

// HydrateTo is a branch for rendered manifests that are not synced yet.
type HydrateTo struct {
	TargetBranch string `json:"targetBranch"`
}
