package application

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
)

// nowhere has no destination.
type nowhere struct{}

func (nowhere) Find(context.Context, gitopsv1.Destination, *gitopsv1.AppProject) (*cluster.Cluster, gitsync.Cluster, error) {
	return nil, gitsync.Cluster{Problem: "there is no such cluster"}, nil
}

var shop = client.ObjectKey{Namespace: "argocd", Name: "shop"}

func newController(t *testing.T, intercept interceptor.Funcs) *Controller {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := gitopsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: shop.Namespace, Name: shop.Name}}
	app.Spec.Source = &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo.git", Path: "shop"}
	app.Spec.Destination = gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: "shop"}
	return &Controller{
		Client:   fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithInterceptorFuncs(intercept).Build(),
		Clusters: nowhere{}, Events: record.NewFakeRecorder(100), Namespace: "argocd", Poll: gitsync.Interval{Every: time.Minute},
		clock: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) },
	}
}

func (c *Controller) app(t *testing.T) *gitopsv1.Application {
	t.Helper()
	app := &gitopsv1.Application{}
	if err := c.Client.Get(t.Context(), shop, app); err != nil {
		t.Fatal(err)
	}
	return app
}

func reconcileOnce(t *testing.T, c *Controller) ctrl.Result {
	t.Helper()
	next, err := c.Reconcile(t.Context(), ctrl.Request{NamespacedName: shop})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestAnApplicationThatCannotBeLookedAtSaysWhyOnce(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	reconcileOnce(t, c)
	s := c.app(t).Status
	if len(s.Conditions) != 1 || s.Conditions[0].Message != "application references project default which does not exist" || s.Sync.Status != gitopsv1.SyncUnknown {
		t.Fatalf("status %+v", s)
	}
	if err := c.makeDefaultProject(t.Context()); err != nil {
		t.Fatal(err)
	}
	reconcileOnce(t, c)
	if s := c.app(t).Status; len(s.Conditions) != 1 || !strings.HasSuffix(s.Conditions[0].Message, "there is no such cluster") {
		t.Fatalf("status %+v", s)
	}
	before := c.app(t).ResourceVersion
	if next := reconcileOnce(t, c); next.RequeueAfter != time.Minute {
		t.Errorf("the repository is asked again after %s", next.RequeueAfter)
	}
	if after := c.app(t).ResourceVersion; after != before {
		t.Error("the Application was written though nothing changed")
	}
	if err := c.makeDefaultProject(t.Context()); err != nil {
		t.Errorf("a project that is there: %v", err)
	}
}

func TestTheNextLookComesAsOftenAsTheSettingsSay(t *testing.T) {
	for name, c := range map[string]struct {
		poll *gitsync.Interval
		want time.Duration
	}{
		"nothing":   {nil, time.Minute},
		"ten times": {&gitsync.Interval{Every: 10 * time.Minute}, 10 * time.Minute},
		"never":     {&gitsync.Interval{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			loop := newController(t, interceptor.Funcs{})
			loop.Settings = func(context.Context) (gitsync.Settings, error) { return gitsync.Settings{Poll: c.poll}, nil }
			if next := reconcileOnce(t, loop); next.RequeueAfter != c.want {
				t.Errorf("it looks again after %s", next.RequeueAfter)
			}
		})
	}
}

func TestAFrozenApplicationIsLeftAlone(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	app := c.app(t)
	app.Annotations = map[string]string{gitopsv1.AnnotationSkipReconcile: "true"}
	if err := c.Client.Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	reconcileOnce(t, c)
	if s := c.app(t).Status; s.Sync.Status != "" {
		t.Errorf("status %+v", s)
	}
}

func TestAWriteThatFailsIsAnErrorThatNamesTheApplication(t *testing.T) {
	c := newController(t, interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return errors.New("the API server is on fire")
	}})
	_, err := c.Reconcile(t.Context(), ctrl.Request{NamespacedName: shop})
	if err == nil || !strings.Contains(err.Error(), "application argocd/shop: writing the status: the API server is on fire") {
		t.Errorf("error %v", err)
	}
}

func TestManifestsOfAnOperationAreReadWithoutBeingQuoted(t *testing.T) {
	objects, problem := manifests([]string{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"})
	if problem != "" || len(objects) != 1 || objects[0].GetName() != "a" {
		t.Errorf("%v, %s", objects, problem)
	}
	for _, text := range []string{"tweety-the-canary", "kind: Secret\nstringData: {a: tweety-the-canary}", "a: [tweety-the-canary"} {
		if _, problem := manifests([]string{text}); problem == "" || strings.Contains(problem, "tweety") {
			t.Errorf("%q gives %q", text, problem)
		}
	}
}
