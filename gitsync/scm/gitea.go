package scm

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// gitea is https://docs.gitea.com/api: an organisation, or a repository of an owner. Much is as with GitHub.
type gitea struct {
	*server
	owner, repo string
}

// teaPage is how many items a page of Gitea has if its administrator has changed nothing.
const teaPage = 50

func (a *Asker) gitea(ctx context.Context, set *gitopsv1.ApplicationSet, where access, g gitea) (forge, error) {
	at, err := Address(where.api)
	if err != nil {
		return nil, fmt.Errorf("gitea.api: %w", err)
	}
	if g.server, err = a.serverBelow(ctx, set, at, "/api/v1", where); err != nil {
		return nil, err
	}
	return g, g.authorize(ctx, set, where.token, at, "Authorization", "token ")
}

func (g gitea) repositories(ctx context.Context) (all []generate.Repository, err error) {
	err = list(ctx, g.server, "/orgs/"+url.PathEscape(g.owner)+"/repos", url.Values{"limit": {strconv.Itoa(teaPage)}}, teaPage, func(r hubRepository) error {
		if r.Empty {
			r.DefaultBranch = ""
		}
		one, err := r.repository()
		all = append(all, one)
		return err
	})
	return all, err
}

// labels are those that issues of the repository can have.
func (g gitea) labels(ctx context.Context, repository string) (all []string, err error) {
	query := url.Values{"limit": {strconv.Itoa(teaPage)}}
	err = list(ctx, g.server, "/repos/"+segments(repository)+"/labels", query, teaPage, func(label struct{ Name string }) error {
		all = append(all, label.Name)
		return nil
	})
	return all, err
}

func (g gitea) branches(ctx context.Context, repository, only string) ([]generate.Branch, error) {
	return g.branchesBelow(ctx, "/repos/"+segments(repository)+"/branches", only, "limit", teaPage)
}

func (g gitea) holds(ctx context.Context, repository, branch, path string) (bool, error) {
	return g.exists(ctx, http.MethodGet, "/repos/"+segments(repository)+"/contents/"+segments(path), url.Values{"ref": {branch}})
}

func (g gitea) pullRequests(ctx context.Context) ([]generate.PullRequest, error) {
	query := url.Values{"state": {"open"}, "sort": {"oldest"}, "limit": {strconv.Itoa(teaPage)}}
	return g.requestsBelow(ctx, "/repos/"+url.PathEscape(g.owner)+"/"+url.PathEscape(g.repo)+"/pulls", query, teaPage)
}
