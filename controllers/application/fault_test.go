package application

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

// commits is a repository: manifests by revision, and the newest.
type commits struct {
	files map[string]string
	head  string
}

func (c *commits) Resolve(_ context.Context, want gitsync.Want) (string, error) {
	if want.Revision != "" {
		return want.Revision, nil
	}
	return c.head, nil
}

func (c *commits) Fetch(context.Context, gitsync.Want, string) (gitsync.Checkout, error) {
	return gitsync.Checkout{}, errors.New("nothing to fetch")
}

func (c *commits) Render(_ context.Context, request gitsync.RenderRequest) (gitsync.Rendering, error) {
	return rendered(c.files[request.Parts[0].Revision])
}

// stage is an API server in memory, hooks and Rollouts that do as their images say, a repository and a controller.
type stage struct {
	t      *testing.T
	server *kubetest.Server
	repo   *commits
	loop   *Controller
	at     time.Time
}

const pollEvery = time.Hour

func newStage(t *testing.T, server *kubetest.Server, repo commits, at time.Time) *stage {
	t.Helper()
	s := &stage{t: t, server: server, repo: &repo, at: at}
	server.Now = func() time.Time { return s.at }
	s.restart()
	return s
}

// restart puts a new controller in place of the old one, which forgets everything.
func (s *stage) restart() {
	s.t.Helper()
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Secret{}, &corev1.SecretList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	if err := gitopsv1.AddToScheme(scheme); err != nil {
		s.t.Fatal(err)
	}
	direct, err := client.New(s.server.Config(), client.Options{Scheme: scheme})
	if err != nil {
		s.t.Fatal(err)
	}
	c := kube.NewRecent(direct)
	s.loop = &Controller{
		Client: c, Source: s.repo, Renderer: s.repo, Health: judged, Events: record.NewFakeRecorder(10000), Namespace: "argocd", Poll: gitsync.Interval{Every: pollEvery},
		clock: func() time.Time { return s.at },
		Clusters: &cluster.Set{
			Local: s.server.Config(), Secrets: c, Namespace: "argocd", Changed: func(string, string) {}, Context: s.t.Context(), Once: &cluster.Once{Namespaces: []string{"shop"}},
		},
	}
}

// judged is the health of what this stage plays.
func judged(o *unstructured.Unstructured) gitsync.Health {
	state, _, _ := unstructured.NestedString(o.Object, "status", "plays")
	image, _, _ := unstructured.NestedString(o.Object, "spec", "image")
	switch kind := o.GetKind(); {
	case o.GetDeletionTimestamp() != nil && len(o.GetFinalizers()) == 0:
		return gitsync.Health{Status: gitsync.Progressing}
	case kind == "ConfigMap":
		return gitsync.Health{}
	case state != image:
		return gitsync.Health{Status: gitsync.Progressing}
	case strings.HasSuffix(image, "bad"):
		return gitsync.Health{Status: gitsync.Degraded, Message: "error rate"}
	}
	return gitsync.Health{Status: gitsync.Healthy}
}

// play lets hooks run and Rollouts roll, and reports whether anything changed.
func (s *stage) play() bool {
	moved := false
	for _, kind := range []string{"Job", "Rollout"} {
		moved = s.server.Edit(kind, func(o *unstructured.Unstructured) {
			image, _, _ := unstructured.NestedString(o.Object, "spec", "image")
			o.Object["status"] = map[string]any{"plays": image, "abort": strings.HasSuffix(image, "bad"), "message": "error rate"}
		}) || moved
	}
	return moved
}

// settle lets the controller and the world work, and time pass where somebody waits for it, until nothing changes any more.
func (s *stage) settle() {
	s.t.Helper()
	for quiet, rounds := 0, 0; quiet < 3; rounds++ {
		if rounds == 500 {
			s.t.Fatalf("nothing settles; the last calls are %v", s.server.Made[len(s.server.Made)-20:])
		}
		before := s.server.Changes()
		next, err := s.loop.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: shop})
		if s.server.Revive() {
			s.restart()
		}
		moved := s.play()
		s.at = s.at.Add(50 * time.Millisecond)
		switch {
		case err != nil:
			s.at = s.at.Add(time.Second)
			quiet = 0
		case moved || s.server.Changes() > before:
			quiet = 0
		case next.RequeueAfter > 0 && next.RequeueAfter < pollEvery:
			s.at = s.at.Add(next.RequeueAfter)
			quiet = 0
		default:
			quiet++
		}
	}
}

// outcome is what must be the same whatever went wrong on the way: all that lives and all that people are told of the end. What is gone is not told of
// after a crash, and a repetition finds unchanged what it made.
func (s *stage) outcome() map[string]any {
	return s.server.Lasting(func(place string, value any) bool {
		result, _ := value.(map[string]any)
		return strings.HasSuffix(place, ".retryCount") || strings.HasSuffix(place, "syncResult.resources.message") ||
			strings.HasSuffix(place, "syncResult.resources") && result["status"] == "Pruned"
	})
}

func (s *stage) push(revision string, manifests ...string) {
	s.repo.files[revision], s.repo.head = strings.Join(manifests, "\n---\n"), revision
}

func thing(kind, name, image string, annotations ...string) string {
	version := map[string]string{"Job": "batch/v1", "Rollout": "argoproj.io/v1alpha1"}[kind]
	if version == "" {
		version = "v1"
	}
	text := fmt.Sprintf("apiVersion: %s\nkind: %s\nspec: {image: %q}\nmetadata:\n  name: %s\n  namespace: shop\n  annotations: {", version, kind, image, name)
	for _, a := range annotations {
		k, v, _ := strings.Cut(a, "=")
		text += fmt.Sprintf("argocd.argoproj.io/%s: %q, ", k, v)
	}
	return text + "}\n"
}

var (
	migrate = thing("Job", "migrate", "migrate:1", "hook=PreSync", "hook-delete-policy=HookSucceeded")
	report  = thing("Job", "report", "report:1", "hook=PostSync")
)

// story is the life of an Application, a chapter at a time; each begins where the one before ends.
var story = []struct {
	name string
	play func(*stage)
	// want is what the chapter is about.
	want func(*testing.T, *gitopsv1.Application, map[string]any)
}{
	{"the first sync", func(s *stage) {
		s.push("aaaa", migrate, thing("ConfigMap", "one", "1"), thing("ConfigMap", "two", "1"), thing("Rollout", "web", "web:1"), report)
	}, wantRevision("aaaa")},
	{"a new commit that drops an object", func(s *stage) {
		s.push("bbbb", migrate, thing("ConfigMap", "one", "2"), thing("Rollout", "web", "web:2"), report)
	}, wantRevision("bbbb")},
	{"drift", func(s *stage) {
		s.server.Edit("ConfigMap", func(o *unstructured.Unstructured) { o.Object["spec"] = map[string]any{"image": "drifted"} })
	}, wantRevision("bbbb")},
	{"a canary that aborts", func(s *stage) {
		s.push("cccc", migrate, thing("ConfigMap", "one", "2"), thing("Rollout", "web", "web:bad"), report)
	}, func(t *testing.T, app *gitopsv1.Application, _ map[string]any) {
		if app.Status.Health.Status != gitopsv1.HealthDegraded || len(app.Status.Conditions) != 1 || !strings.HasPrefix(app.Status.Conditions[0].Message, "Commit cccc is held") {
			t.Fatalf("the commit is not held: %+v", app.Status)
		}
	}},
	{"the commit that mends it", func(s *stage) {
		s.push("dddd", migrate, thing("ConfigMap", "one", "2"), thing("Rollout", "web", "web:4"), report)
	}, wantRevision("dddd")},
	{"the deletion with all that it holds", func(s *stage) {
		app := s.app()
		if err := s.loop.Client.Delete(s.t.Context(), app); err != nil {
			s.t.Fatal(err)
		}
	}, func(t *testing.T, _ *gitopsv1.Application, left map[string]any) {
		if len(left) != 1 { // the project
			t.Fatalf("there are still %v", left)
		}
	}},
}

func wantRevision(revision string) func(*testing.T, *gitopsv1.Application, map[string]any) {
	return func(t *testing.T, app *gitopsv1.Application, _ map[string]any) {
		t.Helper()
		s := app.Status
		if s.Sync.Status != gitopsv1.SyncSynced || s.Sync.Revision != revision || s.Health.Status != gitopsv1.HealthHealthy || app.Operation != nil ||
			s.History[len(s.History)-1].Revision != revision {
			t.Fatalf("%s did not come through: %+v", revision, s)
		}
	}
}

// app is the Application; nil if it is gone.
func (s *stage) app() *gitopsv1.Application {
	s.t.Helper()
	for _, o := range s.server.Objects() {
		if o.GetKind() == "Application" {
			app := &gitopsv1.Application{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, app); err != nil {
				s.t.Fatal(err)
			}
			return app
		}
	}
	return nil
}

// born is an API server with an Application that nobody has looked at.
func born(t *testing.T) *kubetest.Server {
	t.Helper()
	kind := func(group, kind string) kubetest.Kind {
		version := map[string]string{"argoproj.io": "v1alpha1"}[group]
		if version == "" {
			version = "v1"
		}
		return kubetest.Kind{GroupVersionKind: schema.GroupVersionKind{Group: group, Version: version, Kind: kind}}
	}
	server := &kubetest.Server{Now: time.Now, Kinds: []kubetest.Kind{
		kind("argoproj.io", "Application"), kind("argoproj.io", "AppProject"), kind("argoproj.io", "Rollout"), kind("batch", "Job"), kind("", "ConfigMap"), kind("", "Secret"),
	}}
	s := newStage(t, server, commits{}, time.Time{})
	app := appOf("shop", "syncPolicy: {automated: {prune: true, selfHeal: true}}")
	app.Finalizers = []string{gitopsv1.FinalizerResources}
	if err := errors.Join(s.loop.makeDefaultProject(t.Context()), s.loop.Client.Create(t.Context(), app)); err != nil {
		t.Fatal(err)
	}
	return server
}

// TestAnApplicationConvergesWhateverCallFails plays each chapter once for each call that it takes, and lets that one fail.
func TestAnApplicationConvergesWhateverCallFails(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	server, repo, at := born(t), commits{files: map[string]string{}}, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, chapter := range story {
		begin, head, start := server, repo.head, at
		play := func(t *testing.T, broken int, f kubetest.Fault) *stage {
			t.Helper()
			s := newStage(t, begin.Fork(), commits{maps.Clone(repo.files), head}, start)
			chapter.play(s)
			s.server.Made, s.server.Broken, s.server.Fault = nil, broken, f
			s.settle()
			return s
		}
		calm := play(t, 0, kubetest.Fault{})
		want := calm.outcome()
		chapter.want(t, calm.app(), want)
		server, repo, at = calm.server, *calm.repo, calm.at
		t.Run(chapter.name, func(t *testing.T) {
			t.Parallel()
			faults := 0
			for k, call := range calm.server.Made {
				for _, f := range faultsOf(call, k) {
					faults++
					s := play(t, k, f)
					if diff := cmp.Diff(want, s.outcome()); diff != "" {
						t.Fatalf("%s at call %d (%s): %s", f.Name, k, call, diff)
					}
					if why := repeated(calm.server.Born(), s.server.Born(), f); why != "" {
						t.Fatalf("%s at call %d (%s): %s", f.Name, k, call, why)
					}
				}
			}
			t.Logf("%d faults injected into %d calls", faults, len(calm.server.Made))
		})
	}
}

// faultsOf are the ways in which a call may fail, but that nobody says of what is there that it is gone already when it is to be deleted.
func faultsOf(call string, k int) []kubetest.Fault {
	all := kubetest.FaultsOf(call, k)
	if strings.HasPrefix(call, "delete ") {
		all = slices.DeleteFunc(all, func(f kubetest.Fault) bool { return f.Name == "an object that is gone" })
	}
	return all
}

// repeated tells of objects that were created more or less often than they should. What the server refuses fails a sync, and the next one runs its
// hooks again.
func repeated(want, got []string, f kubetest.Fault) string {
	if f.Name == "a refusal" || f.Name == "an object that is gone" {
		want, got = slices.Compact(want), slices.Compact(got)
	}
	return cmp.Diff(want, got)
}
