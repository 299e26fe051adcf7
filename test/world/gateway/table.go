package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// table is everything that the gateway does with requests, from one look at the cluster.
type table struct {
	entries   []entry
	verdicts  map[routeKey]verdict
	balancers map[string]*balancer
}

// find returns the rule for a request, or nil.
func (t *table) find(r *http.Request) *rule {
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	for i := range t.entries {
		if e := &t.entries[i]; e.takes(host, r) {
			return e.rule
		}
	}
	return nil
}

// entry is one match of one rule under one hostname.
type entry struct {
	host string
	path func(string) bool
	// values are the tests of the method, the headers and the query.
	values []func(*http.Request) bool
	rule   *rule
	rank   [7]int
}

func (e *entry) takes(host string, r *http.Request) bool {
	named := e.host == "" || e.host == host || (e.host[0] == '*' && strings.HasSuffix(host, e.host[1:]))
	return named && e.path(r.URL.Path) && !slices.ContainsFunc(e.values, func(ok func(*http.Request) bool) bool { return !ok(r) })
}

// order sorts entries of the same age: the most specific hostname, then path, method, headers and query first.
func order(a, b entry) int { return slices.Compare(b.rank[:], a.rank[:]) }

// older sorts routes as ties are broken: by age, then by name.
func older(a, b *gatewayv1.HTTPRoute) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
}

func newEntry(host string, m gatewayv1.HTTPRouteMatch, rule *rule) (entry, error) {
	e := entry{host: strings.ToLower(host), rule: rule}
	exactHost := 0
	if host != "" && host[0] != '*' {
		exactHost = 1
	}
	exactPath, length, err := e.setPath(m.Path)
	if err != nil {
		return entry{}, err
	}
	method := 0
	if m.Method != nil {
		method = 1
		e.values = append(e.values, func(r *http.Request) bool { return r.Method == string(*m.Method) })
	}
	if err := errors.Join(e.setHeaders(m.Headers), e.setQuery(m.QueryParams)); err != nil {
		return entry{}, err
	}
	e.rank = [7]int{exactHost, len(host), exactPath, length, method, len(m.Headers), len(m.QueryParams)}
	return e, nil
}

func (e *entry) setHeaders(headers []gatewayv1.HTTPHeaderMatch) error {
	for _, h := range headers {
		ok, err := valueTest(ptr.Deref(h.Type, "") == gatewayv1.HeaderMatchRegularExpression, h.Value)
		if err != nil {
			return err
		}
		e.values = append(e.values, func(r *http.Request) bool {
			got := r.Header.Values(string(h.Name))
			return len(got) > 0 && ok(strings.Join(got, ","))
		})
	}
	return nil
}

func (e *entry) setQuery(params []gatewayv1.HTTPQueryParamMatch) error {
	for _, q := range params {
		ok, err := valueTest(ptr.Deref(q.Type, "") == gatewayv1.QueryParamMatchRegularExpression, q.Value)
		if err != nil {
			return err
		}
		e.values = append(e.values, func(r *http.Request) bool {
			query := r.URL.Query()
			return query.Has(string(q.Name)) && ok(query.Get(string(q.Name)))
		})
	}
	return nil
}

// setPath returns the path's part of the rank. A regular expression ranks by its length, among the prefixes.
func (e *entry) setPath(m *gatewayv1.HTTPPathMatch) (exact, length int, err error) {
	kind, value := gatewayv1.PathMatchPathPrefix, "/"
	if m != nil {
		kind, value = ptr.Deref(m.Type, kind), ptr.Deref(m.Value, value)
	}
	switch kind {
	case gatewayv1.PathMatchExact:
		e.path = func(path string) bool { return path == value }
		return 1, len(value), nil
	case gatewayv1.PathMatchPathPrefix:
		prefix := strings.TrimSuffix(value, "/")
		e.path = func(path string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }
		return 0, len(value), nil
	case gatewayv1.PathMatchRegularExpression:
		e.path, err = valueTest(true, value)
		return 0, len(value), err
	}
	return 0, 0, fmt.Errorf("the path match type %q is not known to this gateway", kind)
}

func valueTest(expression bool, value string) (func(string) bool, error) {
	if !expression {
		return func(got string) bool { return got == value }, nil
	}
	re, err := regexp.Compile("^(?:" + value + ")$")
	if err != nil {
		return nil, fmt.Errorf("reading a regular expression: %w", err)
	}
	return re.MatchString, nil
}
