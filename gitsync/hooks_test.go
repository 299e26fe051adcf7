package gitsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestOldHooksAreGoneBeforeAnythingOfTheirWaveIsApplied(t *testing.T) {
	for phase, around := range map[string]string{"PreSync": "", "SyncFail": manifest("Job", "bad", "hook=Sync", "hook-delete-policy=HookFailed")} {
		t.Run(phase, func(t *testing.T) {
			w := newWorld("")
			w.health[key("batch", "Job", "bad")] = Health{Status: Degraded}
			// The Job reads the ConfigMap, which lives from the sync before; the Job itself has gone.
			w.push("aaaa", docs(manifest("ConfigMap", "input", "hook="+phase), manifest("Job", "reader", "hook="+phase, "hook-delete-policy=HookSucceeded,HookFailed"), around))
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			w.story, w.lingers = nil, true
			w.now = w.now.Add(time.Minute)
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			if did := w.applied(); slices.Contains(did, "apply Job prod/reader") || !slices.Contains(did, "delete ConfigMap prod/input") {
				t.Errorf("while the old one is there it did %v", did)
			}
			wantPhase(t, w, gitopsv1.OperationRunning, "waiting for deletion of hook /ConfigMap/input")
			w.lingers = false
			delete(w.objects, key("", "ConfigMap", "input"))
			w.settle(t)
			did := w.applied()
			input, reader := slices.Index(did, "apply ConfigMap prod/input"), slices.Index(did, "apply Job prod/reader")
			if input < 0 || reader < input {
				t.Errorf("it did %v", did)
			}
		})
	}
}

func TestAHookThatCannotBeDeletedHoldsNothingUpWithoutAWord(t *testing.T) {
	const refused = "jobs is forbidden: cannot delete"
	again := func(t *testing.T, w *world) {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		w.sync(gitopsv1.SyncOperation{})
		w.settle(t)
	}
	t.Run("one that ran is told and tried again", func(t *testing.T) {
		w := newWorld("")
		w.push("aaaa", docs(manifest("Job", "before", "hook=PreSync", "hook-delete-policy=HookSucceeded"), manifest("Job", "rescue", "hook=SyncFail")))
		w.kept[key("batch", "Job", "before")] = refused
		w.sync(gitopsv1.SyncOperation{})
		w.settle(t)
		wantStory(t, w, "apply Job prod/before")
		wantPhase(t, w, gitopsv1.OperationRunning, "waiting for deletion of hooks: "+refused)
		said := func() string { return w.app.Status.OperationState.SyncResult.Resources[0].Message }
		if said() != "configured; its object could not be deleted: "+refused {
			t.Errorf("its result says %s", said())
		}
		clear(w.kept)
		w.now = w.now.Add(time.Minute)
		w.settle(t)
		wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
		if said() != "configured" {
			t.Errorf("its result says %s", said())
		}
	})
	t.Run("one that ran keeps no newer commit from coming", func(t *testing.T) {
		w := newWorld(automated)
		w.push("aaaa", manifest("Job", "before", "hook=PreSync", "hook-delete-policy=HookSucceeded"))
		w.commits["aaaa"] = append(w.commits["aaaa"], parse(config)...)
		w.kept[key("batch", "Job", "before")] = refused
		w.settle(t)
		w.push("bbbb", manifest("ConfigMap", "new"))
		w.now = w.now.Add(time.Minute)
		w.settle(t)
		if did := w.applied(); !slices.Contains(did, "apply ConfigMap prod/new") {
			t.Errorf("it did %v", did)
		}
	})
	t.Run("one that is to be made anew fails the sync", func(t *testing.T) {
		w := newWorld("")
		w.push("aaaa", manifest("Job", "before", "hook=PreSync"))
		w.sync(gitopsv1.SyncOperation{})
		w.settle(t)
		w.kept[key("batch", "Job", "before")] = refused
		again(t, w)
		wantPhase(t, w, gitopsv1.OperationFailed, "one or more objects failed to apply, reason: "+refused)
	})
	t.Run("one that runs ends a termination with an error", func(t *testing.T) {
		w := newWorld("")
		w.push("aaaa", manifest("Job", "before", "hook=PreSync"))
		w.health[key("batch", "Job", "before")] = Health{Status: Progressing}
		w.sync(gitopsv1.SyncOperation{})
		w.settle(t)
		w.kept[key("batch", "Job", "before")] = refused
		w.app.Status.OperationState.Phase = gitopsv1.OperationTerminating
		w.settle(t)
		wantPhase(t, w, gitopsv1.OperationError, "Operation termination had errors")
		if r := w.app.Status.OperationState.SyncResult.Resources; len(r) != 1 || r[0].Message != refused {
			t.Errorf("%s", toYAML(r))
		}
	})
	t.Run("one of a deletion is told", func(t *testing.T) {
		w := leaving(t, after)
		w.kept[key("batch", "Job", "after")] = refused
		w.leave()
		w.settle(t)
		if said := w.told(); !strings.Contains(said, "batch/Job/after: "+refused) {
			t.Errorf("it says %s", said)
		}
	})
}

func TestNothingIsAppliedIfAHookIsRefusedThatIsMadeAnew(t *testing.T) {
	named := manifest("Job", "before", "hook=PreSync")
	for name, hook := range map[string]string{"one that lives": named, "one that gets its name then": strings.Replace(named, "  name:", "  generateName:", 1)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			w.push("aaaa", docs(hook, config))
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			w.story = nil
			w.push("bbbb", docs(hook+"spec: {template: {}}\n", strings.ReplaceAll(config, `"1"`, "2")))
			w.invalid[KeyOf(w.commits["bbbb"][0])] = "spec.template: Required value"
			w.now = w.now.Add(time.Minute)
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			wantStory(t, w)
			wantPhase(t, w, gitopsv1.OperationFailed, "one or more objects failed to apply (dry run)")
		})
	}
}

func TestAHookThatIsMadeAnewIsAskedAboutAsSuch(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("Job", "replaced", "hook=PreSync"), manifest("Job", "stays", "hook=PreSync", "hook-delete-policy=HookFailed"), manifest("Job", "new", "hook=PreSync")))
	for _, o := range w.commits["aaaa"][:2] {
		w.put(o, nil)
	}
	w.sync(gitopsv1.SyncOperation{})
	w.pass()
	o := w.observation()
	asked := map[string]string{}
	for _, q := range Questions(&o) {
		asked[q.Object.GetName()] = fmt.Sprintf("anew %t, lives %t", q.Anew, q.Live != nil)
	}
	want := map[string]string{"replaced": "anew true, lives false", "stays": "anew false, lives true", "new": "anew false, lives false"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}
