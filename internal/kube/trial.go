package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Trial is an Experiment and all it owns.
type Trial struct {
	Experiment *v1alpha1.Experiment
	// Groups are its groups of pods, by name.
	Groups []PodGroup
	// Runs stand the newest first.
	Runs []v1alpha1.AnalysisRun
}

// PodGroup is the ReplicaSet of one template of an Experiment, and its pods, the newest first.
type PodGroup struct {
	ReplicaSet *appsv1.ReplicaSet
	Pods       []corev1.Pod
}

// GroupExperiment picks from all what belongs to e by the UID of the controlling owner. It keeps pointers into all and changes nothing.
func GroupExperiment(e *v1alpha1.Experiment, all Members) Trial {
	t := Trial{Experiment: e}
	for i := range all.ReplicaSets {
		set := &all.ReplicaSets[i]
		if !metav1.IsControlledBy(set, e) {
			continue
		}
		group := PodGroup{ReplicaSet: set}
		for j := range all.Pods {
			if metav1.IsControlledBy(&all.Pods[j], set) {
				group.Pods = append(group.Pods, all.Pods[j])
			}
		}
		slices.SortFunc(group.Pods, func(a, b corev1.Pod) int { return newestFirst(&a, &b) })
		t.Groups = append(t.Groups, group)
	}
	for i := range all.Runs {
		if metav1.IsControlledBy(&all.Runs[i], e) {
			t.Runs = append(t.Runs, all.Runs[i])
		}
	}
	slices.SortFunc(t.Groups, func(a, b PodGroup) int { return cmp.Compare(a.ReplicaSet.Name, b.ReplicaSet.Name) })
	slices.SortFunc(t.Runs, func(a, b v1alpha1.AnalysisRun) int { return newestFirst(&a, &b) })
	return t
}

// LoadExperiment reads an Experiment and what it owns; a missing one is the API's NotFound error.
func LoadExperiment(ctx context.Context, c client.Reader, key client.ObjectKey) (Trial, error) {
	e := &v1alpha1.Experiment{}
	if err := c.Get(ctx, key, e); err != nil {
		return Trial{}, fmt.Errorf("reading experiment %s: %w", key, err)
	}
	hashed := client.HasLabels{v1alpha1.LabelPodTemplateHash}
	var (
		sets appsv1.ReplicaSetList
		pods corev1.PodList
		runs v1alpha1.AnalysisRunList
	)
	for _, want := range []struct {
		kind string
		list client.ObjectList
		only []client.ListOption
	}{
		{"replicasets", &sets, []client.ListOption{hashed}}, {"pods", &pods, []client.ListOption{hashed}}, {"analysisruns", &runs, nil},
	} {
		if err := c.List(ctx, want.list, append(want.only, client.InNamespace(key.Namespace))...); err != nil && !meta.IsNoMatchError(err) {
			return Trial{}, fmt.Errorf("listing the %s of experiment %s: %w", want.kind, key, err)
		}
	}
	return GroupExperiment(e, Members{ReplicaSets: sets.Items, Pods: pods.Items, Runs: runs.Items}), nil
}
