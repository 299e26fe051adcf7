package gitsync

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// labelled is an object with the label of older installations, which charts set too, and without an id.
func labelled(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: prod, labels: {app.kubernetes.io/instance: shop}}\n"
}

func TestTheLabelAloneMakesNothingAnApplications(t *testing.T) {
	w := newWorld(automated)
	w.app.Finalizers = []string{gitopsv1.FinalizerResources}
	// Somebody has installed a chart by hand, under the name that the Application has.
	w.put(parse(labelled("of-a-chart"))[0], nil)
	w.push("aaaa", config)
	w.settle(t)
	w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/settings", "delete ConfigMap prod/settings")
}

func TestAnObjectOfAnOlderInstallationIsTheApplicationsWithoutBeingWritten(t *testing.T) {
	w := newWorld(automated)
	for _, name := range []string{"stays", "goes"} {
		w.put(parse(labelled(name))[0], nil)
	}
	w.app.Status.History = []gitopsv1.RevisionHistory{{Revision: "0000"}} // it was synced by the older installation
	w.push("aaaa", docs(labelled("stays"), labelled("goes")))
	w.settle(t)
	wantStory(t, w)
	w.push("bbbb", labelled("stays"))
	w.settle(t)
	wantStory(t, w, "delete ConfigMap prod/goes")
}

func TestWhatWasOnlyLookedAtIsNotDeletedWithTheApplication(t *testing.T) {
	for name, manifests := range map[string][2]string{
		"as Git says":     {labelled("of-a-chart"), labelled("of-a-chart")},
		"not as Git says": {labelled("of-a-chart"), labelled("of-a-chart") + "data: {a: b}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			w.app.Finalizers = []string{gitopsv1.FinalizerResources}
			w.put(parse(manifests[0])[0], nil)
			w.push("aaaa", manifests[1])
			w.settle(t)
			w.push("bbbb", config)
			w.settle(t)
			w.app.DeletionTimestamp = &metav1.Time{Time: w.now}
			w.settle(t)
			wantStory(t, w)
		})
	}
}

func TestAnIDNamesItsOwnObjectAndIsReadStrictly(t *testing.T) {
	object := func(namespace, id string) string {
		o := parse("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {app.kubernetes.io/instance: other}}")[0]
		o.SetNamespace(namespace)
		o.SetAnnotations(map[string]string{gitopsv1.AnnotationTrackingID: id})
		return TrackedBy(o)
	}
	for id, want := range map[string]string{
		"shop:apps/Deployment:prod/web": "shop", "team_shop:apps/Deployment:prod/web": "team_shop", "shop:apps/Deployment:test/web": "", "shop:apps/Deployment:prod/copy": "",
		"shop:apps/StatefulSet:prod/web": "", "shop:/Deployment:prod/web": "", "shop:apps/Deployment:prod/web:more": "", "shop:apps/Deployment": "",
		"shop:apps/v1/Deployment:prod/web": "", "shop:apps/Deployment:prod/web/more": "", "shop": "", "": "",
	} {
		if got := object("prod", id); got != want {
			t.Errorf("%s is of %q, want %q", id, got, want)
		}
	}
	if got := object("", "shop:apps/Deployment:anywhere/web"); got != "shop" {
		t.Errorf("a cluster-scoped object is of %q", got)
	}
	if got := NamedBy(parse(strings.ReplaceAll(labelled("one"), "shop", "older"))[0]); got != "older" {
		t.Errorf("an object of an older installation is named by %q", got)
	}
}
