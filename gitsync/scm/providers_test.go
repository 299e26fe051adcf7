package scm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/gitsync/generate"
)

const (
	hubOrganization = `{scmProvider: {github: {organization: shop, api: API, tokenRef: {secretName: token, key: token}}}}`
	hubRequests     = `{pullRequest: {github: {owner: shop, repo: web, api: API/, tokenRef: {secretName: token, key: token}, labels: [preview]}}}`
	labGroup        = `{scmProvider: {gitlab: {group: shop/apps, api: API/api/v4, includeSubgroups: true, includeSharedProjects: false, topic: deploy, tokenRef: {secretName: token, key: token}}}}`
	labRequests     = `{pullRequest: {gitlab: {project: "42", api: API, labels: [preview, ui], pullRequestState: opened, tokenRef: {secretName: token, key: token}}}}`
	teaOwner        = `{scmProvider: {gitea: {owner: shop, api: API, tokenRef: {secretName: token, key: token}}}}`
	teaRequests     = `{pullRequest: {gitea: {owner: shop, repo: web, api: API, tokenRef: {secretName: token, key: token}}}}`

	hubRepositoryPage = "GET /api/v3/orgs/shop/repos?direction=asc&page=1&per_page=100&sort=created&type=all"
	labProjectPage    = "GET /api/v4/groups/shop%2Fapps/projects?include_subgroups=true&order_by=id&page=1&per_page=100&sort=asc&topic=deploy&with_shared=false"
)

func TestProvidersAreAskedAsTheyDocument(t *testing.T) {
	const sha = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"
	repositories := generate.Question{About: generate.AboutRepositories}
	branches := generate.Question{About: generate.AboutBranches, Repository: "shop/web"}
	trunk := generate.Question{About: generate.AboutBranches, Repository: "shop/web", Revision: "rel/1"}
	path := generate.Question{About: generate.AboutPath, Repository: "shop/web", Revision: "rel/1", Path: "../../deploy/./a b.yaml/"}
	labels := generate.Question{About: generate.AboutLabels, Repository: "shop/web"}
	requests := generate.Question{About: generate.AboutPullRequests}
	for _, c := range []struct {
		name, generator string
		q               generate.Question
		replies         map[string]reply
		want            generate.Answer
	}{
		{"repositories of GitHub", hubOrganization, repositories, map[string]reply{
			hubRepositoryPage: {header: map[string]string{"Link": `<https://elsewhere.example/?page=2>; rel="next"`}, body: `[{"id": 7, "name": "web", "full_name": "shop/web", "owner": {"login": "shop"},
				"ssh_url": "git@h:shop/web.git", "clone_url": "https://h/shop/web.git", "default_branch": "main", "topics": ["ui", "go"], "archived": true, "license": null}]`},
			strings.Replace(hubRepositoryPage, "page=1&", "page=2&", 1): {body: `[{"id": 8, "name": "api", "owner": {"login": "shop"}, "default_branch": "main"}]`},
		}, generate.Answer{Repositories: []generate.Repository{
			{Organization: "shop", Name: "web", ID: "7", SSHURL: "git@h:shop/web.git", HTTPSURL: "https://h/shop/web.git", DefaultBranch: "main", Labels: []string{"ui", "go"}, Archived: true},
			{Organization: "shop", Name: "api", ID: "8", DefaultBranch: "main"},
		}}},
		{"all branches of GitHub", hubOrganization, branches, map[string]reply{
			"GET /api/v3/repos/shop/web/branches?page=1&per_page=100": {body: `[{"name": "main", "commit": {"sha": "` + sha + `", "url": "u"}, "protected": false}]`},
		}, generate.Answer{Branches: []generate.Branch{{Name: "main", SHA: sha}}}},
		{"one branch of GitHub", hubOrganization, trunk, map[string]reply{
			"GET /api/v3/repos/shop/web/branches/rel%2F1": {body: `{"name": "rel/1", "commit": {"sha": "` + sha + `"}}`},
		}, generate.Answer{Branches: []generate.Branch{{Name: "rel/1", SHA: sha}}}},
		{"a repository of GitHub without a commit", hubOrganization, trunk, map[string]reply{
			"GET /api/v3/repos/shop/web/branches?per_page=1": {body: `[]`},
		}, generate.Answer{}},
		{"a path of GitHub", hubOrganization, path, map[string]reply{
			"GET /api/v3/repos/shop/web/contents/deploy/a%20b.yaml?ref=rel%2F1": {body: `{"type": "file"}`},
		}, generate.Answer{Exists: true}},
		{"a path that GitHub does not know", hubOrganization, path, nil, generate.Answer{}},
		{"pull requests of GitHub", hubRequests, requests, map[string]reply{
			"GET /api/v3/repos/shop/web/pulls?direction=asc&page=1&per_page=30&sort=created&state=open": {body: `[{"number": 12, "title": "T", "user": {"login": "eve"},
				"head": {"ref": "feat", "sha": "` + sha + `", "repo": null}, "base": {"ref": "main", "sha": "other"}, "labels": [{"name": "preview"}, {"name": "ui"}], "body": null}]`},
		}, generate.Answer{PullRequests: []generate.PullRequest{{Number: 12, Title: "T", Author: "eve", Branch: "feat", TargetBranch: "main", HeadSHA: sha, Labels: []string{"preview", "ui"}}}}},
		{"pull requests of a repository that GitHub does not know", hubRequests, requests, nil, generate.Answer{NotFound: true}},

		{"projects of GitLab", labGroup, repositories, map[string]reply{
			labProjectPage: {body: `[
				{"id": 3, "path": "web", "name": "The web", "path_with_namespace": "shop/apps/ui/web", "namespace": {"id": 1, "full_path": "shop/apps/ui"}, "ssh_url_to_repo": "git@l:w.git",
				 "http_url_to_repo": "https://l/w.git", "default_branch": "main", "topics": ["deploy"], "archived": true, "repository_access_level": "enabled"},
				{"id": 4, "path": "empty", "namespace": {"full_path": "shop/apps"}, "default_branch": null},
				{"id": 5, "path": "issues", "namespace": {"full_path": "shop/apps"}, "default_branch": "main", "repository_access_level": "disabled"}]`},
		}, generate.Answer{Repositories: []generate.Repository{
			{Organization: "shop/apps/ui", Name: "web", ID: "3", SSHURL: "git@l:w.git", HTTPSURL: "https://l/w.git", DefaultBranch: "main", Labels: []string{"deploy"}, Archived: true},
			{Organization: "shop/apps", Name: "empty", ID: "4"}, {Organization: "shop/apps", Name: "issues", ID: "5"},
		}}},
		{"all branches of GitLab", labGroup, branches, map[string]reply{
			"GET /api/v4/projects/shop%2Fweb/repository/branches?page=1&per_page=100": {body: `[{"name": "main", "default": true, "commit": {"id": "` + sha + `", "short_id": "7fd1a60"}}]`},
		}, generate.Answer{Branches: []generate.Branch{{Name: "main", SHA: sha}}}},
		{"one branch of GitLab", labGroup, trunk, map[string]reply{
			"GET /api/v4/projects/shop%2Fweb/repository/branches/rel%2F1": {body: `{"name": "rel/1", "commit": {"id": "` + sha + `"}}`},
		}, generate.Answer{Branches: []generate.Branch{{Name: "rel/1", SHA: sha}}}},
		{"a file of GitLab", labGroup, path, map[string]reply{
			"HEAD /api/v4/projects/shop%2Fweb/repository/files/deploy%2Fa%20b.yaml?ref=rel%2F1": {},
		}, generate.Answer{Exists: true}},
		{"a folder of GitLab", labGroup, path, map[string]reply{
			"GET /api/v4/projects/shop%2Fweb/repository/tree?path=deploy%2Fa+b.yaml&per_page=1&ref=rel%2F1": {body: `[{"id": "a1", "name": "x", "type": "blob", "path": "deploy/x"}]`},
		}, generate.Answer{Exists: true}},
		{"a path for which GitLab has an empty list", labGroup, path, map[string]reply{
			"GET /api/v4/projects/shop%2Fweb/repository/tree?path=deploy%2Fa+b.yaml&per_page=1&ref=rel%2F1": {body: `[]`},
		}, generate.Answer{}},
		{"a path that GitLab does not know", labGroup, path, nil, generate.Answer{}},
		{"merge requests of GitLab", labRequests, requests, map[string]reply{
			"GET /api/v4/projects/42/merge_requests?labels=preview%2Cui&order_by=created_at&page=1&per_page=20&sort=asc&state=opened": {body: `[{"id": 99, "iid": 5, "title": "T", "state": "opened",
				"author": {"id": 1, "username": "eve"}, "source_branch": "feat", "target_branch": "main", "sha": "` + sha + `", "labels": ["preview", "ui"]}]`},
		}, generate.Answer{PullRequests: []generate.PullRequest{{Number: 5, Title: "T", Author: "eve", Branch: "feat", TargetBranch: "main", HeadSHA: sha, Labels: []string{"preview", "ui"}}}}},

		{"repositories of Gitea", teaOwner, repositories, map[string]reply{
			"GET /api/v1/orgs/shop/repos?limit=50&page=1": {body: `[
				{"id": 1, "owner": {"login": "shop"}, "name": "web", "empty": false, "ssh_url": "git@t:w.git", "clone_url": "https://t/w.git", "default_branch": "main", "archived": false},
				{"id": 2, "owner": {"login": "shop"}, "name": "new", "empty": true, "default_branch": "main"}]`},
		}, generate.Answer{Repositories: []generate.Repository{
			{Organization: "shop", Name: "web", ID: "1", SSHURL: "git@t:w.git", HTTPSURL: "https://t/w.git", DefaultBranch: "main"}, {Organization: "shop", Name: "new", ID: "2"},
		}}},
		{"labels of Gitea", teaOwner, labels, map[string]reply{
			"GET /api/v1/repos/shop/web/labels?limit=50&page=1": {body: `[{"id": 1, "name": "deploy", "color": "00aabb"}]`},
		}, generate.Answer{Labels: []string{"deploy"}}},
		{"all branches of Gitea", teaOwner, branches, map[string]reply{
			"GET /api/v1/repos/shop/web/branches?limit=50&page=1": {body: `[{"name": "main", "commit": {"id": "` + sha + `", "message": "m"}}]`},
		}, generate.Answer{Branches: []generate.Branch{{Name: "main", SHA: sha}}}},
		{"a folder of Gitea", teaOwner, path, map[string]reply{
			"GET /api/v1/repos/shop/web/contents/deploy/a%20b.yaml?ref=rel%2F1": {body: `[]`},
		}, generate.Answer{Exists: true}},
		{"pull requests of Gitea", teaRequests, requests, map[string]reply{
			"GET /api/v1/repos/shop/web/pulls?limit=50&page=1&sort=oldest&state=open": {body: `[{"id": 50, "number": 3, "title": "T", "user": {"login": "eve"},
				"head": {"label": "feat", "ref": "feat", "sha": "` + sha + `"}, "base": {"label": "main", "ref": "main"}, "labels": null}]`},
		}, generate.Answer{PullRequests: []generate.PullRequest{{Number: 3, Title: "T", Author: "eve", Branch: "feat", TargetBranch: "main", HeadSHA: sha}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			there := newStandIn(t, c.replies)
			got, err := answerTo(t, newAsker(tokenIn("argocd", "token")), setIn("argocd"), question(t, c.q, c.generator, there.URL))
			if err != nil {
				t.Fatal(err, there.asked())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s\nasked %q", diff, there.asked())
			}
			h := there.last.Header
			if sent := h.Get("Authorization") + h.Get("PRIVATE-TOKEN"); !strings.HasSuffix(sent, canary) || h.Get("User-Agent") != "sluice" {
				t.Errorf("headers %v", h)
			}
		})
	}
}

func TestARepositoryThatMayNotBeSeenIsNoRepositoryWithoutBranches(t *testing.T) {
	for _, generator := range []string{hubOrganization, labGroup, teaOwner} {
		there := newStandIn(t, nil)
		q := question(t, generate.Question{About: generate.AboutBranches, Repository: "shop/web", Revision: "main"}, generator, there.URL)
		if _, err := answerTo(t, newAsker(tokenIn("argocd", "token")), setIn("argocd"), q); err == nil || !strings.Contains(err.Error(), "404 Not Found") {
			t.Errorf("%s: %v", generator, err)
		}
	}
}

func TestTheAddressOfAnAPIIsCompleted(t *testing.T) {
	for _, c := range []struct{ generator, want string }{
		{`{pullRequest: {github: {owner: o, repo: r}}}`, "https://api.github.com"},
		{`{pullRequest: {github: {owner: o, repo: r, api: "https://api.github.com/"}}}`, "https://api.github.com"},
		{`{pullRequest: {github: {owner: o, repo: r, api: "https://git.example.com/"}}}`, "https://git.example.com/api/v3"},
		{`{pullRequest: {github: {owner: o, repo: r, api: "https://Git.example.com/api/v3/"}}}`, "https://git.example.com/api/v3"},
		{`{pullRequest: {github: {owner: o, repo: r, api: "https://api.octo.ghe.com"}}}`, "https://api.octo.ghe.com"},
		{`{pullRequest: {gitlab: {project: p}}}`, "https://gitlab.com/api/v4"},
		{`{pullRequest: {gitlab: {project: p, api: "http://gitlab.dev:8080/below/"}}}`, "http://gitlab.dev:8080/below/api/v4"},
		{`{pullRequest: {gitea: {owner: o, repo: r, api: "https://tea.example.com/api/v1"}}}`, "https://tea.example.com/api/v1"},
	} {
		q := question(t, generate.Question{About: generate.AboutPullRequests}, c.generator, "")
		g, err := generate.GeneratorOf(q)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newAsker().forge(t.Context(), setIn("argocd"), g)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		switch f := f.(type) {
		case gitHub:
			got = f.base
		case gitLab:
			got = f.base
		case gitea:
			got = f.base
		}
		if got != c.want {
			t.Errorf("%s leads to %s, want %s", c.generator, got, c.want)
		}
	}
}

func TestAnAddressThatIsNoneIsNotAskedAndNotRepeated(t *testing.T) {
	for _, api := range []string{"", "gitea.example.com", "ftp://gitea.example.com", "file:///etc/passwd", "https://" + canary + "@gitea.example.com", "https://h/?private_token=" + canary, "https://h/#x", "://"} {
		q := question(t, generate.Question{About: generate.AboutPullRequests}, `{pullRequest: {gitea: {owner: o, repo: r, api: "API"}}}`, api)
		if _, err := answerTo(t, newAsker(), setIn("argocd"), q); err == nil || !strings.Contains(err.Error(), "gitea.api: the address of the server") {
			t.Errorf("%s: %v", api, err)
		}
	}
}

func TestAProviderThatIsNotBuiltIsNotAsked(t *testing.T) {
	q := question(t, generate.Question{About: generate.AboutRepositories}, `{scmProvider: {bitbucket: {owner: o, user: u}}}`, "")
	if _, err := answerTo(t, newAsker(), setIn("argocd"), q); err == nil || !strings.Contains(err.Error(), "no provider") {
		t.Error(err)
	}
	if _, err := ask(t.Context(), gitHub{}, generate.Question{About: generate.AboutTree}); err == nil {
		t.Error("a question about Git is answered by a provider")
	}
}
