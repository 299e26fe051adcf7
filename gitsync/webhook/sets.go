package webhook

import (
	"net/url"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// ConcernsSet reports whether a generator of an ApplicationSet, however deep, reads something that the event brought.
func (e Event) ConcernsSet(set *gitopsv1.ApplicationSet) bool {
	return slices.ContainsFunc(set.Spec.Generators, e.concernsGenerator)
}

func (e Event) concernsGenerator(g gitopsv1.Generator) bool {
	switch {
	case g.Git != nil:
		return slices.ContainsFunc(e.Pushes, func(p Push) bool { return p.of(g.Git.RepoURL) && p.moved(g.Git.Revision, "") })
	case g.PullRequest != nil:
		return e.Requests != nil && e.Requests.listedBy(g.PullRequest)
	case g.Matrix != nil:
		return e.concernsNested(g.Matrix.Generators)
	case g.Merge != nil:
		return e.concernsNested(g.Merge.Generators)
	}
	return false
}

// concernsNested takes a generator that cannot be read for one that is not concerned: the set says itself what is wrong with it. One whose
// repository may still be a placeholder is concerned by every push, or every change of a request.
func (e Event) concernsNested(raw []apiextensionsv1.JSON) bool {
	return slices.ContainsFunc(raw, func(one apiextensionsv1.JSON) bool {
		g, err := gitopsv1.NestedGenerator(one)
		if err != nil {
			return false
		}
		if g.Git != nil && strings.Contains(g.Git.RepoURL+g.Git.Revision, "{{") {
			return len(e.Pushes) > 0
		}
		if g.PullRequest != nil && strings.Contains(string(one.Raw), "{{") {
			return e.Requests != nil
		}
		return e.concernsGenerator(g)
	})
}

// listedBy reports whether a generator lists the requests of the repository.
func (r Repository) listedBy(g *gitopsv1.PullRequestGenerator) bool {
	switch {
	case g.GitHub != nil:
		return sameRepository(r.URL, "https://"+host(g.GitHub.API, "github.com")+"/"+g.GitHub.Owner+"/"+g.GitHub.Repo)
	case g.GitLab != nil:
		where := host(g.GitLab.API, "gitlab.com")
		return sameRepository(r.URL, "https://"+where+"/"+g.GitLab.Project) || r.ID != "" && r.ID == g.GitLab.Project && host(r.URL, "") == where
	case g.Gitea != nil:
		return sameRepository(r.URL, "https://"+host(g.Gitea.API, "")+"/"+g.Gitea.Owner+"/"+g.Gitea.Repo)
	case g.AzureDevOps != nil:
		a := g.AzureDevOps
		return sameRepository(r.URL, "https://"+host(a.API, "dev.azure.com")+"/"+a.Organization+"/"+a.Project+"/_git/"+a.Repo)
	}
	return false
}

// host is that of a provider, of which users give the address of the API.
func host(api, otherwise string) string {
	u, err := url.Parse(api)
	if err != nil || u.Hostname() == "" {
		return otherwise
	}
	name := strings.ToLower(u.Hostname())
	if name == "api.github.com" || strings.HasSuffix(name, ".ghe.com") {
		return strings.TrimPrefix(name, "api.")
	}
	return name
}
