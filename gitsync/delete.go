package gitsync

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// remove takes an Application away: with the finalizer for its resources these go first, highest wave first, a wave at a time, and hooks run before
// and after where finalizers say so.
func (d *decision) remove() {
	cascade := slices.ContainsFunc(d.app.Finalizers, isResourcesFinalizer)
	if !cascade && !NeedsFarewell(d.app) || d.o.Cluster.Problem != "" && d.o.Cluster.Gone {
		d.dropFinalizers()
		return
	}
	why := d.o.Cluster.Problem + d.o.Cluster.Silent
	if _, err := ServiceAccount(d.o); err != nil && why == "" {
		why = err.Error()
	}
	if why != "" {
		d.condition(gitopsv1.ConditionDeletionError, why)
		d.again(windowLook)
		return
	}
	d.farewell()
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
	left := d.doomed()
	for _, o := range left {
		if WaveOf(o) == WaveOf(left[0]) {
			d.doom(o)
		}
	}
	if len(left) > 0 {
		d.again(5 * time.Second)
	}
	return len(left) == 0
}

// doomed lists what a cascade takes along, the highest wave first.
func (d *decision) doomed() (all []*unstructured.Unstructured) {
	for i := range d.o.Live {
		if o := d.o.Live[i].Object; d.o.holds(o) && !isOwned(o) && d.deletable(d.o.Live[i]) {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b *unstructured.Unstructured) int { return WaveOf(b) - WaveOf(a) })
	return all
}

// doom deletes one object, unless that has to be approved first.
func (d *decision) doom(o *unstructured.Unstructured) {
	if held(o) {
		d.plan.Release = append(d.plan.Release, o)
	}
	switch {
	case o.GetDeletionTimestamp() != nil:
	case d.asksBefore(o) && !d.approved(d.app.DeletionTimestamp.Time):
		d.condition(gitopsv1.ConditionDeletionError, "waiting for deletion confirmation of "+titleOfWire(KeyOf(o)))
	default:
		d.plan.Delete = append(d.plan.Delete, Deletion{Task: Task{Key: KeyOf(o), Prune: true}, Live: o, Propagation: d.cascadePropagation()})
	}
}

// asksBefore reports whether somebody has to approve of it before an object goes with its Application.
func (d *decision) asksBefore(o *unstructured.Unstructured) bool {
	return option(d.o, o, "Delete") == "confirm" || option(d.o, o, "Prune") == "confirm"
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
	case isCRD(k), self, option(d.o, l.Object, "Delete") == "false", annotation(l.Object, gitopsv1.AnnotationHelmResourcePolicy) == "keep":
		return false
	}
	return d.o.Project == nil || d.forbidden(k) == ""
}
