package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

const canary = "tweety-the-canary"

// sign makes headers those of a sender who knows the secrets that it gives.
func sign(header http.Header, body []byte) Secrets {
	mac := hmac.New(sha256.New, []byte(canary))
	mac.Write(body)
	sum := hex.EncodeToString(mac.Sum(nil))
	header.Set("X-Hub-Signature-256", "sha256="+sum)
	header.Set("X-Hub-Signature", "sha256="+sum)
	header.Set("X-Gogs-Signature", sum)
	header.Set("X-Gitlab-Token", canary)
	if header.Get("X-Hook-UUID") != "" {
		header.Set("X-Hook-UUID", canary)
	}
	if header.Get("X-Vss-Activityid") != "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("u:"+canary)))
	}
	return Secrets{
		KeyGitHub: []byte(canary), KeyGitLab: []byte(canary), KeyGogs: []byte(canary), KeyBitbucket: []byte(canary), KeyBitbucketServer: []byte(canary),
		KeyAzureUsername: []byte("u"), KeyAzurePassword: []byte(canary),
	}
}

// deliveries are one push of each provider, as headers and a body.
var deliveries = map[Provider]struct {
	header map[string]string
	body   string
}{
	GitHub: {map[string]string{"X-GitHub-Event": "push"}, `{"ref":"refs/heads/main","before":"a","after":"b",
		"repository":{"html_url":"https://git.example.com/org/repo","default_branch":"main"},"commits":[{"added":["a"],"modified":["b"],"removed":["c"]}]}`},
	Gogs: {map[string]string{"X-Gogs-Event": "push", "X-GitHub-Event": "push", "X-Gitea-Event": "push"}, `{"ref":"refs/heads/main","before":"a","after":"b","total_commits":1,
		"repository":{"html_url":"https://git.example.com/org/repo","default_branch":"main"},"commits":[{"added":["a"],"modified":["b"],"removed":["c"]}]}`},
	GitLab: {map[string]string{"X-Gitlab-Event": "Push Hook"}, `{"object_kind":"push","ref":"refs/heads/main","before":"a","after":"b","total_commits_count":1,
		"project":{"id":7,"web_url":"https://git.example.com/org/repo","default_branch":"main"},"commits":[{"added":["a"],"modified":["b"],"removed":["c"]}]}`},
	Bitbucket: {map[string]string{"X-Hook-UUID": "u", "X-Event-Key": "repo:push"}, `{"push":{"changes":[{"new":{"name":"main","type":"branch","target":{"hash":"b"}},
		"old":{"name":"main","target":{"hash":"a"}}}]},"repository":{"links":{"html":{"href":"https://git.example.com/org/repo"}}}}`},
	BitbucketServer: {map[string]string{"X-Event-Key": "repo:refs_changed"}, `{"changes":[{"ref":{"id":"refs/heads/main"},"fromHash":"a","toHash":"b"}],
		"repository":{"links":{"clone":[{"name":"http","href":"https://git.example.com/org/repo"},{"name":"self","href":"x"}]}}}`},
	AzureDevOps: {map[string]string{"X-Vss-Activityid": "x"}, `{"eventType":"git.push","resource":{"refUpdates":[{"name":"refs/heads/main","oldObjectId":"a","newObjectId":"b"}],
		"repository":{"remoteUrl":"https://git.example.com/org/repo","defaultBranch":"refs/heads/main"}}}`},
}

func deliver(header map[string]string, body string, change func(http.Header, Secrets)) (Event, error) {
	h := http.Header{}
	for name, value := range header {
		h.Set(name, value)
	}
	secrets := sign(h, []byte(body))
	change(h, secrets)
	d, err := Admit(h.Get, secrets)
	if err != nil {
		return Event{}, err
	}
	return d.Read([]byte(body))
}

func asSent(http.Header, Secrets) {}

func TestEachProviderTellsOfAPush(t *testing.T) {
	for provider, d := range deliveries {
		t.Run(string(provider), func(t *testing.T) {
			e, err := deliver(d.header, d.body, asSent)
			if err != nil {
				t.Fatal(err)
			}
			want := Push{RepoURLs: []string{"https://git.example.com/org/repo"}, Ref: "refs/heads/main", Before: "a", After: "b", TouchedHead: true}
			switch provider {
			case GitHub, Gogs, GitLab:
				want.Files, want.Complete = []string{"a", "b", "c"}, true
			}
			if diff := cmp.Diff(Event{Provider: provider, Pushes: []Push{want}}, e); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNobodyIsBelievedWithoutProof(t *testing.T) {
	for provider, d := range deliveries {
		for name, change := range map[string]func(http.Header, Secrets){
			"no secret is configured": func(_ http.Header, s Secrets) { clear(s) },
			"an empty secret is configured": func(_ http.Header, s Secrets) {
				for key := range s {
					s[key] = []byte{}
				}
			},
			"the secret is another": func(_ http.Header, s Secrets) {
				for key := range s {
					s[key] = []byte("other")
				}
			},
			"the proof is missing": func(h http.Header, _ Secrets) {
				for _, header := range []string{"X-Hub-Signature-256", "X-Hub-Signature", "X-Gogs-Signature", "X-Gitlab-Token", "Authorization"} {
					h.Del(header)
				}
				if h.Get("X-Hook-UUID") != "" {
					h.Set("X-Hook-UUID", "x")
				}
			},
			"the proof is no text that proofs have": func(h http.Header, _ Secrets) {
				for _, header := range []string{"X-Hub-Signature-256", "X-Hub-Signature", "X-Gogs-Signature", "X-Gitlab-Token", "Authorization", "X-Hook-UUID"} {
					if h.Get(header) != "" {
						h.Set(header, "sha256=zz \x00")
					}
				}
			},
		} {
			t.Run(string(provider)+": "+name, func(t *testing.T) {
				_, err := deliver(d.header, d.body, change)
				var refusal *Refusal
				if !errors.As(err, &refusal) || !refusal.Unauthorized {
					t.Fatalf("error %v", err)
				}
				if strings.Contains(err.Error(), canary) {
					t.Errorf("the secret is told: %v", err)
				}
			})
		}
	}
}

func TestASignatureIsOfTheWholeBody(t *testing.T) {
	for _, provider := range []Provider{GitHub, Gogs, BitbucketServer} {
		d := deliveries[provider]
		h := http.Header{}
		for name, value := range d.header {
			h.Set(name, value)
		}
		delivery, err := Admit(h.Get, sign(h, []byte(d.body)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := delivery.Read([]byte(d.body + " ")); err == nil {
			t.Errorf("%s: a body that was changed is believed", provider)
		}
	}
}

func TestHostilePayloadsAreRefusedOrConcernNothing(t *testing.T) {
	bodies := []string{
		"", "null", "[]", "{}", `""`, "0", "{", `{"ref":7}`, `{"ref":null,"commits":null,"repository":null,"project":null,"resource":null,"push":null,"changes":null}`,
		`{"ref":"refs/heads/main","repository":{},"project":{},"push":{"changes":[null,{}]},"changes":[{}],"eventType":"git.push","resource":{"refUpdates":[{}]}}`,
		`{"repository":[],"project":[],"push":[],"resource":[]}`, `{"commits":[{"added":[1]}]}`, `{"commits":{"added":[]}}`,
		strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), strings.Repeat("[", 1_000_000), "{\"ref\":\"" + strings.Repeat("a", 10<<20) + "\"}",
	}
	for provider, d := range deliveries {
		for i, body := range bodies {
			t.Run(fmt.Sprint(provider, " ", i), func(t *testing.T) {
				e, err := deliver(d.header, body, asSent)
				var refusal *Refusal
				if err != nil && !errors.As(err, &refusal) {
					t.Errorf("an error that is no refusal: %v", err)
				}
				if err != nil && len(err.Error()) > 300 {
					t.Errorf("the refusal has %d characters", len(err.Error()))
				}
				if len(e.Pushes) > 0 && (len(e.Pushes[0].RepoURLs) == 0 || e.Pushes[0].Ref == "") {
					t.Errorf("a push of nothing: %+v", e.Pushes[0])
				}
			})
		}
	}
}

func TestEventsThatNothingDependsOnAreRefused(t *testing.T) {
	for header, event := range map[string]string{
		"X-GitHub-Event": "issues", "X-Gogs-Event": "release", "X-Gitlab-Event": "Pipeline Hook", "X-Event-Key": "pr:opened",
	} {
		_, err := deliver(map[string]string{header: event}, "{}", asSent)
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Unauthorized || !strings.Contains(err.Error(), event) {
			t.Errorf("%s %s gives %v", header, event, err)
		}
	}
	if _, err := deliver(map[string]string{"X-Event-Key": "diagnostics:ping"}, "anything", asSent); err != nil {
		t.Errorf("a test of the connection gives %v", err)
	}
}

func TestFilesThatAreNotAllToldDoNotHideAPush(t *testing.T) {
	app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{gitopsv1.AnnotationManifestGeneratePaths: "."}}}
	app.Spec.Source = &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo.git", Path: "shop"}
	for name, body := range map[string]string{
		"GitHub, forced": strings.Replace(deliveries[GitHub].body, `"before"`, `"forced":true,"before"`, 1),
		"GitLab, cut":    strings.Replace(deliveries[GitLab].body, `"total_commits_count":1`, `"total_commits_count":21`, 1),
		"Gitea, cut":     strings.Replace(deliveries[Gogs].body, `"total_commits":1`, `"total_commits":6`, 1),
	} {
		provider := map[string]Provider{"GitH": GitHub, "GitL": GitLab, "Gite": Gogs}[name[:4]]
		e, err := deliver(deliveries[provider].header, body, asSent)
		if err != nil || !ConcernsOf([]Event{e}).Application(app) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		whole, err := deliver(deliveries[provider].header, deliveries[provider].body, asSent)
		if err != nil || ConcernsOf([]Event{whole}).Application(app) {
			t.Errorf("%s, whole: %+v, %v", name, whole, err)
		}
	}
}

func TestAllRefsOfAPayloadCount(t *testing.T) {
	body := strings.Replace(deliveries[BitbucketServer].body, `"changes":[`, `"changes":[{"ref":{"id":"refs/tags/v1.2.0"}},`, 1)
	e, err := deliver(deliveries[BitbucketServer].header, body, asSent)
	if err != nil {
		t.Fatal(err)
	}
	app := &gitopsv1.Application{}
	for revision, want := range map[string]bool{"main": true, "1.x": true, "v1.2.0": true, "": true, "other": false, "2.x": false} {
		app.Spec.Source = &gitopsv1.Source{RepoURL: "git@git.example.com:org/repo.git", TargetRevision: revision}
		if got := ConcernsOf([]Event{e}).Application(app); got != want {
			t.Errorf("%q: %t", revision, got)
		}
	}
}

func TestArtifactsConcernChartsAndSourcesUnderTheirAddress(t *testing.T) {
	e := Event{Artifacts: []Artifact{{Registry: "ghcr.io", Repository: "org/charts/shop", Tag: "1.2.3"}}}
	for name, c := range map[string]struct {
		source gitopsv1.Source
		want   bool
	}{
		"the artifact":           {gitopsv1.Source{RepoURL: "oci://ghcr.io/Org/charts/shop", TargetRevision: "1.2.3"}, true},
		"a range of versions":    {gitopsv1.Source{RepoURL: "oci://ghcr.io/org/charts/shop", TargetRevision: "1.x"}, true},
		"another version":        {gitopsv1.Source{RepoURL: "oci://ghcr.io/org/charts/shop", TargetRevision: "1.2.4"}, false},
		"a chart":                {gitopsv1.Source{RepoURL: "ghcr.io/org/charts", Chart: "shop", TargetRevision: "^1.0.0"}, true},
		"another chart":          {gitopsv1.Source{RepoURL: "ghcr.io/org/charts", Chart: "shopping", TargetRevision: "*"}, false},
		"a Git repository there": {gitopsv1.Source{RepoURL: "https://ghcr.io/org/charts/shop", TargetRevision: "1.2.3"}, false},
	} {
		app := &gitopsv1.Application{Spec: gitopsv1.ApplicationSpec{Sources: []gitopsv1.Source{{RepoURL: "https://other/x"}, c.source}}}
		if got := ConcernsOf([]Event{e}).Application(app); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestHarborIsHeardWithItsSecretOnly(t *testing.T) {
	body := `{"type":"PUSH_ARTIFACT","event_data":{"resources":[{"tag":"1.0","resource_url":"harbor.example.com:8443/p/shop:1.0"},{"resource_url":"x"}]}}`
	header := http.Header{"Authorization": {canary}}
	d, err := Admit(header.Get, Secrets{KeyHarbor: []byte(canary)})
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Read([]byte(body))
	want := Event{Provider: Harbor, Artifacts: []Artifact{{"harbor.example.com:8443", "p/shop", "1.0"}}}
	if diff := cmp.Diff(want, e); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for name, secrets := range map[string]Secrets{"another secret": {KeyHarbor: []byte("x")}, "none": {}} {
		if _, err := Admit(header.Get, secrets); err == nil {
			t.Errorf("%s: admitted", name)
		}
	}
}

func TestSetsAreConcernedByWhatTheirGeneratorsRead(t *testing.T) {
	push := Event{Pushes: []Push{{RepoURLs: []string{"https://git.example.com/org/repo"}, Ref: "refs/heads/main", TouchedHead: true}}}
	request := Event{Requests: &Repository{URL: "https://gitlab.com/group/name", ID: "7"}}
	hub := Event{Requests: &Repository{URL: "https://github.com/org/repo"}}
	git := gitopsv1.Generator{Git: &gitopsv1.GitGenerator{RepoURL: "https://git.example.com/org/repo.git", Revision: "main"}}
	other := gitopsv1.Generator{Git: &gitopsv1.GitGenerator{RepoURL: "https://git.example.com/org/repo.git", Revision: "v2"}}
	templated := gitopsv1.Generator{Git: &gitopsv1.GitGenerator{RepoURL: "{{.repo}}"}}
	lab := func(project string) gitopsv1.Generator {
		return gitopsv1.Generator{PullRequest: &gitopsv1.PullRequestGenerator{GitLab: &gitopsv1.PullRequestGitLab{Project: project}}}
	}
	hubbed := gitopsv1.Generator{PullRequest: &gitopsv1.PullRequestGenerator{GitHub: &gitopsv1.PullRequestGitHub{Owner: "Org", Repo: "repo", API: "https://api.github.com/"}}}
	company := gitopsv1.Generator{PullRequest: &gitopsv1.PullRequestGenerator{GitHub: &gitopsv1.PullRequestGitHub{Owner: "org", Repo: "repo", API: "https://api.octo.ghe.com"}}}
	for name, c := range map[string]struct {
		generator gitopsv1.Generator
		event     Event
		want      bool
	}{
		"a git generator":                         {git, push, true},
		"one of another revision":                 {other, push, false},
		"one in a matrix":                         {gitopsv1.Generator{Matrix: &gitopsv1.MatrixGenerator{Generators: []apiextensionsv1.JSON{raw(t, other), raw(t, git)}}}, push, true},
		"one in a merge in a matrix":              {gitopsv1.Generator{Merge: &gitopsv1.MergeGenerator{Generators: []apiextensionsv1.JSON{raw(t, other)}}}, push, false},
		"one whose repository another one tells":  {gitopsv1.Generator{Matrix: &gitopsv1.MatrixGenerator{Generators: []apiextensionsv1.JSON{raw(t, templated)}}}, push, true},
		"a nested one that is broken":             {gitopsv1.Generator{Matrix: &gitopsv1.MatrixGenerator{Generators: []apiextensionsv1.JSON{{Raw: []byte(`{"git":7}`)}}}}, push, false},
		"merge requests by path":                  {lab("group/name"), request, true},
		"merge requests by number":                {lab("7"), request, true},
		"merge requests of another project":       {lab("8"), request, false},
		"a push is no merge request":              {lab("group/name"), push, false},
		"requests of what another one tells":      {gitopsv1.Generator{Matrix: &gitopsv1.MatrixGenerator{Generators: []apiextensionsv1.JSON{raw(t, lab("{{.id}}"))}}}, request, true},
		"a push, for requests of what one tells":  {gitopsv1.Generator{Matrix: &gitopsv1.MatrixGenerator{Generators: []apiextensionsv1.JSON{raw(t, lab("{{.id}}"))}}}, push, false},
		"pull requests of a host for one company": {company, Event{Requests: &Repository{URL: "https://octo.ghe.com/org/repo"}}, true},
		"pull requests, whatever the case":        {hubbed, hub, true},
		"the second kind in one entry":            {gitopsv1.Generator{List: &gitopsv1.ListGenerator{}, Git: git.Git, PullRequest: hubbed.PullRequest}, hub, true},
		"a list of fixed elements":                {gitopsv1.Generator{List: &gitopsv1.ListGenerator{}}, push, false},
		"pull requests of a host, from elsewhere": {hubbed, request, false},
	} {
		t.Run(name, func(t *testing.T) {
			set := &gitopsv1.ApplicationSet{Spec: gitopsv1.ApplicationSetSpec{Generators: []gitopsv1.Generator{c.generator}}}
			if got := ConcernsOf([]Event{c.event}).Set(set); got != c.want {
				t.Errorf("%t", got)
			}
		})
	}
}

func raw(t *testing.T, g gitopsv1.Generator) apiextensionsv1.JSON {
	t.Helper()
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return apiextensionsv1.JSON{Raw: text}
}
