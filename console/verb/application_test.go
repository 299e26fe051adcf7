package verb

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

var shopApp = client.ObjectKey{Namespace: "argocd", Name: "shop"}

// anApp is synced by hand, has two resources and was deployed twice.
func anApp(change func(*gitopsv1.Application)) *gitopsv1.Application {
	source := func(path string) gitopsv1.Source {
		return gitopsv1.Source{RepoURL: "https://git.example.com/org/repo", Path: path}
	}
	now := source("shop")
	app := &gitopsv1.Application{
		ObjectMeta: metav1.ObjectMeta{Namespace: shopApp.Namespace, Name: shopApp.Name},
		Spec: gitopsv1.ApplicationSpec{
			Source: &now, SyncPolicy: &gitopsv1.SyncPolicy{SyncOptions: []string{"PruneLast=true"}, Retry: &gitopsv1.RetryStrategy{Limit: 3}},
		},
		Status: gitopsv1.ApplicationStatus{
			Resources: []gitopsv1.ResourceStatus{{Group: "argoproj.io", Kind: "Rollout", Namespace: "shop", Name: "web"}, {Kind: "Service", Namespace: "shop", Name: "web"}},
			History:   []gitopsv1.RevisionHistory{{ID: 4, Revision: "aaa", Source: source("old")}, {ID: 5, Revision: "bbb", Source: now}},
		},
	}
	if change != nil {
		change(app)
	}
	return app
}

func appWorld(t *testing.T, app *gitopsv1.Application) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := gitopsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).Build()
}

func automated(app *gitopsv1.Application) { app.Spec.SyncPolicy.Automated = &gitopsv1.AutomatedSync{} }

func running(app *gitopsv1.Application) {
	app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}}
	app.Status.OperationState = &gitopsv1.OperationState{Operation: *app.Operation, Phase: gitopsv1.OperationRunning}
}

func TestVerbsOfApplicationsWriteWhatEveryClientWrites(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	type verbs = func(context.Context, client.Client) (string, error)
	sync := func(o SyncOptions) verbs {
		return func(ctx context.Context, c client.Client) (string, error) { return SyncApplication(ctx, c, shopApp, o) }
	}
	rollback := func(id int64) verbs {
		return func(ctx context.Context, c client.Client) (string, error) {
			return Rollback(ctx, c, shopApp, id, true, "eve")
		}
	}
	remove := func(cascade bool, propagation string) verbs {
		return func(ctx context.Context, c client.Client) (string, error) {
			return DeleteApplication(ctx, c, shopApp, cascade, propagation)
		}
	}
	web := gitopsv1.SyncResource{Group: "argoproj.io", Kind: "Rollout", Name: "web"}
	for name, c := range map[string]struct {
		change func(*gitopsv1.Application)
		do     verbs
		// want changes what was there into what should be there.
		want    func(*gitopsv1.Application)
		refused string
	}{
		"a sync takes options and retries from the spec": {
			do: sync(SyncOptions{User: "eve", Operation: gitopsv1.SyncOperation{Prune: true, SyncOptions: []string{"Replace=true"}}}),
			want: func(app *gitopsv1.Application) {
				app.Operation = &gitopsv1.Operation{
					InitiatedBy: gitopsv1.OperationInitiator{Username: "eve"}, Retry: gitopsv1.RetryStrategy{Limit: 3},
					Sync: &gitopsv1.SyncOperation{Prune: true, SyncOptions: []string{"Replace=true", "PruneLast=true"}},
				}
			},
		},
		"a sync of everything but one resource names the others": {
			do: sync(SyncOptions{Except: []gitopsv1.SyncResource{web}}),
			want: func(app *gitopsv1.Application) {
				app.Operation = &gitopsv1.Operation{Retry: gitopsv1.RetryStrategy{Limit: 3}, Sync: &gitopsv1.SyncOperation{
					SyncOptions: []string{"PruneLast=true"}, Resources: []gitopsv1.SyncResource{{Kind: "Service", Namespace: "shop", Name: "web"}},
				}}
			},
		},
		"a sync beside another is refused":                  {change: running, do: sync(SyncOptions{}), refused: "another operation is under way"},
		"a sync of a resource that is not there is refused": {do: sync(SyncOptions{Operation: gitopsv1.SyncOperation{Resources: []gitopsv1.SyncResource{{Kind: "Pod", Name: "x"}}}}), refused: "no resource :Pod:x"},
		"a sync of nothing is refused":                      {do: sync(SyncOptions{Except: []gitopsv1.SyncResource{{Group: "*", Kind: "*", Name: "*"}}}), refused: "nothing is left"},
		"local manifests are refused while automated sync is on": {
			change: automated, do: sync(SyncOptions{Operation: gitopsv1.SyncOperation{Manifests: []string{"{}"}}}), refused: "automated sync is on",
		},
		"a rollback takes source and revision from the history": {
			do: rollback(4),
			want: func(app *gitopsv1.Application) {
				app.Operation = &gitopsv1.Operation{InitiatedBy: gitopsv1.OperationInitiator{Username: "eve"}, Sync: &gitopsv1.SyncOperation{
					Revision: "aaa", Source: &app.Status.History[0].Source, Prune: true, SyncOptions: []string{"PruneLast=true"},
					SyncStrategy: &gitopsv1.SyncStrategy{Apply: &gitopsv1.SyncStrategyApply{}},
				}}
			},
		},
		"a rollback without a number is to the last but one": {
			do: rollback(-1),
			want: func(app *gitopsv1.Application) {
				app.Operation = &gitopsv1.Operation{InitiatedBy: gitopsv1.OperationInitiator{Username: "eve"}, Sync: &gitopsv1.SyncOperation{
					Revision: "aaa", Source: &app.Status.History[0].Source, Prune: true, SyncOptions: []string{"PruneLast=true"},
					SyncStrategy: &gitopsv1.SyncStrategy{Apply: &gitopsv1.SyncStrategyApply{}},
				}}
			},
		},
		"a rollback to nowhere is refused":                 {do: rollback(9), refused: "no such entry"},
		"a rollback is refused while automated sync is on": {change: automated, do: rollback(4), refused: "revert the commit"},
		"a rollback beside an operation is refused":        {change: running, do: rollback(4), refused: "another operation is under way"},
		"termination is asked for in the state of the operation": {
			change: running, do: func(ctx context.Context, c client.Client) (string, error) { return TerminateOperation(ctx, c, shopApp) },
			want: func(app *gitopsv1.Application) { app.Status.OperationState.Phase = gitopsv1.OperationTerminating },
		},
		"an operation that nobody has taken up is taken back": {
			change: func(app *gitopsv1.Application) { app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}} },
			do:     func(ctx context.Context, c client.Client) (string, error) { return TerminateOperation(ctx, c, shopApp) },
			want:   func(app *gitopsv1.Application) { app.Operation = nil },
		},
		"there is nothing to terminate": {
			do: func(ctx context.Context, c client.Client) (string, error) { return TerminateOperation(ctx, c, shopApp) }, refused: "no operation is under way",
		},
		"a hard refresh": {
			do: func(ctx context.Context, c client.Client) (string, error) {
				return RefreshApplication(ctx, c, shopApp, true)
			},
			want: func(app *gitopsv1.Application) {
				app.Annotations = map[string]string{gitopsv1.AnnotationRefresh: gitopsv1.RefreshHard}
			},
		},
		"an approval has the moment": {
			do: func(ctx context.Context, c client.Client) (string, error) {
				return ApproveDeletion(ctx, c, shopApp, now)
			},
			want: func(app *gitopsv1.Application) {
				app.Annotations = map[string]string{gitopsv1.AnnotationDeletionApproved: "2026-03-02T09:00:00Z"}
			},
		},
		"a deletion takes the resources along": {
			change: func(app *gitopsv1.Application) {
				app.Finalizers = []string{"example.com/keep", gitopsv1.FinalizerResourcesBackground}
			},
			do: remove(true, ""),
			want: func(app *gitopsv1.Application) {
				app.Finalizers = []string{"example.com/keep", gitopsv1.FinalizerResources}
			},
		},
		"a deletion in the background": {
			change: func(app *gitopsv1.Application) { app.Finalizers = []string{"example.com/keep"} },
			do:     remove(true, "background"),
			want: func(app *gitopsv1.Application) {
				app.Finalizers = []string{"example.com/keep", gitopsv1.FinalizerResourcesBackground}
			},
		},
		"a deletion leaves the resources, and runs no hooks": {
			change: func(app *gitopsv1.Application) {
				app.Finalizers = []string{"example.com/keep", gitopsv1.FinalizerResources, gitopsv1.FinalizerPostDelete}
			},
			do:   remove(false, ""),
			want: func(app *gitopsv1.Application) { app.Finalizers = []string{"example.com/keep"} },
		},
		"an Application that is there is not created": {
			do: func(ctx context.Context, c client.Client) (string, error) {
				return CreateApplication(ctx, c, anApp(nil), false)
			},
			refused: "exists already",
		},
		"an Application that is there is changed with upsert": {
			do: func(ctx context.Context, c client.Client) (string, error) {
				return CreateApplication(ctx, c, anApp(func(app *gitopsv1.Application) { app.Spec.Project, app.Labels = "web", map[string]string{"a": "b"} }), true)
			},
			want: func(app *gitopsv1.Application) { app.Spec.Project, app.Labels = "web", map[string]string{"a": "b"} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := anApp(c.change)
			world := appWorld(t, before.DeepCopy())
			said, err := c.do(t.Context(), world)
			if c.refused != "" {
				if !IsRefused(err) || !strings.Contains(err.Error(), c.refused) || !strings.HasPrefix(err.Error(), "application argocd/shop: ") {
					t.Errorf("error %v", err)
				}
				c.want = func(*gitopsv1.Application) {}
			} else if err != nil || !strings.HasPrefix(said, "application argocd/shop: ") {
				t.Fatalf("%q, %v", said, err)
			}
			after := &gitopsv1.Application{}
			if err := world.Get(t.Context(), shopApp, after); err != nil {
				t.Fatal(err)
			}
			c.want(before)
			before.ResourceVersion, after.ResourceVersion, after.DeletionTimestamp = "", "", nil
			before.TypeMeta, after.TypeMeta = metav1.TypeMeta{}, metav1.TypeMeta{}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnApplicationThatIsNotThereIsARefusal(t *testing.T) {
	world := appWorld(t, anApp(nil))
	_, err := SyncApplication(t.Context(), world, client.ObjectKey{Namespace: "argocd", Name: "nobody"}, SyncOptions{})
	if !IsRefused(err) || err.Error() != "application argocd/nobody: does not exist" {
		t.Errorf("error %v", err)
	}
	created := anApp(func(app *gitopsv1.Application) { app.Name = "new" })
	if said, err := CreateApplication(t.Context(), world, created, false); err != nil || said != "application argocd/new: created" {
		t.Errorf("%q, %v", said, err)
	}
	said, err := ChangeApplication(t.Context(), world, shopApp, func(*gitopsv1.Application) error { return nil })
	if err != nil || said != "application argocd/shop: is so already" {
		t.Errorf("%q, %v", said, err)
	}
}
