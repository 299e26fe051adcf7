package main

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-delivery/sluice/internal/build"
)

// buildInfo is the metric that names the version, under both names of the wire contract.
func buildInfo() prometheus.Collector {
	return versions{
		prometheus.NewDesc("argo_rollouts_controller_info", "Always 1; the label is the version.", nil, prometheus.Labels{"version": build.Version()}),
		prometheus.NewDesc("build_info", "Always 1; the labels describe the build.", nil, prometheus.Labels{
			"version": build.Version(), "goversion": runtime.Version(), "goarch": runtime.GOARCH,
		}),
	}
}

type versions []*prometheus.Desc

func (v versions) Describe(to chan<- *prometheus.Desc) {
	for _, d := range v {
		to <- d
	}
}

func (v versions) Collect(to chan<- prometheus.Metric) {
	for _, d := range v {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, 1)
	}
}
