package application

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// manifests reads the manifests that an operation brings along.
func manifests(texts []string) (all []*unstructured.Unstructured, problem string) {
	for i, text := range texts {
		o := &unstructured.Unstructured{}
		// The text may be a Secret, so the error of the parser, which quotes it, is not shown.
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil || o.GetKind() == "" || o.GetName() == "" && o.GetGenerateName() == "" {
			return nil, fmt.Sprintf("operation.sync.manifests[%d] is no manifest: it needs apiVersion, kind and metadata.name", i)
		}
		all = append(all, o)
	}
	return all, ""
}
