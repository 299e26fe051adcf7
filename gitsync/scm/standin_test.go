package scm

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// canary is the token in every Secret; no error may hold it.
const canary = "canary-7f3e9a51c0ffee"

// reply is what a stand-in answers.
type reply struct {
	code   int
	header map[string]string
	body   string
}

// standIn answers requests by their line, such as "GET /repos/o/r?page=1", and says 404 to all others, as providers do.
type standIn struct {
	*httptest.Server
	mu      sync.Mutex
	replies map[string]reply
	lines   []string
	// last is the last request, and sent its body.
	last *http.Request
	sent string
}

func newStandIn(t *testing.T, replies map[string]reply) *standIn {
	t.Helper()
	s := &standIn{replies: replies}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a test that needs it compares it
	line := r.Method + " " + r.URL.RequestURI()
	s.mu.Lock()
	found, known := s.replies[line]
	s.lines, s.last, s.sent = append(s.lines, line), r, string(body)
	s.mu.Unlock()
	if !known {
		found = reply{code: http.StatusNotFound, body: `{"message":"Not Found"}`}
	}
	for key, value := range found.header {
		w.Header().Set(key, value)
	}
	if found.code != 0 {
		w.WriteHeader(found.code)
	}
	fmt.Fprint(w, found.body)
}

func (s *standIn) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.lines))
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// newAsker reads what it needs from these objects.
func newAsker(objects ...client.Object) *Asker {
	return &Asker{Reader: fake.NewClientBuilder().WithObjects(objects...).Build(), Namespace: "argocd", Now: func() time.Time { return noon }}
}

func tokenIn(namespace, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"token": []byte(canary + "\n")}}
}

func setIn(namespace string) *gitopsv1.ApplicationSet {
	return &gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "set"}}
}

// question is one to a generator that is written in YAML, in which API stands for the server.
func question(t *testing.T, q generate.Question, generator, api string) generate.Question {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(strings.ReplaceAll(generator, "API", api)))
	if err != nil {
		t.Fatal(err)
	}
	q.Generator = string(text)
	if _, err := generate.GeneratorOf(q); err != nil {
		t.Fatal(err)
	}
	return q
}

// answerTo asks one question, and looks for the canary in the error.
func answerTo(t *testing.T, a *Asker, set *gitopsv1.ApplicationSet, q generate.Question) (generate.Answer, error) {
	t.Helper()
	answers, err := a.Answer(t.Context(), set, []generate.Question{q})
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("the token is in the error: %v", err)
	}
	return answers[q], err
}
