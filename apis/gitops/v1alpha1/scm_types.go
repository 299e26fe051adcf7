package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// SecretRef is one key of a Secret.
type SecretRef struct {
	// Name of the Secret in the namespace of the set.
	SecretName string `json:"secretName"`
	// Key in the Secret.
	Key string `json:"key"`
}

// ConfigMapKeyRef is one key of a ConfigMap.
type ConfigMapKeyRef struct {
	// Name of the ConfigMap in the namespace of the set.
	ConfigMapName string `json:"configMapName"`
	// Key in the ConfigMap.
	Key string `json:"key"`
}

// BasicAuth is a user and the Secret with the password.
type BasicAuth struct {
	// User name.
	Username string `json:"username"`
	// Password, in a Secret.
	// +optional
	PasswordRef *SecretRef `json:"passwordRef,omitempty"`
}

// BearerToken is the Secret with a token.
type BearerToken struct {
	// Token, in a Secret.
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
}

// SCMProviderGenerator gives one set for each repository of an organisation, or for each of their branches.
type SCMProviderGenerator struct {
	// Repositories of an organisation of GitHub.
	// +optional
	GitHub *SCMGitHub `json:"github,omitempty"`
	// Projects of a group of GitLab.
	// +optional
	GitLab *SCMGitLab `json:"gitlab,omitempty"`
	// Repositories of Bitbucket Cloud; refused by name.
	// +optional
	Bitbucket *SCMBitbucket `json:"bitbucket,omitempty"`
	// Repositories of Bitbucket Server; refused by name.
	// +optional
	BitbucketServer *SCMBitbucketServer `json:"bitbucketServer,omitempty"`
	// Repositories of an owner of Gitea.
	// +optional
	Gitea *SCMGitea `json:"gitea,omitempty"`
	// Repositories of Azure DevOps; refused by name.
	// +optional
	AzureDevOps *SCMAzureDevOps `json:"azureDevOps,omitempty"`
	// Repositories of AWS CodeCommit; refused by name.
	// +optional
	AWSCodeCommit *SCMAWSCodeCommit `json:"awsCodeCommit,omitempty"`
	// A repository passes if one filter passes; all of a filter's fields must.
	// +optional
	Filters []SCMFilter `json:"filters,omitempty"`
	// ssh or https.
	// +optional
	CloneProtocol string `json:"cloneProtocol,omitempty"`
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

// SCMFilter chooses repositories and branches; the matches are regular expressions.
type SCMFilter struct {
	// Regular expression for the name of the repository.
	// +optional
	RepositoryMatch *string `json:"repositoryMatch,omitempty"`
	// Paths that must exist.
	// +optional
	PathsExist []string `json:"pathsExist,omitempty"`
	// Paths that must not exist.
	// +optional
	PathsDoNotExist []string `json:"pathsDoNotExist,omitempty"`
	// Regular expression for one of the labels or topics.
	// +optional
	LabelMatch *string `json:"labelMatch,omitempty"`
	// Regular expression for the branch.
	// +optional
	BranchMatch *string `json:"branchMatch,omitempty"`
}

// SCMGitHub is an organisation on GitHub.
type SCMGitHub struct {
	// Name of the organisation.
	Organization string `json:"organization"`
	// URL of an enterprise server.
	// +optional
	API string `json:"api,omitempty"`
	// Token, in a Secret; only public repositories if absent.
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// Secret with the credentials of a GitHub App.
	// +optional
	AppSecretName string `json:"appSecretName,omitempty"`
	// Every branch and not only the default one.
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
	// True leaves archived repositories out; false if absent.
	// +optional
	ExcludeArchivedRepos bool `json:"excludeArchivedRepos,omitempty"`
}

// SCMGitLab is a group on GitLab.
type SCMGitLab struct {
	// ID or path of the group.
	Group string `json:"group"`
	// True adds the projects of groups below; false if absent.
	// +optional
	IncludeSubgroups bool `json:"includeSubgroups,omitempty"`
	// True if absent.
	// +optional
	IncludeSharedProjects *bool `json:"includeSharedProjects,omitempty"`
	// False leaves archived projects out; true if absent.
	// +optional
	IncludeArchivedRepos bool `json:"includeArchivedRepos,omitempty"`
	// URL of the server; gitlab.com if absent.
	// +optional
	API string `json:"api,omitempty"`
	// Token, in a Secret; only public projects if absent.
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// True gives every branch; only the default branch if absent.
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
	// True accepts any server certificate; false if absent.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Topic that a project must have; any if absent.
	// +optional
	Topic string `json:"topic,omitempty"`
	// CA certificates, in a ConfigMap; those of the system if absent.
	// +optional
	CARef *ConfigMapKeyRef `json:"caRef,omitempty"`
}

// SCMBitbucket is an owner on Bitbucket Cloud.
type SCMBitbucket struct {
	// Kept as it was written.
	Owner string `json:"owner"`
	// Kept as it was written.
	// +optional
	User string `json:"user"`
	// Kept as it was written.
	// +optional
	AppPasswordRef *SecretRef `json:"appPasswordRef,omitempty"`
	// Kept as it was written.
	// +optional
	BearerToken *BearerToken `json:"bearerToken,omitempty"`
	// Kept as it was written.
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
}

// SCMBitbucketServer is a project on Bitbucket Server.
type SCMBitbucketServer struct {
	// Kept as it was written.
	Project string `json:"project"`
	// Kept as it was written.
	API string `json:"api"`
	// Kept as it was written.
	// +optional
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`
	// Kept as it was written.
	// +optional
	BearerToken *BearerToken `json:"bearerToken,omitempty"`
	// Kept as it was written.
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
	// Kept as it was written.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Kept as it was written.
	// +optional
	CARef *ConfigMapKeyRef `json:"caRef,omitempty"`
}

// SCMGitea is an owner on Gitea.
type SCMGitea struct {
	// Owner of the repositories.
	Owner string `json:"owner"`
	// URL of the server.
	API string `json:"api"`
	// Token, in a Secret; only public repositories if absent.
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// True gives every branch; only the default branch if absent.
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
	// True accepts any server certificate; false if absent.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// True leaves archived repositories out; false if absent.
	// +optional
	ExcludeArchivedRepos bool `json:"excludeArchivedRepos,omitempty"`
}

// SCMAzureDevOps is a project on Azure DevOps.
type SCMAzureDevOps struct {
	// Kept as it was written.
	Organization string `json:"organization"`
	// Kept as it was written.
	// +optional
	API string `json:"api,omitempty"`
	// Kept as it was written.
	TeamProject string `json:"teamProject"`
	// Kept as it was written.
	// +optional
	AccessTokenRef *SecretRef `json:"accessTokenRef,omitempty"`
	// Kept as it was written.
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
}

// SCMAWSCodeCommit is an account on AWS CodeCommit.
type SCMAWSCodeCommit struct {
	// Kept as it was written.
	// +optional
	TagFilters []TagFilter `json:"tagFilters,omitempty"`
	// Kept as it was written.
	// +optional
	Role string `json:"role,omitempty"`
	// Kept as it was written.
	// +optional
	Region string `json:"region,omitempty"`
	// Kept as it was written.
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
}

// TagFilter chooses repositories by a tag.
type TagFilter struct {
	// Kept as it was written.
	Key string `json:"key"`
	// Kept as it was written.
	// +optional
	Value string `json:"value,omitempty"`
}

// PullRequestGenerator gives one set for each open pull request.
type PullRequestGenerator struct {
	// Pull requests of a repository of GitHub.
	// +optional
	GitHub *PullRequestGitHub `json:"github,omitempty"`
	// Merge requests of a project of GitLab.
	// +optional
	GitLab *PullRequestGitLab `json:"gitlab,omitempty"`
	// Pull requests of a repository of Gitea.
	// +optional
	Gitea *PullRequestGitea `json:"gitea,omitempty"`
	// Pull requests of Bitbucket Server; refused by name.
	// +optional
	BitbucketServer *PullRequestBitbucketServer `json:"bitbucketServer,omitempty"`
	// Pull requests of Bitbucket Cloud; refused by name.
	// +optional
	Bitbucket *PullRequestBitbucket `json:"bitbucket,omitempty"`
	// Pull requests of Azure DevOps; refused by name.
	// +optional
	AzureDevOps *PullRequestAzureDevOps `json:"azuredevops,omitempty"`
	// A pull request passes if one filter passes; all of a filter's fields must.
	// +optional
	Filters []PullRequestFilter `json:"filters,omitempty"`
	// Seconds; 1800 if absent.
	// +optional
	RequeueAfterSeconds *int64 `json:"requeueAfterSeconds,omitempty"`
	// Overrides spec.template for what this generator makes.
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
	// Parameters to add.
	// +optional
	Values map[string]string `json:"values,omitempty"`
	// Takes a repository that is not found for one without pull requests.
	// +optional
	ContinueOnRepoNotFoundError bool `json:"continueOnRepoNotFoundError,omitempty"`
}

// PullRequestFilter chooses pull requests; the matches are regular expressions.
type PullRequestFilter struct {
	// Regular expression for the branch that is to be merged.
	// +optional
	BranchMatch *string `json:"branchMatch,omitempty"`
	// Regular expression for the branch that it is merged into.
	// +optional
	TargetBranchMatch *string `json:"targetBranchMatch,omitempty"`
	// Regular expression for the title.
	// +optional
	TitleMatch *string `json:"titleMatch,omitempty"`
}

// PullRequestGitHub is a repository on GitHub.
type PullRequestGitHub struct {
	// Owner of the repositories.
	Owner string `json:"owner"`
	// Name of the repository.
	Repo string `json:"repo"`
	// URL of the server; the public one if absent.
	// +optional
	API string `json:"api,omitempty"`
	// Token, in a Secret; only public repositories if absent.
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// Secret with the credentials of a GitHub App, instead of tokenRef.
	// +optional
	AppSecretName string `json:"appSecretName,omitempty"`
	// Only pull requests with all of these labels.
	// +optional
	Labels []string `json:"labels,omitempty"`
}

// PullRequestGitLab is a project on GitLab.
type PullRequestGitLab struct {
	// ID or path of the project.
	Project string `json:"project"`
	// URL of the server; the public one if absent.
	// +optional
	API string `json:"api,omitempty"`
	// Token, in a Secret; only public repositories if absent.
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// Labels that the request must have; any if absent.
	// +optional
	Labels []string `json:"labels,omitempty"`
	// Such as opened; all if empty.
	// +optional
	PullRequestState string `json:"pullRequestState,omitempty"`
	// True accepts any server certificate; false if absent.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// CA certificates, in a ConfigMap; those of the system if absent.
	// +optional
	CARef *ConfigMapKeyRef `json:"caRef,omitempty"`
}

// PullRequestGitea is a repository on Gitea.
type PullRequestGitea struct {
	// Owner of the repositories.
	Owner string `json:"owner"`
	// Name of the repository.
	Repo string `json:"repo"`
	// URL of the server.
	API string `json:"api"`
	// Token, in a Secret; only public repositories if absent.
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// True accepts any server certificate; false if absent.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Labels that the request must have; any if absent.
	// +optional
	Labels []string `json:"labels,omitempty"`
}

// PullRequestBitbucketServer is a repository on Bitbucket Server.
type PullRequestBitbucketServer struct {
	// Kept as it was written.
	Project string `json:"project"`
	// Kept as it was written.
	Repo string `json:"repo"`
	// Kept as it was written.
	API string `json:"api"`
	// Kept as it was written.
	// +optional
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`
	// Kept as it was written.
	// +optional
	BearerToken *BearerToken `json:"bearerToken,omitempty"`
	// Kept as it was written.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Kept as it was written.
	// +optional
	CARef *ConfigMapKeyRef `json:"caRef,omitempty"`
}

// PullRequestBitbucket is a repository on Bitbucket Cloud.
type PullRequestBitbucket struct {
	// Kept as it was written.
	Owner string `json:"owner"`
	// Kept as it was written.
	Repo string `json:"repo"`
	// Kept as it was written.
	// +optional
	API string `json:"api,omitempty"`
	// Kept as it was written.
	// +optional
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`
	// Kept as it was written.
	// +optional
	BearerToken *BearerToken `json:"bearerToken,omitempty"`
}

// PullRequestAzureDevOps is a repository on Azure DevOps.
type PullRequestAzureDevOps struct {
	// Kept as it was written.
	Organization string `json:"organization"`
	// Kept as it was written.
	Project string `json:"project"`
	// Kept as it was written.
	Repo string `json:"repo"`
	// Kept as it was written.
	// +optional
	API string `json:"api,omitempty"`
	// Kept as it was written.
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// Kept as it was written.
	// +optional
	Labels []string `json:"labels,omitempty"`
}
