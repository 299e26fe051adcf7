package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy"
)

var replicaSetKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}

// ownAnnotations are annotations of a Rollout that speak of the Rollout and not of its revisions.
var ownAnnotations = []string{
	"kubectl.kubernetes.io/last-applied-configuration", "notified.notifications.argoproj.io",
	v1alpha1.AnnotationRevision, v1alpha1.AnnotationRevisionHistory, v1alpha1.AnnotationDesiredReplicas, annotationDigest,
	v1alpha1.AnnotationEphemeralMetadata, v1alpha1.AnnotationWorkloadGeneration,
}

// newReplicaSet makes the ReplicaSet of an intent. It is untyped, so that fields of the pod template that our types do not know survive.
func newReplicaSet(r *v1alpha1.Rollout, intent strategy.ReplicaSetIntent, digest string) (*unstructured.Unstructured, error) {
	template, err := kube.TemplateTree(r.Spec.Template)
	if err != nil {
		return nil, err
	}
	metadata, ok := template["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		template["metadata"] = metadata
	}
	labels, ok := metadata["labels"].(map[string]any)
	if !ok {
		labels = map[string]any{}
		metadata["labels"] = labels
	}
	labels[v1alpha1.LabelPodTemplateHash] = intent.Hash
	selector := ptr.Deref(r.Spec.Selector.DeepCopy(), metav1.LabelSelector{})
	metav1.AddLabelToSelector(&selector, v1alpha1.LabelPodTemplateHash, intent.Hash)
	selectorTree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&selector)
	if err != nil {
		return nil, fmt.Errorf("writing the selector: %w", err)
	}
	visible := textsOf(labels)
	if intent.Metadata != nil {
		dress(r, metadata, *intent.Metadata)
	}
	if intent.AntiAffinity != nil {
		if err := kube.KeepApart(template, intent.AntiAffinity, intent.Avoid); err != nil {
			return nil, fmt.Errorf("keeping the pods apart from those of revision %s: %w", intent.Avoid, err)
		}
	}
	annotations, err := newAnnotations(r, intent, digest)
	if err != nil {
		return nil, err
	}
	set := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"replicas":        int64(ptr.Deref(intent.Replicas, 0)),
		"minReadySeconds": int64(ptr.Deref(intent.MinReadySeconds, 0)),
		"selector":        selectorTree,
		"template":        template,
	}}}
	set.SetGroupVersionKind(replicaSetKind)
	set.SetNamespace(r.Namespace)
	set.SetName(intent.Name)
	set.SetLabels(visible)
	set.SetAnnotations(annotations)
	set.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(r, v1alpha1.RolloutKind)})
	return set, nil
}

func newAnnotations(r *v1alpha1.Rollout, intent strategy.ReplicaSetIntent, digest string) (map[string]string, error) {
	annotations := maps.Clone(r.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.DeleteFunc(annotations, func(key, _ string) bool { return slices.Contains(ownAnnotations, key) })
	annotations[annotationDigest] = digest
	for key, value := range changedAnnotations(intent) {
		if value != nil {
			annotations[key] = *value
		}
	}
	if intent.Metadata != nil {
		text, err := roleText(*intent.Metadata)
		if err != nil {
			return nil, err
		}
		if text != nil {
			annotations[v1alpha1.AnnotationEphemeralMetadata] = *text
		}
	}
	return annotations, nil
}

// changedAnnotations are the annotations that an intent writes; nil removes one.
func changedAnnotations(intent strategy.ReplicaSetIntent) map[string]*string {
	changed := map[string]*string{}
	if intent.Revision != 0 {
		changed[v1alpha1.AnnotationRevision] = ptr.To(strconv.FormatInt(intent.Revision, 10))
		if intent.History != "" {
			changed[v1alpha1.AnnotationRevisionHistory] = ptr.To(intent.History)
		}
	}
	if intent.Desired != nil {
		changed[v1alpha1.AnnotationDesiredReplicas] = ptr.To(strconv.FormatInt(int64(*intent.Desired), 10))
	}
	if intent.Deadline != nil {
		changed[v1alpha1.AnnotationScaleDownDeadline] = intent.Deadline
		if *intent.Deadline == "" {
			changed[v1alpha1.AnnotationScaleDownDeadline] = nil
		}
	}
	return changed
}

func textsOf(labels map[string]any) map[string]string {
	texts := make(map[string]string, len(labels))
	for key, value := range labels {
		if text, ok := value.(string); ok {
			texts[key] = text
		}
	}
	return texts
}
