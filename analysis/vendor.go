package analysis

import (
	"slices"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Limits of what CloudWatch takes in one request.
const maxMetricDataQueries = 500

var datadogAggregators = []string{"avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"}

// needed is a field that a provider cannot do without.
type needed struct{ path, value string }

// vendor finds what is wrong with a provider that asks a monitoring service.
func (v *validator) vendor(p v1alpha1.MetricProvider) {
	switch {
	case p.Datadog != nil:
		v.datadog(p.Datadog)
	case p.NewRelic != nil:
		v.need(needed{"newRelic.query", p.NewRelic.Query})
		if t := p.NewRelic.Timeout; t != nil && *t < 1 {
			v.add("provider.newRelic.timeout must be >= 1 second, but is %d", *t)
		}
	case p.CloudWatch != nil:
		v.cloudWatch(p.CloudWatch)
	case p.Influxdb != nil:
		v.need(needed{"influxdb.query", p.Influxdb.Query})
	case p.Graphite != nil:
		v.need(needed{"graphite.address", p.Graphite.Address}, needed{"graphite.query", p.Graphite.Query})
	case p.Wavefront != nil:
		v.need(needed{"wavefront.address", p.Wavefront.Address}, needed{"wavefront.query", p.Wavefront.Query})
	case p.SkyWalking != nil:
		v.need(needed{"skywalking.address", p.SkyWalking.Address}, needed{"skywalking.query", p.SkyWalking.Query})
		v.lookBack("skywalking", p.SkyWalking.Interval)
	case p.Kayenta != nil:
		v.kayenta(p.Kayenta)
	}
}

func (v *validator) need(fields ...needed) {
	for _, f := range fields {
		if f.value == "" {
			v.add("provider.%s is missing", f.path)
		}
	}
}

func (v *validator) lookBack(kind string, interval v1alpha1.DurationString) {
	if templated(string(interval)) {
		return
	}
	if _, err := LookBack(interval); err != nil {
		v.add("provider.%s.%v", kind, err)
	}
}

func (v *validator) datadog(d *v1alpha1.DatadogMetric) {
	v.lookBack("datadog", d.Interval)
	switch {
	case d.APIVersion == "v2":
		v.datadogV2(d)
	case d.APIVersion != "" && d.APIVersion != "v1" && !templated(d.APIVersion):
		v.add("provider.datadog.apiVersion must be v1 or v2, but is %q", d.APIVersion)
	case len(d.Queries) > 0 || d.Formula != "" || d.Aggregator != "":
		v.add("provider.datadog.queries, formula and aggregator need apiVersion: v2")
	default:
		v.need(needed{"datadog.query", d.Query})
	}
}

func (v *validator) datadogV2(d *v1alpha1.DatadogMetric) {
	switch {
	case d.Query != "" && len(d.Queries) > 0:
		v.add("provider.datadog has both query and queries; use one of them")
	case d.Query == "" && len(d.Queries) == 0:
		v.add("provider.datadog has neither query nor queries; use one of them")
	case len(d.Queries) > 1 && d.Formula == "":
		v.add("provider.datadog.formula is missing: it says what to make of several queries")
	case d.Formula != "" && len(d.Queries) == 0:
		v.add("provider.datadog.formula needs queries with names")
	}
	if d.Aggregator != "" && !templated(d.Aggregator) && !slices.Contains(datadogAggregators, d.Aggregator) {
		v.add("provider.datadog.aggregator must be one of %q, but is %q", datadogAggregators, d.Aggregator)
	}
}

func (v *validator) cloudWatch(c *v1alpha1.CloudWatchMetric) {
	v.lookBack("cloudWatch", c.Interval)
	if n := len(c.MetricDataQueries); n == 0 || n > maxMetricDataQueries {
		v.add("provider.cloudWatch.metricDataQueries must hold 1 to %d queries, but holds %d", maxMetricDataQueries, n)
	}
	for i, q := range c.MetricDataQueries {
		if (q.Expression != nil) == (q.MetricStat != nil) {
			v.add("provider.cloudWatch.metricDataQueries[%d] must have either expression or metricStat", i)
		}
	}
}

func (v *validator) kayenta(k *v1alpha1.KayentaMetric) {
	v.need(needed{"kayenta.address", k.Address}, needed{"kayenta.application", k.Application}, needed{"kayenta.canaryConfigName", k.CanaryConfigName})
	if len(k.Scopes) == 0 {
		v.add("provider.kayenta.scopes is missing")
	}
	if k.Threshold.Marginal > k.Threshold.Pass {
		v.add("provider.kayenta.threshold.marginal (%d) must be <= pass (%d)", k.Threshold.Marginal, k.Threshold.Pass)
	}
}
