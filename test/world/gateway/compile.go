package gateway

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/test/world/podnet"
)

// routeKey names a route.
type routeKey struct{ kind, namespace, name string }

// rule is what is done with a request that matches.
type rule struct {
	balancer *balancer
	backends []*backend
	filters
	// broken says why the rule cannot be followed; empty where it can.
	broken string
}

// backend is a Service at one port. It is unresolved where there is no such thing.
type backend struct {
	*counter
	addresses  []string
	unresolved bool
	filters
}

// filters are what a rule or a backend does besides.
type filters struct {
	request, response []*gatewayv1.HTTPHeaderFilter
	mirrors           []mirror
}

// mirror copies the requests for which share picks 0.
type mirror struct {
	to    *backend
	share *balancer
}

// problem is why a condition of a route is false.
type problem struct {
	condition gatewayv1.RouteConditionType
	reason    gatewayv1.RouteConditionReason
	message   string
}

// verdict is a route as it is programmed, and what was wrong with it. grpc is its source where it came from one.
type verdict struct {
	route    *gatewayv1.HTTPRoute
	grpc     *gatewayv1.GRPCRoute
	parents  []gatewayv1.ParentReference
	problems []problem
}

// compiler makes a table. It reads only its fields.
type compiler struct {
	gateway  types.NamespacedName
	service  func(types.NamespacedName) *corev1.Service
	slices   func(types.NamespacedName) []*discoveryv1.EndpointSlice
	counter  func(types.NamespacedName) *counter
	previous map[string]*balancer
	made     table
}

func (c *compiler) compile(routes []*gatewayv1.HTTPRoute, grpc []*gatewayv1.GRPCRoute) *table {
	c.made = table{verdicts: map[routeKey]verdict{}, balancers: map[string]*balancer{}}
	sources := map[*gatewayv1.HTTPRoute]*gatewayv1.GRPCRoute{}
	routes = slices.Clone(routes)
	for _, g := range grpc {
		route := asHTTP(g)
		sources[route] = g
		routes = append(routes, route)
	}
	slices.SortFunc(routes, older)
	for _, route := range routes {
		c.route(route, sources[route])
	}
	slices.SortStableFunc(c.made.entries, order)
	return &c.made
}

func (c *compiler) route(route *gatewayv1.HTTPRoute, grpc *gatewayv1.GRPCRoute) {
	key := routeKey{"HTTPRoute", route.Namespace, route.Name}
	if grpc != nil {
		key.kind = "GRPCRoute"
	}
	v := verdict{route: route, grpc: grpc}
	for _, ref := range route.Spec.ParentRefs {
		if names(ref, route.Namespace, c.gateway) {
			v.parents = append(v.parents, ref)
		}
	}
	if len(v.parents) > 0 {
		for i := range route.Spec.Rules {
			v.problems = append(v.problems, c.rule(route, i, fmt.Sprintf("%s/%d", key, i))...)
		}
	}
	c.made.verdicts[key] = v
}

// names says whether the parentRef of a route of the namespace means the Gateway.
func names(ref gatewayv1.ParentReference, namespace string, gateway types.NamespacedName) bool {
	return string(ref.Name) == gateway.Name &&
		string(ptr.Deref(ref.Namespace, gatewayv1.Namespace(namespace))) == gateway.Namespace &&
		ptr.Deref(ref.Kind, "Gateway") == "Gateway" && ptr.Deref(ref.Group, gatewayv1.GroupName) == gatewayv1.GroupName
}

func (c *compiler) rule(route *gatewayv1.HTTPRoute, i int, id string) []problem {
	spec := route.Spec.Rules[i]
	made := &rule{}
	var problems []problem
	note := func(found ...problem) { problems = append(problems, found...) }

	note(c.filters(&made.filters, route.Namespace, spec.Filters, id)...)
	weights := make([]int64, len(spec.BackendRefs))
	for j, ref := range spec.BackendRefs {
		weights[j] = int64(ptr.Deref(ref.Weight, 1))
		to, found := c.backend(route.Namespace, ref.BackendObjectReference)
		note(found...)
		note(c.filters(&to.filters, route.Namespace, ref.Filters, fmt.Sprintf("%s/%d", id, j))...)
		made.backends = append(made.backends, to)
	}
	made.balancer = c.balancer(id, weights)
	note(c.entries(route, spec.Matches, made)...)
	for _, p := range problems {
		if p.condition == gatewayv1.RouteConditionAccepted {
			made.broken = p.message
		}
	}
	return problems
}

func (c *compiler) entries(route *gatewayv1.HTTPRoute, matches []gatewayv1.HTTPRouteMatch, to *rule) []problem {
	if len(matches) == 0 {
		matches = []gatewayv1.HTTPRouteMatch{{}}
	}
	hosts := route.Spec.Hostnames
	if len(hosts) == 0 {
		hosts = []gatewayv1.Hostname{""}
	}
	for _, host := range hosts {
		for _, match := range matches {
			e, err := newEntry(string(host), match, to)
			if err != nil {
				return []problem{unsupported(err.Error())}
			}
			c.made.entries = append(c.made.entries, e)
		}
	}
	return nil
}

// balancer keeps the sequence of an unchanged rule, since a new one would begin with the heaviest choice each time.
func (c *compiler) balancer(id string, weights []int64) *balancer {
	id = fmt.Sprint(id, weights)
	b := c.previous[id]
	if b == nil {
		b = newBalancer(weights)
	}
	c.made.balancers[id] = b
	return b
}

func (c *compiler) filters(into *filters, namespace string, specs []gatewayv1.HTTPRouteFilter, id string) []problem {
	var problems []problem
	for i, f := range specs {
		switch {
		case f.RequestHeaderModifier != nil:
			into.request = append(into.request, f.RequestHeaderModifier)
		case f.ResponseHeaderModifier != nil:
			into.response = append(into.response, f.ResponseHeaderModifier)
		case f.RequestMirror != nil:
			to, found := c.backend(namespace, f.RequestMirror.BackendRef)
			problems = append(problems, found...)
			into.mirrors = append(into.mirrors, mirror{to: to, share: c.balancer(fmt.Sprintf("%s/mirror-%d", id, i), mirrorShare(f.RequestMirror))})
		default:
			problems = append(problems, unsupported(fmt.Sprintf("the filter %s is not known to this gateway", f.Type)))
		}
	}
	return problems
}

// mirrorShare is the weight of the requests that are mirrored, and of those that are not.
func mirrorShare(f *gatewayv1.HTTPRequestMirrorFilter) []int64 {
	part, whole := int64(100), int64(100)
	switch {
	case f.Percent != nil:
		part = int64(*f.Percent)
	case f.Fraction != nil:
		part, whole = int64(f.Fraction.Numerator), int64(ptr.Deref(f.Fraction.Denominator, 100))
	}
	return []int64{part, max(whole-part, 0)}
}

func (c *compiler) backend(namespace string, ref gatewayv1.BackendObjectReference) (*backend, []problem) {
	name := types.NamespacedName{Namespace: namespace, Name: string(ref.Name)}
	made := &backend{counter: c.counter(name), unresolved: true}
	refuse := func(reason gatewayv1.RouteConditionReason, why string) (*backend, []problem) {
		return made, []problem{{gatewayv1.RouteConditionResolvedRefs, reason, fmt.Sprintf("backend %s: %s", name, why)}}
	}
	switch {
	case ref.Group != nil && *ref.Group != "", ref.Kind != nil && *ref.Kind != "Service":
		return refuse(gatewayv1.RouteReasonInvalidKind, "only Services are known to this gateway")
	case ref.Namespace != nil && string(*ref.Namespace) != namespace:
		return refuse(gatewayv1.RouteReasonRefNotPermitted, "a Service of another namespace is not permitted")
	}
	service := c.service(name)
	if service == nil {
		return refuse(gatewayv1.RouteReasonBackendNotFound, "there is no such Service")
	}
	at := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return ref.Port != nil && p.Port == int32(*ref.Port) })
	if at < 0 {
		return refuse(gatewayv1.RouteReasonBackendNotFound, "the Service has no such port")
	}
	made.unresolved = false
	for _, slice := range c.slices(name) {
		made.addresses = append(made.addresses, addresses(slice, service.Spec.Ports[at].Name)...)
	}
	// In turn means in the same order, whichever way the slices are cut.
	slices.Sort(made.addresses)
	made.addresses = slices.Compact(made.addresses)
	return made, nil
}

// addresses lists where the ready endpoints of a slice are served on this machine.
func addresses(slice *discoveryv1.EndpointSlice, portName string) []string {
	var out []string
	for _, port := range slice.Ports {
		if port.Port == nil || ptr.Deref(port.Name, "") != portName {
			continue
		}
		for _, e := range slice.Endpoints {
			usable := ptr.Deref(e.Conditions.Ready, true) && !ptr.Deref(e.Conditions.Terminating, false)
			if !usable || len(e.Addresses) == 0 {
				continue
			}
			// An address that is not of this world cannot be reached: the Service is then without an endpoint.
			if at, err := podnet.Loopback(e.Addresses[0], *port.Port); err == nil {
				out = append(out, at)
			}
		}
	}
	return out
}

func unsupported(message string) problem {
	return problem{gatewayv1.RouteConditionAccepted, gatewayv1.RouteReasonUnsupportedValue, message}
}
