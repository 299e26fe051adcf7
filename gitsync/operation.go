package gitsync

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// operate carries the operation on: it starts the one that somebody asked for or that nobody need ask for, and brings the one under way further.
func (d *decision) operate() {
	asked, state := d.app.Operation, d.app.Status.OperationState
	running := state != nil && !state.Phase.Completed()
	switch {
	case asked != nil && (!running || !equality.Semantic.DeepEqual(state.Operation, *asked)):
		d.releaseHooks() // those of the operation that this one takes the place of are not taken for its own
		d.start(*asked)
	case asked != nil:
		d.carryOn(state)
	default:
		if running {
			d.end(gitopsv1.OperationFailed, "Operation terminated: the operation field was removed")
		}
		d.releaseHooks()
		if op := d.auto(); op != nil {
			d.start(*op)
		}
	}
}

// releaseHooks takes our finalizer off hooks that no operation waits for any more.
func (d *decision) releaseHooks() {
	name := TrackingName(d.app, d.o.ControlNamespace)
	for i := range d.o.Live {
		if o := d.o.Live[i].Object; held(o) && TrackedBy(o) == name {
			d.plan.Release = append(d.plan.Release, o)
		}
	}
}

// start begins an operation. Nothing is written yet but this, so that the names of hooks and the answer to who did what survive a crash.
func (d *decision) start(op gitopsv1.Operation) {
	d.app.Operation = op.DeepCopy()
	state := &gitopsv1.OperationState{Operation: op, Phase: gitopsv1.OperationRunning, StartedAt: d.now}
	if op.Sync != nil {
		state.SyncResult = &gitopsv1.SyncResult{Revision: op.Sync.Revision, Revisions: op.Sync.Revisions, Sources: op.Sync.Sources}
		if op.Sync.Source != nil {
			state.SyncResult.Source = *op.Sync.Source
		}
		if before := d.app.Status.OperationState; before != nil && before.SyncResult != nil {
			state.SyncResult.ManagedNamespaceMetadata = before.SyncResult.ManagedNamespaceMetadata // until this one gives it another
		}
	}
	d.app.Status.OperationState = state
	who, to := "automated sync", d.o.Target.revision()
	if op.Sync != nil && revisionAsked(op) != "" {
		to = revisionAsked(op)
	}
	if !op.InitiatedBy.Automated {
		who = cmp.Or(op.InitiatedBy.Username, "unknown user") + " initiated sync"
		d.forgive(d.chosen)
	}
	d.note(corev1.EventTypeNormal, "OperationStarted", fmt.Sprintf("%s to %s", who, cmp.Or(short(to), "HEAD")))
	d.again(time.Millisecond)
}

// chosen reports whether an object takes part in the operation under way.
func (d *decision) chosen(k Key) bool {
	op := d.app.Operation
	if op == nil || op.Sync == nil || len(op.Sync.Resources) == 0 {
		return true
	}
	return slices.ContainsFunc(op.Sync.Resources, func(r gitopsv1.SyncResource) bool {
		return r.Group == k.Group && r.Kind == k.Kind && r.Name == k.Name && (r.Namespace == "" || r.Namespace == k.Namespace)
	})
}

func (d *decision) material() Material {
	if d.o.Running != nil {
		return *d.o.Running
	}
	return d.o.Target
}

// carryOn brings the operation under way one step further.
func (d *decision) carryOn(state *gitopsv1.OperationState) {
	m := d.material()
	manual := !state.Operation.InitiatedBy.Automated
	switch {
	case state.Operation.Sync == nil:
		d.end(gitopsv1.OperationError, "the operation asks for nothing that is known: set operation.sync")
		return
	case RefusalOfSync(d.o) != "":
		d.end(gitopsv1.OperationError, RefusalOfSync(d.o))
		return
	case state.Phase == gitopsv1.OperationTerminating:
		d.terminate()
		return
	case state.FinishedAt != nil:
		d.retry(state)
		return
	case m.Unreachable && m.Grace > 0:
		d.again(m.Grace)
		return
	case m.Problem != "":
		d.fail(gitopsv1.OperationError, "Failed to load target state: "+m.Problem)
		return
	}
	if may := MayContinue(d.o.Project.Spec.SyncWindows, d.app, d.o.Now, state.StartedAt.Time, manual); !may.Allowed {
		state.Message = "Sync operation blocked by sync window"
		d.again(windowLook)
		return
	}
	d.run(state, m)
}

// supersede starts over with the newest commit where the operation under way only waits, and reports whether it does. A canary may take days; the
// commit that mends it must not wait for it.
func (d *decision) supersede() bool {
	state := d.app.Status.OperationState
	if isPinned(state.Operation) || d.sameAsLast(state) {
		return false
	}
	op := d.auto()
	if op == nil {
		return false
	}
	d.note(corev1.EventTypeNormal, "OperationSuperseded", fmt.Sprintf("sync to %s gives way to %s", short(resultRevision(state)), short(d.o.Target.revision())))
	d.start(*op)
	return true
}

// isPinned reports whether somebody asked for a certain revision, which then is no stand-in for the newest.
func isPinned(op gitopsv1.Operation) bool {
	return !op.InitiatedBy.Automated && op.Sync != nil && revisionAsked(op) != ""
}

// revisionAsked is the revision that a sync names, the first one of several sources; empty for the newest.
func revisionAsked(op gitopsv1.Operation) string {
	if len(op.Sync.Revisions) > 0 {
		return op.Sync.Revisions[0]
	}
	return op.Sync.Revision
}

func resultRevision(s *gitopsv1.OperationState) string {
	if s.SyncResult == nil {
		return ""
	}
	return s.SyncResult.Revision
}

// retry waits for the next attempt, which begins with everything anew but the moment at which the operation began: windows and approvals go by that.
func (d *decision) retry(state *gitopsv1.OperationState) {
	if d.supersede() {
		return
	}
	wait, err := RetryWait(state.Operation.Retry, state.RetryCount)
	if err != nil {
		d.end(gitopsv1.OperationError, err.Error())
		return
	}
	if left := state.FinishedAt.Add(wait).Sub(d.o.Now); left > 0 {
		d.again(left)
		return
	}
	state.FinishedAt = nil
	d.releaseHooks() // those of the attempt before are not taken for those of this one
	if state.SyncResult != nil {
		state.SyncResult.Resources = nil
	}
	state.Message = fmt.Sprintf("Retrying operation. Attempt #%d", state.RetryCount)
	d.again(time.Millisecond)
}

// fail ends an attempt, and the operation if there are no more.
func (d *decision) fail(phase gitopsv1.OperationPhase, message string) {
	state := d.app.Status.OperationState
	limit := state.Operation.Retry.Limit
	if limit >= 0 && state.RetryCount >= limit {
		if state.RetryCount > 0 {
			message = fmt.Sprintf("%s (retried %d times).", message, state.RetryCount)
		}
		d.end(phase, message)
		return
	}
	wait, err := RetryWait(state.Operation.Retry, state.RetryCount+1)
	if err != nil {
		d.end(gitopsv1.OperationError, err.Error())
		return
	}
	state.RetryCount++
	state.FinishedAt = &d.now
	state.Message = fmt.Sprintf("%s. Retrying attempt #%d at %s.", message, state.RetryCount, d.now.Add(wait).Format(time.Kitchen))
	d.again(wait)
}

// end completes the operation; a full sync that succeeded enters the history.
func (d *decision) end(phase gitopsv1.OperationPhase, message string) {
	state := d.app.Status.OperationState
	state.Phase, state.Message, state.FinishedAt = phase, message, &d.now
	d.tellContent(state)
	d.app.Operation = nil
	kind := corev1.EventTypeNormal
	if phase != gitopsv1.OperationSucceeded {
		kind = corev1.EventTypeWarning
	}
	d.note(kind, "OperationCompleted", fmt.Sprintf("Sync operation to %s %s: %s", short(resultRevision(state)), phase, message))
	if sync := state.Operation.Sync; phase == gitopsv1.OperationSucceeded && sync != nil && len(sync.Resources) == 0 && !sync.DryRun {
		d.record(state)
	}
}

// tellContent notes which manifests an operation was of, where that matters to the next.
func (d *decision) tellContent(state *gitopsv1.OperationState) {
	m := d.material()
	if m.Problem != "" || len(m.Revisions) == 0 || d.app.Annotations[gitopsv1.AnnotationManifestGeneratePaths] == "" {
		return
	}
	digest := d.prepared.digest()
	if d.o.Running != nil {
		digest = d.o.prepared(m).digest()
	}
	state.Operation.Info = append(slices.Clone(state.Operation.Info), gitopsv1.Info{Name: infoContent, Value: digest})
}

func (d *decision) record(state *gitopsv1.OperationState) {
	s := &d.app.Status
	entry := gitopsv1.RevisionHistory{
		Revision: state.SyncResult.Revision, Revisions: state.SyncResult.Revisions, Source: state.SyncResult.Source, Sources: state.SyncResult.Sources,
		DeployedAt: d.now, DeployStartedAt: &state.StartedAt, InitiatedBy: state.Operation.InitiatedBy,
	}
	if n := len(s.History); n > 0 {
		entry.ID = s.History[n-1].ID + 1
	}
	s.History = append(slices.Clone(s.History), entry)
	if limit := gitopsv1.RevisionHistoryLimit(d.app.Spec); int64(len(s.History)) > limit {
		s.History = s.History[int64(len(s.History))-max(limit, 0):]
	}
}
