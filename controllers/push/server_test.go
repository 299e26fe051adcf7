package push

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/webhook"
)

const (
	canary = "tweety-the-canary"
	body   = `{"ref":"refs/heads/main","before":"a","after":"b","repository":{"html_url":"https://git.example.com/org/repo","default_branch":"main"},
		"commits":[{"modified":["shop/x.yaml"]}]}`
)

// world is a server over a cluster with some Applications and sets, and what it wrote and logged.
type world struct {
	*Server
	t       *testing.T
	client  client.WithWatch
	reads   atomic.Int32
	mu      sync.Mutex
	patches []string
	log     bytes.Buffer
}

func app(name string, annotations map[string]string, source gitopsv1.Source) *gitopsv1.Application {
	return &gitopsv1.Application{
		ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: name, Annotations: annotations},
		Spec:       gitopsv1.ApplicationSpec{Source: &source},
	}
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, gitopsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, is := o.(*corev1.Secret); is {
				w.reads.Add(1)
			}
			return c.Get(ctx, key, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			data, err := p.Data(o)
			if err != nil {
				return err
			}
			w.mu.Lock()
			w.patches = append(w.patches, o.GetName()+" "+string(data))
			w.mu.Unlock()
			return c.Patch(ctx, o, p, opts...)
		},
	}).Build()
	w.Server = &Server{Address: "127.0.0.1:0", Reader: w.client, Writer: w.client, Secrets: w.client, Namespace: "argocd"}
	w.prepare()
	return w
}

func secret(data map[string]string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: gitopsv1.SecretWebhooks}, Data: func() map[string][]byte {
		bytes := map[string][]byte{}
		for key, value := range data {
			bytes[key] = []byte(value)
		}
		return bytes
	}()}
}

func request(method, text, key string) *http.Request {
	r := httptest.NewRequest(method, Path, strings.NewReader(text))
	r.Header.Set("X-GitHub-Event", "push")
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

func (w *world) send(r *http.Request) (int, string) {
	answer := httptest.NewRecorder()
	logger := funcr.New(func(_, args string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log.WriteString(args + "\n")
	}, funcr.Options{})
	w.ServeHTTP(answer, r.WithContext(logf.IntoContext(r.Context(), logger)))
	return answer.Code, answer.Body.String()
}

// work does what deliveries that were taken ask for.
func (w *world) work() {
	w.t.Helper()
	if err := w.spread(w.t.Context(), w.waiting()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) annotation(o client.Object, name, key string) string {
	w.t.Helper()
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: "argocd", Name: name}, o); err != nil {
		w.t.Fatal(err)
	}
	return o.GetAnnotations()[key]
}

func TestALineBreakAtTheEndOfASecretIsNoPartOfIt(t *testing.T) {
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary + "\n"}))
	if code, said := w.send(request(http.MethodPost, body, canary)); code != http.StatusOK {
		t.Errorf("%d %s", code, said)
	}
}

func TestAPushRefreshesWhatAsksForIt(t *testing.T) {
	here := gitopsv1.Source{RepoURL: "git@git.example.com:org/repo.git", TargetRevision: "main", Path: "shop"}
	other := here
	other.RepoURL = "https://git.example.com/org/other"
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary}),
		app("shop", nil, here), app("other", nil, other),
		app("elsewhere", map[string]string{gitopsv1.AnnotationManifestGeneratePaths: "/docs"}, here),
		app("frozen", map[string]string{gitopsv1.AnnotationSkipReconcile: "true"}, here),
		app("hard", map[string]string{gitopsv1.AnnotationRefresh: gitopsv1.RefreshHard}, here),
		&gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "set"}, Spec: gitopsv1.ApplicationSetSpec{
			Generators: []gitopsv1.Generator{{Git: &gitopsv1.GitGenerator{RepoURL: "https://git.example.com/org/repo", Revision: "HEAD"}}},
		}})
	if code, said := w.send(request(http.MethodPost, body, canary)); code != http.StatusOK {
		t.Fatalf("%d %s", code, said)
	}
	w.work()
	got := map[string]string{"set": w.annotation(&gitopsv1.ApplicationSet{}, "set", gitopsv1.AnnotationApplicationSetRefresh)}
	for _, name := range []string{"shop", "other", "elsewhere", "frozen", "hard"} {
		got[name] = w.annotation(&gitopsv1.Application{}, name, gitopsv1.AnnotationRefresh)
	}
	want := map[string]string{"shop": "normal", "other": "", "elsewhere": "", "frozen": "", "hard": "hard", "set": "true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestALookThatIsAskedForAlreadyIsAskedForAnew(t *testing.T) {
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary}),
		app("shop", map[string]string{gitopsv1.AnnotationRefresh: "normal"}, gitopsv1.Source{RepoURL: "https://git.example.com/org/repo"}))
	before := &gitopsv1.Application{}
	w.annotation(before, "shop", "")
	w.send(request(http.MethodPost, body, canary))
	w.work()
	after := &gitopsv1.Application{}
	if w.annotation(after, "shop", gitopsv1.AnnotationRefresh) != "normal" || after.ResourceVersion == before.ResourceVersion {
		t.Errorf("annotations %v, version %s was %s", after.Annotations, after.ResourceVersion, before.ResourceVersion)
	}
}

func TestAnswersSayWhatIsWrongAndNoSecret(t *testing.T) {
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary}))
	large := request(http.MethodPost, strings.Repeat("a", largestBody+1), canary)
	chunked := request(http.MethodPost, strings.Repeat("a", largestBody+1), canary)
	chunked.ContentLength = -1
	unknown := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body))
	gitlab := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body))
	gitlab.Header.Set("X-Gitlab-Event", "Push Hook")
	gitlab.Header.Set("X-Gitlab-Token", canary)
	for name, c := range map[string]struct {
		request *http.Request
		code    int
		says    string
	}{
		"another method":          {request(http.MethodGet, body, canary), http.StatusMethodNotAllowed, "POST"},
		"a wrong signature":       {request(http.MethodPost, body, "other"), http.StatusUnauthorized, "signature"},
		"no JSON":                 {request(http.MethodPost, "payload=%7B%7D", canary), http.StatusBadRequest, "application/json"},
		"an unknown provider":     {unknown, http.StatusBadRequest, "Unknown webhook event"},
		"a provider without key":  {gitlab, http.StatusUnauthorized, webhook.KeyGitLab},
		"a body that is too big":  {large, http.StatusRequestEntityTooLarge, "25 MiB"},
		"one of unknown length":   {chunked, http.StatusRequestEntityTooLarge, "25 MiB"},
		"a delivery that is fine": {request(http.MethodPost, body, canary), http.StatusOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, said := w.send(c.request)
			if code != c.code || !strings.Contains(said, c.says) {
				t.Errorf("%d %s", code, said)
			}
			if strings.Contains(said+w.log.String(), canary) {
				t.Errorf("the secret is told: %s", said)
			}
		})
	}
}

func TestASecretThatCannotBeReadStopsEverything(t *testing.T) {
	w := newWorld(t)
	w.Secrets = broken{errors.New("no right, says " + canary)}
	code, said := w.send(request(http.MethodPost, body, canary))
	if code != http.StatusServiceUnavailable || strings.Contains(said, canary) {
		t.Errorf("%d %s", code, said)
	}
}

type broken struct{ err error }

func (b broken) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return b.err
}

func (b broken) List(context.Context, client.ObjectList, ...client.ListOption) error { return b.err }

func TestAFloodCostsTheAPIServerNothingAndIsTurnedAway(t *testing.T) {
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary}))
	for range 10_000 {
		if code, _ := w.send(request(http.MethodPost, body, "other")); code != http.StatusUnauthorized {
			t.Fatalf("a stranger gets %d", code)
		}
	}
	if n := w.reads.Load(); n > 3 {
		t.Errorf("the Secret was read %d times", n)
	}
	if len(w.events) > 0 {
		t.Error("a stranger's delivery is waiting")
	}
	full := 0
	for range 2 * backlog {
		if code, _ := w.send(request(http.MethodPost, body, canary)); code == http.StatusServiceUnavailable {
			full++
		}
	}
	if full != backlog || len(w.events) != backlog {
		t.Errorf("%d were turned away, %d wait", full, len(w.events))
	}
}

// stuck is a body that never ends.
type stuck struct{ ctx context.Context }

func (s stuck) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, io.ErrUnexpectedEOF
}

func TestBodiesInFlightAreBounded(t *testing.T) {
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary}))
	ctx, end := context.WithCancel(t.Context())
	var slow sync.WaitGroup
	for range inFlight / largestBody {
		r := request(http.MethodPost, "", canary)
		r.Body, r.ContentLength = io.NopCloser(stuck{ctx}), largestBody
		slow.Go(func() { w.send(r) })
	}
	waitFor(t, func() bool {
		if w.bodies.TryAcquire(1) {
			w.bodies.Release(1)
			return false
		}
		return true
	})
	if code, _ := w.send(request(http.MethodPost, body, canary)); code != http.StatusServiceUnavailable {
		t.Errorf("one body too many gets %d", code)
	}
	end()
	slow.Wait()
	if code, _ := w.send(request(http.MethodPost, body, canary)); code != http.StatusOK {
		t.Errorf("afterwards a body gets %d", code)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for ctx := t.Context(); !done(); {
		if ctx.Err() != nil {
			t.Fatal("it never came")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTheServerListensAndEndsWithItsContext(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary}), app("shop", nil, gitopsv1.Source{RepoURL: "https://git.example.com/org/repo"}))
	w.Address = free.Addr().String()
	free.Close()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Start(ctx) }()
	var answer *http.Response
	waitFor(t, func() bool {
		r := request(http.MethodPost, body, canary)
		r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", w.Address
		answer, err = http.DefaultClient.Do(r)
		return err == nil
	})
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
	waitFor(t, func() bool {
		return w.annotation(&gitopsv1.Application{}, "shop", gitopsv1.AnnotationRefresh) == "normal"
	})
	http.DefaultClient.CloseIdleConnections()
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
