package application

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/gitsync"
	destinations "github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/test/cluster"
)

const (
	control  = "argocd"
	patience = 60 * time.Second
)

// repository is a Source and a Renderer whose commits are manifests in memory.
type repository struct {
	mu      sync.Mutex
	head    string
	commits map[string]string
	// own are heads of single paths.
	own map[string]string
}

func (r *repository) push(revision, manifests string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head, r.commits[revision] = revision, manifests
}

// pushTo makes a commit that only one Application sees.
func (r *repository) pushTo(path, revision, manifests string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own[path], r.commits[revision] = revision, manifests
}

func (r *repository) Resolve(_ context.Context, want gitsync.Want) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.commits[want.Revision]; known {
		return want.Revision, nil
	}
	if own := r.own[want.Source.Path]; own != "" {
		return own, nil
	}
	return r.head, nil
}

func (r *repository) Fetch(context.Context, gitsync.Want, string) (gitsync.Checkout, error) {
	return gitsync.Checkout{}, fmt.Errorf("nothing to fetch")
}

func (r *repository) Render(_ context.Context, request gitsync.RenderRequest) (gitsync.Rendering, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rendering := gitsync.Rendering{SourceTypes: []gitopsv1.SourceType{gitopsv1.SourceTypeDirectory}}
	for text := range strings.SplitSeq(r.commits[request.Parts[0].Revision], "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			return rendering, err
		}
		rendering.Objects = append(rendering.Objects, o)
	}
	return rendering, nil
}

var suite struct {
	admin client.Client
	repo  *repository
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	up, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		cancel()
		return 1, err
	}
	defer up.Stop() //nolint:errcheck // the process ends anyway
	defer cancel()
	gateway, err := cluster.GatewayCRDs(ctx)
	if err != nil {
		return 1, err
	}
	if err := up.InstallCRDs(filepath.Join("..", "..", "config", "crd"), gateway); err != nil {
		return 1, err
	}
	if err := start(ctx, up); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func start(ctx context.Context, up *cluster.Cluster) error {
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, gitopsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	config := up.Config()
	config.QPS = -1
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	suite.admin, err = client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	if err := suite.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: control}}); err != nil {
		return err
	}
	suite.repo = &repository{commits: map[string]string{}, own: map[string]string{}}
	c := &application.Controller{
		Client: kube.NewRecent(mgr.GetClient()), Source: suite.repo, Renderer: suite.repo, Health: healthOf,
		Events:    mgr.GetEventRecorderFor("sluice"), //nolint:staticcheck // core/v1 events are what people and dashboards read
		Namespace: control, Concurrency: 10, Poll: time.Second, Jitter: time.Second,
	}
	c.Clusters = &destinations.Set{Local: config, Secrets: mgr.GetClient(), Namespace: control, Changed: c.Changed, Context: ctx}
	if err := c.Register(mgr); err != nil {
		return err
	}
	go func() {
		if err := mgr.Start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return nil
}

// healthOf knows Deployments by one annotation and finds everything else healthy.
func healthOf(o *unstructured.Unstructured) gitsync.Health {
	if state := o.GetAnnotations()["state"]; state != "" {
		return gitsync.Health{Status: gitsync.HealthStatus(state), Message: "so it says"}
	}
	return gitsync.Health{Status: gitsync.Healthy}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

func app(t *testing.T, name, spec string) *gitopsv1.Application {
	t.Helper()
	a := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: name, Finalizers: []string{gitopsv1.FinalizerResources}}}
	a.Spec = gitopsv1.ApplicationSpec{
		Source:      &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo.git", Path: name},
		Destination: gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: name},
	}
	if err := yaml.UnmarshalStrict([]byte(spec), &a.Spec); err != nil {
		t.Fatal(err)
	}
	if err := suite.admin.Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, o client.Object) client.Object {
	t.Helper()
	if err := suite.admin.Get(t.Context(), client.ObjectKeyFromObject(o), o); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return o
}

const first = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1", resources: {limits: {cpu: 1000m, memory: 1024Mi}}, env: [{name: A, value: "1"}]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {key: "canary-value-of-a-secret"}`

func TestAnApplicationFollowsItsRepository(t *testing.T) {
	suite.repo.push("1111111111111111111111111111111111111111", first)
	a := app(t, "follows", `
syncPolicy:
  automated: {prune: true, selfHeal: true}
  syncOptions: [CreateNamespace=true]
`)
	defer func() {
		if t.Failed() {
			text, _ := yaml.Marshal(read(t, a))
			t.Logf("%s", text)
		}
	}()
	synced := func(revision string) func() bool {
		return func() bool {
			s := read(t, a).(*gitopsv1.Application).Status
			return s.Sync.Status == gitopsv1.SyncSynced && s.Health.Status == gitopsv1.HealthHealthy && s.Sync.Revision == revision && s.OperationState.Phase.Completed()
		}
	}
	begun := time.Now()
	eventually(t, "the first commit is synced", synced(suite.repo.head))
	t.Logf("synced after %s", time.Since(begun))
	d := &unstructured.Unstructured{}
	d.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
	d.SetNamespace("follows")
	d.SetName("web")
	read(t, d)
	if id := d.GetAnnotations()[gitopsv1.AnnotationTrackingID]; id != "follows:apps/Deployment:follows/web" {
		t.Errorf("tracking id %q", id)
	}
	suite.repo.push("2222222222222222222222222222222222222222", strings.Split(strings.ReplaceAll(first, "web:1", "web:2"), "\n---\n")[0])
	eventually(t, "the second commit is synced", synced(suite.repo.head))
	eventually(t, "what it dropped is pruned", func() bool {
		c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "follows", Name: "settings"}}
		return suite.admin.Get(t.Context(), client.ObjectKeyFromObject(c), c) != nil
	})
	read(t, d)
	containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	if image := containers[0].(map[string]any)["image"]; image != "web:2" {
		t.Errorf("image %v", image)
	}
	// Somebody changes what Git says; a patch, for the Deployment's own controller writes meanwhile.
	drift := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"web:drift"}]`))
	if err := suite.admin.Patch(t.Context(), d, drift); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the drift is healed", func() bool {
		read(t, d)
		containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
		return containers[0].(map[string]any)["image"] == "web:2"
	})
	// Rest: nothing writes any more, while a neighbour goes through all the passes of its first sync.
	eventually(t, "healed", synced(suite.repo.head))
	version := read(t, a).GetResourceVersion()
	suite.repo.pushTo("neighbour", "neighbour-1", strings.Split(first, "\n---\n")[1])
	neighbour := app(t, "neighbour", "syncPolicy: {automated: {}, syncOptions: [CreateNamespace=true]}\n")
	eventually(t, "a neighbour is synced", phase(t, neighbour, gitopsv1.OperationSucceeded))
	if again := read(t, a).GetResourceVersion(); again != version {
		t.Errorf("the Application is written without a reason: %s, then %s", version, again)
	}
	if err := suite.admin.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Application is gone with what it made", func() bool {
		gone := suite.admin.Get(t.Context(), client.ObjectKeyFromObject(a), &gitopsv1.Application{}) != nil
		return gone && suite.admin.Get(t.Context(), client.ObjectKeyFromObject(d), d) != nil
	})
	if !slices.Contains(a.Finalizers, gitopsv1.FinalizerResources) {
		t.Error("the test is about a cascade")
	}
}
