package generate

import (
	"encoding/json"
	"errors"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Observation is everything that Generate rests on.
type Observation struct {
	Set *gitopsv1.ApplicationSet
	// Now is what templates see as the current time.
	Now time.Time
	// Clusters are the cluster Secrets of the control namespace, with all their labels and annotations.
	Clusters []Cluster
	// Answers hold what was looked up so far.
	Answers map[Question]Answer
}

// Cluster is what a cluster Secret says, without its credentials.
type Cluster struct {
	Name, Server, Project string
	Labels, Annotations   map[string]string
}

// About says what a Question asks for.
type About string

// What a Question asks for, and which fields of it and of its Answer count.
const (
	// AboutTree asks which files a Revision of the Git Repository holds: Commit and Paths.
	AboutTree About = "tree"
	// AboutFile asks for the file at Path in the commit Revision of the Git Repository: Content.
	AboutFile About = "file"
	// AboutRepositories asks a provider for its repositories: Repositories. The Generator holds the provider and nothing else.
	AboutRepositories About = "repositories"
	// AboutLabels asks a provider that does not list them for the labels of Repository: Labels.
	AboutLabels About = "labels"
	// AboutBranches asks a provider for the branch Revision of Repository, or for all of them if it is empty: Branches.
	AboutBranches About = "branches"
	// AboutPath asks a provider whether the branch Revision of Repository holds a file or folder at Path: Exists.
	AboutPath About = "path"
	// AboutPullRequests asks a provider for its open pull requests: PullRequests or NotFound.
	AboutPullRequests About = "pullRequests"
	// AboutPlugin asks a plugin for sets of parameters: Parameters.
	AboutPlugin About = "plugin"
)

// Question is one thing that must be looked up. It can be compared, so that an answer is found by its question.
type Question struct {
	About About
	// Repository is a URL for Git, and the path of a repository below its server for a provider.
	Repository, Revision, Path string
	// Generator is the part of a generator that names a provider or a plugin, as JSON; see GeneratorOf.
	Generator string
	// MaxAge is how old an answer may be; zero leaves that to who answers.
	MaxAge time.Duration
}

// GeneratorOf is the generator that names the provider or the plugin of a question; empty for questions about Git.
func GeneratorOf(q Question) (gitopsv1.Generator, error) {
	var g gitopsv1.Generator
	if q.Generator == "" {
		return g, nil
	}
	err := json.Unmarshal([]byte(q.Generator), &g)
	return g, err
}

// Answer is what was found; which fields count depends on what the Question is about.
type Answer struct {
	Commit       string
	Paths        []string
	Content      []byte
	Repositories []Repository
	Labels       []string
	Branches     []Branch
	Exists       bool
	PullRequests []PullRequest
	NotFound     bool
	Parameters   []map[string]any
}

// Repository is a repository as a provider lists it.
type Repository struct {
	Organization, Name, ID string
	SSHURL, HTTPSURL       string
	// DefaultBranch is empty as long as nothing was pushed.
	DefaultBranch string
	Labels        []string
	Archived      bool
}

// Path is where the repository lies below its server.
func (r Repository) Path() string { return r.Organization + "/" + r.Name }

// Branch is the head of a branch.
type Branch struct {
	Name, SHA string
}

// PullRequest is an open pull request as a provider lists it.
type PullRequest struct {
	Number               int64
	Title, Author        string
	Branch, TargetBranch string
	HeadSHA              string
	Labels               []string
}

// Note is something that a user should know, although it stops nothing.
type Note struct {
	Reason, Message string
}

// Error says why nothing was generated. Its reason is the reason of the condition ErrorOccurred.
type Error struct {
	Reason string
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// asError is the *Error in a chain of errors; nil if there is none.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
