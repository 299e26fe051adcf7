package gitsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Statements of the contract that are about nothing else.

func TestAnObjectThatGoesWhileItIsWaitedForFailsTheSync(t *testing.T) {
	w := newWorld("")
	web := key("apps", "Deployment", "web")
	w.push("aaaa", docs(manifest("Deployment", "web"), manifest("ConfigMap", "next", "sync-wave=1")))
	w.health[web] = Health{Status: Progressing}
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	delete(w.objects, web)
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationFailed,
		"one or more synchronization tasks completed unsuccessfully, reason: Resource apps/Deployment/web is missing, it might have been deleted")
	if r := w.app.Status.OperationState.SyncResult.Resources[0]; r.HookPhase != gitopsv1.OperationError {
		t.Errorf("%s", toYAML(r))
	}
}

func TestAnObjectWithoutACheckOrOnItsWayOutIsDoneOrWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		health Health
		phase  gitopsv1.OperationPhase
	}{
		"no check":   {Health{}, gitopsv1.OperationSucceeded},
		"Degraded":   {Health{Status: Degraded}, gitopsv1.OperationFailed},
		"Suspended":  {Health{Status: Suspended}, gitopsv1.OperationRunning},
		"Missing":    {Health{Status: Missing}, gitopsv1.OperationRunning},
		"Unknown":    {Health{Status: Unknown}, gitopsv1.OperationRunning},
		"on its way": {Health{Status: Progressing, Message: "Pending deletion"}, gitopsv1.OperationRunning},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			w.push("aaaa", docs(manifest("Deployment", "web"), manifest("ConfigMap", "next", "sync-wave=1")))
			w.health[key("apps", "Deployment", "web")] = c.health
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			if got := w.app.Status.OperationState.Phase; got != c.phase {
				t.Errorf("the operation is %s, want %s", got, c.phase)
			}
		})
	}
}

func TestAHookIsJudgedByItsHealth(t *testing.T) {
	for status, phase := range map[HealthStatus]gitopsv1.OperationPhase{
		"": gitopsv1.OperationSucceeded, Healthy: gitopsv1.OperationSucceeded, Progressing: gitopsv1.OperationRunning, Suspended: gitopsv1.OperationRunning,
		Degraded: gitopsv1.OperationFailed, Unknown: gitopsv1.OperationFailed,
	} {
		t.Run(string(status), func(t *testing.T) {
			w := newWorld("")
			w.push("aaaa", manifest("Job", "hook", "hook=Sync"))
			w.health[key("batch", "Job", "hook")] = Health{Status: status}
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			if got := w.app.Status.OperationState.Phase; got != phase {
				t.Errorf("the operation is %s, want %s", got, phase)
			}
		})
	}
}

func TestAHookForFailuresThatFailsIsTold(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("Job", "bad", "hook=PreSync"), manifest("Job", "rescue", "hook=SyncFail")))
	w.health[key("batch", "Job", "bad")] = Health{Status: Degraded, Message: "exit code 1"}
	w.health[key("batch", "Job", "rescue")] = Health{Status: Degraded, Message: "exit code 2"}
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationFailed,
		"one or more synchronization tasks completed unsuccessfully, reason: exit code 1\none or more SyncFail hooks failed")
}

func TestAFailedGroupDoesNotStopTheLaterOnesOfItsWaveButTheNextWave(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("ConfigMap", "first"), manifest("Deployment", "second"), manifest("ConfigMap", "third", "sync-wave=1")))
	w.broken[key("", "ConfigMap", "first")] = "quota exceeded"
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w, "apply Deployment prod/second")
	wantPhase(t, w, gitopsv1.OperationFailed, "one or more objects failed to apply, reason: quota exceeded")
}

func TestWhatIsWaitedForIsNamedAndTheRestCounted(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("Deployment", "a"), manifest("Deployment", "b"), manifest("Deployment", "c"), manifest("Job", "after", "hook=PostSync")))
	for _, name := range []string{"a", "b", "c"} {
		w.health[key("apps", "Deployment", name)] = Health{Status: Progressing}
	}
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationRunning, "waiting for healthy state of apps/Deployment/a and 2 more resources")
}

func TestTheStrategyApplyRunsNoHooksAndASyncOfNothingSaysSo(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("Job", "before", "hook=PreSync"), manifest("Job", "after", "hook=PostSync")))
	w.sync(gitopsv1.SyncOperation{SyncStrategy: &gitopsv1.SyncStrategy{Apply: &gitopsv1.SyncStrategyApply{}}})
	w.settle(t)
	wantStory(t, w)
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (no more tasks)")
}

func TestADryRunOfASyncSaysWhatItWouldDoAndIsNoHistory(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("ConfigMap", "stays"), manifest("ConfigMap", "goes")))
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	w.push("bbbb", docs(manifest("ConfigMap", "stays"), manifest("ConfigMap", "comes")))
	w.story = nil
	w.sync(gitopsv1.SyncOperation{DryRun: true, Prune: true})
	w.settle(t)
	wantStory(t, w)
	var said []string
	for _, r := range w.app.Status.OperationState.SyncResult.Resources {
		said = append(said, fmt.Sprintln(r.Name, r.Status, r.HookPhase, r.Message))
	}
	slices.Sort(said)
	want := []string{"comes Synced Succeeded created (dry run)\n", "goes Pruned Succeeded pruned (dry run)\n", "stays Synced Succeeded unchanged (dry run)\n"}
	if diff := cmp.Diff(want, said); diff != "" || len(w.app.Status.History) != 1 {
		t.Errorf("%d entries of history, %s", len(w.app.Status.History), diff)
	}
}

func TestAnOperationWaitsForItsWindowToOpen(t *testing.T) {
	w := newWorld("")
	w.project.Spec.SyncWindows = []gitopsv1.SyncWindow{{Kind: "deny", Schedule: "0 8 * * *", Duration: "2h", Applications: []string{"*"}}}
	w.push("aaaa", config)
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w)
	wantPhase(t, w, gitopsv1.OperationRunning, "Sync operation blocked by sync window")
	w.now = w.now.Add(2 * time.Hour)
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/settings")
}

func TestAnExtraThatIsIgnoredMakesTheApplicationNotOutOfSync(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("ConfigMap", "extra", "compare-options=IgnoreExtraneous"), config))
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	w.push("bbbb", config)
	w.settle(t)
	i := slices.IndexFunc(w.app.Status.Resources, func(r gitopsv1.ResourceStatus) bool { return r.Name == "extra" })
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncSynced || i < 0 || s.Resources[i].Status != gitopsv1.SyncOutOfSync || !s.Resources[i].RequiresPruning {
		t.Errorf("%s", toYAML(s))
	}
}

func TestWhatHelmKeepsIsPrunedAndNotTakenAlong(t *testing.T) {
	kept := func(name string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: prod, annotations: {helm.sh/resource-policy: keep}}\n"
	}
	w := newWorld(automated)
	w.app.Finalizers = []string{gitopsv1.FinalizerResources}
	w.push("aaaa", docs(kept("one"), kept("two")))
	w.settle(t)
	w.push("bbbb", kept("one"))
	w.story = nil
	w.settle(t)
	w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
	w.settle(t)
	wantStory(t, w, "delete ConfigMap prod/two")
	if len(w.app.Finalizers) > 0 {
		t.Errorf("finalizers %v", w.app.Finalizers)
	}
}

func TestACascadeLeavesDefinitionsAndWhatAsksToStay(t *testing.T) {
	w := newWorld("syncPolicy: {automated: {}, syncOptions: [Delete=false]}")
	w.app.Finalizers = []string{gitopsv1.FinalizerResources}
	w.push("aaaa", docs("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.example.com}",
		manifest("ConfigMap", "as-the-application"), manifest("ConfigMap", "goes", "sync-options=Delete=true")))
	w.settle(t)
	w.story = nil
	w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
	w.settle(t)
	wantStory(t, w, "delete ConfigMap prod/goes")
}

func TestAPruneThatAsksForAConfirmationAsksInACascadeToo(t *testing.T) {
	w := newWorld(automated)
	w.app.Finalizers = []string{gitopsv1.FinalizerResources}
	w.push("aaaa", manifest("ConfigMap", "asked", "sync-options=Prune=confirm"))
	w.settle(t)
	w.story = nil
	w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
	w.settle(t)
	wantStory(t, w)
	if !strings.Contains(w.told(), "waiting for deletion confirmation of /ConfigMap/asked") {
		t.Errorf("it says %s", w.told())
	}
}

func TestWhatTheProjectForbidsIsNeitherPrunedNorTakenAlong(t *testing.T) {
	w := newWorld(automated)
	w.app.Finalizers = []string{gitopsv1.FinalizerResources}
	w.push("aaaa", docs(config, manifest("Deployment", "web")))
	w.settle(t)
	w.project.Spec.NamespaceResourceBlacklist = []gitopsv1.GroupKind{{Group: "apps", Kind: "Deployment"}}
	w.push("bbbb", config)
	w.story = nil
	w.settle(t)
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncSynced || len(s.Resources) != 1 {
		t.Errorf("%s", toYAML(s))
	}
	w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
	w.settle(t)
	wantStory(t, w, "delete ConfigMap prod/settings")
}

func TestWhatTheProjectForbidsIsUnknownInTheStatus(t *testing.T) {
	w := newWorld(automated)
	w.project.Spec.NamespaceResourceBlacklist = []gitopsv1.GroupKind{{Group: "apps", Kind: "Deployment"}}
	w.push("aaaa", docs(config, manifest("Deployment", "web")))
	w.settle(t)
	i := slices.IndexFunc(w.app.Status.Resources, func(r gitopsv1.ResourceStatus) bool { return r.Name == "web" })
	if i < 0 || w.app.Status.Resources[i].Status != gitopsv1.SyncUnknown || !strings.Contains(w.told(), "resource apps:Deployment is not permitted in project default") {
		t.Errorf("%s", toYAML(w.app.Status))
	}
	wantStory(t, w)
}

func TestAPruneSaysHowDependentsGo(t *testing.T) {
	for option, want := range map[string]string{"": "foreground", "PrunePropagationPolicy=background": "background", "PrunePropagationPolicy=orphan": "orphan"} {
		t.Run(option, func(t *testing.T) {
			w := newWorld("syncPolicy: {syncOptions: [" + option + "]}")
			w.push("aaaa", docs(config, manifest("ConfigMap", "goes")))
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			w.push("bbbb", config)
			w.sync(gitopsv1.SyncOperation{Prune: true})
			w.pass()
			if plan := Decide(w.observation()); len(plan.Delete) != 1 || plan.Delete[0].Propagation != want {
				t.Errorf("deletions %+v", plan.Delete)
			}
		})
	}
}

func TestADestinationThatIsConfiguredNoMoreLetsAnApplicationGo(t *testing.T) {
	for name, c := range map[string]struct {
		cluster Cluster
		left    int
	}{
		"it is gone":            {Cluster{Problem: "there is no cluster", Gone: true}, 0},
		"it cannot be used now": {Cluster{Problem: "its Secret is broken"}, 1},
		"it does not answer":    {Cluster{Silent: "no answer"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(automated)
			w.app.Finalizers = []string{gitopsv1.FinalizerResources}
			w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
			o := w.observation()
			o.Cluster = c.cluster
			if plan := Decide(o); len(plan.App.Finalizers) != c.left {
				t.Errorf("finalizers %v", plan.App.Finalizers)
			}
		})
	}
}

func TestTheHistoryIsAsLongAsItIsAskedFor(t *testing.T) {
	for limit, want := range map[int64][]int64{0: nil, 2: {2, 3}, 10: {0, 1, 2, 3}} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			w := newWorld("")
			w.app.Spec.RevisionHistoryLimit = ptr.To(limit)
			for i := range 4 {
				w.push(strings.Repeat(fmt.Sprint(i), 4), strings.ReplaceAll(config, `"1"`, fmt.Sprint(i)))
				w.sync(gitopsv1.SyncOperation{})
				w.settle(t)
			}
			var ids []int64
			for _, h := range w.app.Status.History {
				ids = append(ids, h.ID)
			}
			if !slices.Equal(ids, want) {
				t.Errorf("entries %v, want %v", ids, want)
			}
		})
	}
}

func TestANewNamespaceIsMadeBeforeAnythingElseIsAskedAbout(t *testing.T) {
	w := newWorld("syncPolicy: {syncOptions: [CreateNamespace=true]}")
	w.push("aaaa", docs(manifest("ConfigMap", "good"), manifest("ConfigMap", "bad"), manifest("Job", "before", "hook=PreSync")))
	w.recorded = func(k Key, _ *unstructured.Unstructured) { // as long as the namespace is not there the server cannot tell
		if k.Kind == "Namespace" {
			w.invalid[key("", "ConfigMap", "bad")] = "data: Invalid value"
		}
	}
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w, "apply Namespace prod")
	wantPhase(t, w, gitopsv1.OperationFailed, "one or more objects failed to apply (dry run)")
	w.recorded = nil
	clear(w.invalid)
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w, "apply Namespace prod", "apply Job prod/before", "apply ConfigMap prod/bad", "apply ConfigMap prod/good")
}

func TestAChangeOfWhatTheNamespaceCarriesIsSynced(t *testing.T) {
	for name, source := range map[string]string{"": "", "of several sources": `sources: [{repoURL: "https://git.example.com/org/repo.git", path: shop}]`} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(source + automated + "  syncOptions: [CreateNamespace=true]\n  managedNamespaceMetadata: {labels: {team: a}}\n")
			w.push("aaaa", docs(config, manifest("Job", "after", "hook=PostSync")))
			w.settle(t)
			namespace := Key{Kind: "Namespace", Name: "prod"}
			carries := func() string { return w.objects[namespace].GetLabels()["team"] }
			if carries() != "a" {
				t.Fatalf("it carries %q", carries())
			}
			w.story = nil
			w.settle(t)
			wantStory(t, w)
			// A heal of something else says nothing about the Namespace.
			w.objects[key("", "ConfigMap", "settings")].Object["data"] = map[string]any{"a": "drift"}
			w.settle(t)
			w.app = w.app.DeepCopy()
			w.app.Spec.SyncPolicy.ManagedNamespaceMetadata.Labels["team"] = "b"
			o := w.observation()
			if s := Decide(o).App.Status.Sync.Status; s != gitopsv1.SyncOutOfSync {
				t.Errorf("it is %s", s)
			}
			w.story = nil
			w.now = w.now.Add(time.Minute)
			w.settle(t)
			wantStory(t, w, "apply Namespace prod", "delete Job prod/after", "apply Job prod/after")
			if carries() != "b" || w.app.Status.Sync.Status != gitopsv1.SyncSynced {
				t.Errorf("it carries %q and is %s", carries(), w.app.Status.Sync.Status)
			}
		})
	}
}

func TestASyncByHandIsToldThatTheRepositoryCannotBeAsked(t *testing.T) {
	const problem = "ComparisonError: Failed to load target state: no such host"
	for name, c := range map[string]struct {
		known gitopsv1.SyncStatusCode
		grace time.Duration
		asked bool
		says  string
		ends  bool
	}{
		"for a while nobody who did not ask":   {gitopsv1.SyncSynced, time.Minute, false, "", false},
		"for a while who asked, and it waits":  {gitopsv1.SyncSynced, time.Minute, true, problem, false},
		"after it everybody, and it ends":      {gitopsv1.SyncSynced, 0, true, problem, true},
		"at once where nothing was known":      {"", time.Minute, true, problem, true},
		"at once where that nothing was known": {gitopsv1.SyncUnknown, time.Minute, true, problem, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			w.app.Status.Sync.Status = c.known
			if c.asked {
				w.sync(gitopsv1.SyncOperation{})
			}
			o := w.observation()
			o.Target = Material{Problem: "no such host", Unreachable: true, Grace: c.grace}
			w.app = Decide(o).App
			if w.told() != c.says {
				t.Errorf("it says %q", w.told())
			}
			if s := w.app.Status.OperationState; (s != nil && s.Phase == gitopsv1.OperationError) != c.ends || c.asked && (w.app.Operation == nil) != c.ends {
				t.Errorf("%s", toYAML(s))
			}
		})
	}
}
