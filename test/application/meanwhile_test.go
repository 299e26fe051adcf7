package application

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// TestAnApplyOfWhatIsBelievedToBeAbsentMakesItOrLooksAgain asks a real API server, because no documentation promises what our precondition does.
func TestAnApplyOfWhatIsBelievedToBeAbsentMakesItOrLooksAgain(t *testing.T) {
	place := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "meanwhile-"}}
	if err := shared.admin.Create(t.Context(), place); err != nil {
		t.Fatal(err)
	}
	c, identity, err := shared.clusters.Find(t.Context(), gitopsv1.Destination{Server: gitopsv1.InClusterServer}, nil)
	if err != nil || identity.Problem != "" {
		t.Fatalf("%+v, %v", identity, err)
	}
	w, err := c.As("", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, manifest := range []map[string]any{
		{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": "1"}},
		{"apiVersion": "v1", "kind": "Service", "spec": map[string]any{"ports": []any{map[string]any{"port": int64(80)}}}},
		{"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "spec": map[string]any{}}, // a kind that a CustomResourceDefinition made
	} {
		o := &unstructured.Unstructured{Object: manifest}
		o.SetNamespace(place.Name)
		o.SetName("one")
		write := gitsync.Write{Object: o, Validate: true}
		if outcome, err := w.Apply(t.Context(), write); err != nil || outcome.Problem != "" {
			t.Errorf("making a %s gives %+v, %v", o.GetKind(), outcome, err)
		}
		if outcome, err := w.Apply(t.Context(), write); !apierrors.IsConflict(err) {
			t.Errorf("a %s that is there by now gives %+v, %v", o.GetKind(), outcome, err)
		}
	}
}
