package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Apply brings the cluster to what a manifest of one or more YAML documents says, as kubectl apply --server-side does, in the stage's namespace.
func (s *Stage) Apply(ctx context.Context, manifest []byte) error {
	return s.ApplyIn(ctx, s.options.Namespace, manifest)
}

// ApplyIn is Apply in another namespace.
func (s *Stage) ApplyIn(ctx context.Context, namespace string, manifest []byte) error {
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		o := &unstructured.Unstructured{}
		err := documents.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a manifest: %w", err)
		}
		if len(o.Object) == 0 {
			continue // nothing but comments
		}
		if err := s.applyOne(ctx, namespace, o); err != nil {
			return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
}

func (s *Stage) applyOne(ctx context.Context, namespace string, o *unstructured.Unstructured) error {
	namespaced, err := s.Client.IsObjectNamespaced(o)
	if err != nil {
		return err
	}
	if namespaced {
		o.SetNamespace(namespace)
	}
	// A binding names the namespace of its subjects too, as kustomize would fill in.
	if subjects, found, _ := unstructured.NestedSlice(o.Object, "subjects"); found {
		for i := range subjects {
			subjects[i].(map[string]any)["namespace"] = namespace
		}
		if err := unstructured.SetNestedSlice(o.Object, subjects, "subjects"); err != nil {
			return err
		}
	}
	return s.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("stage"), client.ForceOwnership)
}
