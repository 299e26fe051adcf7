package gitsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// manifest writes a small object with annotations such as sync-wave=1.
func manifest(kind, name string, annotations ...string) string {
	group := map[string]string{"Job": "batch/v1", "Deployment": "apps/v1", kindRollout: "argoproj.io/v1alpha1"}[kind]
	if group == "" {
		group = "v1"
	}
	text := fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n  namespace: prod\n  annotations: {", group, kind, name)
	for _, a := range annotations {
		k, v, _ := strings.Cut(a, "=")
		text += fmt.Sprintf("argocd.argoproj.io/%s: %q, ", k, v)
	}
	return text + "}\n"
}

func docs(all ...string) string { return strings.Join(all, "\n---\n") }

// applied lists what was written, in order.
func (w *world) applied() (all []string) {
	for _, line := range w.story {
		if strings.HasPrefix(line, "apply ") || strings.HasPrefix(line, "delete ") {
			all = append(all, line)
		}
	}
	return all
}

func (w *world) sync(op gitopsv1.SyncOperation) {
	w.app.Operation = &gitopsv1.Operation{Sync: &op, InitiatedBy: gitopsv1.OperationInitiator{Username: "ada"}}
}

func wantStory(t *testing.T, w *world, want ...string) {
	t.Helper()
	if got := w.applied(); !slices.Equal(got, want) {
		t.Errorf("did\n  %s\nwant\n  %s\nstory:\n%s", strings.Join(got, "\n  "), strings.Join(want, "\n  "), strings.Join(w.story, "\n"))
	}
}

func wantPhase(t *testing.T, w *world, phase gitopsv1.OperationPhase, message string) {
	t.Helper()
	s := w.app.Status.OperationState
	if s == nil || s.Phase != phase || s.Message != message {
		t.Errorf("want %s %q, the operation is\n%s", phase, message, toYAML(s))
	}
}

func TestAWaveWaitsForTheHealthOfTheOneBefore(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("Deployment", "second", "sync-wave=2"), manifest("Deployment", "first", "sync-wave=1")))
	w.health[key("apps", "Deployment", "first")] = Health{Status: Progressing}
	w.settle(t)
	wantStory(t, w) // nobody asked
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w, "apply Deployment prod/first")
	wantPhase(t, w, gitopsv1.OperationRunning, "waiting for healthy state of apps/Deployment/first")
	w.health[key("apps", "Deployment", "first")] = Health{Status: Healthy}
	w.settle(t)
	wantStory(t, w, "apply Deployment prod/first", "apply Deployment prod/second")
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
}

func TestHooksRunInTheirPhasesAndGoAsTheirPolicySays(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(
		manifest("Job", "before", "hook=PreSync", "hook-delete-policy=HookSucceeded"),
		manifest("Deployment", "web"),
		manifest("Job", "after", "hook=PostSync"),
		manifest("Job", "rescue", "hook=SyncFail"),
	))
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w, "apply Job prod/before", "apply Deployment prod/web", "apply Job prod/after", "delete Job prod/before")
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
	if job := w.objects[key("batch", "Job", "after")]; job == nil || held(job) {
		t.Errorf("the hook that nobody deletes should be there, without our finalizer: %v", job)
	}
	w.story = nil
	w.now = w.now.Add(time.Minute)
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w, "apply Job prod/before", "delete Job prod/after", "apply Job prod/after", "delete Job prod/before")
}

func TestAHookOfASyncThatEndedInTheSameSecondIsNotTakenForThisOne(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", manifest("Job", "after", "hook=PostSync"))
	for range 2 {
		w.story = nil
		w.sync(gitopsv1.SyncOperation{})
		w.settle(t)
		wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
	}
	wantStory(t, w, "delete Job prod/after", "apply Job prod/after")
}

func TestAFailedHookEndsTheSyncAndRunsTheRescue(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("Job", "before", "hook=PreSync"), manifest("Deployment", "web"), manifest("Job", "rescue", "hook=SyncFail")))
	w.health[key("batch", "Job", "before")] = Health{Status: Degraded, Message: "exit code 1"}
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w, "apply Job prod/before", "apply Job prod/rescue")
	wantPhase(t, w, gitopsv1.OperationFailed, "one or more synchronization tasks completed unsuccessfully, reason: exit code 1")
}

func TestNothingIsAppliedIfSomethingIsRefused(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("ConfigMap", "good"), manifest("ConfigMap", "bad")))
	w.invalid[key("", "ConfigMap", "bad")] = "metadata.name: is no name"
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w)
	wantPhase(t, w, gitopsv1.OperationFailed, "one or more objects failed to apply (dry run)")
	w.push("bbbb", docs(manifest("ConfigMap", "good"), manifest("Mystery", "what")))
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w)
	w.project.Spec.NamespaceResourceBlacklist = []gitopsv1.GroupKind{{Kind: "ConfigMap"}}
	w.push("cccc", manifest("ConfigMap", "good"))
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w)
	wantPhase(t, w, gitopsv1.OperationFailed,
		"one or more synchronization tasks are not valid: resource :ConfigMap is not permitted in project default")
}

func TestPruningAsksWhereItIsToldTo(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", docs(manifest("ConfigMap", "kept", "sync-options=Prune=false"), manifest("ConfigMap", "asked", "sync-options=Prune=confirm"), config))
	w.settle(t)
	w.push("bbbb", config)
	w.now = w.now.Add(time.Minute)
	w.story = nil
	w.settle(t)
	wantStory(t, w)
	wantPhase(t, w, gitopsv1.OperationRunning, "waiting for pruning confirmation of /ConfigMap/asked")
	w.app.Annotations = map[string]string{gitopsv1.AnnotationDeletionApproved: w.now.Add(time.Minute).Format(time.RFC3339)}
	w.settle(t)
	wantStory(t, w, "delete ConfigMap prod/asked")
	if i := slices.IndexFunc(w.app.Status.OperationState.SyncResult.Resources, func(r gitopsv1.ResourceResult) bool { return r.Name == "kept" }); i < 0 ||
		w.app.Status.OperationState.SyncResult.Resources[i].Message != "ignored (no prune)" {
		t.Errorf("%s", toYAML(w.app.Status.OperationState))
	}
}

func TestTerminateDeletesRunningHooks(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("Job", "long", "hook=PreSync"), manifest("Deployment", "web")))
	w.health[key("batch", "Job", "long")] = Health{Status: Progressing}
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationRunning, "waiting for completion of hook batch/Job/long")
	w.app.Status.OperationState.Phase = gitopsv1.OperationTerminating
	w.settle(t)
	wantStory(t, w, "apply Job prod/long", "delete Job prod/long")
	wantPhase(t, w, gitopsv1.OperationFailed, "Operation terminated")
}

func TestARollbackSyncsWhatTheHistoryHolds(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", manifest("ConfigMap", "one"))
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	w.push("bbbb", manifest("ConfigMap", "two"))
	w.sync(gitopsv1.SyncOperation{Prune: true})
	w.settle(t)
	old := w.app.Status.History[0]
	w.story = nil
	w.sync(gitopsv1.SyncOperation{Revision: old.Revision, Source: &old.Source, Prune: true})
	w.settle(t)
	wantStory(t, w, "delete ConfigMap prod/two", "apply ConfigMap prod/one")
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncOutOfSync || s.Sync.Revision != "bbbb" || len(s.History) != 3 {
		t.Errorf("%s", toYAML(s))
	}
}

func TestDeletingAnApplicationTakesItsObjectsWaveByWave(t *testing.T) {
	w := newWorld(automated)
	w.app.Finalizers = []string{gitopsv1.FinalizerResources, "someone/else"}
	w.push("aaaa", docs(manifest("ConfigMap", "low"), manifest("ConfigMap", "high", "sync-wave=5"), manifest("ConfigMap", "kept", "sync-options=Delete=false")))
	w.settle(t)
	w.story = nil
	w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
	for range 3 {
		w.settle(t)
		w.now = w.now.Add(10 * time.Second)
	}
	wantStory(t, w, "delete ConfigMap prod/high", "delete ConfigMap prod/low")
	if !slices.Equal(w.app.Finalizers, []string{"someone/else"}) {
		t.Errorf("finalizers %v", w.app.Finalizers)
	}
}

func TestTwoApplicationsOnOneObjectDoNotFight(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", config)
	w.settle(t)
	w.objects[key("", "ConfigMap", "settings")].SetAnnotations(map[string]string{gitopsv1.AnnotationTrackingID: "other:/ConfigMap:prod/settings"})
	w.holders["other"] = true
	w.story = nil
	w.settle(t)
	wantStory(t, w)
	if c := w.app.Status.Conditions; len(c) != 1 || c[0].Message != "ConfigMap/settings is part of applications argocd/shop and other" {
		t.Errorf("%s", toYAML(c))
	}
	w.holders["other"] = false // it is gone
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/settings")
}

func TestSecretsStaySecret(t *testing.T) {
	const canary = "tweety-the-canary"
	w := newWorld(automated)
	w.push("aaaa", `
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: prod}
stringData: {key: `+canary+`}
`)
	k := key("", "Secret", "password")
	w.broken[k] = `cannot unmarshal "` + canary + `" and "dHdlZXR5LXRoZS1jYW5hcnk="`
	w.settle(t)
	all := toYAML(w.app.Status) + strings.Join(w.story, "\n")
	if !strings.Contains(all, "cannot unmarshal") || strings.Contains(all, canary) || strings.Contains(all, "dHdlZXR5LXRoZS1jYW5hcnk=") {
		t.Errorf("a value of a Secret, or no message at all:\n%s", all)
	}
	shown := toYAML(Objects(w.commits["aaaa"][0], nil)[0])
	if strings.Contains(shown, canary) || !strings.Contains(shown, "key: ++++++++\n") {
		t.Errorf("shown as\n%s", shown)
	}
}

func TestASyncToARevisionThatSomebodyNamesDoesNotGiveWayToANewerCommit(t *testing.T) {
	w := newWorld(automated)
	at := func(image string) string {
		return docs(manifest("Deployment", "web", "sync-wave=-1")+"spec: {image: "+image+"}\n", manifest("ConfigMap", "last"))
	}
	w.push("hotfix", at("v2"))
	w.push("main", at("v1"))
	w.settle(t)
	w.health[key("apps", "Deployment", "web")] = Health{Status: Progressing}
	w.sync(gitopsv1.SyncOperation{Revision: "hotfix"})
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationRunning, "waiting for healthy state of apps/Deployment/web")
	if r := w.app.Status.OperationState.SyncResult; r.Revision != "hotfix" {
		t.Errorf("the sync is of %s now", r.Revision)
	}
}

func TestARetryIsOfTheOperationThatBeganBeforeTheWindow(t *testing.T) {
	w := newWorld("")
	w.project.Spec.SyncWindows = []gitopsv1.SyncWindow{
		{Kind: "deny", Schedule: "0 10 * * *", Duration: "2h", Applications: []string{"*"}, SyncOverrun: true},
	}
	w.push("aaaa", config)
	w.broken[key("", "ConfigMap", "settings")] = "quota exceeded"
	w.now = w.now.Add(time.Hour - time.Second)
	w.app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}, Retry: gitopsv1.RetryStrategy{Limit: 3}}
	w.settle(t)
	for range 2 { // the first retry begins inside of the window, and so would the operation if it began anew
		w.now = w.now.Add(time.Minute)
		w.settle(t)
	}
	clear(w.broken)
	w.now = w.now.Add(5 * time.Minute)
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
}

func TestAnApprovalOfDeletionsHoldsForTheRetriesToo(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("ConfigMap", "asked", "sync-options=Prune=confirm"), config))
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	w.push("bbbb", config+"bad: true\n")
	w.broken[key("", "ConfigMap", "settings")] = "quota exceeded"
	w.app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{Prune: true, SyncOptions: []string{"PruneLast=true"}}, Retry: gitopsv1.RetryStrategy{Limit: 3}}
	w.app.Annotations = map[string]string{gitopsv1.AnnotationDeletionApproved: w.now.Format(time.RFC3339)}
	w.settle(t)
	clear(w.broken)
	w.now = w.now.Add(5 * time.Minute)
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
	if w.objects[key("", "ConfigMap", "asked")] != nil {
		t.Error("what was approved to be deleted is there")
	}
}

func TestEachAttemptRunsHooksOfItsOwn(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", strings.Replace(manifest("Job", "migrate-", "hook=PreSync", "hook-delete-policy=HookSucceeded"), "  name:", "  generateName:", 1))
	w.app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}, Retry: gitopsv1.RetryStrategy{Limit: 1}}
	first := key("batch", "Job", fmt.Sprintf("migrate-aaaa-presync-%d", w.now.Unix()))
	w.health[first] = Health{Status: Degraded, Message: "exit code 1"}
	w.settle(t)
	if w.objects[first] == nil {
		t.Fatalf("no hook of the first attempt:\n%s", strings.Join(w.story, "\n"))
	}
	w.now = w.now.Add(5 * time.Minute)
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
}

func TestAHookThatRunsStillWhenAnAttemptFailsIsRunAgainByTheNext(t *testing.T) {
	w := newWorld("")
	hook, bad := key("batch", "Job", "migrate"), key("batch", "Job", "check")
	w.push("aaaa", docs(manifest("Job", "migrate", "hook=PreSync"), manifest("Job", "check", "hook=PreSync")))
	w.app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}, Retry: gitopsv1.RetryStrategy{Limit: 1}}
	w.health[hook], w.health[bad] = Health{Status: Progressing}, Health{Status: Degraded, Message: "exit code 1"}
	w.settle(t)
	w.story = nil
	clear(w.health)
	w.now = w.now.Add(5 * time.Minute)
	w.settle(t)
	wantStory(t, w, "delete Job prod/check", "delete Job prod/migrate", "apply Job prod/check", "apply Job prod/migrate")
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
}

func TestAnOperationHasOnlyWhatTheProjectPermits(t *testing.T) {
	elsewhere := &gitopsv1.Source{RepoURL: "https://elsewhere.example.com/org/repo.git", Path: "shop"}
	for name, c := range map[string]struct {
		sync gitopsv1.SyncOperation
		says string
	}{
		"a source that is not permitted": {
			gitopsv1.SyncOperation{Source: elsewhere}, "application repo https://elsewhere.example.com/org/repo.git is not permitted in project 'default'",
		},
		"one of several sources that is not permitted": {
			gitopsv1.SyncOperation{Sources: []gitopsv1.Source{*elsewhere}}, "application repo https://elsewhere.example.com/org/repo.git is not permitted in project 'default'",
		},
		"a source without a path": {
			gitopsv1.SyncOperation{Source: &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo.git"}},
			"spec.source.repoURL and either spec.source.path or spec.source.chart are required",
		},
		"manifests that nobody signed": {
			gitopsv1.SyncOperation{Manifests: []string{config}},
			"project 'default' asks for signed commits, and manifests that come with an operation carry no signature",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			w.project.Spec.SourceRepos = []string{"https://git.example.com/org/*"}
			w.project.Spec.SignatureKeys = []gitopsv1.SignatureKey{{KeyID: "0123456789ABCDEF"}}
			w.push("aaaa", config)
			c.sync.Revision = "aaaa"
			w.sync(c.sync)
			w.settle(t)
			wantStory(t, w)
			wantPhase(t, w, gitopsv1.OperationError, c.says)
		})
	}
}

func TestARollbackDoesNotWaitUntilTheNewestCommitRenders(t *testing.T) {
	w := newWorld("")
	for _, revision := range []string{"aaaa", "bbbb"} {
		w.push(revision, strings.ReplaceAll(config, `"1"`, revision))
		w.sync(gitopsv1.SyncOperation{})
		w.settle(t)
	}
	w.head, w.story = "broken", nil
	old := w.app.Status.History[0]
	w.sync(gitopsv1.SyncOperation{Revision: old.Revision, Source: &old.Source})
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/settings")
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
	if !slices.Contains(w.story, "OperationStarted: ada initiated sync to "+old.Revision) {
		t.Errorf("people are told\n%s", strings.Join(w.story, "\n"))
	}
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncUnknown || !strings.HasPrefix(w.told(), "ComparisonError: Failed to load target state: ") {
		t.Errorf("%s, %s", s.Sync.Status, w.told())
	}
}

func TestASyncUnderWayGoesOnThoughANewerCommitDoesNotRender(t *testing.T) {
	w := newWorld(automated)
	hook := key("batch", "Job", "migrate")
	w.push("aaaa", docs(manifest("Job", "migrate", "hook=PreSync"), config))
	w.health[hook] = Health{Status: Progressing}
	w.settle(t)
	w.head = "broken"
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationRunning, "waiting for completion of hook batch/Job/migrate")
	w.health[hook] = Health{Status: Healthy}
	w.settle(t)
	wantStory(t, w, "apply Job prod/migrate", "apply ConfigMap prod/settings")
	wantPhase(t, w, gitopsv1.OperationSucceeded, "successfully synced (all tasks run)")
	if w.app.Operation != nil || len(w.objects) != 2 {
		t.Errorf("a commit that does not render started %v", w.app.Operation)
	}
}

func TestASyncOfTheNewestCommitEndsWhereThatDoesNotRender(t *testing.T) {
	w := newWorld("")
	w.head = "broken"
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantPhase(t, w, gitopsv1.OperationError, "Failed to load target state: there is no revision broken")
}

func TestARollbackIsNotRefusedForWhatTheNewestCommitHolds(t *testing.T) {
	w := newWorld("")
	for _, revision := range []string{"good", "other"} {
		w.push(revision, strings.ReplaceAll(config, `"1"`, revision))
		w.sync(gitopsv1.SyncOperation{})
		w.settle(t)
	}
	w.push("bad", strings.ReplaceAll(config, `"1"`, "bad"))
	w.sync(gitopsv1.SyncOperation{Revision: "good"})
	w.pass()
	o := w.observation()
	var asked []string
	for _, q := range Questions(&o) {
		value, _, _ := unstructured.NestedString(q.Object.Object, "data", "a")
		asked = append(asked, value)
		if value == "bad" {
			o.Predicted[Digest(q.Object)] = Prediction{Problem: "is refused"}
		}
	}
	if !slices.Equal(asked, []string{"bad", "good"}) {
		t.Errorf("dry runs are asked of %v", asked)
	}
	if plan := Decide(o); len(plan.Apply) != 1 {
		t.Errorf("nothing is applied:\n%s", toYAML(plan.App.Status.OperationState))
	}
}

func TestACommitThatChangesNoManifestLetsASyncGoOn(t *testing.T) {
	w := newWorld(automated)
	all := docs(manifest("Job", "migrate", "hook=PreSync"), manifest("Deployment", "web", "sync-wave=-1"), manifest("ConfigMap", "last"))
	web := key("apps", "Deployment", "web")
	w.health[web] = Health{Status: Progressing}
	for _, revision := range []string{"aaaa", "bbbb", "cccc"} {
		w.push(revision, all)
		w.settle(t)
		w.now = w.now.Add(time.Minute)
		w.settle(t)
	}
	wantStory(t, w, "apply Job prod/migrate", "apply Deployment prod/web")
	w.health[web] = Health{Status: Healthy}
	w.settle(t)
	wantStory(t, w, "apply Job prod/migrate", "apply Deployment prod/web", "apply ConfigMap prod/last")
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncSynced || s.Sync.Revision != "cccc" {
		t.Errorf("%s at %s", s.Sync.Status, s.Sync.Revision)
	}
}

func TestACommitThatChangesNoManifestOnThePathsThatSomebodyNamesDoesNotTryAFailedOneAgain(t *testing.T) {
	w := newWorld("syncPolicy: {retry: {}, automated: {prune: true, selfHeal: true}}")
	w.app.Annotations = map[string]string{gitopsv1.AnnotationManifestGeneratePaths: "."}
	all := docs(manifest("Job", "migrate", "hook=PreSync"), manifest("ConfigMap", "last"))
	w.health[key("batch", "Job", "migrate")] = Health{Status: Degraded, Message: "exit code 1"}
	for _, revision := range []string{"aaaa", "bbbb", "cccc"} {
		w.push(revision, all)
		w.settle(t)
		w.now = w.now.Add(time.Minute)
		w.settle(t)
	}
	wantStory(t, w, "apply Job prod/migrate")
	if said := w.told(); !strings.HasPrefix(said, "SyncError: Failed last sync attempt to [aaaa]: ") {
		t.Errorf("it says %s", said)
	}
	w.push("dddd", docs(all, config))
	w.settle(t)
	wantStory(t, w, "apply Job prod/migrate", "delete Job prod/migrate", "apply Job prod/migrate")
}

func TestNothingIsAppliedIfAHookIsRefused(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("ConfigMap", "one"), manifest("Job", "after", "hook=PostSync")))
	w.invalid[key("batch", "Job", "after")] = "spec.template: Required value"
	w.sync(gitopsv1.SyncOperation{})
	w.settle(t)
	wantStory(t, w)
	wantPhase(t, w, gitopsv1.OperationFailed, "one or more objects failed to apply (dry run)")
}
