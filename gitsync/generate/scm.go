package generate

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate/sandbox"
)

// repositories gives one set for each branch of each repository that passes the filters. Cheap questions come first: the branches of a
// repository are asked for only if its name and labels pass, and paths only if the branch does.
func (r *run) repositories(at string, g *gitopsv1.SCMProviderGenerator) ([]Params, error) {
	provider, err := scmProvider(at, g)
	if err != nil {
		return nil, err
	}
	filters, err := scmFilters(at, g.Filters)
	if err != nil {
		return nil, err
	}
	provider.MaxAge = maxAge(g.RequeueAfterSeconds)
	listed, err := r.answer(provider.about(AboutRepositories))
	if err != nil {
		return nil, err
	}
	var sets []Params
	unanswered := false
	for _, repo := range listed.Repositories {
		if !wantsArchived(g) && repo.Archived || !passes(filters, func(f scmFilter) bool { return f.names(repo) }) {
			continue
		}
		found, err := r.ofRepository(at, g, provider, filters, repo)
		if errors.Is(err, errUnanswered) {
			unanswered = true
			continue
		}
		if err != nil {
			return nil, err
		}
		sets = append(sets, found...)
	}
	if unanswered {
		return nil, errUnanswered
	}
	return sets, nil
}

// ofRepository gives one set for each branch of a repository that passes.
func (r *run) ofRepository(at string, g *gitopsv1.SCMProviderGenerator, provider Question, filters []scmFilter, repo Repository) ([]Params, error) {
	url, err := cloneURL(at, g.CloneProtocol, repo)
	if err != nil {
		return nil, err
	}
	provider.Repository = repo.Path()
	if repo.Labels, err = r.labels(g, provider, repo); err != nil {
		return nil, err
	}
	if repo.DefaultBranch == "" || !passes(filters, func(f scmFilter) bool { return f.takes(repo) }) {
		return nil, nil
	}
	branches := provider.about(AboutBranches)
	if !wantsAllBranches(g) {
		branches.Revision = repo.DefaultBranch
	}
	answer, err := r.answer(branches)
	if err != nil {
		return nil, err
	}
	var sets []Params
	unanswered := false
	for _, b := range answer.Branches {
		ok, err := r.passesPaths(provider, filters, repo, b)
		if err != nil {
			unanswered = true
			continue
		}
		if !ok {
			continue
		}
		labels := slices.Sorted(slices.Values(repo.Labels))
		set := Params{
			"organization": repo.Organization, "repository": repo.Name, "repository_id": repo.ID, "url": url,
			"branch": b.Name, "branchNormalized": sandbox.Normalize(b.Name),
			"sha": b.SHA, "short_sha": start(b.SHA, 8), "short_sha_7": start(b.SHA, 7), "labels": strings.Join(labels, ","),
		}
		if err := r.addValues(at, g.Values, set); err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	if unanswered {
		return nil, errUnanswered
	}
	return sets, nil
}

// labels are those of a repository. Gitea has them apart, which takes one question for each repository.
func (r *run) labels(g *gitopsv1.SCMProviderGenerator, provider Question, repo Repository) ([]string, error) {
	if g.Gitea == nil {
		return repo.Labels, nil
	}
	answer, err := r.answer(provider.about(AboutLabels))
	return answer.Labels, err
}

// passesPaths reports whether a filter takes the repository and the branch, and finds its paths there.
func (r *run) passesPaths(provider Question, filters []scmFilter, repo Repository, b Branch) (bool, error) {
	unanswered := false
	for _, f := range filters {
		if !f.takes(repo) || f.branch != nil && !f.branch.MatchString(b.Name) {
			continue
		}
		ok, err := r.hasPaths(provider, f, b)
		if ok {
			return true, nil
		}
		unanswered = unanswered || err != nil
	}
	if unanswered {
		return false, errUnanswered
	}
	return len(filters) == 0, nil
}

func (r *run) hasPaths(provider Question, f scmFilter, b Branch) (bool, error) {
	holds := true
	for _, wanted := range []struct {
		paths []string
		exist bool
	}{{f.exist, true}, {f.absent, false}} {
		for _, path := range wanted.paths {
			asked := provider.about(AboutPath)
			asked.Revision, asked.Path = b.Name, path
			a, err := r.answer(asked)
			if err != nil {
				return false, err
			}
			holds = holds && a.Exists == wanted.exist
		}
	}
	return holds, nil
}

// scmFilter is a filter that was read.
type scmFilter struct {
	repository, label, branch *regexp.Regexp
	exist, absent             []string
}

// names reports whether the filter may take a repository of that name.
func (f scmFilter) names(repo Repository) bool {
	return f.repository == nil || f.repository.MatchString(repo.Name)
}

func (f scmFilter) takes(repo Repository) bool {
	return f.names(repo) && (f.label == nil || slices.ContainsFunc(repo.Labels, f.label.MatchString))
}

func scmFilters(at string, filters []gitopsv1.SCMFilter) ([]scmFilter, error) {
	var all []scmFilter
	for i, f := range filters {
		at := fmt.Sprintf("%s.filters[%d]", at, i)
		read := scmFilter{exist: f.PathsExist, absent: f.PathsDoNotExist}
		var errs [3]error
		read.repository, errs[0] = expression(at+".repositoryMatch", f.RepositoryMatch)
		read.label, errs[1] = expression(at+".labelMatch", f.LabelMatch)
		read.branch, errs[2] = expression(at+".branchMatch", f.BranchMatch)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		all = append(all, read)
	}
	return all, nil
}

// passes reports whether one of the filters holds, or there is none.
func passes[F any](filters []F, holds func(F) bool) bool {
	return len(filters) == 0 || slices.ContainsFunc(filters, holds)
}

func expression(at string, text *string) (*regexp.Regexp, error) {
	if text == nil {
		return nil, nil
	}
	compiled, err := regexp.Compile(*text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", at, err)
	}
	return compiled, nil
}

// scmProvider is a question to the provider of a generator, which holds nothing else of it.
func scmProvider(at string, g *gitopsv1.SCMProviderGenerator) (Question, error) {
	only := gitopsv1.SCMProviderGenerator{
		GitHub: g.GitHub, GitLab: g.GitLab, Bitbucket: g.Bitbucket, BitbucketServer: g.BitbucketServer,
		Gitea: g.Gitea, AzureDevOps: g.AzureDevOps, AWSCodeCommit: g.AWSCodeCommit,
	}
	return oneProvider(at, only, gitopsv1.Generator{SCMProvider: &only})
}

// oneProvider writes a generator as JSON once it is clear that exactly one field of the part with its provider is set.
func oneProvider(at string, part any, g gitopsv1.Generator) (Question, error) {
	set, err := tree(part)
	if err != nil {
		return Question{}, fmt.Errorf("reading %s: %w", at, err)
	}
	if len(set) != 1 {
		return Question{}, fmt.Errorf("%s names %d providers; set one", at, len(set))
	}
	text, err := json.Marshal(g)
	if err != nil {
		return Question{}, fmt.Errorf("reading %s: %w", at, err)
	}
	return Question{Generator: string(text)}, nil
}

// about is the question about something else.
func (q Question) about(a About) Question {
	q.About = a
	return q
}

// maxAge is how old an answer may be: it holds until the generator wants to look again.
func maxAge(requeueAfterSeconds *int64) time.Duration {
	return max(0, seconds(requeueAfterSeconds, gitopsv1.DefaultProviderRequeueAfter))
}

// wantsAllBranches reports whether more counts than the default branch.
func wantsAllBranches(g *gitopsv1.SCMProviderGenerator) bool {
	return g.GitHub != nil && g.GitHub.AllBranches || g.GitLab != nil && g.GitLab.AllBranches || g.Gitea != nil && g.Gitea.AllBranches
}

// wantsArchived reports whether archived repositories count: not on GitLab unless asked for, elsewhere unless left out.
func wantsArchived(g *gitopsv1.SCMProviderGenerator) bool {
	switch {
	case g.GitLab != nil:
		return g.GitLab.IncludeArchivedRepos
	case g.GitHub != nil:
		return !g.GitHub.ExcludeArchivedRepos
	case g.Gitea != nil:
		return !g.Gitea.ExcludeArchivedRepos
	}
	return true
}

func cloneURL(at, protocol string, repo Repository) (string, error) {
	switch protocol {
	case "", "ssh":
		return repo.SSHURL, nil
	case "https":
		return repo.HTTPSURL, nil
	}
	return "", fmt.Errorf("%s.cloneProtocol is %q; use ssh or https", at, protocol)
}

func start(text string, n int) string {
	return text[:min(n, len(text))]
}
