package gitsync

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestOrphansAreWhatNobodyManagesOrMade(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", docs(manifest("ConfigMap", "wanted")))
	tracked := parse(manifest("ConfigMap", "tracked"))[0]
	track(tracked, "other", "prod")
	neighbours := append(parse(docs(
		manifest("ConfigMap", "wanted"), manifest("ConfigMap", "kube-root-ca.crt"), manifest("ServiceAccount", "default"), manifest("ServiceAccount", "robot"),
		manifest("ConfigMap", "left-out"), manifest("Deployment", "lost"), manifest("ConfigMap", "lost"),
		"apiVersion: v1\nkind: Pod\nmetadata: {name: made, namespace: prod, ownerReferences: [{kind: ReplicaSet, name: x}]}",
		"apiVersion: v1\nkind: Event\nmetadata: {name: noise, namespace: prod}",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old-style, namespace: prod, labels: {app.kubernetes.io/instance: shop}}",
	)), tracked)
	o := w.observation()
	o.Neighbours = &Neighbours{Objects: neighbours}
	if got := Orphans(o); got != nil {
		t.Errorf("a project that does not ask is told of %v", got)
	}
	o.Project = o.Project.DeepCopy()
	o.Project.Spec.OrphanedResources = &gitopsv1.OrphanedResources{Ignore: []gitopsv1.OrphanedResource{{Kind: "ConfigMap", Name: "left-*"}}}
	want := []Key{{"", "ConfigMap", "prod", "lost"}, {"", "ServiceAccount", "prod", "robot"}, {"apps", "Deployment", "prod", "lost"}}
	if diff := cmp.Diff(want, Orphans(o)); diff != "" {
		t.Error(diff)
	}
	told := func() string {
		var all []string
		for _, c := range Decide(o).App.Status.Conditions {
			if c.Type == gitopsv1.ConditionOrphanedResourceWarning {
				all = append(all, c.Message)
			}
		}
		return strings.Join(all, "\n")
	}
	if got := told(); got != "Application has 3 orphaned resources: ConfigMap prod/lost, ServiceAccount prod/robot, Deployment prod/lost" {
		t.Errorf("it says %q", got)
	}
	o.App.Status.Conditions = Decide(o).App.Status.Conditions
	o.Neighbours = nil
	if got := told(); !strings.Contains(got, "3 orphaned resources") {
		t.Errorf("what was known is forgotten: %q", got)
	}
	o.Neighbours = &Neighbours{Unread: "no right to list Deployments"}
	if got := told(); got != "orphaned resources may be more: no right to list Deployments" {
		t.Errorf("it says %q", got)
	}
	o.Project.Spec.OrphanedResources.Warn = new(false)
	if got := told(); got != "" {
		t.Errorf("it says %q though nobody wants to be warned", got)
	}
}
