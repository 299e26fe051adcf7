package gitsync

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// moment is one decision, and what it rests on.
type moment struct {
	o    Observation
	plan *Plan
	// shown are copies of what was found alive, from before anybody looked at it.
	shown []*unstructured.Unstructured
	// attempt is that of the operation of which hooks run once; ran are those that were created in one, and hooked those that were written.
	attempt     string
	ran, hooked map[string]bool
	// merged is what a write would make of what lives.
	merged func(manifest, live *unstructured.Unstructured) *unstructured.Unstructured
}

// predicates are what must hold of every decision, and so after every write that comes of it. Each says what is wrong, or nothing. I16, that one bad
// object stops no other, and I5, that what is at rest is not written, are seen by who plays.
var predicates = []struct {
	name  string
	fails func(moment) string
}{
	{"I6: a write carries the state that it was computed from", restsOnWhatWasSeen},
	{"I17: Synced and Healthy is said of the commit that lives", speaksOfTheCommit},
	{"I18: what is the same is not written", writesNothingAnew},
	{"I17: what is about to change is not Healthy", saysWhatIsAboutToChange},
	{"a hook runs once in an attempt", runsHooksOnce},
	{"a hook that succeeded ran in the attempt", ranWhatItSays},
	{"only what an Application holds is deleted", deletesItsOwn},
	{"what a canary rejected is not applied by itself", holdsWhatWasRejected},
	{"nothing is written in a closed window", waitsForItsWindow},
	{"what was observed stays as it was, for others look at the same objects", changesNothingObserved},
	{"an operation under way is the one that is asked for", showsItsOperation},
}

func (m moment) writes() (all []Write) {
	for _, group := range m.plan.Apply {
		all = append(all, group...)
	}
	return all
}

func (m moment) live(k Key) *Live {
	for i := range m.o.Live {
		if KeyOf(m.o.Live[i].Object) == k {
			return &m.o.Live[i]
		}
	}
	return nil
}

func restsOnWhatWasSeen(m moment) string {
	for _, w := range m.writes() {
		live := m.live(w.Task.Key)
		if (live == nil) != (w.Live == nil) || live != nil && live.Object != w.Live {
			return "the write of " + title(w.Task.Key) + " does not"
		}
	}
	for _, d := range m.plan.Delete {
		if live := m.live(KeyOf(d.Live)); live == nil || live.Object != d.Live {
			return "the deletion of " + title(KeyOf(d.Live)) + " does not"
		}
	}
	return ""
}

func changesNothingObserved(m moment) string {
	for i, before := range m.shown {
		if after := m.o.Live[i].Object; !equality.Semantic.DeepEqual(before.Object, after.Object) {
			return title(KeyOf(before)) + " does not"
		}
	}
	return ""
}

func speaksOfTheCommit(m moment) string {
	s := m.plan.App.Status
	if s.Sync.Status != gitopsv1.SyncSynced || s.Health.Status != gitopsv1.HealthHealthy || m.o.Target.Problem != "" || m.o.App.DeletionTimestamp != nil {
		return ""
	}
	if s.Sync.Revision != m.o.Target.revision() {
		return fmt.Sprintf("it names %s, and Git holds %s", s.Sync.Revision, m.o.Target.revision())
	}
	for _, want := range m.o.Target.Objects {
		if _, hook := HooksOf(want); hook {
			continue
		}
		live := m.live(KeyOf(want))
		switch {
		case live == nil:
			return title(KeyOf(want)) + " is missing"
		case !sameValue(compact(want.Object["spec"]), compact(live.Object.Object["spec"]), ""):
			return title(KeyOf(want)) + " is not of it"
		case live.Health.Status != "" && live.Health.Status != Healthy:
			return fmt.Sprintf("%s is %s", title(KeyOf(want)), live.Health.Status)
		}
	}
	return ""
}

func saysWhatIsAboutToChange(m moment) string {
	if m.plan.App.Status.Health.Status != gitopsv1.HealthHealthy {
		return ""
	}
	for _, w := range m.writes() {
		live := m.live(w.Task.Key)
		if !w.Task.Hook && live != nil && live.Health.Status == Healthy && TrackedBy(live.Object) == TrackingName(m.o.App, m.o.ControlNamespace) && m.o.Running == nil {
			return title(w.Task.Key) + " is"
		}
	}
	return ""
}

func writesNothingAnew(m moment) string {
	for _, w := range m.writes() {
		if w.Live != nil && !w.Retry && !w.Task.Hook && equality.Semantic.DeepEqual(m.merged(w.Object, w.Live).Object, w.Live.Object) {
			return title(w.Task.Key) + " is what it would become"
		}
	}
	return ""
}

func runsHooksOnce(m moment) string {
	for _, w := range m.writes() {
		if w.Task.Hook && w.Live == nil && m.ran[hookRun(m.attempt, w.Task.Phase, w.Task.Key)] {
			return hookRun(m.attempt, w.Task.Phase, w.Task.Key)
		}
	}
	return ""
}

func ranWhatItSays(m moment) string {
	state := m.plan.App.Status.OperationState
	if state == nil || state.SyncResult == nil || state.Phase != gitopsv1.OperationSucceeded || m.o.App.Operation == nil || state.Operation.Sync.DryRun {
		return ""
	}
	for _, r := range state.SyncResult.Resources {
		run := hookRun(m.attempt, Phase(r.SyncPhase), Key{r.Group, r.Kind, r.Namespace, r.Name})
		if r.HookType != "" && r.HookPhase == gitopsv1.OperationSucceeded && !m.hooked[run] {
			return run + " did not"
		}
	}
	return ""
}

func deletesItsOwn(m moment) string {
	for _, d := range m.plan.Delete {
		if TrackedBy(d.Live) != TrackingName(m.o.App, m.o.ControlNamespace) {
			return fmt.Sprintf("%s is held by %q", title(KeyOf(d.Live)), TrackedBy(d.Live))
		}
	}
	return ""
}

func holdsWhatWasRejected(m moment) string {
	state := m.plan.App.Status.OperationState
	if state == nil || !state.Operation.InitiatedBy.Automated || m.o.Running != nil {
		return ""
	}
	rejected := slices.DeleteFunc(broughtOf(m.o.App), func(b brought) bool { return !b.Rejected })
	if len(rejected) == 0 {
		return ""
	}
	digests := map[Key]string{}
	for _, desired := range prepare(m.o, m.o.Target).Objects {
		digests[KeyOf(desired)] = Digest(desired)
	}
	for _, w := range m.writes() {
		if slices.ContainsFunc(rejected, func(b brought) bool { return w.Task.Key == b.key() && digests[b.key()] == b.Digest }) {
			return title(w.Task.Key) + " is"
		}
	}
	return ""
}

func waitsForItsWindow(m moment) string {
	state := m.o.App.Status.OperationState
	if len(m.plan.Delete)+len(m.plan.Apply) == 0 || state == nil || m.plan.App.Status.OperationState.Phase == gitopsv1.OperationTerminating {
		return ""
	}
	if may := MayContinue(m.o.Project.Spec.SyncWindows, m.o.App, m.o.Now, state.StartedAt.Time, !state.Operation.InitiatedBy.Automated); !may.Allowed {
		return may.Reason
	}
	return ""
}

func showsItsOperation(m moment) string {
	state := m.plan.App.Status.OperationState
	if state == nil {
		return ""
	}
	if running := !state.Phase.Completed(); running != (m.plan.App.Operation != nil) {
		return fmt.Sprintf("it is %s, and the field is %v", state.Phase, m.plan.App.Operation)
	}
	return ""
}
