package application

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/gitsync/source"
)

// canary stands in every Secret of this test; nothing that anybody is shown may hold it, in any form that a program writes it.
const canary = "tweety-the-canary"

var forms = []string{canary, "dHdlZXR5LXRoZS1jYW5hcnk", "tweety-the-can"}

// debug is the most that the controller logs: V(4) of the libraries is its level debug.
const debug = 4

// gossip is an API server that keeps what is applied, and quotes what it was sent whenever it refuses something.
type gossip struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	version int
}

func (g *gossip) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	status, answer := g.answer(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}

func (g *gossip) answer(r *http.Request) (int, any) {
	switch r.URL.Path {
	case "/version":
		return http.StatusOK, map[string]any{"gitVersion": "v1.37.0"}
	case "/api":
		return http.StatusOK, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
	case "/apis":
		return http.StatusOK, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	case "/api/v1":
		list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "v1"}
		for _, kind := range []string{"Secret", "ConfigMap"} {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: strings.ToLower(kind) + "s", Kind: kind, Namespaced: true, Verbs: metav1.Verbs{"get"}})
		}
		return http.StatusOK, list
	}
	known := g.objects[r.URL.Path]
	switch {
	case r.Method == http.MethodPatch:
		return g.patch(r)
	case known == nil:
		return refusal(metav1.StatusReasonNotFound, http.StatusNotFound, "not found")
	case r.Method == http.MethodDelete:
		delete(g.objects, r.URL.Path)
	}
	return http.StatusOK, known
}

func (g *gossip) patch(r *http.Request) (int, any) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refusal(metav1.StatusReasonBadRequest, http.StatusBadRequest, err.Error())
	}
	var o map[string]any
	if err := json.Unmarshal(body, &o); err != nil || strings.Contains(r.URL.Path, "refused") {
		return refusal(metav1.StatusReasonInvalid, http.StatusUnprocessableEntity, "I do not like "+string(body))
	}
	g.version++
	metadata, _ := o["metadata"].(map[string]any)
	metadata["uid"], metadata["resourceVersion"] = r.URL.Path, fmt.Sprint(g.version)
	if r.URL.Query().Get("dryRun") == "" {
		g.objects[r.URL.Path] = o
	}
	return http.StatusOK, o
}

func refusal(reason metav1.StatusReason, code int, message string) (int, any) {
	return code, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: reason, Code: int32(code), Message: message}
}

// folder is a repository that is a text, and that fails with the words of its credentials.
type folder struct {
	text string
	real *source.Repositories
}

func (f *folder) Resolve(ctx context.Context, want gitsync.Want) (string, error) {
	if strings.HasPrefix(want.Source.RepoURL, "http:") {
		return f.real.Resolve(ctx, want)
	}
	return "c0ffee", nil
}

func (f *folder) Fetch(context.Context, gitsync.Want, string) (gitsync.Checkout, error) {
	return gitsync.Checkout{}, errors.New("nothing to fetch")
}

func (f *folder) Render(context.Context, gitsync.RenderRequest) (gitsync.Rendering, error) {
	return rendered(f.text)
}

// rendered is what a plain folder gives whose files have these manifests.
func rendered(texts string) (r gitsync.Rendering, err error) {
	r.SourceTypes = []gitopsv1.SourceType{gitopsv1.SourceTypeDirectory}
	for text := range strings.SplitSeq(texts, "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			return r, err
		}
		r.Objects = append(r.Objects, o)
	}
	return r, nil
}

// witness collects everything that people and programs are shown.
type witness struct {
	*Controller
	t        *testing.T
	log      bytes.Buffer
	events   *record.FakeRecorder
	registry *prometheus.Registry
	files    *folder
}

func configSecret(name, kind string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: name, Labels: map[string]string{gitopsv1.LabelSecretType: kind}}, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return s
}

func newWitness(t *testing.T, objects ...client.Object) *witness {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, gitopsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(&gossip{objects: map[string]map[string]any{}})
	t.Cleanup(server.Close)
	w := &witness{t: t, events: record.NewFakeRecorder(1000), registry: prometheus.NewRegistry()}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	w.files = &folder{real: &source.Repositories{Dir: t.TempDir(), Keys: source.KeysIn(c, "argocd"), Poll: time.Hour, Timeout: 10 * time.Second, Schemes: []string{"http"}}}
	w.Controller = &Controller{
		Client: c, Source: w.files, Renderer: w.files, Health: func(*unstructured.Unstructured) gitsync.Health { return gitsync.Health{Status: gitsync.Healthy} },
		Events: w.events, Namespace: "argocd", Poll: gitsync.Interval{Every: time.Minute},
		Clusters: &cluster.Set{
			Local: &rest.Config{Host: server.URL}, Secrets: c, Namespace: "argocd", Changed: func(string, string) {}, Context: t.Context(), Once: &cluster.Once{},
		},
	}
	if err := errors.Join(w.Measure(w.registry), w.makeDefaultProject(t.Context())); err != nil {
		t.Fatal(err)
	}
	return w
}

// pass makes some passes and logs their errors as the manager does.
func (w *witness) pass(name string) *gitopsv1.Application {
	w.t.Helper()
	logger := funcr.New(func(prefix, args string) { w.log.WriteString(prefix + args + "\n") }, funcr.Options{Verbosity: debug})
	ctx := logf.IntoContext(w.t.Context(), logger)
	key := client.ObjectKey{Namespace: "argocd", Name: name}
	for range 6 {
		if _, err := w.Reconcile(ctx, ctrl.Request{NamespacedName: key}); err != nil {
			logger.Error(err, "Reconciler error")
		}
	}
	app := &gitopsv1.Application{}
	if err := w.Client.Get(w.t.Context(), key, app); err != nil {
		w.t.Fatal(err)
	}
	return app
}

// shown is everything that was told so far, and the status of an Application.
func (w *witness) shown(app *gitopsv1.Application) map[string]string {
	w.t.Helper()
	status, err := json.Marshal(app.Status)
	if err != nil {
		w.t.Fatal(err)
	}
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	var events []string
	for len(w.events.Events) > 0 {
		events = append(events, <-w.events.Events)
	}
	return map[string]string{"the status": string(status), "the log": w.log.String(), "the metrics": fmt.Sprint(families), "the events": strings.Join(events, "\n")}
}

func keepsQuiet(t *testing.T, shown map[string]string) {
	t.Helper()
	for where, text := range shown {
		if text == "" {
			t.Errorf("%s: nothing was looked at", where)
		}
		for _, form := range forms {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s tells %q: …%s…", where, form, text[max(0, at-200):min(len(text), at+60)])
			}
		}
	}
}

func appOf(name, spec string) *gitopsv1.Application {
	app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: name}}
	app.Spec.Source = &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo.git", Path: name}
	app.Spec.Destination = gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: "shop"}
	if err := yaml.UnmarshalStrict([]byte(spec), &app.Spec); err != nil {
		panic(err)
	}
	return app
}

func secretOf(name string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"Secret\",\"stringData\":{\"k\":\"" +
		canary + "\"}}'}}\nstringData: {password: " + canary + "}"
}

func TestSecretsInGitAreNeverTold(t *testing.T) {
	const policy = "syncPolicy: {retry: {}, automated: {prune: true, selfHeal: true}}"
	const careless = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: refused}\ndata: {copy: " + canary + "}"
	for name, c := range map[string]struct {
		text  string
		phase gitopsv1.OperationPhase
	}{
		"one that is applied":                         {secretOf("password"), gitopsv1.OperationSucceeded},
		"one that the server refuses and quotes":      {secretOf("refused"), gitopsv1.OperationFailed},
		"one of which a refused ConfigMap has a copy": {secretOf("password") + careless, gitopsv1.OperationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness(t, appOf("shop", policy))
			w.files.text = c.text
			app := w.pass("shop")
			if app.Status.OperationState == nil || app.Status.OperationState.Phase != c.phase {
				t.Fatalf("operation %+v, conditions %+v", app.Status.OperationState, app.Status.Conditions)
			}
			keepsQuiet(t, w.shown(app))
			w.files.text = strings.ReplaceAll(c.text, "password: "+canary, "password: "+canary+"-2")
			found, err := w.Compare(t.Context(), app)
			if err != nil || len(found.Differences) == 0 {
				t.Fatalf("%v, %v", found.Differences, err)
			}
			keepsQuiet(t, map[string]string{"a comparison": fmt.Sprintf("%+v", found)})
		})
	}
}

func TestSecretsOfRepositoriesAndClustersAreNeverTold(t *testing.T) {
	forge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		http.Error(w, "not "+user+" with "+password+" and "+r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	defer forge.Close()
	secrets := []client.Object{
		configSecret("repo", gitopsv1.SecretTypeRepository, map[string]string{"url": forge.URL + "/org/repo.git", "username": "git", "password": canary}),
		configSecret("gone", gitopsv1.SecretTypeCluster, map[string]string{"name": "gone", "server": forge.URL, "config": `{"bearerToken":"` + canary + `"}`}),
		configSecret("broken", gitopsv1.SecretTypeCluster, map[string]string{"name": "broken", "server": "https://broken", "config": `{"bearerToken":"` + canary + `","tlsClientConfig":{"caData":"` + canary}),
		configSecret("certless", gitopsv1.SecretTypeCluster, map[string]string{
			"name": "certless", "server": "https://certless", "config": `{"tlsClientConfig":{"caData":"dHdlZXR5LXRoZS1jYW5hcnk=","certData":"dHdlZXR5LXRoZS1jYW5hcnk=","keyData":"dHdlZXR5LXRoZS1jYW5hcnk="}}`,
		}),
	}
	for name, spec := range map[string]string{
		"a repository that refuses":                 "source: {repoURL: '" + forge.URL + "/org/repo.git', path: x}",
		"a cluster that refuses":                    "destination: {name: gone, server: '', namespace: x}",
		"a cluster whose Secret is no JSON":         "destination: {name: broken, server: '', namespace: x}",
		"a cluster whose Secret has no certificate": "destination: {name: certless, server: '', namespace: x}",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness(t, append(secrets, appOf("shop", spec))...)
			w.files.text = secretOf("password")
			app := w.pass("shop")
			if len(app.Status.Conditions) == 0 {
				t.Fatalf("nothing is wrong: %+v", app.Status)
			}
			keepsQuiet(t, w.shown(app))
			_, compared := w.Compare(t.Context(), app)
			_, rendered := w.Render(t.Context(), app)
			if compared == nil || rendered == nil {
				t.Errorf("a comparison gives %v, a rendering %v", compared, rendered)
			}
			keepsQuiet(t, map[string]string{"a comparison": fmt.Sprint(compared), "a rendering": fmt.Sprint(rendered)})
		})
	}
}
