package cluster

import (
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

// writerTo gives a server in memory that knows a kind and what writes to it as the controller does.
func writerTo(t *testing.T, kind schema.GroupVersionKind) (*kubetest.Server, *Writer) {
	t.Helper()
	server := &kubetest.Server{Now: time.Now, Kinds: []kubetest.Kind{{GroupVersionKind: kind}}}
	c, err := open(t.Context(), gitsync.Cluster{}, server.Config(), func(string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.As("")
	if err != nil {
		t.Fatal(err)
	}
	return server, w
}

func settingsOf(owner string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "shop", "name": "settings"}, "data": map[string]any{"owner": owner},
	}}
}

func TestAnObjectThatSomebodyMadeMeanwhileIsNotTakenUnseen(t *testing.T) {
	for name, replace := range map[string]bool{"by an apply": false, "by a replacement": true} {
		t.Run(name, func(t *testing.T) {
			server, w := writerTo(t, configMap)
			first, err := w.Apply(t.Context(), gitsync.Write{Object: settingsOf("a neighbour"), Replace: replace})
			if err != nil || first.Problem != "" || first.Message != "configmap/settings created" {
				t.Fatalf("making it gives %+v, %v", first, err)
			}
			if _, err := w.Apply(t.Context(), gitsync.Write{Object: settingsOf("us"), Replace: replace}); !apierrors.IsConflict(err) {
				t.Errorf("an object that was believed to be absent gives %v, not another look", err)
			}
			for _, o := range server.Objects() {
				if owner, _, _ := unstructured.NestedString(o.Object, "data", "owner"); owner != "a neighbour" {
					t.Errorf("the object is now of %s", owner)
				}
			}
		})
	}
}
