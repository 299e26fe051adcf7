package applicationset

import (
	"errors"
	"maps"
	"slices"
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
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

// theatre is an API server in memory, Applications that do what their operations say, and a controller.
type theatre struct {
	t      *testing.T
	server *kubetest.Server
	client client.Client
	loop   *Controller
	at     time.Time
	// commit is what all Applications find in Git; synced lists the syncs that were started, in order.
	commit string
	synced []string
}

func newTheatre(t *testing.T, server *kubetest.Server, commit string, at time.Time) *theatre {
	t.Helper()
	s := &theatre{t: t, server: server, commit: commit, at: at}
	server.Now = func() time.Time { return s.at }
	s.restart()
	return s
}

// restart puts a new controller in place of the old one, which forgets everything.
func (s *theatre) restart() {
	s.t.Helper()
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Secret{}, &corev1.SecretList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	if err := gitopsv1.AddToScheme(scheme); err != nil {
		s.t.Fatal(err)
	}
	var err error
	if s.client, err = client.New(s.server.Config(), client.Options{Scheme: scheme}); err != nil {
		s.t.Fatal(err)
	}
	c := kube.NewRecent(s.client)
	s.loop = &Controller{Client: c, Secrets: c, Library: &library{}, Events: record.NewFakeRecorder(10000), Namespace: "argocd", clock: func() time.Time { return s.at }}
}

// play lets each Application look at Git, sync where it is asked to, and go where it is deleted. It reports whether anything changed.
func (s *theatre) play() bool {
	return s.server.Edit("Application", func(o *unstructured.Unstructured) {
		app := &gitopsv1.Application{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, app); err != nil {
			s.t.Fatal(err)
		}
		state := &app.Status
		if app.DeletionTimestamp != nil {
			app.Finalizers = nil
		}
		if state.Sync.Revision != s.commit || !cmp.Equal(state.Sync.ComparedTo.Source, *app.Spec.Source) {
			state.Sync = gitopsv1.SyncStatus{Status: gitopsv1.SyncOutOfSync, Revision: s.commit, ComparedTo: gitopsv1.ComparedTo{Source: *app.Spec.Source, Destination: app.Spec.Destination}}
			state.ReconciledAt = &metav1.Time{Time: s.at}
		}
		if op := app.Operation; op != nil {
			s.synced = append(s.synced, app.Name+" to "+op.Sync.Revision)
			state.OperationState = &gitopsv1.OperationState{Phase: gitopsv1.OperationSucceeded, SyncResult: &gitopsv1.SyncResult{Revision: op.Sync.Revision, Source: *app.Spec.Source}}
			app.Operation, state.Sync.Status, state.Health.Status = nil, gitopsv1.SyncSynced, gitopsv1.HealthHealthy
		}
		delete(app.Annotations, gitopsv1.AnnotationRefresh)
		var err error
		if o.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(app); err != nil {
			s.t.Fatal(err)
		}
		o.SetGroupVersionKind(gitopsv1.GroupVersion.WithKind("Application"))
	})
}

// settle lets the controller and the Applications work, and time pass where somebody waits for it, until nothing changes any more.
func (s *theatre) settle() {
	s.t.Helper()
	for quiet, rounds := 0, 0; quiet < 3; rounds++ {
		if rounds == 300 {
			s.t.Fatalf("nothing settles; the last calls are %v", s.server.Made[len(s.server.Made)-20:])
		}
		before := s.server.Changes()
		next, err := s.loop.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: setKey})
		if s.server.Revive() {
			s.restart()
		}
		moved := s.play()
		s.at = s.at.Add(time.Second)
		switch {
		case err != nil, moved, s.server.Changes() > before:
			quiet = 0
		case next.RequeueAfter > 0 && next.RequeueAfter < errorAgain:
			s.at = s.at.Add(next.RequeueAfter)
			quiet = 0
		default:
			quiet++
		}
	}
}

var setKey = client.ObjectKey{Namespace: "argocd", Name: "set"}

// edit changes the set as a user does.
func (s *theatre) edit(change func(*gitopsv1.ApplicationSet)) {
	s.t.Helper()
	set := &gitopsv1.ApplicationSet{}
	if err := s.client.Get(s.t.Context(), setKey, set); err != nil {
		s.t.Fatal(err)
	}
	change(set)
	if err := s.client.Update(s.t.Context(), set); err != nil {
		s.t.Fatal(err)
	}
}

// outcome is what must be the same whatever went wrong on the way.
func (s *theatre) outcome() map[string]any {
	return s.server.Lasting(func(string, any) bool { return false })
}

// acts are the life of a set; each begins where the one before ends. want are the syncs that it takes, in order.
var acts = []struct {
	name string
	play func(*theatre)
	want []string
}{
	{"the first Applications", func(*theatre) {}, []string{"one to r1", "two to r1"}},
	{"a new template", func(s *theatre) {
		s.edit(func(set *gitopsv1.ApplicationSet) { set.Spec.Template.Spec.Source.Path = "elsewhere/{{.name}}" })
	}, []string{"one to r1", "two to r1"}},
	{"a new commit, step by step", func(s *theatre) { s.commit = "r2" }, []string{"one to r2", "two to r2"}},
	{"elements that come and go", func(s *theatre) {
		s.edit(func(set *gitopsv1.ApplicationSet) { set.Spec.Generators = []gitopsv1.Generator{list("two", "three")} })
	}, []string{"three to r2"}},
	{"the deletion in reverse", func(s *theatre) {
		if err := s.client.Delete(s.t.Context(), aSet()); err != nil {
			s.t.Fatal(err)
		}
	}, nil},
}

// begun is an API server with a set that nobody has looked at, whose Application one goes first.
func begun(t *testing.T) *kubetest.Server {
	t.Helper()
	kind := func(version schema.GroupVersion, kind string) kubetest.Kind {
		return kubetest.Kind{GroupVersionKind: version.WithKind(kind)}
	}
	server := &kubetest.Server{Kinds: []kubetest.Kind{
		kind(gitopsv1.GroupVersion, "Application"), kind(gitopsv1.GroupVersion, "AppProject"), kind(gitopsv1.GroupVersion, "ApplicationSet"), kind(corev1.SchemeGroupVersion, "Secret"),
	}}
	s := newTheatre(t, server, "", time.Time{})
	set := aSet(list("one", "two"))
	set.Spec.Template.Metadata.Labels = map[string]string{"name": "{{.name}}"}
	first := func(operator string) gitopsv1.RollingSyncStep {
		return gitopsv1.RollingSyncStep{MatchExpressions: []gitopsv1.MatchExpression{{Key: "name", Operator: operator, Values: []string{"one"}}}}
	}
	set.Spec.Strategy = &gitopsv1.ApplicationSetStrategy{
		Type: gitopsv1.StrategyRollingSync, DeletionOrder: "Reverse", RollingSync: &gitopsv1.RollingSync{Steps: []gitopsv1.RollingSyncStep{first("In"), first("NotIn")}},
	}
	project := &gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: gitopsv1.DefaultProject}}
	if err := errors.Join(s.client.Create(t.Context(), set), s.client.Create(t.Context(), project)); err != nil {
		t.Fatal(err)
	}
	return server
}

// TestASetConvergesWhateverCallFails plays each act once for each call that it takes, and lets that one fail.
func TestASetConvergesWhateverCallFails(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	server, commit, at := begun(t), "r1", time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, act := range acts {
		begin, head, start := server, commit, at
		play := func(t *testing.T, broken int, f kubetest.Fault) *theatre {
			t.Helper()
			s := newTheatre(t, begin.Fork(), head, start)
			act.play(s)
			s.server.Made, s.server.Broken, s.server.Fault = nil, broken, f
			s.settle()
			if diff := cmp.Diff(act.want, s.synced); diff != "" {
				t.Fatalf("%s at call %d: the syncs were %s", f.Name, broken, diff)
			}
			return s
		}
		calm := play(t, 0, kubetest.Fault{})
		want := calm.outcome()
		server, commit, at = calm.server, calm.commit, calm.at
		t.Run(act.name, func(t *testing.T) {
			t.Parallel()
			faults := 0
			for k, call := range calm.server.Made {
				for _, f := range kubetest.FaultsOf(call, k) {
					faults++
					if diff := cmp.Diff(want, play(t, k, f).outcome()); diff != "" {
						t.Fatalf("%s at call %d (%s): %s", f.Name, k, call, diff)
					}
				}
			}
			t.Logf("%d faults injected into %d calls", faults, len(calm.server.Made))
		})
	}
	if left := slices.Collect(maps.Keys(server.Objects())); len(left) != 1 { // the project
		t.Errorf("there are still %v", left)
	}
}
