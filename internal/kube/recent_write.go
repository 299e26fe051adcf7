package kube

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Create makes an object.
func (r *Recent) Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error {
	if err := r.Client.Create(ctx, o, opts...); err != nil {
		return err
	}
	if len((&client.CreateOptions{}).ApplyOptions(opts).DryRun) > 0 {
		return nil
	}
	return r.remember(o, true, false)
}

// Update replaces an object.
func (r *Recent) Update(ctx context.Context, o client.Object, opts ...client.UpdateOption) error {
	if err := r.Client.Update(ctx, o, opts...); err != nil {
		return err
	}
	if len((&client.UpdateOptions{}).ApplyOptions(opts).DryRun) > 0 {
		return nil
	}
	return r.remember(o, false, false)
}

// Patch changes an object.
func (r *Recent) Patch(ctx context.Context, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
	if err := r.Client.Patch(ctx, o, patch, opts...); err != nil {
		return err
	}
	if len((&client.PatchOptions{}).ApplyOptions(opts).DryRun) > 0 {
		return nil
	}
	return r.remember(o, false, false)
}

// Delete removes an object. Its UID must be known, or else the next of that name would be taken for it.
func (r *Recent) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	if err := r.Client.Delete(ctx, o, opts...); err != nil {
		return err
	}
	if o.GetUID() == "" || len((&client.DeleteOptions{}).ApplyOptions(opts).DryRun) > 0 {
		return nil
	}
	return r.remember(o, false, true)
}

// Status writes statuses.
func (r *Recent) Status() client.SubResourceWriter {
	return recentStatus{SubResourceWriter: r.Client.Status(), recent: r}
}

type recentStatus struct {
	client.SubResourceWriter
	recent *Recent
}

func (s recentStatus) Update(ctx context.Context, o client.Object, opts ...client.SubResourceUpdateOption) error {
	if err := s.SubResourceWriter.Update(ctx, o, opts...); err != nil {
		return err
	}
	return s.recent.remember(o, false, false)
}

func (s recentStatus) Patch(ctx context.Context, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	if err := s.SubResourceWriter.Patch(ctx, o, patch, opts...); err != nil {
		return err
	}
	return s.recent.remember(o, false, false)
}

// copyObject fills to with a copy of from; one may be typed and the other not.
func copyObject(from, to client.Object) error {
	if reflect.TypeOf(from) == reflect.TypeOf(to) {
		reflect.ValueOf(to).Elem().Set(reflect.ValueOf(from.DeepCopyObject()).Elem())
		return nil
	}
	if u, ok := from.(*unstructured.Unstructured); ok {
		reflect.ValueOf(to).Elem().SetZero()
		return runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, to)
	}
	u, ok := to.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("reading a %T as a %T is not possible", from, to)
	}
	gvk := u.GroupVersionKind()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(from)
	if err != nil {
		return err
	}
	u.Object = content
	u.SetGroupVersionKind(gvk)
	return nil
}

func labelsOf(o client.Object) labels.Set { return o.GetLabels() }

func compareNames(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }
