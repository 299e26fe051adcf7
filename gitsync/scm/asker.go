package scm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

const (
	// atOnce is how many questions of one ApplicationSet are asked at the same time. Providers slow down whoever asks much at once.
	atOnce = 4
	// longest is how long one question may take, all pages of its list included.
	longest = 5 * time.Minute
)

// Asker asks the servers that generators name. Its exported fields must be set before use; it is safe for concurrent use.
type Asker struct {
	// Reader reads Secrets and ConfigMaps by name. It should not be a cache: they have no label to choose them by.
	Reader client.Reader
	// Namespace is the control namespace.
	Namespace string
	// Allowed are the addresses of servers that may be asked, beside the public ones of GitHub and GitLab. Empty allows any to ApplicationSets of the
	// control namespace, and no other to the rest.
	Allowed []*url.URL
	// Now is time.Now if nil.
	Now func() time.Time

	mu sync.Mutex
	// paused are the moments until which servers want to be left alone, by account.
	paused map[string]time.Time
	// doors are HTTP clients by what they trust.
	doors map[trust]*http.Client
}

// forge is a provider of repositories, with everything that is needed to ask it. A repository is named by its path below the server.
type forge interface {
	repositories(ctx context.Context) ([]generate.Repository, error)
	labels(ctx context.Context, repository string) ([]string, error)
	// branches are all of them, or the one that is named if it exists.
	branches(ctx context.Context, repository, only string) ([]generate.Branch, error)
	holds(ctx context.Context, repository, branch, path string) (bool, error)
	pullRequests(ctx context.Context) ([]generate.PullRequest, error)
}

// Answer asks everything that generators of a set want to know of providers and plugins. It reads the credentials once. With an error come the answers that
// were given nevertheless.
func (a *Asker) Answer(ctx context.Context, set *gitopsv1.ApplicationSet, questions []generate.Question) (map[generate.Question]generate.Answer, error) {
	opened := map[string]func(context.Context, generate.Question) (generate.Answer, error){}
	for _, q := range questions {
		if opened[q.Generator] != nil {
			continue
		}
		ask, err := a.open(ctx, set, q)
		if err != nil {
			return nil, err
		}
		opened[q.Generator] = ask
	}
	var mu sync.Mutex
	answers := map[generate.Question]generate.Answer{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, q := range questions {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, longest)
			defer cancel()
			answer, err := opened[q.Generator](ctx, q)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			answers[q] = answer
			return nil
		})
	}
	return answers, group.Wait()
}

// open reads what is needed to ask the server of a question.
func (a *Asker) open(ctx context.Context, set *gitopsv1.ApplicationSet, q generate.Question) (func(context.Context, generate.Question) (generate.Answer, error), error) {
	g, err := generate.GeneratorOf(q)
	if err != nil {
		return nil, fmt.Errorf("reading the generator of a question: %w", err)
	}
	if g.Plugin != nil {
		return a.plugin(ctx, set, g.Plugin)
	}
	f, err := a.forge(ctx, set, g)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, q generate.Question) (generate.Answer, error) { return ask(ctx, f, q) }, nil
}

func (a *Asker) forge(ctx context.Context, set *gitopsv1.ApplicationSet, g gitopsv1.Generator) (forge, error) {
	if s := g.SCMProvider; s != nil {
		switch {
		case s.GitHub != nil:
			return a.gitHub(ctx, set, s.GitHub.API, s.GitHub.TokenRef, s.GitHub.AppSecretName, gitHub{owner: s.GitHub.Organization})
		case s.GitLab != nil:
			p := s.GitLab
			return a.gitLab(ctx, set, access{api: p.API, token: p.TokenRef, insecure: p.Insecure, ca: p.CARef}, gitLab{group: p})
		case s.Gitea != nil:
			p := s.Gitea
			return a.gitea(ctx, set, access{api: p.API, token: p.TokenRef, insecure: p.Insecure}, gitea{owner: p.Owner})
		}
	}
	if s := g.PullRequest; s != nil {
		switch {
		case s.GitHub != nil:
			return a.gitHub(ctx, set, s.GitHub.API, s.GitHub.TokenRef, s.GitHub.AppSecretName, gitHub{owner: s.GitHub.Owner, repo: s.GitHub.Repo})
		case s.GitLab != nil:
			p := s.GitLab
			return a.gitLab(ctx, set, access{api: p.API, token: p.TokenRef, insecure: p.Insecure, ca: p.CARef}, gitLab{project: p})
		case s.Gitea != nil:
			p := s.Gitea
			return a.gitea(ctx, set, access{api: p.API, token: p.TokenRef, insecure: p.Insecure}, gitea{owner: p.Owner, repo: p.Repo})
		}
	}
	return nil, errors.New("the generator names no provider that can be asked")
}

func ask(ctx context.Context, f forge, q generate.Question) (answer generate.Answer, err error) {
	switch q.About {
	case generate.AboutRepositories:
		answer.Repositories, err = f.repositories(ctx)
	case generate.AboutLabels:
		answer.Labels, err = f.labels(ctx, q.Repository)
	case generate.AboutBranches:
		answer.Branches, err = f.branches(ctx, q.Repository, q.Revision)
	case generate.AboutPath:
		answer.Exists, err = f.holds(ctx, q.Repository, q.Revision, strings.TrimPrefix(path.Clean("/"+q.Path), "/"))
	case generate.AboutPullRequests:
		answer.PullRequests, err = f.pullRequests(ctx)
		if isNotFound(err) {
			answer.NotFound, err = true, nil
		}
	default:
		err = fmt.Errorf("nobody can answer a question about %s", q.About)
	}
	return answer, err
}

// permits reports whether a set may have a server asked.
func (a *Asker) permits(set *gitopsv1.ApplicationSet, address *url.URL) error {
	if len(a.Allowed) == 0 && set.Namespace == a.Namespace {
		return nil
	}
	same := func(u *url.URL) bool { return u.Scheme == address.Scheme && u.Host == address.Host }
	if slices.ContainsFunc(public, same) || slices.ContainsFunc(a.Allowed, same) {
		return nil
	}
	return fmt.Errorf("%s://%s may not be asked for ApplicationSets of the namespace %s: the controller must be started with --allowed-scm-providers=%[1]s://%[2]s",
		address.Scheme, address.Host, set.Namespace)
}

func (a *Asker) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}
