package gitsync

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// step brings one wave further and reports whether it is done. In the last one of an operation nothing is waited for, unless it has hooks.
func (a *attempt) step(s Step, last bool) bool {
	a.waiting = nil
	hooks := slices.ContainsFunc(s.Groups, func(g []Task) bool { return slices.ContainsFunc(g, func(t Task) bool { return t.Hook }) })
	waits := !last || hooks
	for _, t := range s.Prune {
		a.prune(t, waits)
	}
	if a.clear(slices.Concat(s.Groups...)) {
		return false
	}
	for _, group := range s.Groups {
		var writes []Write
		for _, t := range group {
			if w := a.advance(t, waits); w != nil {
				writes = append(writes, *w)
			}
		}
		if len(writes) > 0 {
			a.plan.Apply = append(a.plan.Apply, writes)
		}
	}
	return len(a.plan.Apply) == 0 && len(a.plan.Delete) == 0 && len(a.waiting) == 0
}

func (a *attempt) waitFor(k Key, what string, hook bool) {
	a.waiting = append(a.waiting, waiting{k, what, hook})
}

// prune deletes an object that Git does not hold any more, and waits until it is gone.
func (a *attempt) prune(t Task, waits bool) {
	live := a.live(t.Key)
	if live == nil {
		return
	}
	switch r := a.result(t); {
	case r != nil && r.Status == gitopsv1.ResultPruned:
		if waits {
			a.waitFor(t.Key, "deletion of", false)
		}
	case r != nil:
	case option(a.o, live.Object, "Prune") == "confirm" && !a.approved(a.state.StartedAt.Time):
		a.waitFor(t.Key, "pruning confirmation of", false)
	default:
		a.plan.Delete = append(a.plan.Delete, Deletion{Task: t, Live: live.Object, Propagation: a.propagation()})
	}
}

// approved reports whether somebody approved of deletions at or after a moment.
func (d *decision) approved(since time.Time) bool {
	at, err := time.Parse(time.RFC3339, d.app.Annotations[gitopsv1.AnnotationDeletionApproved])
	return err == nil && !at.Before(since.Truncate(time.Second))
}

func (d *decision) propagation() string {
	if p := gitopsv1.SyncOption(syncOptions(d.o), "PrunePropagationPolicy"); p != "" {
		return p
	}
	return "foreground"
}

// advance brings one applied object further: the write it needs, or nil if it needs none.
func (a *attempt) advance(t Task, waits bool) *Write {
	r, live := a.result(t), a.live(t.Key)
	switch {
	case r != nil && r.HookPhase.Completed():
		if t.Hook && live != nil && held(live.Object) && live.Object.GetDeletionTimestamp() == nil {
			a.plan.Release = append(a.plan.Release, live.Object)
		}
		return nil
	case r != nil:
		a.assess(t, live, waits)
		return nil
	case t.Hook:
		return a.createHook(t, live)
	case a.spares(t):
		return nil
	}
	it := a.itemOf(t, live)
	if !it.differs {
		return a.unchanged(t, it, waits)
	}
	return a.write(t, it.desired, live)
}

// unchanged records that there is nothing to apply; but an aborted Rollout begins again where somebody asks for that.
func (a *attempt) unchanged(t Task, it item, waits bool) *Write {
	if a.triesAgain(t, it.live) {
		return &Write{Task: t, Object: it.desired, Live: it.live.Object, Retry: true}
	}
	a.set(t, gitopsv1.ResultSynced, gitopsv1.OperationRunning, "unchanged")
	a.assess(t, it.live, waits)
	return nil
}

// spares records that an automated operation leaves an object alone: its manifest was rejected, or another Application holds it.
func (a *attempt) spares(t Task) bool {
	why := ""
	switch foreign := a.items[t.Key].foreign; {
	case !a.state.Operation.InitiatedBy.Automated:
	case isHeld(a.held, t.Key):
		why = "held: the canary rejected this manifest"
	case foreign != "":
		why = "left alone: it is part of the application " + foreign
	}
	if why != "" {
		a.set(t, gitopsv1.ResultSynced, gitopsv1.OperationSucceeded, why)
	}
	return why != ""
}

// isNamespaceOf reports whether a task makes the destination's Namespace for the option CreateNamespace.
func isNamespaceOf(a *attempt, t Task) bool {
	_, compared := a.items[t.Key]
	return !compared && t.Key == Key{Kind: "Namespace", Name: a.app.Spec.Destination.Namespace}
}

// itemOf is the comparison of a task's object; the destination's own Namespace, which no manifest declares, is compared here.
func (a *attempt) itemOf(t Task, live *Live) item {
	if !isNamespaceOf(a, t) {
		return a.items[t.Key]
	}
	ns := t.Desired.DeepCopy()
	if m := a.namespaceMetadata(); m != nil {
		ns.SetLabels(m.Labels)
		ns.SetAnnotations(m.Annotations)
	}
	it := item{key: t.Key, desired: ns, live: live, differs: true}
	if live != nil {
		differs, err := Differs(ns, live.Object, nil)
		it.differs = differs || err != nil
	}
	return it
}

func (a *attempt) write(t Task, object *unstructured.Unstructured, live *Live) *Write {
	w := newWrite(a.o, object, live)
	w.Task, w.Force = t, a.forces(t)
	return &w
}

// forces reports whether an object is made anew where it cannot be changed in place.
func (a *attempt) forces(t Task) bool {
	s := a.state.Operation.Sync.SyncStrategy
	return s != nil && (s.Apply != nil && s.Apply.Force || s.Hook != nil && s.Hook.Force) || ownOption(t.Desired, "Force") == "true"
}

// clear deletes the hook objects of earlier operations that are to be made anew, and reports whether some are still there. Nothing else of their wave is
// applied before they are gone, because it may need the new ones, as a Job does its ConfigMap.
func (a *attempt) clear(tasks []Task) (waits bool) {
	for _, t := range tasks {
		live := a.live(t.Key)
		if !t.Hook || live == nil || a.result(t) != nil || a.madeHere(live) || !deletedOn(t.Desired, gitopsv1.HookBeforeHookCreation) {
			continue
		}
		a.discard(t, live.Object)
		a.waitFor(t.Key, "deletion of", true)
		waits = true
	}
	return waits
}

// madeHere reports whether a hook object is as new as this operation and still held by us: it was made by it, before a crash.
func (a *attempt) madeHere(live *Live) bool {
	return held(live.Object) && !live.Object.GetCreationTimestamp().Time.Before(a.state.StartedAt.Time)
}

// createHook makes the object of a hook. One that this operation made before a crash is judged only once that stands in the status, because our
// finalizer goes then.
func (a *attempt) createHook(t Task, live *Live) *Write {
	if live == nil {
		object := withHold(t.Desired)
		if object.GetName() == "" {
			object.SetName(t.Key.Name)
		}
		return a.write(t, object, nil)
	}
	if a.madeHere(live) {
		a.set(t, gitopsv1.ResultSynced, gitopsv1.OperationRunning, "created")
		a.waitFor(t.Key, "completion of hook", true)
		return nil
	}
	return a.write(t, withHold(t.Desired), live)
}

// discard deletes the object of a hook; our finalizer, which would keep it, goes first.
func (d *decision) discard(t Task, o *unstructured.Unstructured) {
	if held(o) {
		d.plan.Release = append(d.plan.Release, o)
	}
	if o.GetDeletionTimestamp() == nil {
		d.plan.Delete = append(d.plan.Delete, Deletion{Task: t, Live: o, Propagation: "background"})
	}
}

// assess judges an object that was applied. Its health counts only for what was applied: an object that still shows another generation has none.
func (a *attempt) assess(t Task, live *Live, waits bool) {
	r := a.result(t)
	if !waits {
		return
	}
	if live == nil {
		a.set(t, r.Status, gitopsv1.OperationError, fmt.Sprintf("Resource %s is missing, it might have been deleted", titleOfWire(t.Key)))
		return
	}
	h := live.Health
	phase := phaseOf(h.Status, t.Hook)
	if phase == gitopsv1.OperationRunning {
		what := "healthy state of"
		if t.Hook {
			what = "completion of hook"
		}
		a.waitFor(t.Key, what, t.Hook)
		return
	}
	message := r.Message
	if h.Message != "" {
		message = h.Message
	}
	a.set(t, r.Status, phase, message)
	if t.Hook && held(live.Object) {
		a.plan.Release = append(a.plan.Release, live.Object)
	}
}

// phaseOf is how far an applied object is by its health. An Unknown one fails as a hook and is waited for otherwise.
func phaseOf(h HealthStatus, hook bool) gitopsv1.OperationPhase {
	switch {
	case h == "", h == Healthy:
		return gitopsv1.OperationSucceeded
	case h == Degraded, hook && h == Unknown:
		return gitopsv1.OperationFailed
	}
	return gitopsv1.OperationRunning
}

// failed reports whether a task failed and the rest of its wave has been tried.
func (a *attempt) failed() bool {
	return len(a.plan.Apply) == 0 && slices.ContainsFunc(a.state.SyncResult.Resources, func(r gitopsv1.ResourceResult) bool {
		return r.SyncPhase != gitopsv1.HookSyncFail && (r.HookPhase == gitopsv1.OperationFailed || r.HookPhase == gitopsv1.OperationError)
	})
}

// tellWaiting says what the operation waits for, and gives way to a newer commit where that is nothing but the health of objects.
func (a *attempt) tellWaiting() {
	if len(a.plan.Apply)+len(a.plan.Delete) > 0 {
		return
	}
	if !slices.ContainsFunc(a.waiting, func(w waiting) bool { return w.hook }) && a.supersede() {
		return
	}
	w := a.waiting[0]
	more := ""
	if n := len(a.waiting) - 1; n > 0 {
		kind := "resources"
		if w.hook {
			kind = "hooks"
		}
		more = fmt.Sprintf(" and %d more %s", n, kind)
	}
	what := w.what
	if w.hook && what == "deletion of" {
		what = "deletion of hook"
	}
	a.state.Message = "waiting for " + what + " " + titleOfWire(w.key) + more
}

// finish ends an attempt all of whose waves are done or one of which failed: hooks for failures run, hooks that nobody needs are deleted, and then
// the outcome is final.
func (a *attempt) finish() {
	failed := a.failed()
	if failed && !a.afterFailure() {
		a.tellWaiting()
		return
	}
	occasion := gitopsv1.HookSucceeded
	if failed {
		occasion = gitopsv1.HookFailed
	}
	waits, refused := a.discardHooks(occasion)
	switch {
	case refused != "":
		if a.supersede() {
			return
		}
		a.state.Message = "waiting for deletion of hooks: " + refused
		a.again(windowLook)
		return
	case waits || len(a.plan.Release) > 0:
		a.state.Message = "waiting for deletion of hooks"
		a.again(time.Second)
		return
	}
	if failed {
		a.fail(gitopsv1.OperationFailed, a.failure())
		return
	}
	message := allTasksRun
	if len(a.tasks) == 0 {
		message = noMoreTasks
	}
	a.end(gitopsv1.OperationSucceeded, message)
}

// afterFailure runs the hooks for failures and reports whether they are done.
func (a *attempt) afterFailure() bool {
	a.waiting = nil
	tasks := slices.DeleteFunc(slices.Clone(a.tasks), func(t Task) bool { return t.Phase != SyncFail })
	if a.clear(tasks) {
		return false
	}
	var writes []Write
	for _, t := range tasks {
		if w := a.advance(t, true); w != nil {
			writes = append(writes, *w)
		}
	}
	if len(writes) > 0 {
		a.plan.Apply = append(a.plan.Apply, writes)
	}
	return len(writes) == 0 && len(a.waiting) == 0
}

// discardHooks deletes the hook objects of this operation whose policy names how it ended, and reports whether some are still there, and why one
// could not be deleted before.
func (a *attempt) discardHooks(occasion gitopsv1.HookDeletePolicy) (waits bool, refused string) {
	for _, t := range a.tasks {
		live, r := a.live(t.Key), a.result(t)
		if !t.Hook || r == nil || !deletedOn(t.Desired, occasion) {
			continue
		}
		said, why, failed := strings.Cut(r.Message, notDeleted)
		if live == nil {
			r.Message = said
			continue
		}
		if waits = true; failed {
			refused = why
		}
		a.discard(t, live.Object)
	}
	return waits, refused
}

// failure says what went wrong, in the words of the wire contract.
func (a *attempt) failure() string {
	text, start := "", tasksFailed
	hooksToo := false
	for _, r := range a.state.SyncResult.Resources {
		if r.HookPhase != gitopsv1.OperationFailed && r.HookPhase != gitopsv1.OperationError {
			continue
		}
		if r.SyncPhase == gitopsv1.HookSyncFail {
			hooksToo = true
			continue
		}
		if r.Status == gitopsv1.ResultSyncFailed {
			start = applyFailed
		}
		if text == "" {
			text = r.Message
		}
	}
	if hooksToo {
		text += "\none or more SyncFail hooks failed"
	}
	return start + text
}

// terminate stops an operation: hooks that run are deleted, everything else stays as far as it came. One that had not begun to write says nothing
// about the commit that is the newest by now.
func (d *decision) terminate() {
	state := d.app.Status.OperationState
	if state.SyncResult == nil || len(state.SyncResult.Resources) == 0 {
		d.end(gitopsv1.OperationFailed, "Operation terminated")
		return
	}
	a := d.newAttempt(state, d.material())
	refused := false
	for _, t := range a.tasks {
		r, live := a.result(t), a.live(t.Key)
		switch {
		case !t.Hook || r == nil || live == nil:
		case !r.HookPhase.Completed():
			d.discard(t, live.Object)
			a.waitFor(t.Key, "deletion of", true)
		default:
			refused = refused || r.Status == gitopsv1.ResultSyncFailed
		}
	}
	switch {
	case len(a.waiting) > 0:
		d.again(time.Second)
	case refused:
		d.end(gitopsv1.OperationError, "Operation termination had errors")
	default:
		d.end(gitopsv1.OperationFailed, "Operation terminated")
	}
}
