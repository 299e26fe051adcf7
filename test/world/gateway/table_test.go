package gateway

import (
	"net/http/httptest"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

var ourGateway = types.NamespacedName{Namespace: "infra", Name: "edge"}

// route is an HTTPRoute of our Gateway in the namespace shop.
func route(name string, age int64, rules ...gatewayv1.HTTPRouteRule) *gatewayv1.HTTPRoute {
	r := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, Generation: 1, CreationTimestamp: metav1.Unix(1000-age, 0),
	}}
	r.Spec.ParentRefs = []gatewayv1.ParentReference{{Namespace: ptr.To(gatewayv1.Namespace("infra")), Name: "edge"}}
	r.Spec.Rules = rules
	return r
}

// to is a rule with one backend.
func to(service string, matches ...gatewayv1.HTTPRouteMatch) gatewayv1.HTTPRouteRule {
	return gatewayv1.HTTPRouteRule{Matches: matches, BackendRefs: []gatewayv1.HTTPBackendRef{ref(service, 1)}}
}

func ref(service string, weight int32) gatewayv1.HTTPBackendRef {
	return gatewayv1.HTTPBackendRef{BackendRef: gatewayv1.BackendRef{
		BackendObjectReference: gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(service), Port: ptr.To(gatewayv1.PortNumber(80))},
		Weight:                 &weight,
	}}
}

func path(kind gatewayv1.PathMatchType, value string) gatewayv1.HTTPRouteMatch {
	return gatewayv1.HTTPRouteMatch{Path: &gatewayv1.HTTPPathMatch{Type: &kind, Value: &value}}
}

func header(m gatewayv1.HTTPRouteMatch, name, value string) gatewayv1.HTTPRouteMatch {
	m.Headers = append(m.Headers[:len(m.Headers):len(m.Headers)], gatewayv1.HTTPHeaderMatch{Name: gatewayv1.HTTPHeaderName(name), Value: value})
	return m
}

func hosts(r *gatewayv1.HTTPRoute, names ...gatewayv1.Hostname) *gatewayv1.HTTPRoute {
	r.Spec.Hostnames = names
	return r
}

// offline compiles against a cluster in which every Service exists and has no endpoint.
func offline() (*compiler, map[*counter]string) {
	counters, names := map[types.NamespacedName]*counter{}, map[*counter]string{}
	return &compiler{
		gateway: ourGateway,
		service: func(types.NamespacedName) *corev1.Service {
			return &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
		},
		slices: func(types.NamespacedName) []*discoveryv1.EndpointSlice { return nil },
		counter: func(name types.NamespacedName) *counter {
			if counters[name] == nil {
				counters[name] = newCounter()
				names[counters[name]] = name.Name
			}
			return counters[name]
		},
	}, names
}

func TestTheMostSpecificMatchWins(t *testing.T) {
	const (
		prefix = gatewayv1.PathMatchPathPrefix
		exact  = gatewayv1.PathMatchExact
		re     = gatewayv1.PathMatchRegularExpression
	)
	get := gatewayv1.HTTPRouteMatch{Method: ptr.To(gatewayv1.HTTPMethodGet)}
	query := gatewayv1.HTTPRouteMatch{QueryParams: []gatewayv1.HTTPQueryParamMatch{{Name: "beta", Value: "1"}}}
	cases := []struct {
		name   string
		routes []*gatewayv1.HTTPRoute
		url    string
		want   string
	}{
		{"a rule without a match takes everything", []*gatewayv1.HTTPRoute{route("r", 0, to("all"))}, "http://h/any", "all"},
		{"an exact path goes before a prefix", []*gatewayv1.HTTPRoute{route("r", 0, to("prefix", path(prefix, "/cart")), to("exact", path(exact, "/cart")))}, "http://h/cart", "exact"},
		{"a longer prefix goes before a shorter one", []*gatewayv1.HTTPRoute{route("r", 0, to("short", path(prefix, "/")), to("long", path(prefix, "/cart")))}, "http://h/cart/1", "long"},
		{"a prefix ends where a part of the path does", []*gatewayv1.HTTPRoute{route("r", 0, to("rest", path(prefix, "/")), to("cart", path(prefix, "/cart")))}, "http://h/cartoon", "rest"},
		{"an expression has to take the whole path", []*gatewayv1.HTTPRoute{route("r", 0, to("rest"), to("expression", path(re, "/v[0-9]+")))}, "http://h/v1/more", "rest"},
		{"an expression that does take it is used", []*gatewayv1.HTTPRoute{route("r", 0, to("rest"), to("expression", path(re, "/v[0-9]+")))}, "http://h/v12", "expression"},
		{"a method goes before a header", []*gatewayv1.HTTPRoute{route("r", 0, to("header", header(path(prefix, "/"), "x-user", "eve")), to("method", get))}, "http://h/", "method"},
		{"more headers go before fewer", []*gatewayv1.HTTPRoute{route("r", 0, to("one", header(path(prefix, "/"), "x-user", "eve")), to("two", header(header(path(prefix, "/"), "x-user", "eve"), "x-team", "a")))}, "http://h/", "two"},
		{"a header with another value does not match", []*gatewayv1.HTTPRoute{route("r", 0, to("rest"), to("adam", header(path(prefix, "/"), "x-user", "adam")))}, "http://h/", "rest"},
		{"a query is matched by its value", []*gatewayv1.HTTPRoute{route("r", 0, to("rest"), to("beta", query))}, "http://h/?beta=1", "beta"},
		{"the older route wins a tie", []*gatewayv1.HTTPRoute{route("a", 1, to("young")), route("b", 9, to("old"))}, "http://h/", "old"},
		{"the first name wins a tie of age", []*gatewayv1.HTTPRoute{route("b", 1, to("second")), route("a", 1, to("first"))}, "http://h/", "first"},
		{"the first rule wins a tie within a route", []*gatewayv1.HTTPRoute{route("r", 0, to("first"), to("second"))}, "http://h/", "first"},
		{"an exact hostname goes before a wildcard, and both before none", []*gatewayv1.HTTPRoute{
			route("none", 0, to("none", path(exact, "/"))), hosts(route("wild", 0, to("wild")), "*.example.com"), hosts(route("exact", 0, to("exact")), "shop.example.com"),
		}, "http://shop.example.com:8080/", "exact"},
		{"a wildcard takes any number of labels", []*gatewayv1.HTTPRoute{hosts(route("wild", 0, to("wild")), "*.example.com")}, "http://a.b.example.com/", "wild"},
		{"a wildcard does not take the bare domain", []*gatewayv1.HTTPRoute{hosts(route("wild", 0, to("wild")), "*.example.com"), route("r", 0, to("rest"))}, "http://example.com/", "rest"},
		{"a route of another hostname is not used", []*gatewayv1.HTTPRoute{hosts(route("r", 0, to("other")), "other.example.com")}, "http://h/", "nothing"},
		{"a route of another gateway is not used", []*gatewayv1.HTTPRoute{func() *gatewayv1.HTTPRoute {
			r := route("r", 0, to("other"))
			r.Spec.ParentRefs[0].Name = "foreign"
			return r
		}()}, "http://h/", "nothing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			compiler, names := offline()
			table := compiler.compile(c.routes, nil)
			r := httptest.NewRequest("GET", c.url, nil)
			r.Header.Set("X-User", "eve")
			r.Header.Set("X-Team", "a")
			got := "nothing"
			if rule := table.find(r); rule != nil {
				got = names[rule.backends[0].counter]
			}
			if got != c.want {
				t.Errorf("%s went to %s, want %s", c.url, got, c.want)
			}
		})
	}
}

func TestAGRPCRouteTakesThePathOfItsMethod(t *testing.T) {
	method := func(service, method *string, kind *gatewayv1.GRPCMethodMatchType) []gatewayv1.GRPCRouteMatch {
		return []gatewayv1.GRPCRouteMatch{{Method: &gatewayv1.GRPCMethodMatch{Service: service, Method: method, Type: kind}}}
	}
	expression := ptr.To(gatewayv1.GRPCMethodMatchRegularExpression)
	cases := []struct {
		name    string
		matches []gatewayv1.GRPCRouteMatch
		verb    string
		path    string
		want    bool
	}{
		{"service and method", method(ptr.To("shop.Cart"), ptr.To("Add"), nil), "POST", "/shop.Cart/Add", true},
		{"a dot is a dot", method(ptr.To("shop.Cart"), ptr.To("Add"), nil), "POST", "/shopxCart/Add", false},
		{"another method", method(ptr.To("shop.Cart"), ptr.To("Add"), nil), "POST", "/shop.Cart/Remove", false},
		{"every method of a service", method(ptr.To("shop.Cart"), nil, nil), "POST", "/shop.Cart/Remove", true},
		{"a method of every service", method(nil, ptr.To("Add"), nil), "POST", "/any.Service/Add", true},
		{"an expression", method(ptr.To("shop\\..*"), nil, expression), "POST", "/shop.Cart/Add", true},
		{"no match at all takes every call", nil, "POST", "/a/b", true},
		{"a header alone", []gatewayv1.GRPCRouteMatch{{Headers: []gatewayv1.GRPCHeaderMatch{{Name: "x-user", Value: "eve"}}}}, "POST", "/a/b", true},
		{"a GET is no call", method(ptr.To("shop.Cart"), nil, nil), "GET", "/shop.Cart/Add", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := &gatewayv1.GRPCRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "g"}}
			g.Spec.ParentRefs = route("", 0).Spec.ParentRefs
			g.Spec.Rules = []gatewayv1.GRPCRouteRule{{Matches: c.matches, BackendRefs: []gatewayv1.GRPCBackendRef{{BackendRef: ref("calls", 1).BackendRef}}}}
			compiler, _ := offline()
			r := httptest.NewRequest(c.verb, "http://h"+c.path, nil)
			r.Header.Set("X-User", "eve")
			if got := compiler.compile(nil, []*gatewayv1.GRPCRoute{g}).find(r) != nil; got != c.want {
				t.Errorf("%s %s taken: %v, want %v", c.verb, c.path, got, c.want)
			}
		})
	}
}

func TestWeightsAreKeptExactlyAndEvenly(t *testing.T) {
	b := newBalancer([]int64{90, 10, 0})
	var runs [3]int
	for i := range 1000 {
		n := b.pick()
		runs[n]++
		if want := (i + 1) / 10; runs[1] < want-1 || runs[1] > want+1 {
			t.Fatalf("after %d requests %d went to the tenth part", i+1, runs[1])
		}
	}
	if want := [3]int{900, 100, 0}; runs != want {
		t.Errorf("requests %v, want %v", runs, want)
	}
	if got := newBalancer([]int64{0, 0}).pick(); got != -1 {
		t.Errorf("without any weight choice %d was picked", got)
	}
}

func TestARuleThatDidNotChangeKeepsItsPlaceInTheSequence(t *testing.T) {
	rule := gatewayv1.HTTPRouteRule{BackendRefs: []gatewayv1.HTTPBackendRef{ref("stable", 90), ref("canary", 10)}}
	compiler, names := offline()
	canary := 0
	for range 100 {
		table := compiler.compile([]*gatewayv1.HTTPRoute{route("r", 0, rule)}, nil)
		compiler.previous = table.balancers
		chosen := table.find(httptest.NewRequest("GET", "http://h/", nil))
		if names[chosen.backends[chosen.balancer.pick()].counter] == "canary" {
			canary++
		}
	}
	if canary != 10 {
		t.Errorf("%d of 100 requests went to the canary, with a new table for each; want 10", canary)
	}
}

func TestOnlyReadyEndpointsOfThePortAreUsed(t *testing.T) {
	endpoint := func(ip string, ready, ending *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{ip}, Conditions: discoveryv1.EndpointConditions{Ready: ready, Terminating: ending}}
	}
	slice := &discoveryv1.EndpointSlice{
		Ports: []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To(int32(8080))}, {Name: ptr.To("admin"), Port: ptr.To(int32(9090))}},
		Endpoints: []discoveryv1.Endpoint{
			endpoint("10.244.0.1", ptr.To(true), nil), endpoint("10.244.0.2", nil, nil), endpoint("10.244.0.3", ptr.To(false), nil),
			endpoint("10.244.0.4", ptr.To(true), ptr.To(true)), endpoint("192.0.2.1", ptr.To(true), nil),
		},
	}
	got := addresses(slice, "http")
	if len(got) != 2 || got[0] != "127.244.0.1:8080" || got[1] != "127.244.0.2:8080" {
		t.Errorf("addresses %v, want those of the first two endpoints", got)
	}
}

func TestMirrorShares(t *testing.T) {
	cases := []struct {
		name   string
		filter gatewayv1.HTTPRequestMirrorFilter
		want   int
	}{
		{"all by default", gatewayv1.HTTPRequestMirrorFilter{}, 1000},
		{"a percentage", gatewayv1.HTTPRequestMirrorFilter{Percent: ptr.To(int32(25))}, 250},
		{"a fraction of a hundred", gatewayv1.HTTPRequestMirrorFilter{Fraction: &gatewayv1.Fraction{Numerator: 5}}, 50},
		{"a fraction", gatewayv1.HTTPRequestMirrorFilter{Fraction: &gatewayv1.Fraction{Numerator: 1, Denominator: ptr.To(int32(8))}}, 125},
		{"none", gatewayv1.HTTPRequestMirrorFilter{Percent: ptr.To(int32(0))}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			share, got := newBalancer(mirrorShare(&c.filter)), 0
			for range 1000 {
				if share.pick() == 0 {
					got++
				}
			}
			if got != c.want {
				t.Errorf("%d of 1000 are mirrored, want %d", got, c.want)
			}
		})
	}
}
