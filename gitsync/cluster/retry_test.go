package cluster

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/gitsync"
)

func TestAnAbortedRolloutThatIsRetriedBeginsAgainAndIsOtherwiseAsItWas(t *testing.T) {
	kind := schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout"}
	server, w := writerTo(t, kind)
	rollout := func() *unstructured.Unstructured {
		o := &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"namespace": "shop", "name": "web"}, "spec": map[string]any{"replicas": int64(3)},
		}}
		o.SetGroupVersionKind(kind)
		return o
	}
	if made, err := w.Apply(t.Context(), gitsync.Write{Object: rollout()}); err != nil || made.Problem != "" {
		t.Fatalf("making it gives %+v, %v", made, err)
	}
	live := rollout()
	aborted := client.RawPatch(types.MergePatchType, []byte(`{"status":{"abort":true,"message":"error rate"}}`))
	if err := w.client.Status().Patch(t.Context(), live, aborted); err != nil {
		t.Fatal(err)
	}
	other := rollout()
	other.Object["spec"] = map[string]any{"replicas": int64(5)}
	retry := gitsync.Write{Object: other, Live: live, Retry: true}
	if did, err := w.Apply(t.Context(), retry); err != nil || did.Problem != "" || did.Message != "rollout.argoproj.io/web retried" {
		t.Errorf("retrying it gives %+v, %v", did, err)
	}
	for _, o := range server.Objects() {
		abort, _, _ := unstructured.NestedBool(o.Object, "status", "abort")
		message, _, _ := unstructured.NestedString(o.Object, "status", "message")
		replicas, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
		if abort || message != "error rate" || replicas != 3 {
			t.Errorf("it is %v", o.Object)
		}
	}
	if _, err := w.Apply(t.Context(), retry); !apierrors.IsConflict(err) {
		t.Errorf("a Rollout that has changed since gives %v", err)
	}
}
