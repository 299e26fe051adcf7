package gitsync

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestARetryTakesTheNewestCommit(t *testing.T) {
	w := newWorld(automated + "  retry: {limit: 3}\n")
	w.push("aaaa", manifest("ConfigMap", "one"))
	w.broken[key("", "ConfigMap", "one")] = "quota exceeded"
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationRunning, "one or more objects failed to apply, reason: quota exceeded. Retrying attempt #1 at 9:00AM.")
	if wait := w.app.Status.OperationState; wait.RetryCount != 1 || wait.FinishedAt == nil {
		t.Errorf("%s", toYAML(wait))
	}
	w.push("bbbb", manifest("ConfigMap", "two"))
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/two")
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
}

func TestRetriesEndAndAFailedCommitIsNotTriedForEver(t *testing.T) {
	w := newWorld(automated + "  retry: {limit: 2}\n")
	w.push("aaaa", manifest("ConfigMap", "one"))
	w.broken[key("", "ConfigMap", "one")] = "quota exceeded"
	for range 20 {
		w.settle(t)
		w.now = w.now.Add(10 * time.Minute)
	}
	wantPhase(t, w, gitopsv1.OperationFailed, "one or more objects failed to apply, reason: quota exceeded (retried 2 times).")
	if c := w.app.Status.Conditions; len(c) != 1 || !strings.HasPrefix(c[0].Message, "Failed last sync attempt to [aaaa]: one or more") {
		t.Errorf("%s", toYAML(c))
	}
	before := w.writes
	w.settle(t)
	if w.writes != before {
		t.Error("a failed commit is written again")
	}
}

func TestAnEmptyRepositoryDoesNotWipeEverything(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", config)
	w.settle(t)
	w.commits["bbbb"], w.head = nil, "bbbb"
	w.settle(t)
	if len(w.objects) != 1 || len(w.app.Status.Conditions) != 1 || w.app.Status.Conditions[0].Message != "Skipping sync attempt to [bbbb]: auto-sync will wipe out all resources" {
		t.Errorf("%d objects, %s", len(w.objects), toYAML(w.app.Status.Conditions))
	}
}

func TestTheRestOfACommitGoesOutWithItsHooksAfterADryRunOrASyncOfSomeOfIt(t *testing.T) {
	for name, op := range map[string]gitopsv1.SyncOperation{
		"a dry run":      {DryRun: true},
		"a sync of some": {Resources: []gitopsv1.SyncResource{{Kind: "ConfigMap", Name: "some"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(automated)
			w.push("aaaa", docs(manifest("Job", "before", "hook=PreSync"), manifest("ConfigMap", "rest")))
			w.commits["aaaa"] = append(w.commits["aaaa"], parse(manifest("ConfigMap", "some"))...)
			w.sync(op)
			w.settle(t)
			if did := w.applied(); !slices.Contains(did, "apply Job prod/before") || !slices.Contains(did, "apply ConfigMap prod/rest") {
				t.Errorf("it did %v", did)
			}
		})
	}
}

func TestAnOperationThatIsTerminatedBeforeItWroteDoesNotBlockTheNewestCommit(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", config)
	w.sync(gitopsv1.SyncOperation{})
	w.pass()
	w.app.Status.OperationState.Phase = gitopsv1.OperationTerminating
	w.push("bbbb", manifest("ConfigMap", "new"))
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/new")
}

func TestDriftIsHealedAtOnceAndThenMoreSlowly(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", config)
	w.settle(t)
	drift := func() {
		if err := unstructured.SetNestedField(w.objects[key("", "ConfigMap", "settings")].Object, "drift", "data", "a"); err != nil {
			t.Fatal(err)
		}
	}
	healed := func() bool {
		value, _, _ := unstructured.NestedString(w.objects[key("", "ConfigMap", "settings")].Object, "data", "a")
		return value == "1"
	}
	for i, wait := range []time.Duration{0, 2 * time.Second, 6 * time.Second, 18 * time.Second} {
		drift()
		w.settle(t)
		if healed() != (wait == 0) {
			t.Fatalf("heal %d too early or too late", i)
		}
		w.now = w.now.Add(wait)
		w.settle(t)
		if !healed() {
			t.Fatalf("heal %d did not come after %s", i, wait)
		}
	}
	if len(w.app.Status.History) != 1 {
		t.Error("self-heals are no history")
	}
}

func TestAClosedWindowHoldsASyncBack(t *testing.T) {
	w := newWorld(automated)
	w.project.Spec.SyncWindows = []gitopsv1.SyncWindow{{Kind: "deny", Schedule: "0 8 * * *", Duration: "2h", Applications: []string{"*"}, ManualSync: true}}
	w.push("aaaa", config)
	w.settle(t)
	wantStory(t, w)
	if told := `SyncBlocked: sync to aaaa is blocked by sync window: deny window "0 8 * * *" for 2h`; !slices.Contains(w.story, told) {
		t.Errorf("nobody is told why:\n%s", strings.Join(w.story, "\n"))
	}
	w.now = w.now.Add(2 * time.Hour)
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/settings")
}

func TestABrokenWindowIsAConditionUntilItIsMended(t *testing.T) {
	w := newWorld(automated)
	w.project.Spec.SyncWindows = []gitopsv1.SyncWindow{{Kind: "deny", Schedule: "at eight", Duration: "2h", Applications: []string{"*"}}}
	w.push("aaaa", config)
	w.settle(t)
	wantStory(t, w)
	if !strings.Contains(w.told(), "SyncError: invalid sync windows: cannot parse schedule 'at eight'") {
		t.Errorf("it says %s", w.told())
	}
	w.project.Spec.SyncWindows = nil
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/settings")
	if w.told() != "" {
		t.Errorf("it still says %s", w.told())
	}
}
