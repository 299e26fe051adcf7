package scm

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/utils/ptr"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// gitLab is https://docs.gitlab.com/api/rest: a group or a project, of which the other is nil.
type gitLab struct {
	*server
	group   *gitopsv1.SCMGitLab
	project *gitopsv1.PullRequestGitLab
}

// labPage and labRequestPage are how many items a page of GitLab has; requests may have a description of a megabyte.
const (
	labPage        = 100
	labRequestPage = 20
)

func (a *Asker) gitLab(ctx context.Context, set *gitopsv1.ApplicationSet, where access, g gitLab) (forge, error) {
	at, err := Address(cmp.Or(where.api, "https://gitlab.com"))
	if err != nil {
		return nil, fmt.Errorf("gitlab.api: %w", err)
	}
	if g.server, err = a.serverBelow(ctx, set, at, "/api/v4", where); err != nil {
		return nil, err
	}
	return g, g.authorize(ctx, set, where.token, at, "PRIVATE-TOKEN", "")
}

type labProject struct {
	ID        int64
	Path      string
	Namespace struct {
		FullPath string `json:"full_path"`
	}
	SSHURL  string `json:"ssh_url_to_repo"`
	HTTPURL string `json:"http_url_to_repo"`
	// DefaultBranch is null as long as nothing was pushed.
	DefaultBranch string `json:"default_branch"`
	// Access is disabled where a project has no repository.
	Access   string `json:"repository_access_level"`
	Topics   []string
	Archived bool
}

func (p labProject) repository() (generate.Repository, error) {
	if p.Path == "" || p.Namespace.FullPath == "" {
		return generate.Repository{}, fmt.Errorf("project %d has no path or no namespace", p.ID)
	}
	if p.Access == "disabled" {
		p.DefaultBranch = ""
	}
	return generate.Repository{
		Organization: p.Namespace.FullPath, Name: p.Path, ID: strconv.FormatInt(p.ID, 10), SSHURL: p.SSHURL, HTTPSURL: p.HTTPURL,
		DefaultBranch: p.DefaultBranch, Labels: p.Topics, Archived: p.Archived,
	}, nil
}

func (g gitLab) repositories(ctx context.Context) (all []generate.Repository, err error) {
	query := url.Values{
		"include_subgroups": {strconv.FormatBool(g.group.IncludeSubgroups)}, "with_shared": {strconv.FormatBool(ptr.Deref(g.group.IncludeSharedProjects, true))},
		"order_by": {"id"}, "sort": {"asc"}, "per_page": {strconv.Itoa(labPage)},
	}
	if g.group.Topic != "" {
		query.Set("topic", g.group.Topic)
	}
	err = list(ctx, g.server, "/groups/"+url.PathEscape(g.group.Group)+"/projects", query, labPage, func(p labProject) error {
		one, err := p.repository()
		all = append(all, one)
		return err
	})
	return all, err
}

// labels of GitLab are topics, and listed with the projects.
func (g gitLab) labels(context.Context, string) ([]string, error) { return nil, nil }

func (g gitLab) branches(ctx context.Context, repository, only string) ([]generate.Branch, error) {
	return g.branchesBelow(ctx, "/projects/"+url.PathEscape(repository)+"/repository/branches", only, "per_page", labPage)
}

// holds asks for a file, then for a folder: there is no question for either.
func (g gitLab) holds(ctx context.Context, repository, branch, path string) (bool, error) {
	below := "/projects/" + url.PathEscape(repository) + "/repository"
	found, err := g.exists(ctx, http.MethodHead, below+"/files/"+url.PathEscape(path), url.Values{"ref": {branch}})
	if found || err != nil {
		return found, err
	}
	err = g.ask(ctx, http.MethodGet, below+"/tree", url.Values{"path": {path}, "ref": {branch}, "per_page": {"1"}}, nil, func(answer *http.Response) error {
		// Git has no empty folders; what is not there is an empty list with some versions, and not found with others.
		return each(answer.Body, func(struct{}) error { found = true; return nil })
	})
	if isNotFound(err) {
		return false, nil
	}
	return found, err
}

type labRequest struct {
	IID    int64
	Title  string
	Author struct{ Username string }
	SHA    string
	Source string `json:"source_branch"`
	Target string `json:"target_branch"`
	Labels []string
}

func (g gitLab) pullRequests(ctx context.Context) (all []generate.PullRequest, err error) {
	query := url.Values{"order_by": {"created_at"}, "sort": {"asc"}, "per_page": {strconv.Itoa(labRequestPage)}}
	if g.project.PullRequestState != "" {
		query.Set("state", g.project.PullRequestState)
	}
	if len(g.project.Labels) > 0 {
		query.Set("labels", strings.Join(g.project.Labels, ","))
	}
	err = list(ctx, g.server, "/projects/"+url.PathEscape(g.project.Project)+"/merge_requests", query, labRequestPage, func(r labRequest) error {
		one, err := checked(generate.PullRequest{
			Number: r.IID, Title: r.Title, Author: r.Author.Username, Branch: r.Source, TargetBranch: r.Target, HeadSHA: r.SHA, Labels: r.Labels,
		})
		all = append(all, one)
		return err
	})
	return all, err
}
