package cluster

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// retry lets an aborted Rollout begin again: its controller reads that in its status. It fails with a conflict if the Rollout has changed since.
func (w *Writer) retry(ctx context.Context, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": live.GetResourceVersion()}, "status": map[string]any{"abort": false},
	})
	if err != nil {
		return nil, err
	}
	o, patch := live.DeepCopy(), client.RawPatch(types.MergePatchType, text)
	err = w.client.Status().Patch(ctx, o, patch)
	if apierrors.IsNotFound(err) {
		err = w.client.Patch(ctx, o, patch) // the definition of the kind has no status of its own
	}
	return o, err
}
