package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// SecretRef is one key of a Secret.
type SecretRef struct {
	SecretName string `json:"secretName"`
	Key        string `json:"key"`
}

// ConfigMapKeyRef is one key of a ConfigMap.
type ConfigMapKeyRef struct {
	ConfigMapName string `json:"configMapName"`
	Key           string `json:"key"`
}

// BasicAuth is a user and the Secret with the password.
type BasicAuth struct {
	Username string `json:"username"`
	// +optional
	PasswordRef *SecretRef `json:"passwordRef,omitempty"`
}

// BearerToken is the Secret with a token.
type BearerToken struct {
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
}

// SCMProviderGenerator gives one set for each repository of an organisation, or for each of their branches.
type SCMProviderGenerator struct {
	// +optional
	GitHub *SCMGitHub `json:"github,omitempty"`
	// +optional
	GitLab *SCMGitLab `json:"gitlab,omitempty"`
	// +optional
	Bitbucket *SCMBitbucket `json:"bitbucket,omitempty"`
	// +optional
	BitbucketServer *SCMBitbucketServer `json:"bitbucketServer,omitempty"`
	// +optional
	Gitea *SCMGitea `json:"gitea,omitempty"`
	// +optional
	AzureDevOps *SCMAzureDevOps `json:"azureDevOps,omitempty"`
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
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
	// +optional
	Values map[string]string `json:"values,omitempty"`
}

// SCMFilter chooses repositories and branches; the matches are regular expressions.
type SCMFilter struct {
	// +optional
	RepositoryMatch *string `json:"repositoryMatch,omitempty"`
	// +optional
	PathsExist []string `json:"pathsExist,omitempty"`
	// +optional
	PathsDoNotExist []string `json:"pathsDoNotExist,omitempty"`
	// +optional
	LabelMatch *string `json:"labelMatch,omitempty"`
	// +optional
	BranchMatch *string `json:"branchMatch,omitempty"`
}

// SCMGitHub is an organisation on GitHub.
type SCMGitHub struct {
	Organization string `json:"organization"`
	// URL of an enterprise server.
	// +optional
	API string `json:"api,omitempty"`
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// Secret with the credentials of a GitHub App.
	// +optional
	AppSecretName string `json:"appSecretName,omitempty"`
	// Every branch and not only the default one.
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
	// +optional
	ExcludeArchivedRepos bool `json:"excludeArchivedRepos,omitempty"`
}

// SCMGitLab is a group on GitLab.
type SCMGitLab struct {
	Group string `json:"group"`
	// +optional
	IncludeSubgroups bool `json:"includeSubgroups,omitempty"`
	// True if absent.
	// +optional
	IncludeSharedProjects *bool `json:"includeSharedProjects,omitempty"`
	// +optional
	IncludeArchivedRepos bool `json:"includeArchivedRepos,omitempty"`
	// +optional
	API string `json:"api,omitempty"`
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// +optional
	Topic string `json:"topic,omitempty"`
	// +optional
	CARef *ConfigMapKeyRef `json:"caRef,omitempty"`
}

// SCMBitbucket is an owner on Bitbucket Cloud.
type SCMBitbucket struct {
	Owner string `json:"owner"`
	// +optional
	User string `json:"user"`
	// +optional
	AppPasswordRef *SecretRef `json:"appPasswordRef,omitempty"`
	// +optional
	BearerToken *BearerToken `json:"bearerToken,omitempty"`
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
}

// SCMBitbucketServer is a project on Bitbucket Server.
type SCMBitbucketServer struct {
	Project string `json:"project"`
	API     string `json:"api"`
	// +optional
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`
	// +optional
	BearerToken *BearerToken `json:"bearerToken,omitempty"`
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// +optional
	CARef *ConfigMapKeyRef `json:"caRef,omitempty"`
}

// SCMGitea is an owner on Gitea.
type SCMGitea struct {
	Owner string `json:"owner"`
	API   string `json:"api"`
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// +optional
	ExcludeArchivedRepos bool `json:"excludeArchivedRepos,omitempty"`
}

// SCMAzureDevOps is a project on Azure DevOps.
type SCMAzureDevOps struct {
	Organization string `json:"organization"`
	// +optional
	API         string `json:"api,omitempty"`
	TeamProject string `json:"teamProject"`
	// +optional
	AccessTokenRef *SecretRef `json:"accessTokenRef,omitempty"`
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
}

// SCMAWSCodeCommit is an account on AWS CodeCommit.
type SCMAWSCodeCommit struct {
	// +optional
	TagFilters []TagFilter `json:"tagFilters,omitempty"`
	// +optional
	Role string `json:"role,omitempty"`
	// +optional
	Region string `json:"region,omitempty"`
	// +optional
	AllBranches bool `json:"allBranches,omitempty"`
}

// TagFilter chooses repositories by a tag.
type TagFilter struct {
	Key string `json:"key"`
	// +optional
	Value string `json:"value,omitempty"`
}

// PullRequestGenerator gives one set for each open pull request.
type PullRequestGenerator struct {
	// +optional
	GitHub *PullRequestGitHub `json:"github,omitempty"`
	// +optional
	GitLab *PullRequestGitLab `json:"gitlab,omitempty"`
	// +optional
	Gitea *PullRequestGitea `json:"gitea,omitempty"`
	// +optional
	BitbucketServer *PullRequestBitbucketServer `json:"bitbucketServer,omitempty"`
	// +optional
	Bitbucket *PullRequestBitbucket `json:"bitbucket,omitempty"`
	// +optional
	AzureDevOps *PullRequestAzureDevOps `json:"azuredevops,omitempty"`
	// A pull request passes if one filter passes; all of a filter's fields must.
	// +optional
	Filters []PullRequestFilter `json:"filters,omitempty"`
	// Seconds; 1800 if absent.
	// +optional
	RequeueAfterSeconds *int64 `json:"requeueAfterSeconds,omitempty"`
	// +optional
	Template *apiextensionsv1.JSON `json:"template,omitempty"`
	// +optional
	Values map[string]string `json:"values,omitempty"`
	// Takes a repository that is not found for one without pull requests.
	// +optional
	ContinueOnRepoNotFoundError bool `json:"continueOnRepoNotFoundError,omitempty"`
}

// PullRequestFilter chooses pull requests; the matches are regular expressions.
type PullRequestFilter struct {
	// +optional
	BranchMatch *string `json:"branchMatch,omitempty"`
	// +optional
	TargetBranchMatch *string `json:"targetBranchMatch,omitempty"`
	// +optional
	TitleMatch *string `json:"titleMatch,omitempty"`
}

// PullRequestGitHub is a repository on GitHub.
type PullRequestGitHub struct {
	Owner string `json:"owner"`
	Repo  string `json:"repo"`
	// +optional
	API string `json:"api,omitempty"`
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// +optional
	AppSecretName string `json:"appSecretName,omitempty"`
	// Only pull requests with all of these labels.
	// +optional
	Labels []string `json:"labels,omitempty"`
}

// PullRequestGitLab is a project on GitLab.
type PullRequestGitLab struct {
	Project string `json:"project"`
	// +optional
	API string `json:"api,omitempty"`
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// +optional
	Labels []string `json:"labels,omitempty"`
	// Such as opened; all if empty.
	// +optional
	PullRequestState string `json:"pullRequestState,omitempty"`
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// +optional
	CARef *ConfigMapKeyRef `json:"caRef,omitempty"`
}

// PullRequestGitea is a repository on Gitea.
type PullRequestGitea struct {
	Owner string `json:"owner"`
	Repo  string `json:"repo"`
	API   string `json:"api"`
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// +optional
	Labels []string `json:"labels,omitempty"`
}

// PullRequestBitbucketServer is a repository on Bitbucket Server.
type PullRequestBitbucketServer struct {
	Project string `json:"project"`
	Repo    string `json:"repo"`
	API     string `json:"api"`
	// +optional
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`
	// +optional
	BearerToken *BearerToken `json:"bearerToken,omitempty"`
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// +optional
	CARef *ConfigMapKeyRef `json:"caRef,omitempty"`
}

// PullRequestBitbucket is a repository on Bitbucket Cloud.
type PullRequestBitbucket struct {
	Owner string `json:"owner"`
	Repo  string `json:"repo"`
	// +optional
	API string `json:"api,omitempty"`
	// +optional
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`
	// +optional
	BearerToken *BearerToken `json:"bearerToken,omitempty"`
}

// PullRequestAzureDevOps is a repository on Azure DevOps.
type PullRequestAzureDevOps struct {
	Organization string `json:"organization"`
	Project      string `json:"project"`
	Repo         string `json:"repo"`
	// +optional
	API string `json:"api,omitempty"`
	// +optional
	TokenRef *SecretRef `json:"tokenRef,omitempty"`
	// +optional
	Labels []string `json:"labels,omitempty"`
}
