package generate

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func started(r Rollout) (names []string) {
	for _, s := range r.Sync {
		names = append(names, s.Application)
	}
	return names
}

func dying(a *gitopsv1.Application) { a.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }

// asked is an operation that ended well at the revision new.
func asked(op gitopsv1.SyncOperation) func(*gitopsv1.Application) {
	return func(a *gitopsv1.Application) {
		ended("Succeeded", "new")(a)
		health(gitopsv1.HealthHealthy)(a)
		a.Status.OperationState.Operation.Sync = &op
	}
}

func TestOnlyAWholeSyncLetsTheNextStepBegin(t *testing.T) {
	for name, op := range map[string]gitopsv1.SyncOperation{
		"some objects":          {Resources: []gitopsv1.SyncResource{{Kind: "ConfigMap", Name: "x"}}},
		"a dry run":             {DryRun: true},
		"manifests of a person": {Manifests: []string{"{}"}},
	} {
		got := Roll(rolling(t, twoSteps), []gitopsv1.Application{member("a", "1", "new", 1, asked(op)), member("b", "2", "new", 1)}, time.Unix(9, 0))
		if diff := cmp.Diff([]string{"a"}, started(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	whole := []gitopsv1.Application{member("a", "1", "new", 1, asked(gitopsv1.SyncOperation{Revision: "new"})), member("b", "2", "new", 1)}
	if diff := cmp.Diff([]string{"b"}, started(Roll(rolling(t, twoSteps), whole, time.Unix(9, 0)))); diff != "" {
		t.Errorf("a whole sync: %s", diff)
	}
}

func TestHowManyApplicationsAStepSyncsAtATime(t *testing.T) {
	ten := func(moving int) (apps []gitopsv1.Application) {
		for i := range 10 {
			app := member(string(rune('a'+i)), "1", "new", 1)
			if i < moving {
				synced(&app)
				health(gitopsv1.HealthProgressing)(&app)
			}
			apps = append(apps, app)
		}
		return apps
	}
	for _, c := range []struct {
		name, limit string
		moving      int
		want        int
	}{
		{"all without a limit", `- {}`, 0, 10},
		{"all at 100 percent", `- {maxUpdate: "100%"}`, 0, 10},
		{"more than there are", `- {maxUpdate: 2147483647}`, 0, 10},
		{"99 percent, rounded down", `- {maxUpdate: "99%"}`, 0, 9},
		{"what moves already counts", `- {maxUpdate: "30%"}`, 2, 1},
		{"more moves than may", `- {maxUpdate: 1}`, 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := len(Roll(rolling(t, c.limit), ten(c.moving), time.Unix(9, 0)).Sync); got != c.want {
				t.Errorf("%d are synced, want %d", got, c.want)
			}
		})
	}
}

func TestAStepThatWaitsForHandsGoesOnOnceTheyHaveSyncedIt(t *testing.T) {
	const manual = `
- {matchExpressions: [{key: step, operator: In, values: ["1"]}], maxUpdate: 0}
- {matchExpressions: [{key: step, operator: In, values: ["2"]}]}`
	before := Roll(rolling(t, manual), []gitopsv1.Application{member("a", "1", "new", 1), member("b", "2", "new", 1)}, time.Unix(9, 0))
	after := Roll(rolling(t, manual), []gitopsv1.Application{member("a", "1", "new", 1, synced), member("b", "2", "new", 1)}, time.Unix(9, 0))
	if diff := cmp.Diff([][]string{nil, {"b"}}, [][]string{started(before), started(after)}); diff != "" {
		t.Error(diff)
	}
}

func TestAnApplicationWithoutAnyStatusHoldsUpTheLaterSteps(t *testing.T) {
	bare := member("a", "1", "", 1, func(a *gitopsv1.Application) { a.Status = gitopsv1.ApplicationStatus{} })
	if got := Roll(rolling(t, twoSteps), []gitopsv1.Application{bare, member("b", "2", "new", 1)}, time.Unix(9, 0)); len(got.Sync) > 0 {
		t.Errorf("synced %v", started(got))
	}
}

// TestWhatGoesForGoodHoldsNothingUp has a child in the first step that is degraded, and is wanted no more or deleted by hand.
func TestWhatGoesForGoodHoldsNothingUp(t *testing.T) {
	degraded := []func(*gitopsv1.Application){synced, health(gitopsv1.HealthDegraded)}
	for _, c := range []struct {
		name   string
		old    gitopsv1.Application
		wanted []string
		want   []string
	}{
		{"wanted and degraded", member("old", "1", "new", 1, degraded...), []string{"old", "b"}, nil},
		{"wanted no more", member("old", "1", "new", 1, degraded...), []string{"b"}, []string{"b"}},
		{"wanted no more, and waiting for its finalizers", member("old", "1", "new", 1, append(degraded, dying)...), []string{"b"}, []string{"b"}},
		{"deleted by hand, so it is made again and goes first", member("old", "1", "new", 1, synced, dying), []string{"old", "b"}, nil},
		{"deleted by hand before its sync", member("old", "1", "new", 1, dying), []string{"old", "b"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := rolling(t, twoSteps)
			own := []gitopsv1.Application{c.old, member("b", "2", "new", 1)}
			var wanted []gitopsv1.Application
			for i := range own {
				own[i].OwnerReferences = []metav1.OwnerReference{ownerOf(set)}
				own[i].Spec.Destination.Name = gitopsv1.InClusterName
				own[i].Status.Sync.ComparedTo.Destination = own[i].Spec.Destination
				for _, name := range c.wanted {
					if name == own[i].Name {
						w := *own[i].DeepCopy()
						w.OwnerReferences, w.DeletionTimestamp, w.Status = nil, nil, gitopsv1.ApplicationStatus{}
						wanted = append(wanted, w)
					}
				}
			}
			plan := Decide(State{Set: set, Wanted: wanted, Current: own, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
			if len(plan.Update)+len(plan.Refused) > 0 {
				t.Fatalf("the plan changes something: %+v", plan)
			}
			if diff := cmp.Diff(c.want, started(Roll(set, plan.Applied(own), time.Unix(9, 0)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestARefusedApplicationIsNotGonePast has a new template that the first step cannot take, because its cluster is unknown.
func TestARefusedApplicationIsNotGonePast(t *testing.T) {
	set := rolling(t, twoSteps)
	own := []gitopsv1.Application{member("a", "1", "new", 1, synced), member("b", "2", "new", 1)}
	for i := range own {
		own[i].OwnerReferences = []metav1.OwnerReference{ownerOf(set)}
		own[i].Spec.Destination.Name = gitopsv1.InClusterName
		own[i].Status.Sync.ComparedTo.Destination = own[i].Spec.Destination
	}
	wanted := []gitopsv1.Application{*own[0].DeepCopy(), *own[1].DeepCopy()}
	state := State{Set: set, Wanted: wanted, Current: own, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}}
	if got := started(Roll(set, Decide(state).Applied(own), time.Unix(9, 0))); !cmp.Equal(got, []string{"b"}) {
		t.Fatalf("with a cluster that is known %v are synced", got)
	}
	wanted[0].Spec.Destination.Name, wanted[0].Status = "nowhere", gitopsv1.ApplicationStatus{}
	if got := started(Roll(set, Decide(state).Applied(own), time.Unix(9, 0))); got != nil {
		t.Errorf("%v are synced before the first step", got)
	}
}

func TestANewTemplateWhileOneRollsBeginsAtTheFirstStep(t *testing.T) {
	set := rolling(t, twoSteps)
	own := []gitopsv1.Application{member("a", "1", "new", 1, synced), member("b", "2", "new", 1, ended("Running", "new")), member("c", "2", "new", 1)}
	var wanted []gitopsv1.Application
	for i := range own {
		own[i].OwnerReferences = []metav1.OwnerReference{ownerOf(set)}
		own[i].Spec.Destination.Name = gitopsv1.InClusterName
		own[i].Status.Sync.ComparedTo.Destination = own[i].Spec.Destination
		w := *own[i].DeepCopy()
		w.Spec.Source = &gitopsv1.Source{RepoURL: "r", TargetRevision: "main", Path: "elsewhere"}
		w.Spec.SyncPolicy = &gitopsv1.SyncPolicy{Automated: &gitopsv1.AutomatedSync{Enabled: ptr.To(true)}}
		wanted = append(wanted, w)
	}
	plan := Decide(State{Set: set, Wanted: wanted, Current: own, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
	if diff := cmp.Diff([]string{"a", "b", "c"}, names(plan.Update)); diff != "" {
		t.Fatal(diff)
	}
	if got := Roll(set, plan.Applied(own), time.Unix(9, 0)); len(got.Sync) > 0 || !got.Progressing {
		t.Errorf("synced %v before anybody has compared the new template", started(got))
	}
	for i := range plan.Update {
		plan.Update[i].Status.Sync.ComparedTo.Source = *plan.Update[i].Spec.Source
		plan.Update[i].Status.Sync.Status = gitopsv1.SyncOutOfSync
	}
	synced(&plan.Update[0])
	plan.Update[0].Status.Sync.Status = gitopsv1.SyncOutOfSync
	if diff := cmp.Diff([]string{"a"}, started(Roll(set, plan.Update, time.Unix(9, 0)))); diff != "" {
		t.Error(diff)
	}
}

// TestASyncThatIsRefusedIsNotAskedForWithoutEnd has operations that ended before they applied anything.
func TestASyncThatIsRefusedIsNotAskedForWithoutEnd(t *testing.T) {
	refused := func(phase gitopsv1.OperationPhase) func(*gitopsv1.Application) {
		return func(a *gitopsv1.Application) {
			a.Status.OperationState = &gitopsv1.OperationState{Phase: phase, Operation: operationFor(*a)}
		}
	}
	for _, phase := range []gitopsv1.OperationPhase{gitopsv1.OperationError, gitopsv1.OperationFailed} {
		own := []gitopsv1.Application{member("a", "1", "new", 1, refused(phase)), member("b", "2", "new", 1)}
		got := Roll(rolling(t, twoSteps), own, time.Unix(9, 0))
		if len(got.Sync) > 0 || got.Statuses[0].Message != "the sync of this revision failed; push a better one, or sync it by hand" {
			t.Errorf("%s: synced %v, %+v", phase, started(got), got.Statuses)
		}
	}
}

func TestAChildMadeByHandIsTakenOverAndTakesItsTurn(t *testing.T) {
	set := rolling(t, twoSteps)
	byHand := member("a", "1", "new", 1)
	byHand.Spec.Destination.Name = gitopsv1.InClusterName
	byHand.Status.Sync.ComparedTo.Destination = byHand.Spec.Destination
	plan := Decide(State{Set: set, Wanted: []gitopsv1.Application{*byHand.DeepCopy()}, Current: []gitopsv1.Application{byHand}, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
	later := member("b", "2", "new", 1)
	if diff := cmp.Diff([]string{"a"}, started(Roll(set, plan.Applied([]gitopsv1.Application{later}), time.Unix(9, 0)))); diff != "" {
		t.Error(diff)
	}
}

// TestAsManyApplicationsAsASetMayHaveAreRolledInBoundedTimeAndMemory has half of them in the first step, done and behind the commit of the others.
func TestAsManyApplicationsAsASetMayHaveAreRolledInBoundedTimeAndMemory(t *testing.T) {
	apps := make([]gitopsv1.Application, maxSets)
	for i := range apps {
		apps[i] = member(fmt.Sprint("a-", i), "2", "new", 2)
		if i%2 == 0 {
			apps[i] = member(fmt.Sprint("a-", i), "1", "old", 1, synced)
		}
	}
	set := rolling(t, twoSteps)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	got := Roll(set, apps, time.Unix(9, 0))
	runtime.ReadMemStats(&after)
	took, used := time.Since(began), (after.TotalAlloc-before.TotalAlloc)>>20
	if len(got.Sync) > 0 || len(got.Refresh) != maxSets/2 || len(got.Statuses) != maxSets {
		t.Errorf("%d are synced, %d asked to look, %d told of", len(got.Sync), len(got.Refresh), len(got.Statuses))
	}
	if took > time.Minute || used > 512 {
		t.Errorf("it took %s and %d MiB", took, used)
	}
	t.Logf("%s, %d MiB", took, used)
}
