package gatewayapi

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

const (
	group    = "gateway.networking.k8s.io"
	kindHTTP = "HTTPRoute"
	kindGRPC = "GRPCRoute"
	kindTCP  = "TCPRoute"
	kindTLS  = "TLSRoute"
)

var kinds = []string{kindHTTP, kindGRPC, kindTCP, kindTLS}

// versionsOf are the versions of a kind whose rules this package understands.
var versionsOf = map[string][]string{
	kindHTTP: {"v1"},
	kindGRPC: {"v1"},
	kindTCP:  {"v1", "v1alpha2"},
	kindTLS:  {"v1", "v1alpha3", "v1alpha2"},
}

// anyName stands in a key for all routes of a kind in a namespace; no route can have this name.
const anyName = "*"

// target is what a Rollout says about routes of one kind: the name of one, or a selector for several.
type target struct {
	kind, namespace, name string
	selector              labels.Selector
	// headers is true when managed routes go into these routes.
	headers bool
}

func (t target) key() string {
	if t.selector != nil {
		return key(t.kind, t.namespace, anyName)
	}
	return key(t.kind, t.namespace, t.name)
}

func (t target) String() string {
	if t.selector != nil {
		return fmt.Sprintf("%ss in %s with %s", t.kind, t.namespace, t.selector)
	}
	return fmt.Sprintf("%s %s/%s", t.kind, t.namespace, t.name)
}

func key(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// targetsOf lists what the Rollout names. A route that is named twice takes managed routes if either says so.
func targetsOf(r *v1alpha1.Rollout) ([]target, error) {
	config, err := trafficrouting.GatewayAPI(r)
	if err != nil {
		return nil, &trafficrouting.UnusableError{Route: "Rollout " + r.Namespace + "/" + r.Name, Problem: err.Error()}
	}
	if config == nil {
		return nil, nil
	}
	namespace := config.Namespace
	if namespace == "" {
		namespace = r.Namespace
	}
	var found []target
	for _, of := range []struct {
		kind     string
		one      string
		several  []v1alpha1.GatewayAPIRoute
		selector *metav1.LabelSelector
	}{
		{kindHTTP, config.HTTPRoute, config.HTTPRoutes, config.HTTPRouteSelector},
		{kindGRPC, config.GRPCRoute, config.GRPCRoutes, config.GRPCRouteSelector},
		{kindTCP, config.TCPRoute, config.TCPRoutes, config.TCPRouteSelector},
		{kindTLS, config.TLSRoute, config.TLSRoutes, config.TLSRouteSelector},
	} {
		if of.one != "" {
			matchable := of.kind == kindHTTP || of.kind == kindGRPC
			found = append(found, target{kind: of.kind, namespace: namespace, name: of.one, headers: matchable})
		}
		for _, route := range of.several {
			found = append(found, target{kind: of.kind, namespace: namespace, name: route.Name, headers: route.UseHeaderRoutes})
		}
		if of.selector != nil {
			selector, err := metav1.LabelSelectorAsSelector(of.selector)
			if err != nil {
				return nil, fmt.Errorf("reading the selector of %ss: %w", of.kind, err)
			}
			found = append(found, target{kind: of.kind, namespace: namespace, selector: selector})
		}
	}
	return found, nil
}

// RoutesOf gives the keys under which a Rollout is to be found when a route changes: one for each route that it names, and one for
// each kind and namespace of which it selects routes by label. None if it has no route or its configuration cannot be read.
func RoutesOf(r *v1alpha1.Rollout) []string {
	targets, err := targetsOf(r)
	if err != nil {
		return nil // Observe reports the error; an edit of the Rollout is what mends it
	}
	var keys []string
	for _, t := range targets {
		keys = append(keys, t.key())
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// KeysOf gives the keys under which the Rollouts are indexed that may be concerned by a change of this route.
// The labels of the route do not matter, so a route that has just lost them is noticed as well.
func KeysOf(o client.Object) []string {
	kind := o.GetObjectKind().GroupVersionKind().Kind
	return []string{key(kind, o.GetNamespace(), o.GetName()), key(kind, o.GetNamespace(), anyName)}
}

// Watches gives one empty object for each kind of route that the cluster serves in a version which this package understands;
// whoever reconciles Rollouts has to watch these kinds.
func Watches(mapper meta.RESTMapper) ([]client.Object, error) {
	var objects []client.Object
	for _, kind := range kinds {
		served, err := versionServed(mapper, kind, kind)
		switch {
		case trafficrouting.IsUnusable(err):
			continue
		case err != nil:
			return nil, err
		}
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(served)
		objects = append(objects, o)
	}
	return objects, nil
}

// versionServed finds the version of a kind that the cluster prefers; an *trafficrouting.UnusableError for title if there is
// none that can be used.
func versionServed(mapper meta.RESTMapper, kind, title string) (schema.GroupVersionKind, error) {
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: group, Kind: kind})
	switch {
	case meta.IsNoMatchError(err):
		return schema.GroupVersionKind{}, &trafficrouting.UnusableError{Route: title,
			Problem: "the cluster does not serve routes of this kind; install the custom resource definitions of the Gateway API"}
	case err != nil:
		return schema.GroupVersionKind{}, fmt.Errorf("finding the version of %s that the cluster serves: %w", title, err)
	case !slices.Contains(versionsOf[kind], mapping.GroupVersionKind.Version):
		return schema.GroupVersionKind{}, &trafficrouting.UnusableError{Route: title,
			Problem: fmt.Sprintf("the cluster serves it as %s, but %v is needed; upgrade the Gateway API", mapping.GroupVersionKind.Version, versionsOf[kind])}
	}
	return mapping.GroupVersionKind, nil
}
