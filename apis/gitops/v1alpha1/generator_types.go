package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Generator finds sets of parameters; exactly one kind is set. A template inside a generator is kept as JSON, so that the schema of an
// Application need not be repeated; it has the fields of ApplicationTemplate.
type Generator struct {
	// Parameters that stand here.
	// +optional
	List *ListGenerator `json:"list,omitempty"`
	// Parameters of each cluster.
	// +optional
	Clusters *ClusterGenerator `json:"clusters,omitempty"`
	// Parameters of folders or files of a repository.
	// +optional
	Git *GitGenerator `json:"git,omitempty"`
	// Parameters of each repository of an organisation.
	// +optional
	SCMProvider *SCMProviderGenerator `json:"scmProvider,omitempty"`
	// Parameters of the clusters that a resource names; refused by name.
	// +optional
	ClusterDecisionResource *DuckTypeGenerator `json:"clusterDecisionResource,omitempty"`
	// Parameters of each open pull request.
	// +optional
	PullRequest *PullRequestGenerator `json:"pullRequest,omitempty"`
	// Every combination of two generators.
	// +optional
	Matrix *MatrixGenerator `json:"matrix,omitempty"`
	// Parameters of several generators, joined by keys.
	// +optional
	Merge *MergeGenerator `json:"merge,omitempty"`
	// Parameters that a service gives.
	// +optional
	Plugin *PluginGenerator `json:"plugin,omitempty"`
	// Keeps only sets of parameters that match; keys of nested parameters are written with dots.
	// +optional
	Selector *ParameterSelector `json:"selector,omitempty"`
}

// ParameterSelector is a label selector over parameters, whose values may be any text.
type ParameterSelector struct {
	// Parameters and their values.
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// Conditions over parameters; all must hold.
	// +optional
	MatchExpressions []metav1.LabelSelectorRequirement `json:"matchExpressions,omitempty"`
}

// ListGenerator gives the sets that are written in it.
type ListGenerator struct {
	// Sets of parameters.
	// +optional
	Elements []apiextensionsv1.JSON `json:"elements,omitempty"`
	// A YAML list of further sets; useful as the second child of a matrix.
	// +optional
	ElementsYAML string `json:"elementsYaml,omitempty"`
	// Overrides spec.template for what this generator makes.
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
}

// ClusterGenerator gives one set for each cluster.
type ClusterGenerator struct {
	// Chooses cluster Secrets by their labels; with a selector the local cluster counts only if it has a Secret.
	// +optional
	Selector *ParameterSelector `json:"selector,omitempty"`
	// Overrides spec.template for what this generator makes.
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
	// Further parameters, as values.<key>; they may hold placeholders.
	// +optional
	Values map[string]string `json:"values,omitempty"`
	// Gives one set with all clusters in a list.
	// +optional
	FlatList bool `json:"flatList,omitempty"`
}

// GitGenerator gives one set for each folder, or for each object in files, of a repository.
type GitGenerator struct {
	// URL of the repository; the project must allow it.
	RepoURL string `json:"repoURL"`
	// Folders, one set of parameters each.
	// +optional
	Directories []GitPath `json:"directories,omitempty"`
	// Files of JSON or YAML, one set of parameters for each object in them.
	// +optional
	Files []GitPath `json:"files,omitempty"`
	// Branch, tag or commit; HEAD if absent.
	// +optional
	Revision string `json:"revision,omitempty"`
	// Seconds; 180 if absent.
	// +optional
	RequeueAfterSeconds *int64 `json:"requeueAfterSeconds,omitempty"`
	// Overrides spec.template for what this generator makes.
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
	// Gives the parameters of the path as <prefix>.path.
	// +optional
	PathParamPrefix string `json:"pathParamPrefix,omitempty"`
	// Parameters to add.
	// +optional
	Values map[string]string `json:"values,omitempty"`
}

// GitPath is a glob over paths.
type GitPath struct {
	// Path in the repository, with wildcards.
	Path string `json:"path"`
	// Leaves matches out, whatever else takes them in.
	// +optional
	Exclude bool `json:"exclude,omitempty"`
}

// MatrixGenerator gives every pair of sets of its two generators.
type MatrixGenerator struct {
	// Exactly two; each has the fields of Generator.
	Generators []apiextensionsv1.JSON `json:"generators"`
	// Overrides spec.template for what this generator makes.
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
}

// MergeGenerator gives the sets of its first generator with what the later ones add to them.
type MergeGenerator struct {
	// Two or more; each has the fields of Generator.
	Generators []apiextensionsv1.JSON `json:"generators"`
	// Parameters that say which sets belong together.
	// +optional
	MergeKeys []string `json:"mergeKeys"`
	// Overrides spec.template for what this generator makes.
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
}

// DuckTypeGenerator gives one set for each cluster that the status of another object lists.
type DuckTypeGenerator struct {
	// ConfigMap that says of which kind the resource is.
	ConfigMapRef string `json:"configMapRef"`
	// Name of the resource.
	// +optional
	Name string `json:"name,omitempty"`
	// Seconds; 180 if absent.
	// +optional
	RequeueAfterSeconds *int64 `json:"requeueAfterSeconds,omitempty"`
	// Selects the resources by label, instead of name.
	// +optional
	LabelSelector metav1.LabelSelector `json:"labelSelector,omitzero"`
	// Overrides spec.template for what this generator makes.
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
	// Parameters to add.
	// +optional
	Values map[string]string `json:"values,omitempty"`
}

// PluginGenerator gives the sets that an HTTP service answers with.
type PluginGenerator struct {
	// ConfigMap with the address and the token of the service.
	ConfigMapRef PluginConfigMapRef `json:"configMapRef"`
	// What the service is asked with.
	// +optional
	Input PluginInput `json:"input,omitzero"`
	// Seconds; 1800 if absent.
	// +optional
	RequeueAfterSeconds *int64 `json:"requeueAfterSeconds,omitempty"`
	// Overrides spec.template for what this generator makes.
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
	// Parameters to add.
	// +optional
	Values map[string]string `json:"values,omitempty"`
}

// PluginConfigMapRef names the ConfigMap with the address of the service.
type PluginConfigMapRef struct {
	// Name of the ConfigMap in the namespace of the set.
	Name string `json:"name"`
}

// PluginInput is sent to the service.
type PluginInput struct {
	// Parameters of the question.
	// +optional
	Parameters map[string]apiextensionsv1.JSON `json:"parameters,omitempty"`
}
