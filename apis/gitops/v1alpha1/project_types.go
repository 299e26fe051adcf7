package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AppProject limits what its Applications may take from where, and where they may put it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=appprojects,shortName=appproj;appprojs
type AppProject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec AppProjectSpec `json:"spec"`
	// +optional
	Status AppProjectStatus `json:"status,omitzero"`
}

// AppProjectList is a list of AppProjects.
//
// +kubebuilder:object:root=true
type AppProjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []AppProject `json:"items"`
}

// AppProjectSpec is the rules of a project. A list that is absent and a list that is empty can mean different things.
type AppProjectSpec struct {
	// Globs over repository URLs, ! denies; nothing is permitted if empty.
	// +optional
	SourceRepos []string `json:"sourceRepos,omitempty"`
	// Nothing is permitted if empty.
	// +optional
	Destinations []ProjectDestination `json:"destinations,omitempty"`
	// What the project is for.
	// +optional
	Description string `json:"description,omitempty"`
	// Kept for manifests of the reference; there is no server that they would rule.
	// +optional
	Roles []ProjectRole `json:"roles,omitempty"`
	// No cluster-scoped kind is allowed if empty.
	// +optional
	ClusterResourceWhitelist []ClusterResource `json:"clusterResourceWhitelist,omitempty"`
	// Beats clusterResourceWhitelist.
	// +optional
	ClusterResourceBlacklist []ClusterResource `json:"clusterResourceBlacklist,omitempty"`
	// All namespaced kinds are allowed if absent, none if empty.
	// +optional
	NamespaceResourceWhitelist []GroupKind `json:"namespaceResourceWhitelist,omitzero"`
	// Beats namespaceResourceWhitelist.
	// +optional
	NamespaceResourceBlacklist []GroupKind `json:"namespaceResourceBlacklist,omitempty"`
	// Watches for objects that no Application manages; off if absent.
	// +optional
	OrphanedResources *OrphanedResources `json:"orphanedResources,omitempty"`
	// Times at which syncs are allowed or denied; always allowed if absent.
	// +optional
	SyncWindows []SyncWindow `json:"syncWindows,omitempty"`
	// Keys of which one must have signed; sourceIntegrity takes its place.
	// +optional
	SignatureKeys []SignatureKey `json:"signatureKeys,omitempty"`
	// Signatures that commits must have.
	// +optional
	SourceIntegrity *SourceIntegrity `json:"sourceIntegrity,omitempty"`
	// Globs over namespaces, besides the control namespace, whose Applications may use this project.
	// +optional
	SourceNamespaces []string `json:"sourceNamespaces,omitempty"`
	// Permits only clusters whose Secret names this project.
	// +optional
	PermitOnlyProjectScopedClusters bool `json:"permitOnlyProjectScopedClusters,omitempty"`
	// Service accounts as which syncs run.
	// +optional
	DestinationServiceAccounts []DestinationServiceAccount `json:"destinationServiceAccounts,omitempty"`
}

// ProjectDestination permits, or with ! denies, clusters and namespaces by glob.
type ProjectDestination struct {
	// URL of the cluster, with wildcards; a leading ! denies.
	// +optional
	Server string `json:"server,omitempty"`
	// Name of the cluster, with wildcards, instead of server.
	// +optional
	Name string `json:"name,omitempty"`
	// Namespace, with wildcards; a leading ! denies.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ClusterResource names cluster-scoped objects by glob.
type ClusterResource struct {
	// API group, with wildcards.
	// +optional
	Group string `json:"group"`
	// Kind, with wildcards.
	Kind string `json:"kind"`
	// All names if empty.
	// +optional
	Name string `json:"name,omitempty"`
}

// GroupKind names kinds by glob.
type GroupKind struct {
	// API group, with wildcards.
	// +optional
	Group string `json:"group"`
	// Kind, with wildcards.
	Kind string `json:"kind"`
}

// ProjectRole is a role inside a project.
type ProjectRole struct {
	// Kept as it was written.
	Name string `json:"name"`
	// Kept as it was written.
	// +optional
	Description string `json:"description,omitempty"`
	// Casbin lines.
	// +optional
	Policies []string `json:"policies,omitempty"`
	// Kept as it was written.
	// +optional
	JWTTokens []JWTToken `json:"jwtTokens,omitempty"`
	// Groups of the identity provider.
	// +optional
	Groups []string `json:"groups,omitempty"`
}

// JWTToken is what is known of a token that was handed out; moments are Unix seconds.
type JWTToken struct {
	// Kept as it was written.
	IssuedAt int64 `json:"iat"`
	// Kept as it was written.
	// +optional
	ExpiresAt int64 `json:"exp,omitempty"`
	// Kept as it was written.
	// +optional
	ID string `json:"id,omitempty"`
}

// OrphanedResources says what to do about objects that no Application manages.
type OrphanedResources struct {
	// True if absent.
	// +optional
	Warn *bool `json:"warn,omitempty"`
	// Objects that are not told about.
	// +optional
	Ignore []OrphanedResource `json:"ignore,omitempty"`
}

// OrphanedResource names objects by glob that may be without an Application.
type OrphanedResource struct {
	// API group, with wildcards; all if absent.
	// +optional
	Group string `json:"group,omitempty"`
	// Kind, with wildcards; all if absent.
	// +optional
	Kind string `json:"kind,omitempty"`
	// Name, with wildcards; all if absent.
	// +optional
	Name string `json:"name,omitempty"`
}

// SyncWindow is a time in which syncs are allowed or denied.
type SyncWindow struct {
	// allow or deny.
	// +optional
	Kind string `json:"kind,omitempty"`
	// Cron expression of five fields.
	// +optional
	Schedule string `json:"schedule,omitempty"`
	// Go duration.
	// +optional
	Duration string `json:"duration,omitempty"`
	// IANA name; UTC if empty.
	// +optional
	TimeZone string `json:"timeZone,omitempty"`
	// Globs over names of Applications.
	// +optional
	Applications []string `json:"applications,omitempty"`
	// Globs over destination namespaces.
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// Globs over destination servers and names.
	// +optional
	Clusters []string `json:"clusters,omitempty"`
	// Asks for all of the lists that are set and not for one.
	// +optional
	AndOperator bool `json:"andOperator,omitempty"`
	// Leaves manual syncs alone.
	// +optional
	ManualSync bool `json:"manualSync,omitempty"`
	// Lets a sync that is under way finish.
	// +optional
	SyncOverrun bool `json:"syncOverrun,omitempty"`
	// What the window is for.
	// +optional
	Description string `json:"description,omitempty"`
}

// SignatureKey is a key by its GnuPG id.
type SignatureKey struct {
	// Long ID of a GPG key.
	KeyID string `json:"keyID"`
}

// SourceIntegrity asks for signatures.
type SourceIntegrity struct {
	// Rules for repositories of Git.
	// +optional
	Git *GitIntegrity `json:"git,omitempty"`
}

// GitIntegrity asks for signed commits and tags.
type GitIntegrity struct {
	// Rules; the first whose repositories match counts.
	// +optional
	Policies []GitIntegrityPolicy `json:"policies,omitempty"`
}

// GitIntegrityPolicy is for the repositories that it names.
type GitIntegrityPolicy struct {
	// Globs over repository URLs, each as text or as an object with url.
	// +optional
	Repos []apiextensionsv1.JSON `json:"repos,omitempty"`
	// Signatures by GPG.
	// +optional
	GPG *GPGPolicy `json:"gpg,omitempty"`
}

// GPGPolicy says which signatures are wanted and whose.
type GPGPolicy struct {
	// none, head or strict.
	// +optional
	Mode string `json:"mode,omitempty"`
	// Long IDs of the keys that are trusted.
	// +optional
	Keys []string `json:"keys,omitempty"`
}

// DestinationServiceAccount is the service account as which syncs to matching destinations run.
type DestinationServiceAccount struct {
	// URL of the cluster, with wildcards.
	Server string `json:"server"`
	// Namespace, with wildcards.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name, or namespace:name.
	DefaultServiceAccount string `json:"defaultServiceAccount"`
}

// AppProjectStatus is what is known of a project.
type AppProjectStatus struct {
	// Kept as it was written.
	// +optional
	JWTTokensByRole map[string]JWTTokens `json:"jwtTokensByRole,omitempty"`
}

// JWTTokens are the tokens of one role.
type JWTTokens struct {
	// +optional
	Items []JWTToken `json:"items,omitempty"`
}
