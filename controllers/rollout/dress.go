package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// dressing is a change of what the pods of one ReplicaSet carry for their role. A nil value removes a key.
type dressing struct {
	Labels      map[string]*string `json:"labels,omitempty"`
	Annotations map[string]*string `json:"annotations,omitempty"`
}

// dressingOf compares what is to be carried with what is carried. A key that goes away falls back to what the pod template itself says,
// which is known for the current revision alone. Labels by which the pods are found are left as they are.
func dressingOf(s *seen, hash string, before, after v1alpha1.PodTemplateMetadata) (dressing, error) {
	var own v1alpha1.PodTemplateMetadata
	if hash == s.Current {
		template, err := v1alpha1.PodTemplate(s.Rollout.Spec.Template)
		var dropped *v1alpha1.DroppedError
		if err != nil && !errors.As(err, &dropped) {
			return dressing{}, err
		}
		own.Labels, own.Annotations = template.Labels, template.Annotations
	}
	d := dressing{Labels: changed(before.Labels, after.Labels, own.Labels), Annotations: changed(before.Annotations, after.Annotations, own.Annotations)}
	for _, key := range identifying(s.Rollout) {
		delete(d.Labels, key)
	}
	return d, nil
}

func changed(before, after, own map[string]string) map[string]*string {
	values := map[string]*string{}
	for key := range before {
		if value, ok := own[key]; ok {
			values[key] = &value
		} else {
			values[key] = nil
		}
	}
	for key, value := range after {
		values[key] = &value
	}
	return values
}

// identifying are the labels by which the pods of a Rollout are found.
func identifying(r *v1alpha1.Rollout) []string {
	keys := []string{v1alpha1.LabelPodTemplateHash}
	if r.Spec.Selector == nil {
		return keys
	}
	for key := range r.Spec.Selector.MatchLabels {
		keys = append(keys, key)
	}
	for _, e := range r.Spec.Selector.MatchExpressions {
		keys = append(keys, e.Key)
	}
	return keys
}

// differs reports whether an object does not carry what it should.
func (d dressing) differs(o client.Object) bool {
	return unlike(o.GetLabels(), d.Labels) || unlike(o.GetAnnotations(), d.Annotations)
}

func unlike(has map[string]string, wanted map[string]*string) bool {
	for key, value := range wanted {
		now, ok := has[key]
		if ok != (value != nil) || ok && now != *value {
			return true
		}
	}
	return false
}

// dress puts the metadata of a role into that of a template that is about to be created.
func dress(r *v1alpha1.Rollout, metadata map[string]any, role v1alpha1.PodTemplateMetadata) {
	d := dressing{Labels: changed(nil, role.Labels, nil), Annotations: changed(nil, role.Annotations, nil)}
	for _, key := range identifying(r) {
		delete(d.Labels, key)
	}
	for field, values := range map[string]map[string]*string{"labels": d.Labels, "annotations": d.Annotations} {
		if len(values) == 0 {
			continue
		}
		carried, ok := metadata[field].(map[string]any)
		if !ok {
			carried = map[string]any{}
			metadata[field] = carried
		}
		for key, value := range values {
			if value != nil {
				carried[key] = *value
			}
		}
	}
}

// dressPods changes the live pods of a ReplicaSet that differ. Each pod is for itself: one that cannot be changed keeps none from it.
func (c *Controller) dressPods(ctx context.Context, s *seen, intent strategy.ReplicaSetIntent, d dressing) error {
	var list corev1.PodList
	if err := c.Live.List(ctx, &list, client.InNamespace(s.Rollout.Namespace), client.MatchingLabels{v1alpha1.LabelPodTemplateHash: intent.Hash}); err != nil {
		return fmt.Errorf("listing its pods: %w", err)
	}
	var problems []error
	for i := range list.Items {
		pod := &list.Items[i]
		if set := s.setOf(pod); set == nil || set.Name != intent.Name || pod.DeletionTimestamp != nil || !d.differs(pod) {
			continue
		}
		// Bound to the pod and not to its version, because its status changes all the time and has no part in this.
		body, err := json.Marshal(map[string]any{"metadata": struct {
			UID types.UID `json:"uid"`
			dressing
		}{pod.UID, d}})
		if err != nil {
			return err
		}
		if err := client.IgnoreNotFound(c.Client.Patch(ctx, pod, client.RawPatch(types.MergePatchType, body))); err != nil {
			problems = append(problems, fmt.Errorf("changing the metadata of pod %s: %w", pod.Name, err))
		}
	}
	return errors.Join(problems...)
}

// roleText is the annotation that remembers on a ReplicaSet what its pods carry for their role; nil for nothing.
func roleText(m v1alpha1.PodTemplateMetadata) (*string, error) {
	if len(m.Labels)+len(m.Annotations) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	text := string(data)
	return &text, nil
}
