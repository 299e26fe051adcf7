package gitsync

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// serverFields are parts of metadata that only the API server writes.
var serverFields = []string{"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}

// normal gives a copy of an object in the form in which objects are compared: without status, without what the API server keeps for itself,
// without nulls and empty maps and lists, and with the stringData of a Secret where the server puts it.
func normal(o *unstructured.Unstructured) map[string]any {
	tree := maps.Clone(o.Object)
	delete(tree, "status")
	if metadata, ok := tree["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		for _, field := range serverFields {
			delete(metadata, field)
		}
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			annotations = maps.Clone(annotations)
			delete(annotations, gitopsv1.AnnotationLastApplied)
			metadata["annotations"] = annotations
		}
		tree["metadata"] = metadata
	}
	if o.GetKind() == "Secret" && o.GroupVersionKind().Group == "" {
		tree = secretData(tree)
	}
	if _, aggregated := tree["aggregationRule"]; aggregated && o.GetKind() == "ClusterRole" {
		delete(tree, "rules") // the cluster gathers them
	}
	full, _ := compact(tree).(map[string]any)
	return full
}

// secretData moves stringData into data as the API server does.
func secretData(tree map[string]any) map[string]any {
	texts, ok := tree["stringData"].(map[string]any)
	if !ok {
		return tree
	}
	tree = maps.Clone(tree)
	data, _ := tree["data"].(map[string]any)
	data = maps.Clone(data)
	if data == nil {
		data = map[string]any{}
	}
	for key, value := range texts {
		if text, ok := value.(string); ok {
			data[key] = base64.StdEncoding.EncodeToString([]byte(text))
		}
	}
	delete(tree, "stringData")
	tree["data"] = data
	return tree
}

// compact copies a value without what means the same as being absent; nil if nothing is left.
func compact(value any) any {
	switch v := value.(type) {
	case map[string]any:
		kept := make(map[string]any, len(v))
		for key, item := range v {
			if item = compact(item); item != nil {
				kept[key] = item
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []any:
		kept := make([]any, 0, len(v))
		for _, item := range v {
			// An empty item keeps its place, for it means something: an empty rule of a NetworkPolicy permits everything.
			if small := compact(item); small != nil {
				kept = append(kept, small)
			} else {
				kept = append(kept, map[string]any{})
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case nil:
		return nil
	}
	return number(value)
}

// number gives numbers of all types one, so that they compare by value.
func number(value any) any {
	switch n := value.(type) {
	case int:
		return float64(n)
	case int32:
		return float64(n)
	case int64:
		return float64(n)
	case json.Number:
		f, err := n.Float64()
		if err != nil {
			return n.String()
		}
		return f
	}
	return value
}

// emptyIsMeant lists fields whose empty map says something that their absence does not, such as a volume that is an emptyDir.
// A comparison that finds only such a difference lets the server decide.
var emptyIsMeant = []string{"emptyDir", "podSelector", "namespaceSelector", "ephemeral", "selector"}

// withLastApplied reads what the last client-side apply asked for; nil if there was none or it cannot be read.
func withLastApplied(live *unstructured.Unstructured) *unstructured.Unstructured {
	text := annotation(live, gitopsv1.AnnotationLastApplied)
	if strings.TrimSpace(text) == "" {
		return nil
	}
	last := &unstructured.Unstructured{}
	if json.Unmarshal([]byte(text), &last.Object) != nil || last.Object == nil {
		return nil
	}
	return last
}
