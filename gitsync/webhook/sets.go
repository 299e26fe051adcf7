package webhook

import (
	"net/url"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Set reports whether a generator of an ApplicationSet, however deep, reads something that the events brought.
func (c *Concerns) Set(set *gitopsv1.ApplicationSet) bool {
	return slices.ContainsFunc(set.Spec.Generators, c.generator)
}

// generator looks at everything that an entry names, which may be more than one.
func (c *Concerns) generator(g gitopsv1.Generator) bool {
	return g.Git != nil && len(c.wished(wish{repoURL: g.Git.RepoURL, revision: g.Git.Revision})) > 0 ||
		g.PullRequest != nil && slices.ContainsFunc(c.requests, func(r Repository) bool { return r.listedBy(g.PullRequest) }) ||
		g.Matrix != nil && c.nested(g.Matrix.Generators) ||
		g.Merge != nil && c.nested(g.Merge.Generators)
}

// nested takes a generator that cannot be read for one that is not concerned: the set says itself what is wrong with it. One whose
// repository may still be a placeholder is concerned by every push, or every change of a request.
func (c *Concerns) nested(raw []apiextensionsv1.JSON) bool {
	return slices.ContainsFunc(raw, func(one apiextensionsv1.JSON) bool {
		g, err := gitopsv1.NestedGenerator(one)
		if err != nil {
			return false
		}
		if g.Git != nil && strings.Contains(g.Git.RepoURL+g.Git.Revision, "{{") {
			return len(c.moves) > 0
		}
		if g.PullRequest != nil && strings.Contains(string(one.Raw), "{{") {
			return len(c.requests) > 0
		}
		return c.generator(g)
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
