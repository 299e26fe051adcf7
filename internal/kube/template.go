package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apijson "k8s.io/apimachinery/pkg/util/json"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// TemplateTree is a pod template as it was written, fields unknown to us included and whole numbers as the API machinery wants them; values
// that cannot be read are left out, as everywhere, and then unknown fields with them.
func TemplateTree(template runtime.RawExtension) (map[string]any, error) {
	typed, err := v1alpha1.PodTemplate(template)
	var dropped *v1alpha1.DroppedError
	raw := template.Raw
	if errors.As(err, &dropped) {
		raw, err = json.Marshal(typed)
	}
	if err != nil {
		return nil, err
	}
	tree := map[string]any{}
	if err := apijson.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("reading the pod template: %w", err)
	}
	return tree, nil
}

// AuthorsTemplate is a pod template as its author wrote it, without rules of KeepApart: clients that return to an earlier revision may copy these
// from its ReplicaSet.
func AuthorsTemplate(template runtime.RawExtension) runtime.RawExtension {
	if !bytes.Contains(template.Raw, []byte(v1alpha1.LabelPodTemplateHash)) {
		return template
	}
	tree := map[string]any{}
	if apijson.Unmarshal(template.Raw, &tree) != nil || !withoutApart(tree) {
		return template // whatever is wrong with it is told by whoever reads it
	}
	raw, err := json.Marshal(tree)
	if err != nil {
		return template
	}
	return runtime.RawExtension{Raw: raw}
}

// BareTemplate is the template of a ReplicaSet without what the controller put into it: the hash label, the metadata of a role, and
// the rules that keep revisions apart.
func BareTemplate(set *unstructured.Unstructured) (map[string]any, error) {
	template, found, err := unstructured.NestedMap(set.Object, "spec", "template")
	if err != nil || !found {
		return nil, fmt.Errorf("the ReplicaSet %s holds no pod template", set.GetName())
	}
	unstructured.RemoveNestedField(template, "metadata", "labels", v1alpha1.LabelPodTemplateHash)
	withoutApart(template)
	text := set.GetAnnotations()[v1alpha1.AnnotationEphemeralMetadata]
	if text == "" {
		return template, nil
	}
	var injected v1alpha1.PodTemplateMetadata
	if err := json.Unmarshal([]byte(text), &injected); err != nil {
		return nil, fmt.Errorf("reading annotation %s of ReplicaSet %s: %w", v1alpha1.AnnotationEphemeralMetadata, set.GetName(), err)
	}
	for key := range maps.Keys(injected.Labels) {
		unstructured.RemoveNestedField(template, "metadata", "labels", key)
	}
	for key := range maps.Keys(injected.Annotations) {
		unstructured.RemoveNestedField(template, "metadata", "annotations", key)
	}
	if annotations, _, _ := unstructured.NestedMap(template, "metadata", "annotations"); len(annotations) == 0 {
		unstructured.RemoveNestedField(template, "metadata", "annotations")
	}
	return template, nil
}
