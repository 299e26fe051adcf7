package verb

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// operation is one step of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// holder is the object that holds the pod template of a Rollout: the Rollout itself, or the workload that it refers to.
// It is read and patched without Go types, so that no field is lost that they do not know.
type holder struct {
	*unstructured.Unstructured
	// words name the object for people.
	words string
	// fields and pointer lead to the pod template.
	fields  []string
	pointer string
}

func loadHolder(ctx context.Context, c client.Client, r *v1alpha1.Rollout) (holder, error) {
	h := holder{Unstructured: &unstructured.Unstructured{}, fields: []string{"spec", "template"}, pointer: "/spec/template"}
	kind := v1alpha1.RolloutKind
	name := r.Name
	if ref := r.Spec.WorkloadRef; ref != nil {
		kind, name = schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind), ref.Name
		if ref.Kind == "PodTemplate" {
			h.fields, h.pointer = []string{"template"}, "/template"
		}
	}
	h.SetGroupVersionKind(kind)
	key := client.ObjectKey{Namespace: r.Namespace, Name: name}
	h.words = fmt.Sprintf("%s %s", kind.Kind, key)
	if err := c.Get(ctx, key, h.Unstructured); err != nil {
		if r.Spec.WorkloadRef != nil && apierrors.IsNotFound(err) {
			return h, refuse(client.ObjectKeyFromObject(r), "spec.workloadRef names %s, which does not exist", h.words)
		}
		return h, fmt.Errorf("reading %s: %w", h.words, err)
	}
	return h, nil
}

// template is the pod template as it is stored; nil if there is none.
func (h holder) template() map[string]any {
	t, _, err := unstructured.NestedMap(h.Object, h.fields...)
	if err != nil { // something other than an object stands there, which holds no containers either
		return nil
	}
	return t
}

func (h holder) patch(ctx context.Context, c client.Client, operations []operation) error {
	raw, err := json.Marshal(operations)
	if err != nil {
		return fmt.Errorf("writing the patch: %w", err)
	}
	return c.Patch(ctx, h.Unstructured, client.RawPatch(types.JSONPatchType, raw))
}
