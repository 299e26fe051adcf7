package gitsync

import (
	"slices"
	"strings"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// remove takes an Application away: with the finalizer for its resources these go first, highest wave first, a wave at a time.
func (d *decision) remove() {
	cascade := slices.ContainsFunc(d.app.Finalizers, isResourcesFinalizer)
	if !cascade || d.o.Cluster.Problem != "" && d.o.Cluster.Gone {
		d.dropFinalizers()
		return
	}
	if why := d.o.Cluster.Problem + d.o.Cluster.Silent; why != "" {
		d.condition(gitopsv1.ConditionDeletionError, why)
		d.again(windowLook)
		return
	}
	if d.cascade() {
		d.dropFinalizers()
	}
}

func isResourcesFinalizer(f string) bool {
	return f == gitopsv1.FinalizerResources || strings.HasPrefix(f, gitopsv1.FinalizerResources+"/")
}

// dropFinalizers takes off what we answer for, so that the Application can go.
func (d *decision) dropFinalizers() {
	d.app.Finalizers = slices.DeleteFunc(d.app.Finalizers, func(f string) bool {
		return isResourcesFinalizer(f) || strings.HasPrefix(f, gitopsv1.FinalizerPreDelete) || strings.HasPrefix(f, gitopsv1.FinalizerPostDelete)
	})
}

// cascade deletes the highest wave of what lives and reports whether nothing is left. What asks for it stays, and so does what the project does not
// let this Application touch.
func (d *decision) cascade() (done bool) {
	name := TrackingName(d.app, d.o.ControlNamespace)
	done = true
	highest, found := 0, false
	for i := range d.o.Live {
		o := d.o.Live[i].Object
		if TrackedBy(o) != name || isOwned(o) || !d.deletable(d.o.Live[i]) {
			continue
		}
		done = false
		if w := WaveOf(o); !found || w > highest {
			highest, found = w, true
		}
	}
	for i := range d.o.Live {
		o := d.o.Live[i].Object
		if TrackedBy(o) != name || isOwned(o) || !d.deletable(d.o.Live[i]) || WaveOf(o) != highest {
			continue
		}
		if held(o) {
			d.plan.Release = append(d.plan.Release, o)
		}
		if o.GetDeletionTimestamp() != nil {
			continue
		}
		if (option(d.o, o, "Delete") == "confirm" || option(d.o, o, "Prune") == "confirm") && !d.approved(d.app.DeletionTimestamp.Time) {
			d.condition(gitopsv1.ConditionDeletionError, "waiting for deletion confirmation of "+titleOfWire(KeyOf(o)))
			continue
		}
		d.plan.Delete = append(d.plan.Delete, Deletion{Task: Task{Key: KeyOf(o), Prune: true}, Live: o, Propagation: d.cascadePropagation()})
	}
	if !done {
		d.again(5 * time.Second)
	}
	return done
}

func (d *decision) cascadePropagation() string {
	if slices.Contains(d.app.Finalizers, gitopsv1.FinalizerResourcesBackground) {
		return "background"
	}
	return "foreground"
}

// deletable reports whether a cascade takes an object along.
func (d *decision) deletable(l Live) bool {
	k := KeyOf(l.Object)
	self := k.Group == groupRollouts && k.Kind == "Application" && k.Name == d.app.Name && k.Namespace == d.app.Namespace
	switch {
	case isCRD(k), self, option(d.o, l.Object, "Delete") == "false", l.Object.GetAnnotations()[gitopsv1.AnnotationHelmResourcePolicy] == "keep":
		return false
	}
	return d.o.Project == nil || d.forbidden(k) == ""
}
