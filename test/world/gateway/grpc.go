package gateway

import (
	"regexp"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// asHTTP is a GRPCRoute as the HTTPRoute that takes the same requests: POST /service/method.
func asHTTP(g *gatewayv1.GRPCRoute) *gatewayv1.HTTPRoute {
	route := &gatewayv1.HTTPRoute{ObjectMeta: g.ObjectMeta}
	route.Status.RouteStatus = g.Status.RouteStatus
	route.Spec.CommonRouteSpec = g.Spec.CommonRouteSpec
	route.Spec.Hostnames = g.Spec.Hostnames
	for _, r := range g.Spec.Rules {
		rule := gatewayv1.HTTPRouteRule{Filters: httpFilters(r.Filters)}
		for _, m := range r.Matches {
			rule.Matches = append(rule.Matches, httpMatch(m))
		}
		for _, b := range r.BackendRefs {
			rule.BackendRefs = append(rule.BackendRefs, gatewayv1.HTTPBackendRef{BackendRef: b.BackendRef, Filters: httpFilters(b.Filters)})
		}
		route.Spec.Rules = append(route.Spec.Rules, rule)
	}
	return route
}

func httpMatch(m gatewayv1.GRPCRouteMatch) gatewayv1.HTTPRouteMatch {
	post := gatewayv1.HTTPMethodPost
	out := gatewayv1.HTTPRouteMatch{Method: &post}
	for _, h := range m.Headers {
		out.Headers = append(out.Headers, gatewayv1.HTTPHeaderMatch{
			Type: (*gatewayv1.HeaderMatchType)(h.Type), Name: gatewayv1.HTTPHeaderName(h.Name), Value: h.Value,
		})
	}
	if m.Method == nil {
		return out
	}
	exact := m.Method.Type == nil || *m.Method.Type == gatewayv1.GRPCMethodMatchExact
	kind, path := gatewayv1.PathMatchRegularExpression, "/"+expression(m.Method.Service, exact)+"/"+expression(m.Method.Method, exact)
	out.Path = &gatewayv1.HTTPPathMatch{Type: &kind, Value: &path}
	return out
}

// expression matches one part of a path; nothing given matches any.
func expression(part *string, exact bool) string {
	switch {
	case part == nil:
		return "[^/]+"
	case exact:
		return regexp.QuoteMeta(*part)
	}
	return *part
}

func httpFilters(filters []gatewayv1.GRPCRouteFilter) []gatewayv1.HTTPRouteFilter {
	var out []gatewayv1.HTTPRouteFilter
	for _, f := range filters {
		out = append(out, gatewayv1.HTTPRouteFilter{
			Type: gatewayv1.HTTPRouteFilterType(f.Type), RequestMirror: f.RequestMirror,
			RequestHeaderModifier: f.RequestHeaderModifier, ResponseHeaderModifier: f.ResponseHeaderModifier,
		})
	}
	return out
}
