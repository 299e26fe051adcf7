package main

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// version is that of the module or of the commit; "dev" if the build knows neither.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "dev"
}

// about is the metric that names the version, under both names of the wire contract.
func about() prometheus.Collector {
	return versions{
		prometheus.NewDesc("argo_rollouts_controller_info", "Always 1; the label is the version.", nil, prometheus.Labels{"version": version()}),
		prometheus.NewDesc("build_info", "Always 1; the labels describe the build.", nil, prometheus.Labels{
			"version": version(), "goversion": runtime.Version(), "goarch": runtime.GOARCH,
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
