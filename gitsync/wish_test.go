package gitsync

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// What people ask for beside the ordinary: of a sync, of a prune, of a deletion.

func TestAnEmptyRepositoryWipesEverythingWhereThatIsAllowed(t *testing.T) {
	w := newWorld("syncPolicy: {automated: {prune: true, allowEmpty: true}}")
	w.push("aaaa", config)
	w.settle(t)
	w.commits["bbbb"], w.head = nil, "bbbb"
	w.settle(t)
	if s := w.app.Status; len(w.objects) != 0 || s.Sync.Status != gitopsv1.SyncSynced || len(s.Conditions) != 0 {
		t.Errorf("%d objects are left\n%s", len(w.objects), toYAML(s))
	}
}

func TestASyncOfSomeObjectsLeavesTheRestAndIsNoHistory(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("ConfigMap", "one"), manifest("ConfigMap", "two"), manifest("Job", "hook", "hook=PreSync")))
	w.sync(gitopsv1.SyncOperation{Resources: []gitopsv1.SyncResource{{Kind: "ConfigMap", Name: "two"}, {Kind: "ConfigMap", Name: "one", Namespace: "elsewhere"}}})
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/two")
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncOutOfSync || len(s.History) != 0 {
		t.Errorf("%s", toYAML(s))
	}
}

func TestAfterARollbackOfAnAutomatedApplicationTheNewestCommitComesBack(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", manifest("ConfigMap", "one"))
	w.settle(t)
	w.push("bbbb", manifest("ConfigMap", "two"))
	w.settle(t)
	old := w.app.Status.History[0]
	w.story = nil
	w.sync(gitopsv1.SyncOperation{Revision: old.Revision, Source: &old.Source, Prune: true})
	w.settle(t)
	wantStory(t, w, "delete ConfigMap prod/two", "apply ConfigMap prod/one", "delete ConfigMap prod/one", "apply ConfigMap prod/two")
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncSynced || s.History[len(s.History)-1].Revision != "bbbb" {
		t.Errorf("%s", toYAML(s))
	}
}

func TestADeletionAsksWhereItIsToldTo(t *testing.T) {
	w := newWorld(automated)
	w.app.Finalizers = []string{gitopsv1.FinalizerResources}
	w.push("aaaa", docs(manifest("ConfigMap", "asked", "sync-options=Delete=confirm"), manifest("ConfigMap", "plain")))
	w.settle(t)
	for _, r := range w.app.Status.Resources {
		if r.RequiresDeletionConfirmation != (r.Name == "asked") {
			t.Errorf("the status says %s", toYAML(r))
		}
	}
	w.story = nil
	w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
	w.settle(t)
	wantStory(t, w, "delete ConfigMap prod/plain")
	if !strings.Contains(w.told(), "waiting for deletion confirmation of /ConfigMap/asked") {
		t.Errorf("it says %s", w.told())
	}
	approve := func(at time.Time) {
		w.app.Annotations = map[string]string{gitopsv1.AnnotationDeletionApproved: at.Format(time.RFC3339)}
		w.now = w.now.Add(10 * time.Second)
		w.settle(t)
	}
	approve(w.app.DeletionTimestamp.Add(-time.Minute)) // of an earlier deletion
	wantStory(t, w, "delete ConfigMap prod/plain")
	approve(w.app.DeletionTimestamp.Time)
	wantStory(t, w, "delete ConfigMap prod/plain", "delete ConfigMap prod/asked")
	w.now = w.now.Add(10 * time.Second)
	w.settle(t)
	if len(w.app.Finalizers) > 0 {
		t.Errorf("finalizers %v", w.app.Finalizers)
	}
}

func TestTheFinalizerSaysHowDependentsGo(t *testing.T) {
	for finalizer, want := range map[string]string{
		gitopsv1.FinalizerResources: "foreground", gitopsv1.FinalizerResources + "/foreground": "foreground", gitopsv1.FinalizerResourcesBackground: "background",
	} {
		t.Run(finalizer, func(t *testing.T) {
			w := newWorld(automated)
			w.app.Finalizers = []string{finalizer}
			w.push("aaaa", config)
			w.settle(t)
			w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
			plan := Decide(w.observation())
			if len(plan.Delete) != 1 || plan.Delete[0].Propagation != want {
				t.Errorf("deletions %+v", plan.Delete)
			}
		})
	}
}

func TestWhoeverWaitsForASyncThatCannotBeginIsToldTheLatestReasonAlone(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", config)
	w.settle(t)
	w.app.Status.Sync.Status = gitopsv1.SyncSynced
	w.app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}}
	o := w.observation()
	for _, reason := range []string{"no answer after 3 ms", "no answer after 7 ms"} {
		o.Target = Material{Problem: reason, Unreachable: true, Grace: time.Minute}
		plan := Decide(o)
		if got := conditionsText(plan); got != "ComparisonError: Failed to load target state: "+reason || plan.After > AskAgain {
			t.Errorf("it looks again after %s and says\n%s", plan.After, got)
		}
		o.App = plan.App
	}
}
