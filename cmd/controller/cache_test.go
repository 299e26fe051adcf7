package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestAnInstanceServesOnlyItsOwnObjects(t *testing.T) {
	mine, none := labels.Set{v1alpha1.LabelInstanceID: "blue"}, labels.Set{"app": "web"}
	for name, test := range map[string]struct {
		instance   string
		mine, none bool
	}{
		"with a name":    {"blue", true, false},
		"of other name":  {"green", false, false},
		"without a name": {"", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := served(test.instance)
			if s.Matches(mine) != test.mine || s.Matches(none) != test.none {
				t.Errorf("%s matches blue: %t, unlabelled: %t", s, s.Matches(mine), s.Matches(none))
			}
		})
	}
}

func TestTheCacheHoldsOnlyWhatTheLoopsRead(t *testing.T) {
	bulky := metav1.ObjectMeta{
		Name: "web", UID: "uid", ResourceVersion: "7", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "{}", v1alpha1.AnnotationManagedByRollouts: "web", "other": "x"},
		Labels:      map[string]string{"app": "web"},
	}
	for name, test := range map[string]struct{ before, after any }{
		"a Service": {
			&corev1.Service{ObjectMeta: *bulky.DeepCopy(), Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1", Selector: map[string]string{"app": "web"}}},
			&corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "uid", ResourceVersion: "7", Annotations: map[string]string{v1alpha1.AnnotationManagedByRollouts: "web"}},
				Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}},
			},
		},
		"a ReplicaSet": {
			&appsv1.ReplicaSet{ObjectMeta: *bulky.DeepCopy(), Spec: appsv1.ReplicaSetSpec{MinReadySeconds: 3, Template: corev1.PodTemplateSpec{ObjectMeta: bulky}}},
			&appsv1.ReplicaSet{
				ObjectMeta: metav1.ObjectMeta{
					Name: "web", UID: "uid", ResourceVersion: "7", Labels: bulky.Labels,
					Annotations: map[string]string{v1alpha1.AnnotationManagedByRollouts: "web", "other": "x"},
				},
				Spec: appsv1.ReplicaSetSpec{MinReadySeconds: 3},
			},
		},
		"a note of a deletion": {cache.DeletedFinalStateUnknown{Key: "a/b"}, cache.DeletedFinalStateUnknown{Key: "a/b"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := slim(test.before)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.after, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInstancesOfOtherNamesHaveOtherLeases(t *testing.T) {
	if a, b := leaseName(options{}), leaseName(options{instanceID: "Blue"}); a != "sluice-controller" || b != "sluice-controller-blue" {
		t.Errorf("%s and %s", a, b)
	}
}
