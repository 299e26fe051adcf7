package generate

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// rolling is a set whose steps select Applications by the label step.
func rolling(t testing.TB, steps string) *gitopsv1.ApplicationSet {
	t.Helper()
	var set gitopsv1.ApplicationSet
	set.UID = "set-uid"
	set.Spec.Strategy = &gitopsv1.ApplicationSetStrategy{Type: gitopsv1.StrategyRollingSync, RollingSync: &gitopsv1.RollingSync{}}
	if err := yaml.UnmarshalStrict([]byte(steps), &set.Spec.Strategy.RollingSync.Steps); err != nil {
		t.Fatal(err)
	}
	return &set
}

const twoSteps = `
- matchExpressions: [{key: step, operator: In, values: ["1"]}]
- matchExpressions: [{key: step, operator: NotIn, values: ["1", none]}]`

var source = gitopsv1.Source{RepoURL: "r", TargetRevision: "main"}

// member is an Application of a step that has compared revision at a second, with further changes.
func member(name, step, revision string, second int64, change ...func(*gitopsv1.Application)) gitopsv1.Application {
	app := gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"step": step}}}
	app.Spec.Source = &source
	app.Status.Sync = gitopsv1.SyncStatus{Status: gitopsv1.SyncOutOfSync, Revision: revision, ComparedTo: gitopsv1.ComparedTo{Source: source}}
	app.Status.ReconciledAt = &metav1.Time{Time: time.Unix(second, 0)}
	for _, c := range change {
		c(&app)
	}
	return app
}

func synced(a *gitopsv1.Application) {
	a.Status.Sync.Status = gitopsv1.SyncSynced
	a.Status.Health.Status = gitopsv1.HealthHealthy
}

func health(code gitopsv1.HealthCode) func(*gitopsv1.Application) {
	return func(a *gitopsv1.Application) { a.Status.Health.Status = code }
}

func ended(phase gitopsv1.OperationPhase, revision string) func(*gitopsv1.Application) {
	return func(a *gitopsv1.Application) {
		a.Status.OperationState = &gitopsv1.OperationState{Phase: phase, SyncResult: &gitopsv1.SyncResult{Revision: revision, Source: source}}
	}
}

func TestRoll(t *testing.T) {
	const one = "- {maxUpdate: 1}"
	asked := func(a *gitopsv1.Application) { a.Operation = &gitopsv1.Operation{} }
	otherSpec := func(a *gitopsv1.Application) { a.Spec.Source = &gitopsv1.Source{RepoURL: "r", TargetRevision: "next"} }
	frozen := func(a *gitopsv1.Application) {
		a.Annotations = map[string]string{gitopsv1.AnnotationSkipReconcile: "true"}
	}
	unknown := func(a *gitopsv1.Application) { a.Status.Sync.Status = gitopsv1.SyncUnknown }
	for _, c := range []struct {
		name, steps   string
		apps          []gitopsv1.Application
		sync, refresh []string
		done          bool
	}{
		{"the first step begins", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1), member("b", "2", "new", 1)}, []string{"a"}, nil, false},
		{"the second waits for a sync", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, ended("Running", "new")), member("b", "2", "new", 1)}, nil, nil, false},
		{"the second waits for a sync that was asked for", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, asked), member("b", "2", "new", 1)}, nil, nil, false},
		{"the second waits for health", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, synced, health("Progressing")), member("b", "2", "new", 1)}, nil, nil, false},
		{"the second waits for a paused canary", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, synced, health("Suspended")), member("b", "2", "new", 1)}, nil, nil, false},
		{"the second stops at a rejected canary", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, synced, health("Degraded")), member("b", "2", "new", 1)}, nil, nil, false},
		{"the second begins", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, synced), member("b", "2", "new", 1)}, []string{"b"}, nil, false},
		{"all is done", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, synced), member("b", "2", "new", 1, synced)}, nil, nil, true},
		{"an earlier step that has not seen the commit is asked to look", twoSteps, []gitopsv1.Application{member("a", "1", "old", 1, synced), member("b", "2", "new", 2)}, nil, []string{"a"}, false},
		{"also if it looked in the same second", twoSteps, []gitopsv1.Application{member("a", "1", "old", 2, synced), member("b", "2", "new", 2)}, nil, []string{"a"}, false},
		{"but not if it has looked since, because the commit does not concern it", twoSteps, []gitopsv1.Application{member("a", "1", "old", 3, synced), member("b", "2", "new", 2)}, []string{"b"}, nil, false},
		{"and not if it is frozen", twoSteps, []gitopsv1.Application{member("a", "1", "old", 1, synced, frozen), member("b", "2", "new", 2)}, []string{"b"}, nil, false},
		{"what is frozen is not synced, takes no turn and is not gone past", "- {maxUpdate: 1, matchExpressions: [{key: step, operator: In, values: [\"1\"]}]}\n- {}", []gitopsv1.Application{
			member("a", "1", "new", 1, frozen), member("b", "1", "new", 1), member("c", "2", "new", 1)}, []string{"b"}, nil, false},
		{"other sources have other revisions", twoSteps, []gitopsv1.Application{
			member("a", "1", "tip", 1, synced, otherSpec, func(a *gitopsv1.Application) { a.Status.Sync.ComparedTo.Source = *a.Spec.Source }), member("b", "2", "new", 2)}, []string{"b"}, nil, false},
		{"a failed revision is not tried again", twoSteps, []gitopsv1.Application{member("a", "1", "bad", 1, ended("Failed", "bad")), member("b", "2", "bad", 1)}, nil, nil, false},
		{"the next revision is", twoSteps, []gitopsv1.Application{member("a", "1", "good", 1, ended("Failed", "bad")), member("b", "2", "good", 1)}, []string{"a"}, nil, false},
		{"a failed revision holds its slot", one, []gitopsv1.Application{member("a", "1", "bad", 1, ended("Failed", "bad")), member("b", "1", "bad", 1)}, nil, nil, false},
		{"what stays different after its sync holds nothing up", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, ended("Succeeded", "new"), health("Healthy")), member("b", "2", "new", 1)}, []string{"b"}, nil, false},
		{"a new spec at the same revision is synced", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, ended("Succeeded", "new"), health("Healthy"), otherSpec, func(a *gitopsv1.Application) { a.Status.Sync.ComparedTo.Source = *a.Spec.Source })}, []string{"a"}, nil, false},
		{"a spec that was not compared yet waits", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, synced, otherSpec), member("b", "2", "new", 1)}, nil, nil, false},
		{"an unknown state waits", twoSteps, []gitopsv1.Application{member("a", "1", "new", 1, unknown), member("b", "2", "new", 1)}, nil, nil, false},
		{"one at a time", one, []gitopsv1.Application{member("b", "1", "new", 1), member("a", "1", "new", 1), member("c", "1", "new", 1)}, []string{"a"}, nil, false},
		{"one at a time, and one is moving", one, []gitopsv1.Application{member("a", "1", "new", 1), member("b", "1", "new", 1, synced, health("Progressing"))}, nil, nil, false},
		{"a half, rounded down", `- {maxUpdate: "50%"}`, []gitopsv1.Application{member("a", "1", "n", 1), member("b", "1", "n", 1), member("c", "1", "n", 1)}, []string{"a"}, nil, false},
		{"a small share is one", `- {maxUpdate: "1%"}`, []gitopsv1.Application{member("a", "1", "n", 1), member("b", "1", "n", 1)}, []string{"a"}, nil, false},
		{"none waits for hands", `- {maxUpdate: 0}`, []gitopsv1.Application{member("a", "1", "n", 1)}, nil, nil, false},
		{"none percent waits for hands", `- {maxUpdate: "0%"}`, []gitopsv1.Application{member("a", "1", "n", 1)}, nil, nil, false},
		{"what no step selects is left alone", twoSteps, []gitopsv1.Application{member("a", "none", "new", 1)}, nil, nil, true},
		{"an empty step holds nothing up", twoSteps, []gitopsv1.Application{member("b", "2", "new", 1)}, []string{"b"}, nil, false},
		{"the first of two steps that select counts", "- {}\n- {}", []gitopsv1.Application{member("a", "1", "new", 1)}, []string{"a"}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Roll(rolling(t, c.steps), c.apps, time.Unix(100, 0))
			var started []string
			for _, s := range got.Sync {
				started = append(started, s.Application)
			}
			if diff := cmp.Diff(c.sync, started); diff != "" {
				t.Errorf("synced: %s", diff)
			}
			if diff := cmp.Diff(c.refresh, got.Refresh); diff != "" {
				t.Errorf("refreshed: %s", diff)
			}
			if got.Progressing == c.done {
				t.Errorf("progressing is %v", got.Progressing)
			}
			if len(got.Statuses) != len(c.apps) {
				t.Errorf("%d statuses for %d Applications", len(got.Statuses), len(c.apps))
			}
		})
	}
}

func TestRollTellsHowFarEachApplicationIs(t *testing.T) {
	set := rolling(t, twoSteps)
	old := metav1.NewTime(time.Unix(5, 0))
	set.Status.ApplicationStatus = []gitopsv1.ApplicationSetApplicationStatus{
		{Application: "a", Status: gitopsv1.ProgressiveHealthy, LastTransitionTime: &old},
		{Application: "b", Status: gitopsv1.ProgressiveWaiting, LastTransitionTime: &old},
	}
	now := metav1.NewTime(time.Unix(100, 0))
	got := Roll(set, []gitopsv1.Application{member("b", "2", "new", 1), member("a", "1", "new", 1, synced), member("x", "none", "new", 1),
		member("c", "2", "bad", 1, ended("Failed", "bad"))}, now.Time)
	want := []gitopsv1.ApplicationSetApplicationStatus{
		{Application: "a", Step: "1", Status: gitopsv1.ProgressiveHealthy, Message: "is synced and healthy", LastTransitionTime: &old, TargetRevisions: []string{"new"}},
		{Application: "b", Step: "2", Status: gitopsv1.ProgressivePending, Message: "is being synced", LastTransitionTime: &now, TargetRevisions: []string{"new"}},
		{Application: "c", Step: "2", Status: gitopsv1.ProgressiveProgressing, Message: "the sync of this revision failed; push a better one, or sync it by hand", LastTransitionTime: &now, TargetRevisions: []string{"bad"}},
		{Application: "x", Step: "-1", Status: gitopsv1.ProgressiveWaiting, Message: "no step selects this Application; sync it by hand", LastTransitionTime: &now, TargetRevisions: []string{"new"}},
	}
	if diff := cmp.Diff(want, got.Statuses); diff != "" {
		t.Error(diff)
	}
}

func TestASyncIsForTheRevisionThatWasCompared(t *testing.T) {
	app := member("a", "1", "new", 1)
	app.Spec.SyncPolicy = &gitopsv1.SyncPolicy{Automated: &gitopsv1.AutomatedSync{Enabled: ptr.To(false), Prune: ptr.To(true)}, SyncOptions: []string{"PruneLast=true"}}
	several := member("b", "1", "", 1, func(a *gitopsv1.Application) {
		a.Spec.Sources = []gitopsv1.Source{source, {RepoURL: "q"}}
		a.Spec.SyncPolicy = &gitopsv1.SyncPolicy{Retry: &gitopsv1.RetryStrategy{Limit: 1}}
		a.Status.Sync.Revisions, a.Status.Sync.ComparedTo.Sources = []string{"r1", "q1"}, a.Spec.Sources
	})
	got := Roll(rolling(t, "- {}"), []gitopsv1.Application{app, several}, time.Unix(100, 0))
	want := []gitopsv1.SyncOperation{{Revision: "new", Prune: true, SyncOptions: []string{"PruneLast=true"}}, {Revisions: []string{"r1", "q1"}}}
	for i, s := range got.Sync {
		if diff := cmp.Diff(want[i], *s.Operation.Sync); diff != "" {
			t.Error(diff)
		}
	}
	if a, b := got.Sync[0].Operation, got.Sync[1].Operation; a.Retry.Limit != 5 || b.Retry.Limit != 1 || a.InitiatedBy.Username != Initiator {
		t.Errorf("retries %v and %v by %v", a.Retry, b.Retry, a.InitiatedBy)
	}
}

func TestUnwindGoesBackwards(t *testing.T) {
	set := rolling(t, twoSteps)
	apps := []gitopsv1.Application{member("a", "1", "", 1), member("b", "2", "", 1), member("x", "none", "", 1)}
	all := names(Unwind(set, apps))
	set.Spec.Strategy.DeletionOrder = gitopsv1.DeletionOrderReverse
	dying := apps[1].DeepCopy()
	dying.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	for _, c := range []struct {
		name      string
		got, want []string
	}{
		{"all at once", all, []string{"a", "b", "x"}},
		{"what is in no step first", names(Unwind(set, apps)), []string{"x"}},
		{"then the last step", names(Unwind(set, apps[:2])), []string{"b"}},
		{"which is waited for", names(Unwind(set, []gitopsv1.Application{apps[0], *dying})), []string{}},
		{"then the first", names(Unwind(set, apps[:1])), []string{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// farm is a toy world: Applications that look at one branch now and then, and syncs that take their time.
type farm struct {
	set   *gitopsv1.ApplicationSet
	apps  []gitopsv1.Application
	steps []int
	// head is the newest commit, bad the commits whose sync fails, and runs what each Application runs.
	head, second int
	bad          map[int]bool
	runs         []int
}

func (f *farm) look(i int) {
	app := &f.apps[i]
	if app.DeletionTimestamp != nil {
		return
	}
	delete(app.Annotations, gitopsv1.AnnotationRefresh)
	app.Status.ReconciledAt = &metav1.Time{Time: time.Unix(int64(f.second), 0)}
	app.Status.Sync = gitopsv1.SyncStatus{Status: gitopsv1.SyncOutOfSync, Revision: strconv.Itoa(f.head), ComparedTo: gitopsv1.ComparedTo{Source: source}}
	if f.runs[i] == f.head {
		app.Status.Sync.Status = gitopsv1.SyncSynced
	}
}

// operate moves the operation of an Application one step on.
func (f *farm) operate(i int) {
	app := &f.apps[i]
	switch state := app.Status.OperationState; {
	case app.DeletionTimestamp != nil:
	case app.Operation != nil:
		app.Status.OperationState = &gitopsv1.OperationState{Phase: gitopsv1.OperationRunning, Operation: *app.Operation}
		app.Operation = nil
		app.Status.Health.Status = gitopsv1.HealthProgressing
	case state != nil && state.Phase == gitopsv1.OperationRunning:
		revision, _ := strconv.Atoi(state.Operation.Sync.Revision)
		state.SyncResult = &gitopsv1.SyncResult{Revision: state.Operation.Sync.Revision, Source: source}
		if f.bad[revision] {
			state.Phase = gitopsv1.OperationFailed
			app.Status.Health.Status = gitopsv1.HealthDegraded
			return
		}
		state.Phase = gitopsv1.OperationSucceeded
		f.runs[i] = revision
	case state != nil && state.Phase == gitopsv1.OperationSucceeded:
		app.Status.Health.Status = gitopsv1.HealthHealthy
	}
}

// meddle syncs a part of an Application by hand, which brings nothing of the rest.
func (f *farm) meddle(i int) {
	app := &f.apps[i]
	if app.Operation != nil || isRunning(*app) || app.DeletionTimestamp != nil {
		return
	}
	app.Status.Health.Status = gitopsv1.HealthHealthy
	app.Status.OperationState = &gitopsv1.OperationState{
		Phase: gitopsv1.OperationSucceeded, SyncResult: &gitopsv1.SyncResult{Revision: app.Status.Sync.Revision, Source: source},
		Operation: gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{Resources: []gitopsv1.SyncResource{{Kind: "ConfigMap", Name: "x"}}}},
	}
}

// kill deletes an Application by hand, or makes anew one that has gone.
func (f *farm) kill(i int) {
	app := &f.apps[i]
	if app.DeletionTimestamp == nil {
		app.DeletionTimestamp = &metav1.Time{Time: time.Unix(int64(f.second), 0)}
		return
	}
	app.DeletionTimestamp, app.Operation, app.Status, f.runs[i] = nil, nil, gitopsv1.ApplicationStatus{}, 0
}

// control makes one pass of the controller and checks the laws.
func (f *farm) control(t *rapid.T) {
	out := Roll(f.set, f.apps, time.Unix(int64(f.second), 0))
	if diff := cmp.Diff(out, Roll(f.set, f.apps, time.Unix(int64(f.second), 0))); diff != "" {
		t.Fatal("the same input gives another plan")
	}
	for _, s := range out.Sync {
		i := f.index(s.Application)
		revision, _ := strconv.Atoi(s.Operation.Sync.Revision)
		for j := range f.apps {
			if f.steps[j] < f.steps[i] && f.runs[j] < revision {
				t.Fatalf("%s of step %d is synced to %d while %s of step %d runs %d", s.Application, f.steps[i], revision, f.apps[j].Name, f.steps[j], f.runs[j])
			}
		}
		if f.bad[revision] && f.apps[i].Status.OperationState != nil && f.apps[i].Status.OperationState.Phase == gitopsv1.OperationFailed &&
			f.apps[i].Status.OperationState.SyncResult.Revision == s.Operation.Sync.Revision {
			t.Fatalf("%s is synced to %d again, which has failed", s.Application, revision)
		}
		if f.apps[i].DeletionTimestamp != nil {
			t.Fatalf("%s is synced while it is being deleted", s.Application)
		}
		f.apps[i].Operation = &s.Operation
	}
	for step := range f.set.Spec.Strategy.RollingSync.Steps {
		busy := 0
		for i := range f.apps {
			if f.steps[i] == step && (f.apps[i].Operation != nil || isRunning(f.apps[i])) {
				busy++
			}
		}
		if limit := f.set.Spec.Strategy.RollingSync.Steps[step].MaxUpdate; limit != nil && busy > limit.IntValue() {
			t.Fatalf("%d syncs at a time in step %d, allowed are %d", busy, step, limit.IntValue())
		}
	}
	for _, name := range out.Refresh {
		f.apps[f.index(name)].Annotations = map[string]string{gitopsv1.AnnotationRefresh: gitopsv1.RefreshNormal}
	}
	f.set.Status.ApplicationStatus = out.Statuses
}

// settle lets everybody do their work for some rounds.
func (f *farm) settle(t *rapid.T, rounds int) {
	for range rounds {
		f.second++
		for i := range f.apps {
			if f.apps[i].DeletionTimestamp != nil {
				f.kill(i)
			}
			f.look(i)
			f.operate(i)
		}
		f.control(t)
	}
}

func (f *farm) index(name string) int {
	for i := range f.apps {
		if f.apps[i].Name == name {
			return i
		}
	}
	return -1
}

func TestARollingSyncKeepsItsOrderAndComesToAnEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count, steps := rapid.IntRange(1, 6).Draw(t, "applications"), rapid.IntRange(1, 3).Draw(t, "steps")
		f := &farm{set: rolling(&testing.T{}, "[]"), bad: map[int]bool{}, head: 1, runs: make([]int, count)}
		for i := range steps {
			step := gitopsv1.RollingSyncStep{MatchExpressions: []gitopsv1.MatchExpression{{Key: "step", Operator: "In", Values: []string{strconv.Itoa(i)}}}}
			if limit := rapid.IntRange(0, 2).Draw(t, "maxUpdate"); limit > 0 {
				step.MaxUpdate = ptr.To(intstr.FromInt32(int32(limit)))
			}
			f.set.Spec.Strategy.RollingSync.Steps = append(f.set.Spec.Strategy.RollingSync.Steps, step)
		}
		for i := range count {
			step := rapid.IntRange(0, steps-1).Draw(t, "step")
			f.steps = append(f.steps, step)
			app := member(fmt.Sprintf("app-%d", i), strconv.Itoa(step), "", 0)
			app.Status = gitopsv1.ApplicationStatus{}
			f.apps = append(f.apps, app)
		}
		for range rapid.IntRange(0, 120).Draw(t, "events") {
			i := rapid.IntRange(0, count-1).Draw(t, "application")
			f.second += rapid.IntRange(0, 1).Draw(t, "seconds")
			switch rapid.SampledFrom([]string{"look", "look", "operate", "operate", "control", "control", "push", "push bad", "settle", "meddle", "kill", "forget"}).Draw(t, "event") {
			case "look":
				f.look(i)
			case "operate":
				f.operate(i)
			case "control":
				f.control(t)
			case "settle":
				f.settle(t, 8)
			case "meddle":
				f.meddle(i)
			case "kill":
				f.kill(i)
			case "forget":
				f.set.Status.ApplicationStatus = nil
			case "push":
				f.head++
			case "push bad":
				f.head++
				f.bad[f.head] = true
			}
		}
		f.head++
		f.settle(t, 8*(count+1))
		for i := range f.apps {
			if f.runs[i] != f.head {
				t.Fatalf("%s runs %d at the end, not %d: %+v", f.apps[i].Name, f.runs[i], f.head, f.set.Status.ApplicationStatus)
			}
		}
	})
}
