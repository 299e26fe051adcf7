package scm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// gitHub is https://docs.github.com/rest: an organisation, or a repository of an owner.
type gitHub struct {
	*server
	owner, repo string
}

// hubPage and hubRequestPage are how many items a page of GitHub has; requests are large.
const (
	hubPage        = 100
	hubRequestPage = 30
)

func (a *Asker) gitHub(ctx context.Context, set *gitopsv1.ApplicationSet, api string, token *gitopsv1.SecretRef, app string, g gitHub) (forge, error) {
	at, err := Address(cmp.Or(api, "https://api.github.com"))
	if err != nil {
		return nil, fmt.Errorf("github.api: %w", err)
	}
	// An enterprise server has its API below /api/v3, unless it has a host of its own for it.
	if !strings.HasPrefix(at.Host, "api.") && !strings.Contains(at.Host, ".api.") && !strings.HasSuffix(at.Path, "/api/v3") {
		at.Path += "/api/v3"
	}
	if g.server, err = a.server(ctx, set, at, false, nil); err != nil {
		return nil, err
	}
	g.header["Accept"], g.header["X-GitHub-Api-Version"] = "application/vnd.github+json", "2022-11-28"
	switch {
	case token != nil && app != "":
		return nil, errors.New("github names a tokenRef and an appSecretName; keep one")
	case app != "":
		err = g.authorizeApp(ctx, set, app, at)
	default:
		err = g.authorize(ctx, set, token, at, "Authorization", "Bearer ")
	}
	return g, err
}

// authorize adds the token that a set names to all requests.
func (s *server) authorize(ctx context.Context, set *gitopsv1.ApplicationSet, ref *gitopsv1.SecretRef, at *url.URL, header, before string) error {
	token, source, err := s.asker.token(ctx, set, ref, at)
	if err == nil && token != "" {
		hash := sha256.Sum256([]byte(token))
		s.header[header], s.secrets, s.source, s.account = before+token, []string{token}, source, s.base+" "+string(hash[:])
	}
	return err
}

type hubRepository struct {
	ID    int64
	Name  string
	Owner struct{ Login string }
	// SSHURL and CloneURL are what it is cloned from.
	SSHURL        string `json:"ssh_url"`
	CloneURL      string `json:"clone_url"`
	DefaultBranch string `json:"default_branch"`
	Topics        []string
	Archived      bool
	// Empty is told by Gitea only.
	Empty bool
}

func (r hubRepository) repository() (generate.Repository, error) {
	if r.Name == "" || r.Owner.Login == "" {
		return generate.Repository{}, fmt.Errorf("repository %d has no name or no owner", r.ID)
	}
	return generate.Repository{
		Organization: r.Owner.Login, Name: r.Name, ID: strconv.FormatInt(r.ID, 10), SSHURL: r.SSHURL, HTTPSURL: r.CloneURL,
		DefaultBranch: r.DefaultBranch, Labels: r.Topics, Archived: r.Archived,
	}, nil
}

func (g gitHub) repositories(ctx context.Context) (all []generate.Repository, err error) {
	// In the order of creation nothing moves to a page that was read before when a repository is made meanwhile.
	query := url.Values{"type": {"all"}, "sort": {"created"}, "direction": {"asc"}, "per_page": {strconv.Itoa(hubPage)}}
	err = list(ctx, g.server, "/orgs/"+url.PathEscape(g.owner)+"/repos", query, hubPage, func(r hubRepository) error {
		one, err := r.repository()
		all = append(all, one)
		return err
	})
	return all, err
}

// labels of GitHub are topics, and listed with the repositories.
func (g gitHub) labels(context.Context, string) ([]string, error) { return nil, nil }

type hubBranch struct {
	Name   string
	Commit struct {
		// SHA is what GitHub calls it, and ID what GitLab and Gitea do.
		SHA, ID string
	}
}

func (b hubBranch) branch() (generate.Branch, error) {
	one := generate.Branch{Name: b.Name, SHA: cmp.Or(b.Commit.SHA, b.Commit.ID)}
	if one.Name == "" || one.SHA == "" {
		return one, fmt.Errorf("the branch %q has no name or no commit", one.Name)
	}
	return one, nil
}

func (g gitHub) branches(ctx context.Context, repository, only string) ([]generate.Branch, error) {
	return g.branchesBelow(ctx, "/repos/"+segments(repository)+"/branches", only, "per_page", hubPage)
}

// branchesBelow reads the branches as all providers have them. A branch that is not there is told from a repository that may not be seen, because that is no
// reason to take anything away.
func (s *server) branchesBelow(ctx context.Context, path, only, sizeName string, size int) (all []generate.Branch, err error) {
	keep := func(b hubBranch) error {
		one, err := b.branch()
		all = append(all, one)
		return err
	}
	if only != "" {
		found, err := get[hubBranch](ctx, s, path+"/"+url.PathEscape(only))
		switch {
		case isNotFound(err):
			return nil, s.ask(ctx, http.MethodGet, path, url.Values{sizeName: {"1"}}, nil, func(*http.Response) error { return nil })
		case err != nil:
			return nil, err
		}
		err = keep(found)
		return all, err
	}
	err = list(ctx, s, path, url.Values{sizeName: {strconv.Itoa(size)}}, size, keep)
	return all, err
}

func (g gitHub) holds(ctx context.Context, repository, branch, path string) (bool, error) {
	return g.exists(ctx, http.MethodGet, "/repos/"+segments(repository)+"/contents/"+segments(path), url.Values{"ref": {branch}})
}

type hubRequest struct {
	Number int64
	Title  string
	User   struct{ Login string }
	Head   struct{ Ref, SHA string }
	Base   struct{ Ref string }
	Labels []struct{ Name string }
}

func (r hubRequest) pullRequest() (generate.PullRequest, error) {
	p := generate.PullRequest{
		Number: r.Number, Title: r.Title, Author: r.User.Login, Branch: r.Head.Ref, TargetBranch: r.Base.Ref, HeadSHA: r.Head.SHA,
	}
	for _, label := range r.Labels {
		p.Labels = append(p.Labels, label.Name)
	}
	return checked(p)
}

// checked refuses a request that would be brought from anywhere but its own commit.
func checked(p generate.PullRequest) (generate.PullRequest, error) {
	if p.Number == 0 || p.HeadSHA == "" {
		return p, fmt.Errorf("request %d has no number or no commit", p.Number)
	}
	return p, nil
}

func (g gitHub) pullRequests(ctx context.Context) ([]generate.PullRequest, error) {
	query := url.Values{"state": {"open"}, "sort": {"created"}, "direction": {"asc"}, "per_page": {strconv.Itoa(hubRequestPage)}}
	return g.requestsBelow(ctx, "/repos/"+url.PathEscape(g.owner)+"/"+url.PathEscape(g.repo)+"/pulls", query, hubRequestPage)
}

// requestsBelow reads pull requests as GitHub and Gitea have them.
func (s *server) requestsBelow(ctx context.Context, path string, query url.Values, size int) (all []generate.PullRequest, err error) {
	err = list(ctx, s, path, query, size, func(r hubRequest) error {
		one, err := r.pullRequest()
		all = append(all, one)
		return err
	})
	return all, err
}

// segments escapes each part of a path.
func segments(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}
