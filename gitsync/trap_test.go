package gitsync

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// writesOf gives the writes of the first pass of a sync that makes any.
func writesOf(t *testing.T, w *world) []Write {
	t.Helper()
	for range 5 {
		plan := Decide(w.observation())
		if len(plan.Apply) > 0 {
			return plan.Apply[0]
		}
		w.pass()
	}
	t.Fatal("nothing is written")
	return nil
}

func TestTheNearerWordOnReplaceAndForceCounts(t *testing.T) {
	for name, c := range map[string]struct {
		options        string
		annotation     string
		strategy       *gitopsv1.SyncStrategy
		replace, force bool
	}{
		"nobody says anything":                      {"", "", nil, false, false},
		"the Application replaces":                  {"Replace=true", "", nil, true, false},
		"the object does not, though the rest does": {"Replace=true", "Replace=false", nil, false, false},
		"the object replaces":                       {"", "Replace=true", nil, true, false},
		"the Application cannot force everything":   {"Force=true", "", nil, false, false},
		"an object may be forced":                   {"", "Force=true", nil, false, true},
		"the first of two words counts":             {"", "Force=false, Force=true, Replace=true, Replace=false", nil, true, false},
		"an operation may force everything":         {"", "", &gitopsv1.SyncStrategy{Apply: &gitopsv1.SyncStrategyApply{Force: true}}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			if c.options != "" {
				w.app.Spec.SyncPolicy = &gitopsv1.SyncPolicy{SyncOptions: []string{c.options}}
			}
			w.push("aaaa", manifest("ConfigMap", "one", "sync-options="+c.annotation))
			w.sync(gitopsv1.SyncOperation{SyncStrategy: c.strategy})
			if got := writesOf(t, w)[0]; got.Replace != c.replace || got.Force != c.force {
				t.Errorf("replace %t, force %t", got.Replace, got.Force)
			}
		})
	}
}

func TestWhatLivesMaySayThatItIsReplaced(t *testing.T) {
	for inGit, want := range map[string]bool{"": true, "Replace=false": false} {
		w := newWorld("")
		live := parse(manifest("ConfigMap", "one", "sync-options=Prune=false,Replace=true"))[0]
		track(live, "shop", "prod")
		w.put(live, nil)
		w.push("aaaa", manifest("ConfigMap", "one", "sync-options="+inGit)+"data: {a: b}\n")
		w.sync(gitopsv1.SyncOperation{})
		if got := writesOf(t, w)[0]; got.Replace != want {
			t.Errorf("%q in Git: it is replaced: %t", inGit, got.Replace)
		}
	}
}

func TestASelfHealNamesTheNamespaceOfAnObject(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", config)
	w.settle(t)
	if err := unstructured.SetNestedField(w.objects[key("", "ConfigMap", "settings")].Object, "drift", "data", "a"); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	resources := w.app.Status.OperationState.Operation.Sync.Resources
	if len(resources) != 1 || resources[0].Namespace != "prod" {
		t.Errorf("it healed %+v", resources)
	}
}

func TestHealthOfEachObjectIsInTheStatus(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", deployment)
	w.settle(t)
	if r := w.app.Status.Resources; len(r) != 1 || r[0].Health == nil || r[0].Health.Status != gitopsv1.HealthHealthy {
		t.Errorf("%s", toYAML(r))
	}
}

func TestARolloutComesAfterWhatItNames(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", docs(rollout, strings.ReplaceAll(route, "name: web,", "name: zebra,"), "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: zero, namespace: prod}"))
	w.settle(t)
	wantStory(t, w, "apply HTTPRoute prod/zebra", "apply AnalysisTemplate prod/zero", "apply Rollout prod/web")
}

func TestTheLastWaveIsNotWaitedForUnlessItHasHooks(t *testing.T) {
	for name, c := range map[string]struct {
		more  string
		phase gitopsv1.OperationPhase
	}{
		"without a hook":            {manifest("ConfigMap", "more"), gitopsv1.OperationSucceeded},
		"with one in a phase after": {manifest("Job", "more", "hook=PostSync"), gitopsv1.OperationRunning},
		"with one in the wave":      {manifest("Job", "more", "hook=Sync"), gitopsv1.OperationRunning},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(automated)
			w.health[key("apps", "Deployment", "web")] = Health{Status: Progressing}
			w.push("aaaa", docs(manifest("Deployment", "web"), c.more))
			w.settle(t)
			if got := w.app.Status.OperationState.Phase; got != c.phase {
				t.Errorf("the operation is %s", got)
			}
		})
	}
}

func TestTrackingIDsAreThoseOfTheReference(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader}",
		"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.example.com}", config))
	o := w.observation()
	want := map[string]string{
		"ClusterRole": "shop:rbac.authorization.k8s.io/ClusterRole:prod/reader", "CustomResourceDefinition": "", "ConfigMap": "shop:/ConfigMap:prod/settings",
	}
	for _, got := range prepare(o, o.Target).Objects {
		if id := got.GetAnnotations()[gitopsv1.AnnotationTrackingID]; id != want[got.GetKind()] {
			t.Errorf("%s has the id %q", got.GetKind(), id)
		}
	}
}

func TestADeniedNamespaceIsDeniedUnderTheNameOfTheClusterToo(t *testing.T) {
	spec := gitopsv1.AppProjectSpec{Destinations: []gitopsv1.ProjectDestination{{Server: "*", Namespace: "*"}, {Name: "eu-*", Namespace: "!prod"}}}
	for namespace, want := range map[string]bool{"prod": false, "test": true} {
		if got := PermitsDestination(spec, Cluster{Server: "https://eu", Name: "eu-1"}, namespace); got != want {
			t.Errorf("%s is permitted: %t", namespace, got)
		}
	}
	if !PermitsDestination(spec, Cluster{Server: "https://us", Name: "us-1"}, "prod") {
		t.Error("the denial is of other clusters")
	}
}

func TestAnEmptyListOfKindsPermitsNoneAndNoListAll(t *testing.T) {
	kind := GroupKind{"apps", "Deployment"}
	if !PermitsKind(gitopsv1.AppProjectSpec{}, kind, "web", true) {
		t.Error("no list refuses")
	}
	if PermitsKind(gitopsv1.AppProjectSpec{NamespaceResourceWhitelist: []gitopsv1.GroupKind{}}, kind, "web", true) {
		t.Error("an empty list permits")
	}
}

// TestAWindowFollowsTheWallClockOfItsZone has windows of every night in Berlin, where the clock goes forward from 2:00 to 3:00, and back from 3:00 to 2:00.
func TestAWindowFollowsTheWallClockOfItsZone(t *testing.T) {
	for name, c := range map[string]struct {
		schedule     string
		begins, ends string
	}{
		"an ordinary night":                            {"30 1 * * *", "2026-03-28T00:30:00Z", "2026-03-28T02:30:00Z"},
		"over the hour that is left out":               {"30 1 * * *", "2026-03-29T00:30:00Z", "2026-03-29T02:30:00Z"},
		"from within the hour that is left out":        {"30 2 * * *", "2026-03-29T01:30:00Z", "2026-03-29T03:30:00Z"},
		"right after the hour that is left out":        {"30 3 * * *", "2026-03-29T01:30:00Z", "2026-03-29T03:30:00Z"},
		"the first night of summer time":               {"30 1 * * *", "2026-03-29T23:30:00Z", "2026-03-30T01:30:00Z"},
		"over the hour that comes twice":               {"30 1 * * *", "2026-10-24T23:30:00Z", "2026-10-25T01:30:00Z"},
		"from within the hour that comes twice":        {"30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"},
		"right after the hour that comes twice":        {"30 3 * * *", "2026-10-25T02:30:00Z", "2026-10-25T04:30:00Z"},
		"the first night of winter time":               {"30 1 * * *", "2026-10-26T00:30:00Z", "2026-10-26T02:30:00Z"},
		"a Sunday alone, on which the clock goes back": {"30 1 * * 0", "2026-10-24T23:30:00Z", "2026-10-25T01:30:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			window := gitopsv1.SyncWindow{Kind: "deny", Schedule: c.schedule, Duration: "2h", TimeZone: "Europe/Berlin"}
			var changes []string
			begin, err := time.Parse(time.RFC3339, c.begins)
			if err != nil {
				t.Fatal(err)
			}
			was := false
			for at := begin.Add(-4 * time.Hour); at.Before(begin.Add(6 * time.Hour)); at = at.Add(time.Minute) {
				is, err := isActive(window, at)
				if err != nil {
					t.Fatal(err)
				}
				if is != was {
					changes = append(changes, at.Format(time.RFC3339))
				}
				was = is
			}
			if want := []string{c.begins, c.ends}; !slices.Equal(changes, want) {
				t.Errorf("it begins and ends at %v, want %v", changes, want)
			}
		})
	}
}

func TestAnOperationWithoutAResultIsNoAttemptOfTheCommit(t *testing.T) {
	w := newWorld(automated)
	w.app.Status.OperationState = &gitopsv1.OperationState{Operation: gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}}, Phase: gitopsv1.OperationError}
	w.push("aaaa", config)
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/settings")
}

func TestATimeZoneThatNobodyKnowsIsTold(t *testing.T) {
	windows := []gitopsv1.SyncWindow{{Kind: "allow", Schedule: "* * * * *", Duration: "1h", TimeZone: "Europe/Nowhere", Applications: []string{"*"}}}
	w := newWorld("")
	if may := MayStart(windows, w.app, w.now, false); may.Allowed || !may.Broken || !strings.Contains(may.Reason, "cannot find time zone 'Europe/Nowhere'") {
		t.Errorf("%+v", may)
	}
	if may := MayStart(windows, w.app, w.now, true); !may.Allowed {
		t.Errorf("a person may not: %+v", may)
	}
}
