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

// auto gives the operation that nobody need ask for; nil if there is none to start now. It also says in conditions why one is not started.
func (d *decision) auto() *gitopsv1.Operation {
	spec := d.app.Spec
	if d.o.Target.Problem != "" || !gitopsv1.IsAutomated(spec) || d.syncStatus() != gitopsv1.SyncOutOfSync || !d.hasWork() {
		return nil
	}
	last := d.app.Status.OperationState
	same := last != nil && d.sameAsLast(last)
	if same && !d.mayHeal(last) || !d.mayBegin() {
		return nil
	}
	op := &gitopsv1.Operation{
		Sync: &gitopsv1.SyncOperation{
			Prune: gitopsv1.Prunes(spec), SyncOptions: gitopsv1.SyncOptions(spec),
		},
		InitiatedBy: gitopsv1.OperationInitiator{Automated: true},
		Retry:       gitopsv1.RetryOf(spec),
	}
	if gitopsv1.HasSeveralSources(spec) {
		op.Sync.Revisions, op.Sync.Sources = d.o.Target.Revisions, spec.Sources
	} else {
		op.Sync.Revision, op.Sync.Source = d.o.Target.revision(), spec.Source
	}
	if same {
		op.Sync.Resources = d.drifted()
		op.Sync.AutoHealAttemptsCount = attempts(last) + 1
	}
	return op
}

// mayHeal reports whether a sync of what was synced last may be repeated now because something drifted. One that failed is not: a repetition without
// hooks would bring what a failed hook was to guard.
func (d *decision) mayHeal(last *gitopsv1.OperationState) bool {
	if last.Phase != gitopsv1.OperationSucceeded && last.Phase.Completed() {
		d.condition(gitopsv1.ConditionSyncError, fmt.Sprintf("Failed last sync attempt to [%s]: %s", cmp.Or(resultRevision(last), d.o.Target.revision()), last.Message))
		return false
	}
	return gitopsv1.SelfHeals(d.app.Spec) && !d.healsLater(last)
}

// mayBegin reports whether nothing forbids a sync that nobody asked for.
func (d *decision) mayBegin() bool {
	if d.wouldWipe() {
		d.condition(gitopsv1.ConditionSyncError, fmt.Sprintf("Skipping sync attempt to [%s]: auto-sync will wipe out all resources", d.o.Target.revision()))
		return false
	}
	if may := MayStart(d.o.Project.Spec.SyncWindows, d.app, d.o.Now, false); !may.Allowed {
		d.tellWindow(may)
		d.again(windowLook)
		return false
	}
	return true
}

// tellWindow tells why a sync that nobody asked for does not begin: a window that is closed by an event, one that is broken by a condition, because that
// does not pass by itself.
func (d *decision) tellWindow(may Permission) {
	if may.Broken {
		d.condition(gitopsv1.ConditionSyncError, may.Reason)
		return
	}
	d.keepCondition(gitopsv1.ConditionSyncError)
	d.note(corev1.EventTypeNormal, "SyncBlocked", fmt.Sprintf("sync to %s is %s", short(d.o.Target.revision()), may.Reason))
}

// windowLook is how often a closed window is looked at.
const windowLook = 30 * time.Second

// hasWork reports whether a sync would do anything: what only needs pruning counts only if that is allowed, and what a canary rejected does not.
func (d *decision) hasWork() bool {
	return d.namespaceAsked() || slices.ContainsFunc(d.items, func(it item) bool {
		return d.isFree(it) && (it.desired != nil || gitopsv1.Prunes(d.app.Spec))
	})
}

// isFree reports whether an object differs and may be written without being asked for.
func (d *decision) isFree(it item) bool {
	return it.differs && !isHeld(d.rejected, it.key) && it.foreign == ""
}

// sameAsLast reports whether the last operation synced what the spec asks for now: the same commit, or one with the same content. A dry run did not, nor did a sync by hand of some objects: what they left would go out without its hooks.
func (d *decision) sameAsLast(last *gitopsv1.OperationState) bool {
	r := last.SyncResult
	switch {
	case r == nil:
		return !last.Phase.Completed()
	case last.Phase.Completed() && (wasPartial(last.Operation) || d.namespaceAsked()):
		return false
	case gitopsv1.HasSeveralSources(d.app.Spec):
		return equality.Semantic.DeepEqual(r.Sources, d.app.Spec.Sources) && (slices.Equal(r.Revisions, d.o.Target.Revisions) || d.sameContent(last))
	}
	return d.app.Spec.Source != nil && equality.Semantic.DeepEqual(r.Source, *d.app.Spec.Source) &&
		(r.Revision == d.o.Target.revision() || d.sameContent(last))
}

// wasPartial reports whether an operation was a dry run, or a sync by hand of some objects.
func wasPartial(op gitopsv1.Operation) bool {
	return op.Sync != nil && (op.Sync.DryRun || len(op.Sync.Resources) > 0 && !op.InitiatedBy.Automated)
}

// infoContent names, among what an operation tells of itself, the manifests that it was of.
const infoContent = "sluice-delivery.github.io/content"

// sameContent reports whether the manifests of an operation were those that Git holds now, as after most commits to a repository that many share. Of one
// that has ended that counts only for people who say which paths concern the Application; to all others a new commit is a new attempt.
func (d *decision) sameContent(last *gitopsv1.OperationState) bool {
	if !last.Phase.Completed() {
		return d.o.Running != nil && d.o.Running.Problem == "" && d.o.prepared(*d.o.Running).digest() == d.prepared.digest()
	}
	return slices.Contains(last.Operation.Info, gitopsv1.Info{Name: infoContent, Value: d.prepared.digest()})
}

// healsLater reports whether a self-heal must wait, and asks for another look when it need not.
func (d *decision) healsLater(last *gitopsv1.OperationState) bool {
	if last.FinishedAt == nil {
		return false
	}
	left := last.FinishedAt.Add(HealWait(attempts(last))).Sub(d.o.Now)
	if left > 0 {
		d.again(left)
	}
	return left > 0
}

func attempts(last *gitopsv1.OperationState) int64 {
	if last.Operation.Sync == nil {
		return 0
	}
	return last.Operation.Sync.AutoHealAttemptsCount
}

// drifted lists the objects that a self-heal writes.
func (d *decision) drifted() (all []gitopsv1.SyncResource) {
	for _, it := range d.items {
		if d.isFree(it) {
			all = append(all, gitopsv1.SyncResource{Group: it.key.Group, Kind: it.key.Kind, Namespace: it.key.Namespace, Name: it.key.Name})
		}
	}
	return all
}

// wouldWipe reports whether an automated prune would leave nothing.
func (d *decision) wouldWipe() bool {
	return gitopsv1.Prunes(d.app.Spec) && !gitopsv1.AllowsEmpty(d.app.Spec) &&
		!slices.ContainsFunc(d.items, func(it item) bool { return it.desired != nil })
}

// keepCondition leaves a condition as it was, because nothing was learnt about it.
func (d *decision) keepCondition(kind gitopsv1.ApplicationConditionType) {
	for _, c := range d.app.Status.Conditions {
		if c.Type == kind {
			d.condition(kind, c.Message)
		}
	}
}
