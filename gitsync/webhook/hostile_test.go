package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// whole are deliveries of every kind that is read, each with all that is read of it.
func whole() map[string]struct {
	header map[string]string
	body   string
} {
	all := map[string]struct {
		header map[string]string
		body   string
	}{
		"requests of GitHub": {map[string]string{"X-GitHub-Event": "pull_request"}, `{"action":"opened","repository":{"html_url":"https://h/r","default_branch":"main"}}`},
		"requests of Gitea":  {map[string]string{"X-Gogs-Event": "pull_request"}, `{"action":"opened","repository":{"html_url":"https://h/r"}}`},
		"requests of GitLab": {map[string]string{"X-Gitlab-Event": "Merge Request Hook"}, `{"object_kind":"merge_request","project":{"id":7,"web_url":"https://h/r"}}`},
		"requests of Azure":  {map[string]string{"X-Vss-Activityid": "x"}, `{"eventType":"git.pullrequest.created","resource":{"repository":{"remoteUrl":"https://h/r"}}}`},
		"a system hook":      {map[string]string{"X-Gitlab-Event": "System Hook"}, `{"object_kind":"push","ref":"refs/heads/main","project":{"id":7,"web_url":"https://h/r","default_branch":"main"},"commits":[]}`},
		"a package": {map[string]string{"X-GitHub-Event": "package"}, `{"action":"published","package":{"name":"shop","package_type":"CONTAINER","owner":{"login":"org"},
			"package_version":{"container_metadata":{"tag":{"name":"1.0"}}}}}`},
		"an artifact": {map[string]string{"Authorization": canary}, `{"type":"PUSH_ARTIFACT","event_data":{"resources":[{"tag":"1.0","resource_url":"h/p/shop:1.0"}]}}`},
	}
	for provider, d := range deliveries {
		all["a push of "+string(provider)] = d
	}
	return all
}

// mutants are a value in which each part in turn is gone, or something else.
func mutants(value any) (all []any) {
	all = []any{nil, "", "x", 0, -1, 1e300, true, []any{}, []any{nil}, []any{[]any{}}, map[string]any{}, []any{map[string]any{}}}
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			without := maps.Clone(v)
			delete(without, key)
			all = append(all, without)
			for _, m := range mutants(v[key]) {
				with := maps.Clone(v)
				with[key] = m
				all = append(all, with)
			}
		}
	case []any:
		for i := range v {
			for _, m := range mutants(v[i]) {
				with := slices.Clone(v)
				with[i] = m
				all = append(all, with, append(slices.Clone(v), m))
			}
		}
	}
	return all
}

func TestAPayloadThatLacksAnythingIsRefusedOrConcernsNothing(t *testing.T) {
	app := &gitopsv1.Application{}
	app.Spec.Source = &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo"}
	tried := 0
	for name, d := range whole() {
		var value any
		if err := json.Unmarshal([]byte(d.body), &value); err != nil {
			t.Fatal(name, err)
		}
		for _, mutant := range mutants(value) {
			body, err := json.Marshal(mutant)
			if err != nil {
				t.Fatal(err)
			}
			tried++
			e, err := deliver(d.header, string(body), func(_ http.Header, s Secrets) { s[KeyHarbor] = []byte(canary) })
			var refusal *Refusal
			if err != nil && (!errors.As(err, &refusal) || refusal.Unauthorized) {
				t.Errorf("%s: %s gives %v", name, body, err)
			}
			for _, p := range e.Pushes {
				if p.Ref == "" || len(p.RepoURLs) == 0 || slices.Contains(p.RepoURLs, "") {
					t.Errorf("%s: %s is a push of nothing: %+v", name, body, p)
				}
			}
			for _, a := range e.Artifacts {
				if a.Registry == "" || a.Repository == "" || a.Tag == "" {
					t.Errorf("%s: %s is an artifact of nothing: %+v", name, body, a)
				}
			}
			if e.Requests != nil && e.Requests.URL == "" {
				t.Errorf("%s: %s are requests of nothing", name, body)
			}
			ConcernsOf([]Event{e}).Application(app)
		}
	}
	t.Logf("%d payloads", tried)
	if tried < 1000 {
		t.Errorf("only %d payloads were tried", tried)
	}
}

func TestBodiesThatGrowInMemoryAreRefused(t *testing.T) {
	const size = 25 << 20
	fill := func(before, item, after string) string {
		return before + strings.Repeat(item+",", (size-len(before)-len(after))/(len(item)+1)-1) + item + after
	}
	for name, item := range map[string]string{"empty objects": "{}", "empty lists": "[]", "nulls": "null", "empty texts": `""`, "lists of empty texts": `{"added":["",""]}`} {
		for _, provider := range slices.Sorted(maps.Keys(deliveries)) {
			t.Run(fmt.Sprint(name, " for ", provider), func(t *testing.T) {
				body := fill(`{"ref":"refs/heads/main","repository":{"html_url":"https://h/r"},"commits":[`, item, `],"changes":[],"push":{},"resource":{}}`)
				if strings.HasPrefix(string(provider), "bitbucket") {
					body = strings.Replace(body, `"commits"`, `"changes"`, 1)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				began := time.Now()
				_, err := deliver(deliveries[provider].header, body, asSent)
				runtime.ReadMemStats(&after)
				if err == nil {
					t.Error("it is taken")
				}
				if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 128 {
					t.Errorf("it takes %d MiB", used)
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it takes %s", took)
				}
			})
		}
	}
}

func TestWhatWaitsIsSmall(t *testing.T) {
	files := `"` + strings.Repeat(`a-folder/with/a/file-of-some-length.yaml","`, 100_000) + `z"`
	e, err := deliver(deliveries[GitHub].header, strings.Replace(deliveries[GitHub].body, `"added":["a"]`, `"added":[`+files+`]`, 1), asSent)
	if err != nil || len(e.Pushes) != 1 || e.Pushes[0].Files != nil || e.Pushes[0].Complete {
		t.Errorf("error %v, event %.300v", err, e)
	}
	changes := strings.Repeat(`{"ref":{"id":"refs/tags/v1"}},`, 10_000)
	if e, err := deliver(deliveries[BitbucketServer].header, strings.Replace(deliveries[BitbucketServer].body, `"changes":[`, `"changes":[`+changes, 1), asSent); !errors.Is(err, errTooMuch) {
		t.Errorf("10,000 tags give %v and %d pushes", err, len(e.Pushes))
	}
}

func FuzzPayloads(f *testing.F) {
	all := whole()
	names := slices.Sorted(maps.Keys(all))
	for i, name := range names {
		f.Add(i, []byte(all[name].body))
	}
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		d := all[names[((i%len(names))+len(names))%len(names)]]
		e, err := deliver(d.header, string(body), func(_ http.Header, s Secrets) { s[KeyHarbor] = []byte(canary) })
		var refusal *Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("an error that is no refusal: %v", err)
		}
		app := &gitopsv1.Application{}
		app.Spec.Source = &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo"}
		ConcernsOf([]Event{e}).Application(app)
	})
}

func TestAnAddressIsFoundInEachFormOfIt(t *testing.T) {
	page := "https://git.example.com/org/repo"
	for repoURL, want := range map[string]bool{
		"https://git.example.com/org/repo":                true,
		"HTTPS://x:y@Git.Example.com:8443/Org/Repo.git":   true,
		"ssh://git@altssh.git.example.com:443/org/repo":   true,
		"git@git.example.com:org/repo.git":                true,
		" git@git.example.com:22/org/repo ":               true,
		"git.example.com/org/repo":                        true,
		"https://git.example.com/org/repository":          false,
		"https://git.example.com/org":                     false,
		"https://git.example.com.evil.example/org/repo":   false,
		"https://evil.example/git.example.com/org/repo":   false,
		"https://evil.example:git.example.com/org/repo":   false,
		"file:///git.example.com/org/repo":                false,
		"":                                                false,
		"https://git.example.com/org/repo?x=y":            false,
		strings.Repeat("a", 1<<20) + "@git.example.com:x": false,
	} {
		if got := sameRepository(page, repoURL); got != want {
			t.Errorf("%.100s: %t", repoURL, got)
		}
	}
	if !sameRepository("https://git.example.com/2222/repo", "git@git.example.com:2222/repo") {
		t.Error("a folder that is a number is taken for a port only")
	}
}
