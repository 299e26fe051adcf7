package notification

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-delivery/sluice/notify"
)

// measures are the metrics of notifications, under the names of the wire contract. Its series of a Rollout are dropped with it.
type measures struct {
	took      *prometheus.HistogramVec
	successes *prometheus.CounterVec
	failures  *prometheus.CounterVec
}

func newMeasures() *measures {
	return &measures{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "notification_send", Help: "Seconds that one attempt to send a notification took.", Buckets: []float64{.01, .15, .25, .5, 1},
		}, []string{"namespace", "name"}),
		successes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "notification_send_success", Help: "Notifications that were delivered.",
		}, []string{"namespace", "name", "type", "reason"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "notification_send_error", Help: "Attempts to send a notification that failed, and notifications that could not be tried.",
		}, []string{"namespace", "name", "type", "reason"}),
	}
}

func (m *measures) attempt(key types.NamespacedName, took time.Duration) {
	m.took.WithLabelValues(key.Namespace, key.Name).Observe(took.Seconds())
}

func (m *measures) delivered(key types.NamespacedName, t notify.Transition) {
	m.successes.WithLabelValues(key.Namespace, key.Name, t.Type, t.Reason).Inc()
}

func (m *measures) failed(key types.NamespacedName, t notify.Transition) {
	m.failures.WithLabelValues(key.Namespace, key.Name, t.Type, t.Reason).Inc()
}

func (m *measures) forget(key types.NamespacedName) {
	labels := prometheus.Labels{"namespace": key.Namespace, "name": key.Name}
	m.took.DeletePartialMatch(labels)
	m.successes.DeletePartialMatch(labels)
	m.failures.DeletePartialMatch(labels)
}

func (m *measures) register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.took, m.successes, m.failures} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}
