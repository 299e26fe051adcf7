package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/gitsync"
)

const (
	// neighboursAtOnce is how many are read in one request, mostNeighbours how many of one kind at all.
	neighboursAtOnce = 500
	mostNeighbours   = 5000
)

// Neighbours lists the objects of a namespace of all kinds that wanted picks, with nothing but their metadata. Nothing of it is kept or watched.
func (c *Cluster) Neighbours(ctx context.Context, namespace string, wanted func(gitsync.GroupKind) bool) (*gitsync.Neighbours, error) {
	if err := c.reachable(ctx); err != nil {
		return nil, err
	}
	kinds, err := c.listable()
	if err != nil {
		return nil, err
	}
	all := &gitsync.Neighbours{}
	var unread []string
	for _, kind := range kinds {
		if !wanted(gitsync.GroupKind{Group: kind.Group, Kind: kind.Kind}) {
			continue
		}
		objects, err := c.metadata(ctx, kind, namespace)
		switch {
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err):
			unread = append(unread, kind.Kind)
		case err != nil:
			return nil, fmt.Errorf("listing %s in namespace %s: %w", kind.Kind, namespace, err)
		}
		all.Objects = append(all.Objects, objects...)
	}
	if len(unread) > 0 {
		slices.Sort(unread)
		all.Unread = "there is no right to list " + strings.Join(unread, ", ") + " in namespace " + namespace
	}
	return all, nil
}

// listable gives the kinds whose objects are in namespaces and can be listed. Groups whose server does not answer are left out.
func (c *Cluster) listable() (kinds []schema.GroupVersionKind, err error) {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(c.config, c.http)
	if err != nil {
		return nil, fmt.Errorf("asking cluster %s for its kinds: %w", c.Identity.Server, err)
	}
	lists, err := discovery.ServerPreferredNamespacedResources(d)
	var partly *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &partly) {
		return nil, fmt.Errorf("asking cluster %s for its kinds: %w", c.Identity.Server, err)
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // the server speaks of a version that cannot be asked for
		}
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "list") && !strings.Contains(r.Name, "/") {
				kinds = append(kinds, version.WithKind(r.Kind))
			}
		}
	}
	return kinds, nil
}

// metadata lists objects of a kind without what is in them.
func (c *Cluster) metadata(ctx context.Context, kind schema.GroupVersionKind, namespace string) (all []*unstructured.Unstructured, err error) {
	for next := ""; ; {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := c.direct.List(ctx, list, client.InNamespace(namespace), client.Limit(neighboursAtOnce), client.Continue(next)); err != nil {
			return nil, err
		}
		for _, item := range list.Items {
			o := &unstructured.Unstructured{}
			o.SetGroupVersionKind(kind)
			o.SetNamespace(item.Namespace)
			o.SetName(item.Name)
			o.SetLabels(item.Labels)
			o.SetAnnotations(item.Annotations)
			o.SetOwnerReferences(item.OwnerReferences)
			all = append(all, o)
		}
		if next = list.Continue; next == "" || len(all) >= mostNeighbours {
			return all, nil
		}
	}
}
