package source

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// measures are what is counted of the questions to Git servers, under the names of the wire contract. A nil one counts nothing.
type measures struct {
	requests, failures *prometheus.CounterVec
	took               *prometheus.HistogramVec
}

// Measure registers the metrics of Git repositories; it must come before the first question.
func (r *Repositories) Measure(registry prometheus.Registerer) error {
	labels := []string{"repo", "request_type"}
	r.measures = &measures{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "argocd_git_request_total", Help: "Questions to a Git repository: ls-remote, fetch and push."}, labels),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "argocd_git_request_duration_seconds", Help: "Seconds that a question to a Git repository took.", Buckets: []float64{.1, .25, .5, 1, 2, 4, 10, 20, 60},
		}, labels),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "argocd_git_fetch_fail_total", Help: "Fetches from a Git repository that failed."}, labels[:1]),
	}
	return errors.Join(registry.Register(r.measures.requests), registry.Register(r.measures.took), registry.Register(r.measures.failures))
}

// asked counts a run of git that asked a server.
func (m *measures) asked(repository string, args []string, took time.Duration, err error) {
	if m == nil {
		return
	}
	kind := args[slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })]
	m.requests.WithLabelValues(repository, kind).Inc()
	m.took.WithLabelValues(repository, kind).Observe(took.Seconds())
	if err != nil && kind == "fetch" {
		m.failures.WithLabelValues(repository).Inc()
	}
}
