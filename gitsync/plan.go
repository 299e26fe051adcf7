package gitsync

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Plan is what to do about an Application now. Its fields stand in the order in which they are written.
type Plan struct {
	// Release are hook objects that lose our finalizer.
	Release []*unstructured.Unstructured
	// Delete is done side by side.
	Delete []Deletion
	// Apply are groups that are written one after the other, the members of each side by side. A failed group does not stop the ones after it.
	Apply [][]Write
	// App is the Application as it should be stored, but for what Record adds about Delete and Apply.
	App *gitopsv1.Application
	// Notes are decisions that people are told of once App is stored.
	Notes []Note
	// Reverts are pushed once App is stored.
	Reverts []Revert
	// After is when to look again though nothing changes; 0 for not at all.
	After time.Duration

	secrets Mask
	before  *gitopsv1.Application
}

// Write is one object to be applied.
type Write struct {
	Task Task
	// Object is the manifest, with the values of fields that are left to others.
	Object *unstructured.Unstructured
	// Live is what the decision rests on: a write fails if it has changed since. Nil if the object did not exist.
	Live *unstructured.Unstructured
	// Replace updates the object as a whole; Force deletes and creates it if it cannot be changed in place; Validate refuses unknown fields.
	Replace, Force, Validate bool
	// Anew is set on what is only asked about: the object is made when nothing of its name lives any more, or under a name that it gets then.
	Anew bool
	// Retry lets the aborted Rollout Live begin again, and applies nothing: it is as Object says already.
	Retry bool
}

// Deletion is one object to be deleted.
type Deletion struct {
	Task Task
	Live *unstructured.Unstructured
	// Propagation is foreground, background or orphan.
	Propagation string
}

// Note is a decision that people are told of.
type Note struct{ Type, Reason, Message string }

// Outcome is what came of one Write or Deletion.
type Outcome struct {
	Task Task
	// Version is that of the object's API.
	Version string
	// Message tells what was done; Problem, if it is not empty, why it was not.
	Message, Problem string
}

// Record notes the outcomes of a plan's writes in the Application that is to be stored.
func (p *Plan) Record(outcomes []Outcome) {
	if p.App.DeletionTimestamp != nil {
		p.complain(outcomes)
		return
	}
	state := p.App.Status.OperationState
	if state == nil || state.SyncResult == nil {
		return
	}
	for _, o := range outcomes {
		r := resultOf(o.Task, o.Version)
		done := resultIn(state.SyncResult, r)
		switch {
		case o.Task.Hook && o.Problem != "" && done != nil && done.HookPhase.Completed():
			r = *done // it has run, and only its object was to go
			said, _, _ := strings.Cut(r.Message, notDeleted)
			r.Message = said + notDeleted + o.Problem
		case o.Problem != "":
			r.Status, r.HookPhase, r.Message = gitopsv1.ResultSyncFailed, gitopsv1.OperationFailed, o.Problem
		case o.Task.Prune:
			r.Status, r.HookPhase, r.Message = gitopsv1.ResultPruned, gitopsv1.OperationSucceeded, "pruned"
		default:
			r.Status, r.HookPhase, r.Message = gitopsv1.ResultSynced, gitopsv1.OperationRunning, o.Message
		}
		r.Message = p.secrets.Text(r.Message)
		setResult(state.SyncResult, r)
	}
}

// complain tells what a deletion could not do. What was said before keeps its moment, so that a failure that repeats itself is not written again and again.
func (p *Plan) complain(outcomes []Outcome) {
	for _, o := range outcomes {
		if o.Problem == "" {
			continue
		}
		c := gitopsv1.ApplicationCondition{Type: gitopsv1.ConditionDeletionError, Message: p.secrets.Text(titleOfWire(o.Task.Key) + ": " + o.Problem)}
		c.LastTransitionTime = p.App.DeletionTimestamp
		for _, b := range p.before.Status.Conditions {
			if b.Type == c.Type && b.Message == c.Message {
				c.LastTransitionTime = b.LastTransitionTime
			}
		}
		p.App.Status.Conditions = append(p.App.Status.Conditions, c)
	}
}

// Masked gives an error whose text holds no value of a Secret that the plan knows; what kind of error it is can still be asked.
func (p *Plan) Masked(err error) error { return p.secrets.Error(err) }

// setResult replaces the result for the same object and phase, or adds one.
func setResult(s *gitopsv1.SyncResult, r gitopsv1.ResourceResult) {
	if there := resultIn(s, r); there != nil {
		*there = r
		return
	}
	s.Resources = append(s.Resources, r)
}

// resultIn finds the result for the same object and phase; nil if there is none.
func resultIn(s *gitopsv1.SyncResult, like gitopsv1.ResourceResult) *gitopsv1.ResourceResult {
	for i := range s.Resources {
		if sameTask(&s.Resources[i], &like) {
			return &s.Resources[i]
		}
	}
	return nil
}

func sameTask(a, b *gitopsv1.ResourceResult) bool {
	return a.Group == b.Group && a.Kind == b.Kind && a.Namespace == b.Namespace && a.Name == b.Name && a.SyncPhase == b.SyncPhase
}

// resultOf names a task in the words of the wire contract.
func resultOf(t Task, version string) gitopsv1.ResourceResult {
	r := gitopsv1.ResourceResult{
		Group: t.Key.Group, Version: version, Kind: t.Key.Kind, Namespace: t.Key.Namespace, Name: t.Key.Name, SyncPhase: gitopsv1.HookType(t.Phase),
	}
	if t.Hook {
		r.HookType = gitopsv1.HookType(t.Phase)
	}
	if t.Desired != nil {
		r.Images = imagesOf(t.Desired)
	}
	return r
}
