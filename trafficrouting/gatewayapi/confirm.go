package gatewayapi

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/trafficrouting"
)

// parents is the part of a route that says who programs it; what else it holds is never decoded.
type parents struct {
	Spec   gatewayv1.CommonRouteSpec `json:"spec"`
	Status gatewayv1.RouteStatus     `json:"status"`
}

// confirm tells whether the parents of a route have taken over its newest generation. Only parents that report count, because
// nobody may be there to speak for the others; a report for a parent that the route no longer names is out of date and does not count.
func confirm(rt route) (trafficrouting.Confirmation, string, error) {
	var p parents
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(rt.Object, &p); err != nil {
		return "", "", rt.unusable("the references to its parents or their status cannot be read: %v", err)
	}
	answer, message := trafficrouting.Unreported, ""
	for _, report := range p.Status.Parents {
		if !slices.ContainsFunc(p.Spec.ParentRefs, func(ref gatewayv1.ParentReference) bool { return sameParent(rt, ref, report.ParentRef) }) {
			continue
		}
		if complaint := complaintOf(report, rt.GetGeneration()); complaint != "" {
			return trafficrouting.Pending, fmt.Sprintf("%s: %s %s", rt, parentName(rt, report.ParentRef), complaint), nil
		}
		answer = trafficrouting.Confirmed
	}
	return answer, message, nil
}

// complaintOf says what one parent lacks; empty if it has taken over this generation.
func complaintOf(report gatewayv1.RouteParentStatus, generation int64) string {
	for _, want := range []gatewayv1.RouteConditionType{gatewayv1.RouteConditionAccepted, gatewayv1.RouteConditionResolvedRefs} {
		condition := conditionOf(report, want)
		switch {
		case condition == nil:
			return fmt.Sprintf("has not reported %s yet", want)
		case condition.ObservedGeneration < generation:
			return fmt.Sprintf("reports %s for generation %d of the route and not yet for %d", want, condition.ObservedGeneration, generation)
		case condition.Status != metav1.ConditionTrue:
			return fmt.Sprintf("reports %s=%s (%s): %s", want, condition.Status, condition.Reason, condition.Message)
		}
	}
	if partly := conditionOf(report, gatewayv1.RouteConditionPartiallyInvalid); partly != nil && partly.Status == metav1.ConditionTrue {
		return fmt.Sprintf("serves only a part of the rules (%s): %s", partly.Reason, partly.Message)
	}
	return ""
}

func conditionOf(report gatewayv1.RouteParentStatus, kind gatewayv1.RouteConditionType) *metav1.Condition {
	i := slices.IndexFunc(report.Conditions, func(c metav1.Condition) bool { return c.Type == string(kind) })
	if i < 0 {
		return nil
	}
	return &report.Conditions[i]
}

// sameParent compares two references with their defaults: a Gateway in the namespace of the route.
func sameParent(rt route, a, b gatewayv1.ParentReference) bool {
	return parentGroup(a) == parentGroup(b) && parentKind(a) == parentKind(b) && a.Name == b.Name &&
		parentNamespace(rt, a) == parentNamespace(rt, b) &&
		ptr.Equal(a.SectionName, b.SectionName) && ptr.Equal(a.Port, b.Port)
}

func parentGroup(ref gatewayv1.ParentReference) gatewayv1.Group {
	return ptr.Deref(ref.Group, group)
}

func parentKind(ref gatewayv1.ParentReference) gatewayv1.Kind { return ptr.Deref(ref.Kind, "Gateway") }

func parentNamespace(rt route, ref gatewayv1.ParentReference) gatewayv1.Namespace {
	return ptr.Deref(ref.Namespace, gatewayv1.Namespace(rt.GetNamespace()))
}

func parentName(rt route, ref gatewayv1.ParentReference) string {
	name := fmt.Sprintf("%s %s/%s", parentKind(ref), parentNamespace(rt, ref), ref.Name)
	if ref.SectionName != nil {
		name += fmt.Sprintf(" (section %s)", *ref.SectionName)
	}
	return name
}
