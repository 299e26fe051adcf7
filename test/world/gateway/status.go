package gateway

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// ControllerName is how the gateway signs the statuses of routes.
const ControllerName gatewayv1.GatewayController = "sluice.example/gateway"

// report is the status that a route should have: one entry for each parentRef that means us, in the place of those
// that we wrote before, and everybody else's as it was.
func report(v verdict, gateway types.NamespacedName) (status gatewayv1.RouteStatus, changed bool) {
	before := v.route.Status.Parents
	var parents []gatewayv1.RouteParentStatus
	for _, p := range before {
		// Other worlds on the same cluster sign with the same name, for Gateways of their own.
		if p.ControllerName != ControllerName || !names(p.ParentRef, v.route.Namespace, gateway) {
			parents = append(parents, *p.DeepCopy())
		}
	}
	changed = len(before) != len(parents)+len(v.parents)
	for _, ref := range v.parents {
		entry := gatewayv1.RouteParentStatus{ParentRef: *ref.DeepCopy(), ControllerName: ControllerName}
		at := slices.IndexFunc(before, func(p gatewayv1.RouteParentStatus) bool {
			return p.ControllerName == ControllerName && names(p.ParentRef, v.route.Namespace, gateway) && sameListener(p.ParentRef, ref)
		})
		if at >= 0 {
			entry.Conditions = before[at].DeepCopy().Conditions
		}
		for _, c := range conditions(v) {
			changed = meta.SetStatusCondition(&entry.Conditions, c) || changed
		}
		parents = append(parents, entry)
	}
	return gatewayv1.RouteStatus{Parents: parents}, changed
}

func sameListener(a, b gatewayv1.ParentReference) bool {
	return ptr.Equal(a.SectionName, b.SectionName) && ptr.Equal(a.Port, b.Port)
}

func conditions(v verdict) []metav1.Condition {
	out := []metav1.Condition{
		{Type: string(gatewayv1.RouteConditionAccepted), Reason: string(gatewayv1.RouteReasonAccepted)},
		{Type: string(gatewayv1.RouteConditionResolvedRefs), Reason: string(gatewayv1.RouteReasonResolvedRefs)},
	}
	for i := range out {
		out[i].Status, out[i].ObservedGeneration = metav1.ConditionTrue, v.route.Generation
		for _, p := range v.problems {
			if string(p.condition) == out[i].Type {
				out[i].Status, out[i].Reason, out[i].Message = metav1.ConditionFalse, string(p.reason), p.message
			}
		}
	}
	return out
}

// writeStatus reports a route as it is programmed now. A conflict needs no retry: the change behind it is on its way
// through the watch, and has the route looked at again.
func (g *Gateway) writeStatus(ctx context.Context, key routeKey) error {
	if g.held(&g.statusHeld) {
		return nil
	}
	v, ok := g.table.Load().verdicts[key]
	if !ok {
		return nil
	}
	status, changed := report(v, g.options.Name)
	if !changed {
		return nil
	}
	var err error
	if v.grpc != nil {
		route := v.grpc.DeepCopy()
		route.Status.RouteStatus = status
		_, err = g.routes.GatewayV1().GRPCRoutes(key.namespace).UpdateStatus(ctx, route, metav1.UpdateOptions{})
	} else {
		route := v.route.DeepCopy()
		route.Status.RouteStatus = status
		_, err = g.routes.GatewayV1().HTTPRoutes(key.namespace).UpdateStatus(ctx, route, metav1.UpdateOptions{})
	}
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the status of %s %s/%s: %w", key.kind, key.namespace, key.name, err)
	}
	return nil
}

// writeGateway says of our Gateway, where there is one, that it is programmed and where it listens.
func (g *Gateway) writeGateway(ctx context.Context) error {
	found, err := g.gateways.Gateways(g.options.Name.Namespace).Get(g.options.Name.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading gateway %s: %w", g.options.Name, err)
	}
	if err := g.acceptClass(ctx, string(found.Spec.GatewayClassName)); err != nil {
		return err
	}
	gateway, changed := found.DeepCopy(), len(found.Status.Addresses) != 1
	ip := gatewayv1.IPAddressType
	gateway.Status.Addresses = []gatewayv1.GatewayStatusAddress{{Type: &ip, Value: "127.0.0.1"}}
	for _, kind := range []gatewayv1.GatewayConditionType{gatewayv1.GatewayConditionAccepted, gatewayv1.GatewayConditionProgrammed} {
		changed = meta.SetStatusCondition(&gateway.Status.Conditions, metav1.Condition{
			Type: string(kind), Status: metav1.ConditionTrue, Reason: string(kind), ObservedGeneration: gateway.Generation,
			Message: "Serving at " + g.URL,
		}) || changed
	}
	if !changed {
		return nil
	}
	_, err = g.routes.GatewayV1().Gateways(gateway.Namespace).UpdateStatus(ctx, gateway, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the status of gateway %s: %w", g.options.Name, err)
	}
	return nil
}

// acceptClass says of the class of our Gateway, where there is one, that it is served.
func (g *Gateway) acceptClass(ctx context.Context, name string) error {
	found, err := g.classes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading gateway class %s: %w", name, err)
	}
	class := found.DeepCopy()
	changed := meta.SetStatusCondition(&class.Status.Conditions, metav1.Condition{
		Type: string(gatewayv1.GatewayClassConditionStatusAccepted), Status: metav1.ConditionTrue, Reason: string(gatewayv1.GatewayClassReasonAccepted),
		ObservedGeneration: class.Generation, Message: "Its gateway is served.",
	})
	if !changed {
		return nil
	}
	_, err = g.routes.GatewayV1().GatewayClasses().UpdateStatus(ctx, class, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the status of gateway class %s: %w", name, err)
	}
	return nil
}
