package rollout

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/validation"
	"github.com/sluice-delivery/sluice/strategy"
)

const kindPodTemplate = "PodTemplate"

// workload is the object that workloadRef names, as far as a Rollout depends on it.
type workload struct {
	uid        types.UID
	generation int64
	template   []byte
	selector   *metav1.LabelSelector
	// replicas is nil for a kind that has none.
	replicas *int32
}

// observeWorkload takes the pod template, and the selector where the Rollout has none, from the object that workloadRef names.
// They are in the observed Rollout only and are never written to it.
//
// Nothing but the metadata of such objects is kept by a cache: the object itself is read when its generation tells that it changed.
func (c *Controller) observeWorkload(ctx context.Context, s *seen) error {
	ref := s.Rollout.Spec.WorkloadRef
	if ref == nil {
		return nil
	}
	if s.refused = validation.Rollout(s.Rollout); len(s.refused) > 0 {
		return nil
	}
	at := field.NewPath("spec", "workloadRef")
	kind := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)
	err := c.watchWorkloads(ctx, kind)
	if meta.IsNoMatchError(err) {
		s.refused = field.ErrorList{field.Invalid(at.Child("apiVersion"), ref.APIVersion, fmt.Sprintf("the cluster serves no %s of this version", ref.Kind))}
		return nil
	}
	var known workload
	if err == nil {
		known, err = c.readWorkload(ctx, s.memory, kind, types.NamespacedName{Namespace: s.Rollout.Namespace, Name: ref.Name})
	}
	if apierrors.IsNotFound(err) {
		s.refused = field.ErrorList{field.Invalid(at.Child("name"), ref.Name, fmt.Sprintf("no such %s in this namespace; create it", ref.Kind))}
		return nil
	}
	if err != nil {
		s.unread = fmt.Errorf("reading %s %s: %w", ref.Kind, ref.Name, err)
		return nil
	}
	s.Rollout.Spec.Template = runtime.RawExtension{Raw: known.template}
	if s.Rollout.Spec.Selector == nil {
		s.Rollout.Spec.Selector = known.selector.DeepCopy()
	}
	s.Workload = &strategy.Workload{Kind: ref.Kind, Name: ref.Name, Generation: known.generation, Replicas: known.replicas}
	return nil
}

// readWorkload returns what is known of a workload, and reads it again if the cache tells of a newer one.
func (c *Controller) readWorkload(ctx context.Context, m *memory, kind schema.GroupVersionKind, key types.NamespacedName) (workload, error) {
	cached := &metav1.PartialObjectMetadata{}
	cached.SetGroupVersionKind(kind)
	if err := c.patience.Read(ctx, kind.Kind, func(ctx context.Context) error { return c.Workloads.Get(ctx, key, cached) }); err != nil {
		return workload{}, err
	}
	if m.workload.uid == cached.UID && m.workload.generation >= cached.Generation {
		return m.workload, nil
	}
	whole := &unstructured.Unstructured{}
	whole.SetGroupVersionKind(kind)
	if err := c.Live.Get(ctx, key, whole); err != nil {
		return workload{}, err
	}
	read, err := workloadOf(whole)
	if err != nil {
		return workload{}, err
	}
	m.workload = read
	return read, nil
}

func workloadOf(o *unstructured.Unstructured) (workload, error) {
	w := workload{uid: o.GetUID(), generation: o.GetGeneration()}
	at := []string{"spec", "template"}
	if o.GetKind() == kindPodTemplate {
		at = at[1:]
	}
	template, _, err := unstructured.NestedMap(o.Object, at...)
	if err != nil {
		return workload{}, err
	}
	if w.template, err = json.Marshal(template); err != nil {
		return workload{}, err
	}
	if o.GetKind() == kindPodTemplate {
		labels, _, err := unstructured.NestedStringMap(template, "metadata", "labels")
		w.selector = &metav1.LabelSelector{MatchLabels: labels}
		return w, err
	}
	selector, _, err := unstructured.NestedMap(o.Object, "spec", "selector")
	if err != nil {
		return workload{}, err
	}
	w.selector = &metav1.LabelSelector{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, w.selector); err != nil {
		return workload{}, err
	}
	replicas, found, err := unstructured.NestedInt64(o.Object, "spec", "replicas")
	if found {
		w.replicas = ptr.To(int32(replicas))
	}
	return w, err
}

// resolved is the Rollout as if the template that a workload holds were its own.
func (s *seen) resolved() *v1alpha1.Rollout {
	if s.Workload == nil {
		return s.Rollout
	}
	r := s.Rollout.DeepCopy()
	r.Spec.WorkloadRef = nil
	return r
}

// scaleWorkload sets the size of the workload on the condition that it still has the one that was observed. Its status changes all the time
// and has no part in this, so the condition is not its version.
func (c *Controller) scaleWorkload(ctx context.Context, s *seen, intent strategy.WorkloadIntent) error {
	ref, known := s.Rollout.Spec.WorkloadRef, &s.memory.workload
	body, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": known.uid},
		{"op": "test", "path": "/spec/replicas", "value": known.replicas},
		{"op": "replace", "path": "/spec/replicas", "value": intent.Replicas},
	})
	if err != nil {
		return err
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	o.SetNamespace(s.Rollout.Namespace)
	o.SetName(ref.Name)
	if err := c.Client.Patch(ctx, o, client.RawPatch(types.JSONPatchType, body)); err != nil {
		*known = workload{} // it is read again before the next try
		return err
	}
	if *known, err = workloadOf(o); err != nil {
		return err
	}
	c.tellNote(ctx, s.Rollout, intent.Why)
	return nil
}

func (c *Controller) watchWorkloads(ctx context.Context, kind schema.GroupVersionKind) error {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(kind)
	return c.workloads.begin(ctx, kind.String(), o)
}

// workloadsOf gives the key of the workload that a Rollout refers to.
func workloadsOf(o client.Object) []string {
	r, ok := o.(*v1alpha1.Rollout)
	if !ok || r.Spec.WorkloadRef == nil {
		return nil
	}
	return []string{r.Spec.WorkloadRef.Kind + "/" + r.Namespace + "/" + r.Spec.WorkloadRef.Name}
}

func workloadKey(o client.Object) []string {
	return []string{o.GetObjectKind().GroupVersionKind().Kind + "/" + o.GetNamespace() + "/" + o.GetName()}
}
