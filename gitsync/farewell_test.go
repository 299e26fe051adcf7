package gitsync

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// leaving is an Application whose hooks run when it is deleted, a moment before that.
func leaving(t *testing.T, hooks ...string) *world {
	t.Helper()
	w := newWorld(automated)
	w.app.Finalizers = []string{gitopsv1.FinalizerResources}
	w.push("aaaa", docs(append(hooks, manifest("ConfigMap", "one"))...))
	w.settle(t)
	return w
}

// leave begins the deletion.
func (w *world) leave() {
	w.story = nil
	w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
}

func (w *world) told() string {
	var all []string
	for _, c := range w.app.Status.Conditions {
		all = append(all, string(c.Type)+": "+c.Message)
	}
	return strings.Join(all, "\n")
}

var (
	before = manifest("Job", "before", "hook=PreDelete")
	after  = manifest("Job", "after", "hook=PostDelete", "hook-delete-policy=HookSucceeded")
)

func TestFinalizersAreThoseThatTheManifestsAskFor(t *testing.T) {
	w := leaving(t, before, after)
	want := []string{gitopsv1.FinalizerResources, gitopsv1.FinalizerPreDelete, gitopsv1.FinalizerPreDeleteCleanup, gitopsv1.FinalizerPostDelete, gitopsv1.FinalizerPostDeleteCleanup}
	if diff := cmp.Diff(want, w.app.Finalizers); diff != "" {
		t.Error(diff)
	}
	if len(w.objects) != 1 {
		t.Errorf("a hook of the deletion ran in a sync: %s", strings.Join(w.story, "\n"))
	}
	w.push("bbbb", docs(after, manifest("ConfigMap", "one")))
	w.settle(t)
	if diff := cmp.Diff([]string{gitopsv1.FinalizerResources, gitopsv1.FinalizerPostDelete, gitopsv1.FinalizerPostDeleteCleanup}, w.app.Finalizers); diff != "" {
		t.Error(diff)
	}
}

func TestHooksRunBeforeAndAfterTheResourcesGo(t *testing.T) {
	w := leaving(t, before, after)
	w.leave()
	w.settle(t)
	wantStory(t, w, "apply Job prod/before", "delete ConfigMap prod/one", "delete Job prod/before", "apply Job prod/after", "delete Job prod/after")
	if len(w.app.Finalizers) > 0 {
		t.Errorf("finalizers %v", w.app.Finalizers)
	}
}

func TestEachStepOfADeletionWaitsForTheOneBefore(t *testing.T) {
	w := leaving(t, before, manifest("Job", "first", "hook=PreDelete", "sync-wave=-1"))
	first := Key{"batch", "Job", "prod", "first"}
	w.health[first] = Health{Status: Progressing}
	w.leave()
	w.settle(t)
	wantStory(t, w, "apply Job prod/first")
	if !strings.Contains(w.told(), "waiting for completion of hook batch/Job/first") {
		t.Errorf("it says %s", w.told())
	}
	if !held(w.objects[first]) {
		t.Error("nothing keeps the hook until its end is seen")
	}
	w.health[first] = Health{Status: Degraded, Message: "it broke"}
	w.settle(t)
	if !strings.Contains(w.told(), "it broke; delete it to have it run again") || len(w.app.Finalizers) != 3 {
		t.Errorf("it says %s, finalizers %v", w.told(), w.app.Finalizers)
	}
	w.story = nil
	w.health[first] = Health{Status: Healthy}
	w.settle(t)
	wantStory(t, w, "apply Job prod/before", "delete ConfigMap prod/one", "delete Job prod/before", "delete Job prod/first")
}

func TestHooksOfAnEarlierTimeRunAnew(t *testing.T) {
	w := leaving(t, before)
	ran := parse(before)[0]
	track(ran, "shop", "prod")
	w.put(ran, nil)
	for _, o := range w.objects {
		o.SetNamespace("prod")
	}
	w.now = w.now.Add(time.Hour)
	w.leave()
	w.settle(t)
	if !slices.Contains(w.story, "apply Job prod/before") {
		t.Errorf("the hook did not run:\n%s", strings.Join(w.story, "\n"))
	}
}

func TestADeletionWithoutManifestsSaysSoAndWaits(t *testing.T) {
	w := leaving(t, before)
	w.head = "gone"
	w.leave()
	w.settle(t)
	if !strings.Contains(w.told(), "the PreDelete hooks cannot be had: there is no revision gone") || len(w.objects) != 1 {
		t.Errorf("it says %s, %d objects live", w.told(), len(w.objects))
	}
	w.project, w.head = nil, "aaaa"
	w.settle(t)
	if !strings.Contains(w.told(), "the project is gone") {
		t.Errorf("it says %s", w.told())
	}
}

func TestAHookThatIsRefusedIsToldOnce(t *testing.T) {
	w := leaving(t, before)
	w.broken[Key{"batch", "Job", "prod", "before"}] = "no quota left"
	w.leave()
	w.settle(t)
	if !strings.Contains(w.told(), "batch/Job/before: no quota left") {
		t.Errorf("it says %s", w.told())
	}
	if n := len(w.app.Status.OperationState.SyncResult.Resources); n != 1 {
		t.Errorf("the result of the last sync has %d entries", n)
	}
}

func TestADeletionSurvivesACrashAfterAnyWrite(t *testing.T) {
	for crash := range 12 {
		w := leaving(t, before, after)
		w.leave()
		w.crash = crash
		w.settle(t)
		w.crash = -1
		w.settle(t)
		if len(w.app.Finalizers) > 0 || len(w.objects) > 0 {
			t.Errorf("after a crash at write %d: finalizers %v, %d objects:\n%s", crash, w.app.Finalizers, len(w.objects), strings.Join(w.story, "\n"))
		}
	}
}
