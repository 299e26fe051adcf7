package kube

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
)

// ErrGone ends a pass over an object that is not there any more.
var ErrGone = errors.New("it is gone")

// Passes are the metrics of a controller's passes over its objects: <kind>_reconcile in seconds and <kind>_reconcile_error as a count, the
// names and labels of the wire contract. A nil one measures nothing.
type Passes struct {
	took   *prometheus.HistogramVec
	failed *prometheus.CounterVec
}

// NewPasses makes the metrics of a kind, named as metrics spell it ("analysis_run") and as people do ("an AnalysisRun").
func NewPasses(metric, kind string) *Passes {
	labels := []string{"namespace", "name"}
	return &Passes{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: metric + "_reconcile", Help: "Seconds that one pass over " + kind + " took.", Buckets: []float64{.01, .15, .25, .5, 1},
		}, labels),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metric + "_reconcile_error", Help: "Passes over " + kind + " that ended with an error.",
		}, labels),
	}
}

// Measure makes a pass over an object. One that ends with ErrGone is no failure, and drops the series of the object.
func (p *Passes) Measure(key types.NamespacedName, pass func() (ctrl.Result, error)) (ctrl.Result, error) {
	start := time.Now()
	next, err := pass()
	if errors.Is(err, ErrGone) {
		p.forget(key)
		return ctrl.Result{}, nil
	}
	if p != nil {
		p.took.WithLabelValues(key.Namespace, key.Name).Observe(time.Since(start).Seconds())
		if err != nil {
			p.failed.WithLabelValues(key.Namespace, key.Name).Inc()
		}
	}
	return next, err
}

func (p *Passes) forget(key types.NamespacedName) {
	if p == nil {
		return
	}
	labels := prometheus.Labels{"namespace": key.Namespace, "name": key.Name}
	p.took.DeletePartialMatch(labels)
	p.failed.DeletePartialMatch(labels)
}

// Describe implements prometheus.Collector.
func (p *Passes) Describe(to chan<- *prometheus.Desc) {
	p.took.Describe(to)
	p.failed.Describe(to)
}

// Collect implements prometheus.Collector.
func (p *Passes) Collect(to chan<- prometheus.Metric) {
	p.took.Collect(to)
	p.failed.Collect(to)
}
