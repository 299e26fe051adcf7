package kube

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Requests counts the requests to the API server under the name of the wire contract. It has no labels for single objects,
// as the reference has, because their number would grow with the cluster.
type Requests struct{ total *prometheus.CounterVec }

// NewRequests makes the counter and registers it.
func NewRequests(registry prometheus.Registerer) (*Requests, error) {
	r := &Requests{total: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "controller_clientset_k8s_request_total", Help: "Requests to the API server.",
	}, []string{"kind", "verb", "status_code"})}
	return r, registry.Register(r.total)
}

// Wrap counts what passes through a transport; it is for rest.Config.Wrap.
func (r *Requests) Wrap(next http.RoundTripper) http.RoundTripper {
	return counted{requests: r, next: next}
}

type counted struct {
	requests *Requests
	next     http.RoundTripper
}

// WrappedRoundTripper lets client-go find the transport that can cancel a request.
func (c counted) WrappedRoundTripper() http.RoundTripper { return c.next }

func (c counted) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(request)
	code := "none" // no answer came
	if err == nil {
		code = strconv.Itoa(response.StatusCode)
	}
	kind, verb := classify(request)
	c.requests.total.WithLabelValues(kind, verb, code).Inc()
	return response, err
}

// classify reads the resource and the verb of a request from its path. A path that names no resource has the kind "none".
func classify(r *http.Request) (kind, verb string) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return "none", verbs[r.Method]
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	verb = verbs[r.Method]
	if r.Method == http.MethodGet && len(parts) == 1 {
		verb = "List"
	}
	if r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1" {
		verb = "Watch"
	}
	return parts[0], verb
}

var verbs = map[string]string{
	http.MethodGet: "Get", http.MethodPost: "Create", http.MethodPut: "Update", http.MethodPatch: "Patch", http.MethodDelete: "Delete",
}
