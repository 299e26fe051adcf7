package gitsync

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Phases of the deletion of an Application.
const (
	PreDelete  Phase = "PreDelete"
	PostDelete Phase = "PostDelete"
)

// farewells are the finalizers of hooks that run when an Application is deleted: the one that lets them run, and the one that cleans up after them.
var farewells = []struct {
	phase          Phase
	runs, cleansUp string
}{
	{PreDelete, gitopsv1.FinalizerPreDelete, gitopsv1.FinalizerPreDeleteCleanup},
	{PostDelete, gitopsv1.FinalizerPostDelete, gitopsv1.FinalizerPostDeleteCleanup},
}

// NeedsFarewell reports whether the manifests of an Application that is being deleted are needed, because some of them run then.
func NeedsFarewell(app *gitopsv1.Application) bool {
	return app.DeletionTimestamp != nil && slices.ContainsFunc(app.Finalizers, func(f string) bool {
		return strings.HasPrefix(f, gitopsv1.FinalizerPreDelete) || strings.HasPrefix(f, gitopsv1.FinalizerPostDelete)
	})
}

// farewellsOf lists the manifests that run when the Application is deleted, under the names that they have then.
func farewellsOf(o Observation) (all []*unstructured.Unstructured) {
	if !NeedsFarewell(o.App) {
		return nil
	}
	p := o.prepared(o.Target)
	for _, f := range farewells {
		for _, t := range farewellTasks(o, p, f.phase) {
			all = append(all, t.Desired)
		}
	}
	return all
}

// farewellTasks are the hooks of one phase of a deletion, in the order of their waves. An object without a name has one that a repetition finds again.
func farewellTasks(o Observation, p Prepared, phase Phase) (tasks []Task) {
	name := TrackingName(o.App, o.ControlNamespace)
	for _, desired := range p.Objects {
		if !slices.Contains(deleteHooksOf(desired), gitopsv1.HookType(phase)) {
			continue
		}
		if desired.GetName() == "" {
			desired = desired.DeepCopy()
			desired.SetName(generatedName(desired, phase, OrderOptions{Revision: o.Target.revision(), StartedAt: o.App.DeletionTimestamp.Time}))
			track(desired, name, o.App.Spec.Destination.Namespace)
		}
		tasks = append(tasks, Task{Phase: phase, Wave: WaveOf(desired), Key: KeyOf(desired), Hook: true, Desired: desired})
	}
	slices.SortStableFunc(tasks, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.Wave, b.Wave), cmp.Compare(rank(a.Key), rank(b.Key)), cmp.Compare(a.Key.Name, b.Key.Name))
	})
	return tasks
}

// promise gives the Application the finalizers that its manifests ask for, and takes off those that they ask for no more.
func (d *decision) promise() {
	for _, f := range farewells {
		wanted := slices.ContainsFunc(d.prepared.Objects, func(o *unstructured.Unstructured) bool {
			return slices.Contains(deleteHooksOf(o), gitopsv1.HookType(f.phase))
		})
		for _, finalizer := range []string{f.runs, f.cleansUp} {
			has := slices.Contains(d.app.Finalizers, finalizer)
			switch {
			case wanted && !has:
				d.app.Finalizers = append(slices.Clone(d.app.Finalizers), finalizer)
			case !wanted && has:
				d.drop(finalizer)
			}
		}
	}
}

func (d *decision) drop(finalizer string) {
	d.app.Finalizers = slices.DeleteFunc(slices.Clone(d.app.Finalizers), func(f string) bool { return f == finalizer })
}

// farewell does the next step of a deletion: hooks before, resources, hooks after, and then what is left of the hooks. Each step ends with its finalizer.
func (d *decision) farewell() {
	for _, step := range []struct {
		finalizer string
		phase     Phase
		do        func(Phase) bool
	}{
		{gitopsv1.FinalizerPreDelete, PreDelete, d.runFarewells},
		{"", "", d.cascadeIfAsked},
		{gitopsv1.FinalizerPostDelete, PostDelete, d.runFarewells},
		{gitopsv1.FinalizerPreDeleteCleanup, PreDelete, d.cleanUp},
		{gitopsv1.FinalizerPostDeleteCleanup, PostDelete, d.cleanUp},
	} {
		if step.finalizer != "" && !slices.Contains(d.app.Finalizers, step.finalizer) {
			continue
		}
		if !step.do(step.phase) {
			return
		}
		if step.finalizer != "" {
			d.drop(step.finalizer)
			return
		}
	}
}

// cascadeIfAsked deletes the resources where a finalizer asks for it, and reports whether the next step may come.
func (d *decision) cascadeIfAsked(Phase) bool {
	if !slices.ContainsFunc(d.app.Finalizers, isResourcesFinalizer) {
		return true
	}
	if d.cascade() {
		d.app.Finalizers = slices.DeleteFunc(slices.Clone(d.app.Finalizers), isResourcesFinalizer)
	}
	return false
}

// runFarewells brings the hooks of a phase one step further and reports whether all have succeeded.
func (d *decision) runFarewells(phase Phase) bool {
	if why := d.unhad(); why != "" {
		d.condition(gitopsv1.ConditionDeletionError, fmt.Sprintf("the %s hooks cannot be had: %s", phase, why))
		d.again(windowLook)
		return false
	}
	tasks := farewellTasks(d.o, d.prepared, phase)
	for i, t := range tasks {
		if i > 0 && t.Wave != tasks[i-1].Wave && d.plan.After > 0 {
			break // the wave before is not done
		}
		if w := d.runFarewell(t); w != nil {
			d.plan.Apply = append(d.plan.Apply, []Write{*w})
			d.again(windowLook)
		}
	}
	if d.plan.After > 0 {
		return false
	}
	for _, t := range tasks {
		if l := d.live(t.Key); l != nil && held(l.Object) {
			d.plan.Release = append(d.plan.Release, l.Object)
		}
	}
	return true
}

// unhad says why there are no manifests of hooks; empty if there are.
func (d *decision) unhad() string {
	if d.o.Target.Problem == "" && d.o.Project == nil {
		return "the project is gone"
	}
	return d.o.Target.Problem
}

// runFarewell makes the object of a hook, or looks how far it is; it asks for another look while it is not done.
func (d *decision) runFarewell(t Task) *Write {
	if why := d.forbidden(t.Key); why != "" {
		d.condition(gitopsv1.ConditionDeletionError, why)
		d.again(windowLook)
		return nil
	}
	l := d.live(t.Key)
	w := &Write{Task: t, Object: withHold(t.Desired), Validate: option(d.o, t.Desired, "Validate") != "false"}
	if l == nil {
		return w
	}
	// Our finalizer tells a run of this deletion from an older one, which clocks of several clusters might not.
	older := !held(l.Object)
	if l.Object.GetDeletionTimestamp() != nil || older && deletedOn(t.Desired, gitopsv1.HookBeforeHookCreation) {
		d.discard(t, l.Object)
		d.again(windowLook)
		return nil
	}
	if older {
		w.Live = l.Object
		return w
	}
	switch phaseOf(l.Health.Status, true) {
	case gitopsv1.OperationRunning:
		d.condition(gitopsv1.ConditionDeletionError, "waiting for completion of hook "+titleOfWire(t.Key))
		d.again(windowLook)
	case gitopsv1.OperationFailed:
		d.condition(gitopsv1.ConditionDeletionError, fmt.Sprintf("%s hook %s failed: %s; delete it to have it run again, or take the finalizer %s off", t.Phase,
			titleOfWire(t.Key), l.Health.Message, finalizerOf(t.Phase)))
		d.again(windowLook)
	}
	return nil
}

func finalizerOf(phase Phase) string {
	for _, f := range farewells {
		if f.phase == phase {
			return f.runs
		}
	}
	return ""
}

// cleanUp deletes the hook objects of a phase whose policy says so, and reports whether none is left.
func (d *decision) cleanUp(phase Phase) bool {
	if d.o.Target.Problem != "" {
		return true // what cannot be named any more stays, and keeps nothing else
	}
	done := true
	for _, t := range farewellTasks(d.o, d.prepared, phase) {
		if l := d.live(t.Key); l != nil && deletedOn(t.Desired, gitopsv1.HookSucceeded) {
			d.discard(t, l.Object)
			done = false
		}
	}
	if !done {
		d.again(windowLook)
	}
	return done
}
