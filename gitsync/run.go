package gitsync

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Texts of the wire contract.
const (
	allTasksRun   = "successfully synced (all tasks run)"
	noMoreTasks   = "successfully synced (no more tasks)"
	dryRunFailed  = "one or more objects failed to apply (dry run)"
	applyFailed   = "one or more objects failed to apply, reason: "
	tasksFailed   = "one or more synchronization tasks completed unsuccessfully, reason: "
	notRequested  = "ignored (requires pruning)"
	pruneRefused  = "ignored (no prune)"
	notValidTasks = "one or more synchronization tasks are not valid: "
)

// notDeleted, in the message of a hook, says why its object stays.
const notDeleted = "; its object could not be deleted: "

// attempt is one look at an operation under way.
type attempt struct {
	*decision
	state *gitopsv1.OperationState
	items map[Key]item
	tasks []Task
	// held are the manifests of the operation that were rejected.
	held []brought
	// waiting says what the current wave waits for.
	waiting []waiting
}

// waiting is one object that is waited for; what is in the words of the wire contract.
type waiting struct {
	key  Key
	what string
	hook bool
}

// run does what is next in the order of an operation: at most one wave is written.
func (d *decision) run(state *gitopsv1.OperationState, m Material) {
	a := d.newAttempt(state, m)
	if why := a.uncompared(); why != "" {
		d.fail(gitopsv1.OperationError, why)
		return
	}
	if sync := state.Operation.Sync; sync.DryRun {
		a.dryRun()
		return
	}
	if starts(d.app) && !a.gate() {
		d.fail(gitopsv1.OperationFailed, a.gateMessage())
		return
	}
	if w := a.namespaceFirst(); w != nil {
		a.plan.Apply = [][]Write{{*w}}
		return
	}
	a.skipPrunes()
	steps := Steps(a.tasks)
	for i, step := range steps {
		done := a.step(step, i == len(steps)-1)
		if a.failed() {
			break
		}
		if !done {
			a.tellWaiting()
			return
		}
	}
	a.finish()
}

func (d *decision) newAttempt(state *gitopsv1.OperationState, m Material) *attempt {
	a := &attempt{decision: d, state: state, items: map[Key]item{}}
	prepared, items := d.prepared, d.items
	if d.o.Running != nil {
		prepared, items = d.o.prepared(m), d.o.compare(m)
	}
	a.held = d.o.rejectedIn(broughtOf(d.app), prepared)
	if state.SyncResult == nil {
		state.SyncResult = &gitopsv1.SyncResult{}
	}
	a.fillResult(m)
	var wanted, extras []*unstructured.Unstructured
	for _, it := range items {
		a.items[it.key] = it
		if it.desired == nil && d.chosen(it.key) && d.forbidden(it.key) == "" {
			extras = append(extras, it.live.Object)
		}
	}
	for _, o := range prepared.Objects {
		if d.chosen(KeyOf(o)) {
			wanted = append(wanted, o)
		}
	}
	sync := state.Operation.Sync
	partial := len(sync.Resources) > 0
	a.tasks = Order(wanted, extras, OrderOptions{
		Namespace: d.app.Spec.Destination.Namespace, Revision: m.revision(), StartedAt: attemptedAt(state),
		Prune: true, PruneLast: gitopsv1.SyncOption(syncOptions(d.o), "PruneLast") == "true",
		SkipHooks:       partial || sync.SyncStrategy != nil && sync.SyncStrategy.Apply != nil,
		CreateNamespace: !partial && a.makesNamespace(), Namespaced: func(k GroupKind) bool { return d.o.Kinds[k].Namespaced },
	})
	return a
}

// attemptedAt differs from one attempt of an operation to the next, so that hooks that are named by it are others.
func attemptedAt(state *gitopsv1.OperationState) time.Time {
	before := state.RetryCount
	if state.FinishedAt != nil {
		before-- // the next attempt is counted already
	}
	return state.StartedAt.Add(time.Duration(before) * time.Second)
}

// makesNamespace reports whether the destination's Namespace is part of the operation.
func (a *attempt) makesNamespace() bool {
	name := a.app.Spec.Destination.Namespace
	if !CreatesNamespace(a.o) {
		return false
	}
	return a.namespaceMetadata() != nil ||
		a.live(Key{Kind: "Namespace", Name: name}) == nil || a.result(Task{Phase: PreSync, Key: Key{Kind: "Namespace", Name: name}}) != nil
}

func (d *decision) live(k Key) *Live { return d.living[k] }

// fillResult names what is synced, which an operation without a revision learns only now.
func (a *attempt) fillResult(m Material) {
	r := a.state.SyncResult
	if sync := a.state.Operation.Sync; len(sync.Resources) == 0 && !sync.DryRun {
		r.ManagedNamespaceMetadata = a.namespaceMetadata()
	}
	if gitopsv1.HasSeveralSources(a.app.Spec) || len(a.state.Operation.Sync.Sources) > 0 {
		r.Revisions, r.Sources = m.Revisions, m.Sources
		return
	}
	r.Revision = m.revision()
	if len(m.Sources) > 0 {
		r.Source = m.Sources[0]
	}
}

// namespaceMetadata is what the destination's Namespace is to carry; nil if that is nobody's business.
func (d *decision) namespaceMetadata() *gitopsv1.ManagedNamespaceMetadata {
	if p := d.app.Spec.SyncPolicy; p != nil && CreatesNamespace(d.o) {
		return p.ManagedNamespaceMetadata
	}
	return nil
}

// namespaceAsked reports whether the destination's Namespace is to carry something else than what the last sync gave it. What lives there is not
// compared, because several Applications may have the same destination.
func (d *decision) namespaceAsked() bool {
	var given *gitopsv1.ManagedNamespaceMetadata
	if s := d.app.Status.OperationState; s != nil && s.SyncResult != nil {
		given = s.SyncResult.ManagedNamespaceMetadata
	}
	asked := d.namespaceMetadata()
	return asked != nil && !equality.Semantic.DeepEqual(asked, given)
}

func (a *attempt) result(t Task) *gitopsv1.ResourceResult {
	return resultIn(a.state.SyncResult, resultOf(t, ""))
}

// set records what became of a task.
func (a *attempt) set(t Task, status gitopsv1.ResultCode, phase gitopsv1.OperationPhase, message string) {
	version := ""
	if t.Desired != nil {
		version = t.Desired.GroupVersionKind().Version
	} else if l := a.live(t.Key); l != nil {
		version = l.Object.GroupVersionKind().Version
	}
	r := resultOf(t, version)
	if before := a.result(t); before != nil && version == "" {
		r.Version = before.Version
	}
	r.Status, r.HookPhase, r.Message = status, phase, a.mask.Text(message)
	setResult(a.state.SyncResult, r)
}

// starts reports whether the sync under way has written nothing yet but the Namespace of its destination, without which no dry run could tell much.
func starts(app *gitopsv1.Application) bool {
	if SyncUnderWay(app) == nil {
		return false
	}
	r := app.Status.OperationState.SyncResult
	return r == nil || !slices.ContainsFunc(r.Resources, func(one gitopsv1.ResourceResult) bool {
		return one.Group != "" || one.Kind != "Namespace" || one.Name != app.Spec.Destination.Namespace
	})
}

// namespaceFirst is the write of the destination's Namespace where the operation makes it: it comes alone, so that all else can be asked about before
// anything of it is written. Nil if there is nothing to make, or if it was tried.
func (a *attempt) namespaceFirst() *Write {
	for _, t := range a.tasks {
		if !t.Prune && isNamespaceOf(a, t) && a.live(t.Key) == nil && a.result(t) == nil {
			return a.write(t, a.itemOf(t, nil).desired, nil)
		}
	}
	return nil
}

// uncompared says why an object of the operation could not be compared, which would pass for one that is as Git says; empty if all could.
func (a *attempt) uncompared() string {
	for _, t := range a.tasks {
		if it := a.items[t.Key]; it.problem != "" && a.forbidden(t.Key) == "" {
			return titleOfWire(t.Key) + " cannot be compared: " + it.problem
		}
	}
	return ""
}

// gate refuses an operation before its first write if anything in it is bound to fail.
func (a *attempt) gate() bool {
	passes := true
	for _, t := range a.tasks {
		if why := a.refusalOf(t); why != "" {
			a.set(t, gitopsv1.ResultSyncFailed, gitopsv1.OperationFailed, why)
			passes = false
		}
	}
	return passes
}

func (a *attempt) refusalOf(t Task) string {
	if t.Prune {
		return ""
	}
	if why := a.forbidden(t.Key); why != "" {
		return why
	}
	if it := a.items[t.Key]; it.foreign != "" && gitopsv1.SyncOption(syncOptions(a.o), "FailOnSharedResource") == "true" {
		return "Shared resource found: " + sharedWarning(it, a.app)
	}
	if !a.o.Kinds[GroupKind{t.Key.Group, t.Key.Kind}].Known && !a.defines(t) && option(a.o, t.Desired, "SkipDryRunOnMissingResource") != "true" {
		return fmt.Sprintf("the cluster does not know the kind %s of %s: install its definition, or make it part of the same sync", t.Key.Kind, t.Desired.GetAPIVersion())
	}
	problem := a.predictionOf(t).Problem
	if a.forces(t) && a.live(t.Key) != nil || a.awaits(t, problem) {
		return "" // the writer tells whether it can be made anew, or the server once the other object is there
	}
	return problem
}

// predictionOf is what a dry run said of the manifest of a task as it is to be applied.
func (a *attempt) predictionOf(t Task) Prediction {
	if it := a.items[t.Key]; it.desired != nil {
		return a.o.Predicted[Digest(it.desired)]
	}
	return a.o.Predicted[Digest(t.Desired)]
}

// awaits reports whether a dry run was refused for want of another object that the same operation makes, such as the service account of a Pod.
func (a *attempt) awaits(t Task, problem string) bool {
	if !strings.Contains(problem, "found") {
		return false
	}
	words := strings.FieldsFunc(problem, func(r rune) bool { return strings.ContainsRune(` "':,/`, r) })
	problem = strings.ToLower(problem)
	return slices.ContainsFunc(a.tasks, func(other Task) bool {
		return other.Key != t.Key && !other.Prune && a.live(other.Key) == nil &&
			slices.Contains(words, other.Key.Name) && strings.Contains(problem, strings.ToLower(other.Key.Kind))
	})
}

// defines reports whether the definition of a task's kind is part of the same operation.
func (a *attempt) defines(t Task) bool {
	return slices.ContainsFunc(a.tasks, func(other Task) bool {
		if !isCRD(other.Key) || other.Desired == nil {
			return false
		}
		group, _, _ := unstructured.NestedString(other.Desired.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(other.Desired.Object, "spec", "names", "kind")
		return group == t.Key.Group && kind == t.Key.Kind
	})
}

func (a *attempt) gateMessage() string {
	for _, r := range a.state.SyncResult.Resources {
		if r.Status == gitopsv1.ResultSyncFailed && strings.Contains(r.Message, "is not permitted in project") {
			return notValidTasks + r.Message
		}
	}
	return dryRunFailed
}

// dryRun answers what a sync would do.
func (a *attempt) dryRun() {
	if !a.gate() {
		a.end(gitopsv1.OperationFailed, dryRunFailed)
		return
	}
	for _, t := range a.tasks {
		switch {
		case t.Prune && a.state.Operation.Sync.Prune:
			a.set(t, gitopsv1.ResultPruned, gitopsv1.OperationSucceeded, "pruned (dry run)")
		case t.Prune:
			a.set(t, gitopsv1.ResultPruneSkip, gitopsv1.OperationSucceeded, notRequested)
		default:
			a.set(t, gitopsv1.ResultSynced, gitopsv1.OperationSucceeded, a.verb(t)+" (dry run)")
		}
	}
	a.end(gitopsv1.OperationSucceeded, allTasksRun)
}

// verb says what an apply does, in the words of kubectl.
func (a *attempt) verb(t Task) string {
	it := a.items[t.Key]
	switch {
	case it.live == nil:
		return "created"
	case it.differs:
		return "configured"
	}
	return "unchanged"
}

// skipPrunes takes prunes that nobody asked for out of the order and says so.
func (a *attempt) skipPrunes() {
	a.tasks = slices.DeleteFunc(a.tasks, func(t Task) bool {
		if !t.Prune {
			return false
		}
		why := ""
		switch {
		case a.result(t) != nil && a.result(t).Status == gitopsv1.ResultPruneSkip:
			return true
		case !a.state.Operation.Sync.Prune:
			why = notRequested
		case a.live(t.Key) != nil && option(a.o, a.live(t.Key).Object, "Prune") == "false":
			why = pruneRefused
		}
		if why != "" {
			a.set(t, gitopsv1.ResultPruneSkip, gitopsv1.OperationSucceeded, why)
		}
		return why != ""
	})
}
