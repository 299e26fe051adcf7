package webhook

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Event is what happened at a provider. It may concern nothing.
type Event struct {
	Provider Provider
	// Pushes has one entry for each branch or tag that moved.
	Pushes []Push
	// Requests is the repository whose pull or merge requests changed; nil if none did.
	Requests *Repository
	// Artifacts are what a registry has got.
	Artifacts []Artifact
}

// Push is one branch or tag that moved.
type Push struct {
	// RepoURLs are the addresses under which the repository is reached.
	RepoURLs []string
	// Ref is its full name, such as refs/heads/main.
	Ref           string
	Before, After string
	// TouchedHead is true if HEAD may have moved too.
	TouchedHead bool
	// Files are paths that the commits changed, in their order. Complete is false where others may have changed as well.
	Files    []string
	Complete bool
}

// Revision is the name of the branch or tag.
func (p Push) Revision() string {
	parts := strings.SplitN(p.Ref, "/", 3)
	return parts[len(parts)-1]
}

// Repository is one whose requests changed.
type Repository struct {
	// URL is its page.
	URL string
	// ID is its number at the provider; empty where sets do not name it so.
	ID string
}

// Artifact is an OCI artifact under a tag.
type Artifact struct {
	// Registry is a host, Repository the path below it.
	Registry, Repository, Tag string
}

const (
	// largestFiles is how many bytes the changed files of an event may have; of one with more, all files count as changed. It keeps what waits small.
	largestFiles = 64 << 10
	// largestRest bounds the same of everything else in an event.
	largestRest = 64 << 10
)

func sizeOf(texts []string) (size int) {
	for _, text := range texts {
		size += len(text) + 16 // what a text takes beside its bytes
	}
	return size
}

var errTooMuch = unusable("too much changed for one delivery; polling finds it")

// bounded is an event without lists of files that are too long, or the refusal of one that is too large otherwise.
func (e Event) bounded() (Event, error) {
	size, files := 0, 0
	for i, p := range e.Pushes {
		size += sizeOf([]string{p.Ref, p.Before, p.After})
		if i == 0 {
			size += sizeOf(p.RepoURLs) // which all share
		}
		if files += sizeOf(p.Files); files > largestFiles {
			e.Pushes[i].Files, e.Pushes[i].Complete = nil, false
		}
	}
	for _, a := range e.Artifacts {
		size += sizeOf([]string{a.Registry, a.Repository, a.Tag})
	}
	if e.Requests != nil {
		size += sizeOf([]string{e.Requests.URL, e.Requests.ID})
	}
	if size > largestRest {
		return Event{}, errTooMuch
	}
	return e, nil
}

// mostValues is how many objects, lists and items a body may have. A push of 2,048 commits has some 50,000; millions of empty ones would take a hundred times
// the memory of their text.
const mostValues = 1_000_000

// decode reads a body, or the part of it that is asked for. Unknown fields are those that nobody here needs.
func decode[T any](body []byte) (*T, error) {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("["))+bytes.Count(body, []byte(",")) > mostValues {
		return nil, errTooMuch
	}
	t := new(T)
	if err := json.Unmarshal(body, t); err != nil {
		return nil, unusable("the body is not the JSON that this event has; choose the content type application/json at the provider")
	}
	return t, nil
}

func notServed(event string) error {
	if len(event) > 60 {
		event = event[:60]
	}
	return unusable("the event %q is none that anything here depends on: choose pushes, and pull requests for generators of ApplicationSets", event)
}

func readNothing(string, []byte) (Event, error) { return Event{}, nil }

// repository is how GitHub, Gitea and Gogs describe one.
type repository struct {
	HTMLURL       string `json:"html_url"`
	DefaultBranch string `json:"default_branch"`
}

// commit is how GitHub, GitLab, Gitea and Gogs describe what one changed.
type commit struct {
	Added, Modified, Removed []string
}

func filesOf(commits []commit) (files []string) {
	for _, c := range commits {
		files = append(append(append(files, c.Added...), c.Modified...), c.Removed...)
	}
	return files
}

type hubPush struct {
	Ref, Before, After string
	Forced             bool
	Commits            []commit
	TotalCommits       int `json:"total_commits"`
	Repository         *repository
	Package            *hubPackage
	Action             string
}

// push reads what GitHub, Gitea and Gogs have in common. The files of a forced push lack those of the commits that it threw away.
func (p *hubPush) event() Event {
	if p.Repository == nil || p.Repository.HTMLURL == "" || p.Ref == "" {
		return Event{}
	}
	one := Push{
		RepoURLs: []string{p.Repository.HTMLURL}, Ref: p.Ref, Before: p.Before, After: p.After, Files: filesOf(p.Commits),
		Complete: !p.Forced && p.TotalCommits <= len(p.Commits),
	}
	one.TouchedHead = strings.HasPrefix(p.Ref, "refs/heads/") && one.Revision() == p.Repository.DefaultBranch
	return Event{Pushes: []Push{one}}
}

func readGitHub(event string, body []byte) (Event, error) {
	switch event {
	case ping:
		return Event{}, nil
	case "push", "pull_request", "package":
	default:
		return Event{}, notServed(event)
	}
	p, err := decode[hubPush](body)
	if err != nil {
		return Event{}, err
	}
	switch event {
	case "pull_request":
		return requests(p.Repository), nil
	case "package":
		return p.Package.event(p.Action), nil
	}
	return p.event(), nil
}

func readGogs(event string, body []byte) (Event, error) {
	if event != "push" && event != "pull_request" {
		return Event{}, notServed(event)
	}
	p, err := decode[hubPush](body)
	if err != nil {
		return Event{}, err
	}
	if event == "pull_request" {
		return requests(p.Repository), nil
	}
	return p.event(), nil
}

func requests(r *repository) Event {
	if r == nil || r.HTMLURL == "" {
		return Event{}
	}
	return Event{Requests: &Repository{URL: r.HTMLURL}}
}

type labPush struct {
	Ref, Before, After string
	ObjectKind         string `json:"object_kind"`
	Project            *struct {
		ID            json.Number
		WebURL        string `json:"web_url"`
		DefaultBranch string `json:"default_branch"`
	}
	Commits           []commit
	TotalCommitsCount int `json:"total_commits_count"`
}

func readGitLab(event string, body []byte) (Event, error) {
	switch event {
	case "Push Hook", "Tag Push Hook", "System Hook", "Merge Request Hook":
	default:
		return Event{}, notServed(event)
	}
	p, err := decode[labPush](body)
	if err != nil {
		return Event{}, err
	}
	if p.Project == nil || p.Project.WebURL == "" {
		return Event{}, nil // such as the hooks of a system that tell of users
	}
	switch {
	case event == "Merge Request Hook", p.ObjectKind == "merge_request":
		return Event{Requests: &Repository{URL: p.Project.WebURL, ID: p.Project.ID.String()}}, nil
	case p.Ref == "":
		return Event{}, nil
	}
	one := Push{
		RepoURLs: []string{p.Project.WebURL}, Ref: p.Ref, Before: p.Before, After: p.After, Files: filesOf(p.Commits),
		Complete: p.TotalCommitsCount <= len(p.Commits),
	}
	one.TouchedHead = strings.HasPrefix(p.Ref, "refs/heads/") && one.Revision() == p.Project.DefaultBranch
	return Event{Pushes: []Push{one}}, nil
}
