package generate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate/sandbox"
)

func (r *run) pullRequests(at string, g *gitopsv1.PullRequestGenerator) ([]Params, error) {
	provider, err := pullRequestProvider(at, g)
	if err != nil {
		return nil, err
	}
	filters, err := pullRequestFilters(at, g.Filters)
	if err != nil {
		return nil, err
	}
	provider.MaxAge = maxAge(g.RequeueAfterSeconds)
	answer, err := r.answer(provider.about(AboutPullRequests))
	if err != nil {
		return nil, err
	}
	if answer.NotFound && !g.ContinueOnRepoNotFoundError {
		return nil, fmt.Errorf("%s names a repository that was not found; check its name and the rights of the token, or set continueOnRepoNotFoundError", at)
	}
	var sets []Params
	for _, p := range answer.PullRequests {
		if !hasAll(p.Labels, wantedLabels(g)) || !passes(filters, func(f pullRequestFilter) bool { return f.takes(p) }) {
			continue
		}
		set := r.pullRequestParams(p)
		if err := r.addValues(at, g.Values, set); err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

func (r *run) pullRequestParams(p PullRequest) Params {
	set := Params{
		"number": strconv.FormatInt(p.Number, 10), "title": p.Title, "author": p.Author,
		"branch": p.Branch, "branch_slug": sandbox.Slug(p.Branch, sandbox.MaxSlug, false),
		"target_branch": p.TargetBranch, "target_branch_slug": sandbox.Slug(p.TargetBranch, sandbox.MaxSlug, false),
		"head_sha": p.HeadSHA, "head_short_sha": start(p.HeadSHA, 8), "head_short_sha_7": start(p.HeadSHA, 7),
	}
	if r.Set.Spec.GoTemplate {
		labels := make([]any, len(p.Labels))
		for i, label := range p.Labels {
			labels[i] = label
		}
		set["labels"] = labels
	}
	return set
}

// wantedLabels are the labels that a pull request must have, all of them.
func wantedLabels(g *gitopsv1.PullRequestGenerator) []string {
	switch {
	case g.GitHub != nil:
		return g.GitHub.Labels
	case g.GitLab != nil:
		return g.GitLab.Labels
	case g.Gitea != nil:
		return g.Gitea.Labels
	}
	return nil
}

func hasAll(labels, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(label string) bool { return !slices.Contains(labels, label) })
}

// pullRequestFilter is a filter that was read.
type pullRequestFilter struct {
	branch, target, title *regexp.Regexp
}

func (f pullRequestFilter) takes(p PullRequest) bool {
	return (f.branch == nil || f.branch.MatchString(p.Branch)) &&
		(f.target == nil || f.target.MatchString(p.TargetBranch)) &&
		(f.title == nil || f.title.MatchString(p.Title))
}

func pullRequestFilters(at string, filters []gitopsv1.PullRequestFilter) ([]pullRequestFilter, error) {
	var all []pullRequestFilter
	for i, f := range filters {
		at := fmt.Sprintf("%s.filters[%d]", at, i)
		var read pullRequestFilter
		var errs [3]error
		read.branch, errs[0] = expression(at+".branchMatch", f.BranchMatch)
		read.target, errs[1] = expression(at+".targetBranchMatch", f.TargetBranchMatch)
		read.title, errs[2] = expression(at+".titleMatch", f.TitleMatch)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		all = append(all, read)
	}
	return all, nil
}

func pullRequestProvider(at string, g *gitopsv1.PullRequestGenerator) (Question, error) {
	only := gitopsv1.PullRequestGenerator{
		GitHub: g.GitHub, GitLab: g.GitLab, Gitea: g.Gitea,
		BitbucketServer: g.BitbucketServer, Bitbucket: g.Bitbucket, AzureDevOps: g.AzureDevOps,
	}
	return oneProvider(at, only, gitopsv1.Generator{PullRequest: &only})
}
