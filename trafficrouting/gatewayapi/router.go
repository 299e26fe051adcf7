package gatewayapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// attempts is how often a write is tried when the route changes between reading and writing.
const attempts = 3

// Router holds a Split in routes of the Gateway API.
type Router struct {
	// Client reads routes as unstructured objects, through a cache where it has one, writes patches, and maps kinds to versions.
	Client client.Client
}

var _ trafficrouting.Router = Router{}

// Handles reports whether the Rollout configures the Gateway API, as a field or as a plugin.
func (g Router) Handles(r *v1alpha1.Rollout) bool {
	if !v1alpha1.HasRouter(r) {
		return false
	}
	_, isPlugin := r.Spec.Strategy.Canary.TrafficRouting.Plugins[v1alpha1.PluginGatewayAPI]
	return isPlugin || r.Spec.Strategy.Canary.TrafficRouting.GatewayAPI != nil
}

// Observe folds what all routes of the Rollout hold. Routes that cannot be read or understood are errors and left out.
func (g Router) Observe(ctx context.Context, r *v1alpha1.Rollout, want trafficrouting.Split) (trafficrouting.Observed, error) {
	s, err := newScene(r, want)
	if err != nil {
		return trafficrouting.Observed{}, err
	}
	routes, err := g.load(ctx, r)
	errs := []error{err, s.checkHeaders(routes)}
	var takers, others []trafficrouting.Observed
	for _, rt := range routes {
		o, err := s.observe(rt)
		errs = append(errs, err)
		switch {
		case o.Confirmation == "":
		case rt.headers:
			takers = append(takers, o)
		default:
			others = append(others, o)
		}
	}
	// A route that does not take managed routes lacks none of those that the others hold.
	managed := trafficrouting.Fold(takers)
	for i := range others {
		others[i].Headers, others[i].Mirrors = managed.Headers, managed.Mirrors
	}
	return trafficrouting.Fold(append(takers, others...)), errors.Join(errs...)
}

// Apply writes one patch to each route that differs.
func (g Router) Apply(ctx context.Context, r *v1alpha1.Rollout, want trafficrouting.Split) error {
	if err := want.Check(v1alpha1.MaxTrafficWeight(r)); err != nil {
		return err
	}
	s, err := newScene(r, want)
	if err != nil {
		return err
	}
	routes, err := g.load(ctx, r)
	errs := []error{err, s.checkHeaders(routes)}
	for _, rt := range routes {
		errs = append(errs, g.hold(ctx, s, rt))
	}
	return errors.Join(errs...)
}

// load reads the routes that the Rollout names, in order of kind and name, each once.
// The error tells which could not be read or do not exist; the others are returned nevertheless.
func (g Router) load(ctx context.Context, r *v1alpha1.Rollout) ([]route, error) {
	targets, err := targetsOf(r)
	if err != nil {
		return nil, err
	}
	var routes []route
	var errs []error
	for _, t := range targets {
		found, err := g.read(ctx, t)
		routes, errs = append(routes, found...), append(errs, err)
	}
	id := func(rt route) string { return key(rt.GetKind(), rt.GetNamespace(), rt.GetName()) }
	slices.SortStableFunc(routes, func(a, b route) int { return cmp.Compare(id(a), id(b)) })
	var each []route
	for _, rt := range routes {
		if n := len(each); n > 0 && id(each[n-1]) == id(rt) {
			each[n-1].headers = each[n-1].headers || rt.headers
			continue
		}
		each = append(each, rt)
	}
	return each, errors.Join(errs...)
}

func (g Router) read(ctx context.Context, t target) ([]route, error) {
	served, err := versionServed(g.Client.RESTMapper(), t.kind, t.String())
	if err != nil {
		return nil, err
	}
	if t.selector == nil {
		one := &unstructured.Unstructured{}
		one.SetGroupVersionKind(served)
		err := g.Client.Get(ctx, types.NamespacedName{Namespace: t.namespace, Name: t.name}, one)
		switch {
		case apierrors.IsNotFound(err):
			return nil, &trafficrouting.UnusableError{Route: t.String(), Problem: "it does not exist; create it, or correct its name in trafficRouting"}
		case err != nil:
			return nil, fmt.Errorf("reading %s: %w", t, err)
		}
		return []route{{Unstructured: one, headers: t.headers}}, nil
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(served.GroupVersion().WithKind(t.kind + "List"))
	if err := g.Client.List(ctx, list, client.InNamespace(t.namespace), client.MatchingLabelsSelector{Selector: t.selector}); err != nil {
		return nil, fmt.Errorf("listing %s: %w", t, err)
	}
	if len(list.Items) == 0 {
		return nil, &trafficrouting.UnusableError{Route: t.String(), Problem: "there are none; label the routes, or correct the selector in trafficRouting"}
	}
	var routes []route
	for i := range list.Items {
		routes = append(routes, route{Unstructured: &list.Items[i], headers: t.headers})
	}
	return routes, nil
}

// hold makes one route hold the Split. When the route has changed since it was read, it is read again;
// a cache that has not seen the change yet ends the attempts, and its next event brings the controller back.
func (g Router) hold(ctx context.Context, s *scene, rt route) error {
	for attempt := 1; ; attempt++ {
		operations, err := s.patch(rt)
		if err != nil || len(operations) == 0 {
			return err
		}
		err = g.write(ctx, rt, operations)
		if !apierrors.IsConflict(err) || attempt == attempts {
			return err
		}
		fresh := &unstructured.Unstructured{}
		fresh.SetGroupVersionKind(rt.GroupVersionKind())
		if readErr := g.Client.Get(ctx, client.ObjectKeyFromObject(rt), fresh); readErr != nil {
			return fmt.Errorf("reading %s again: %w", rt, readErr)
		}
		if fresh.GetResourceVersion() == rt.GetResourceVersion() {
			return err
		}
		rt.Unstructured = fresh
	}
}

func (g Router) write(ctx context.Context, rt route, operations []operation) error {
	data, err := json.Marshal(operations)
	if err != nil {
		return fmt.Errorf("encoding the patch of %s: %w", rt, err)
	}
	var options []client.PatchOption
	if addsObjects(operations) {
		// An API server that does not know the names of rules would drop them, and the rules could never be found again.
		options = append(options, client.FieldValidation(metav1.FieldValidationStrict))
	}
	answer := &unstructured.Unstructured{}
	answer.SetGroupVersionKind(rt.GroupVersionKind())
	answer.SetNamespace(rt.GetNamespace())
	answer.SetName(rt.GetName())
	return explain(rt, g.Client.Patch(ctx, answer, client.RawPatch(types.JSONPatchType, data), options...))
}

// explain tells apart the two reasons for which the API server answers 422: it names causes when it finds the result invalid,
// and none when a test of the patch has failed, which is a conflict.
func explain(rt route, err error) error {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case !apierrors.IsInvalid(err) || !errors.As(err, &status):
		return fmt.Errorf("patching %s: %w", rt, err)
	}
	details := status.Status().Details
	if details == nil || len(details.Causes) == 0 {
		resource := schema.GroupResource{Group: group, Resource: strings.ToLower(rt.GetKind()) + "s"}
		return apierrors.NewConflict(resource, rt.GetName(), fmt.Errorf("it has changed since it was read: %w", err))
	}
	var problems []string
	for _, cause := range details.Causes {
		message := cause.Message
		if _, tail, found := cutLast(message, "strict decoding error: "); found {
			message = tail + "; managed routes need a Gateway API whose rules have names (1.4 or newer)"
		}
		problems = append(problems, message)
	}
	return rt.unusable("the API server refuses the change: %s", strings.Join(problems, "; "))
}
