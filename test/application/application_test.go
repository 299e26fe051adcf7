package application

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/suite"
)

const control = gitopsv1.DefaultControlNamespace

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

var shared struct {
	admin client.Client
	repo  *repository
	// clusters are the destinations of the controller.
	clusters application.Clusters
	// config is the way of the administrator to the API server.
	config *rest.Config
}

func TestMain(m *testing.M) {
	suite.Main(m, func(ctx context.Context, up *cluster.Cluster, _ string) (err error) {
		shared.repo = &repository{commits: map[string]string{}, own: map[string]string{}}
		loop := &application.Controller{Source: shared.repo, Renderer: shared.repo, Health: healthOf, Concurrency: 10, Poll: gitsync.Interval{Every: time.Second, Jitter: time.Second}}
		shared.admin, err = suite.Applications(ctx, up, loop)
		shared.clusters, shared.config = loop.Clusters, up.Config()
		return err
	})
}

// healthOf knows Deployments by one annotation and finds everything else healthy.
func healthOf(o *unstructured.Unstructured) gitsync.Health {
	if state := o.GetAnnotations()["state"]; state != "" {
		return gitsync.Health{Status: gitsync.HealthStatus(state), Message: "so it says"}
	}
	return gitsync.Health{Status: gitsync.Healthy}
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
	if err := shared.admin.Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, o client.Object) client.Object {
	t.Helper()
	if err := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(o), o); client.IgnoreNotFound(err) != nil {
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
	shared.repo.push("1111111111111111111111111111111111111111", first)
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
	suite.Eventually(t, "the first commit is synced", synced(shared.repo.head))
	t.Logf("synced after %s", time.Since(begun))
	d := &unstructured.Unstructured{}
	d.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
	d.SetNamespace("follows")
	d.SetName("web")
	read(t, d)
	if id := d.GetAnnotations()[gitopsv1.AnnotationTrackingID]; id != "follows:apps/Deployment:follows/web" {
		t.Errorf("tracking id %q", id)
	}
	shared.repo.push("2222222222222222222222222222222222222222", strings.Split(strings.ReplaceAll(first, "web:1", "web:2"), "\n---\n")[0])
	suite.Eventually(t, "the second commit is synced", synced(shared.repo.head))
	suite.Eventually(t, "what it dropped is pruned", func() bool {
		c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "follows", Name: "settings"}}
		return shared.admin.Get(t.Context(), client.ObjectKeyFromObject(c), c) != nil
	})
	read(t, d)
	containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	if image := containers[0].(map[string]any)["image"]; image != "web:2" {
		t.Errorf("image %v", image)
	}
	// Somebody changes what Git says; a patch, for the Deployment's own controller writes meanwhile.
	drift := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"web:drift"}]`))
	if err := shared.admin.Patch(t.Context(), d, drift); err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, "the drift is healed", func() bool {
		read(t, d)
		containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
		return containers[0].(map[string]any)["image"] == "web:2"
	})
	// Rest: nothing writes any more, while a neighbour goes through all the passes of its first sync.
	suite.Eventually(t, "healed", synced(shared.repo.head))
	version := read(t, a).GetResourceVersion()
	shared.repo.pushTo("neighbour", "neighbour-1", strings.Split(first, "\n---\n")[1])
	neighbour := app(t, "neighbour", "syncPolicy: {automated: {}, syncOptions: [CreateNamespace=true]}\n")
	suite.Eventually(t, "a neighbour is synced", phase(t, neighbour, gitopsv1.OperationSucceeded))
	if again := read(t, a).GetResourceVersion(); again != version {
		t.Errorf("the Application is written without a reason: %s, then %s", version, again)
	}
	if err := shared.admin.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, "the Application is gone with what it made", func() bool {
		gone := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(a), &gitopsv1.Application{}) != nil
		return gone && shared.admin.Get(t.Context(), client.ObjectKeyFromObject(d), d) != nil
	})
	if !slices.Contains(a.Finalizers, gitopsv1.FinalizerResources) {
		t.Error("the test is about a cascade")
	}
}
