package gitsync

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Neighbours are the objects of the destination namespace, of which only the metadata matters.
type Neighbours struct {
	Objects []*unstructured.Unstructured
	// Unread says which kinds could not be listed; empty if all could.
	Unread string
}

// WantsNeighbours reports whether the project of an Application asks for objects that no Application manages.
func WantsNeighbours(o Observation) bool {
	return o.Project != nil && o.Project.Spec.OrphanedResources != nil && o.App.Spec.Destination.Namespace != "" && o.App.DeletionTimestamp == nil
}

// expectedOrphans are in every namespace without anybody's doing.
var expectedOrphans = []gitopsv1.OrphanedResource{
	{Kind: "ServiceAccount", Name: "default"}, {Kind: "Service", Name: "kubernetes"}, {Kind: "ConfigMap", Name: "kube-root-ca.crt"},
}

// Orphans lists the objects of the destination namespace that no Application manages and no other object made, but for those that the project leaves out.
func Orphans(o Observation) (all []Key) {
	if !WantsNeighbours(o) || o.Neighbours == nil {
		return nil
	}
	wanted := map[Key]bool{}
	for _, m := range o.prepared(o.Target).Objects {
		wanted[KeyOf(m)] = true
	}
	for _, object := range o.Neighbours.Objects {
		k := KeyOf(object)
		if !wanted[k] && !isOwned(object) && NamedBy(object) == "" && !o.excludes(object) && !o.mayBeOrphaned(k) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, compareKeys)
	return all
}

func (o Observation) mayBeOrphaned(k Key) bool {
	if slices.ContainsFunc(expectedOrphans, func(r gitopsv1.OrphanedResource) bool { return k.Group == "" && r.Kind == k.Kind && r.Name == k.Name }) {
		return true
	}
	return slices.ContainsFunc(o.Project.Spec.OrphanedResources.Ignore, func(r gitopsv1.OrphanedResource) bool {
		fits := func(pattern, value string) bool {
			return pattern == "" || pattern == value || matchesAny([]string{pattern}, value)
		}
		return fits(r.Group, k.Group) && fits(r.Kind, k.Kind) && fits(r.Name, k.Name)
	})
}

// namedOrphans is how many of them a condition names.
const namedOrphans = 5

// warnOfOrphans tells of them, unless the project only wants them to be counted.
func (d *decision) warnOfOrphans() {
	if !WantsNeighbours(d.o) || !gitopsv1.WarnsOfOrphans(d.o.Project.Spec) {
		return
	}
	if d.o.Neighbours == nil {
		d.keepCondition(gitopsv1.ConditionOrphanedResourceWarning)
		return
	}
	orphans := Orphans(d.o)
	if len(orphans) > 0 {
		var names []string
		for _, k := range orphans[:min(len(orphans), namedOrphans)] {
			names = append(names, title(k))
		}
		if more := len(orphans) - len(names); more > 0 {
			names = append(names, fmt.Sprintf("%d more", more))
		}
		d.condition(gitopsv1.ConditionOrphanedResourceWarning, fmt.Sprintf("Application has %d orphaned resources: %s", len(orphans), strings.Join(names, ", ")))
	}
	if d.o.Neighbours.Unread != "" {
		d.condition(gitopsv1.ConditionOrphanedResourceWarning, "orphaned resources may be more: "+d.o.Neighbours.Unread)
	}
}
