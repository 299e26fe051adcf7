package kube

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// censusLimit ends a census that hangs.
const censusLimit = time.Second

// Gauge tells the value of one series.
type Gauge func(d *prometheus.Desc, value float64, labels ...string)

// Census is a collector that describes objects as they are in a cache at the moment of a scrape, so no series outlives its object.
type Census struct {
	// Reader is the cache. One that is not filled yet shows nothing; one that cannot be read makes the scrape fail.
	Reader client.Reader
	// Metrics are all that Count may tell of, at least one.
	Metrics []*prometheus.Desc
	// Count lists what there is before it tells anything. It may keep no object: lists are not copied.
	Count func(ctx context.Context, cached client.Reader, gauge Gauge) error
}

// Describe implements prometheus.Collector.
func (c Census) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.Metrics {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c Census) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), censusLimit)
	defer cancel()
	err := c.Count(ctx, c.Reader, func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	})
	if _, notStarted := errors.AsType[*cache.ErrCacheNotStarted](err); err != nil && !notStarted {
		to <- prometheus.NewInvalidMetric(c.Metrics[0], err)
	}
}

// OneIf is the value of a series that says yes or no.
func OneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
