package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Once is the way of a command that looks once and ends: it reads each object when it is asked for, with no more rights than that takes, and watches nothing.
type Once struct {
	// Namespaces are those in which the objects of a kind are listed.
	Namespaces []string
}

func (o *Once) live(ctx context.Context, c client.Client, gvk schema.GroupVersionKind, name client.ObjectKey) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	err := c.Get(ctx, name, object)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s: %w", gvk.Kind, name, err)
	}
	return object, nil
}

func (o *Once) list(ctx context.Context, c client.Client, gvk schema.GroupVersionKind) (all []*unstructured.Unstructured, err error) {
	for _, namespace := range o.Namespaces {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		err := c.List(ctx, list, client.InNamespace(namespace))
		if meta.IsNoMatchError(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s in namespace %s: %w", gvk.Kind, namespace, err)
		}
		for i := range list.Items {
			all = append(all, &list.Items[i])
		}
	}
	return all, nil
}
