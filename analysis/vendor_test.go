package analysis

import (
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestAMetricOfAServiceThatCannotWorkIsRefusedByField(t *testing.T) {
	type provider = v1alpha1.MetricProvider
	datadog := func(d v1alpha1.DatadogMetric) provider { return provider{Datadog: &d} }
	kayenta := func(change func(*v1alpha1.KayentaMetric)) provider {
		k := &v1alpha1.KayentaMetric{
			Address: "http://kayenta", Application: "shop", CanaryConfigName: "errors",
			Threshold: v1alpha1.KayentaThreshold{Pass: 90, Marginal: 75}, Scopes: []v1alpha1.KayentaScope{{Name: "default"}},
		}
		change(k)
		return provider{Kayenta: k}
	}
	expression := v1alpha1.CloudWatchMetricDataQuery{ID: "a", Expression: new("b / c")}
	for name, test := range map[string]struct {
		provider provider
		// want is part of the only error; empty if there is none.
		want string
	}{
		"datadog":                                 {datadog(v1alpha1.DatadogMetric{Query: "q", Interval: "10m"}), ""},
		"datadog with arguments":                  {datadog(v1alpha1.DatadogMetric{Query: "q", Interval: "{{args.i}}", APIVersion: "{{args.v}}"}), ""},
		"datadog v2":                              {datadog(v1alpha1.DatadogMetric{Query: "q", APIVersion: "v2", Aggregator: "sum"}), ""},
		"datadog v2 with a formula":               {datadog(v1alpha1.DatadogMetric{Queries: map[string]string{"a": "q", "b": "r"}, Formula: "a/b", APIVersion: "v2"}), ""},
		"datadog without a query":                 {datadog(v1alpha1.DatadogMetric{}), "provider.datadog.query is missing"},
		"datadog v3":                              {datadog(v1alpha1.DatadogMetric{Query: "q", APIVersion: "v3"}), `apiVersion must be v1 or v2, but is "v3"`},
		"datadog v1 with queries":                 {datadog(v1alpha1.DatadogMetric{Queries: map[string]string{"a": "q"}}), "need apiVersion: v2"},
		"datadog v1 with an aggregator":           {datadog(v1alpha1.DatadogMetric{Query: "q", Aggregator: "sum"}), "need apiVersion: v2"},
		"datadog v2 with query and queries":       {datadog(v1alpha1.DatadogMetric{Query: "q", Queries: map[string]string{"a": "q"}, APIVersion: "v2"}), "both query and queries"},
		"datadog v2 without a query":              {datadog(v1alpha1.DatadogMetric{APIVersion: "v2"}), "neither query nor queries"},
		"datadog v2 with queries and no formula":  {datadog(v1alpha1.DatadogMetric{Queries: map[string]string{"a": "q", "b": "q"}, APIVersion: "v2"}), "formula is missing"},
		"datadog v2 with a formula and one query": {datadog(v1alpha1.DatadogMetric{Query: "q", Formula: "a", APIVersion: "v2"}), "formula needs queries"},
		"datadog v2 with an unknown aggregator":   {datadog(v1alpha1.DatadogMetric{Query: "q", Aggregator: "most", APIVersion: "v2"}), `"l2norm" "area"], but is "most"`},
		"datadog with an interval that is none":   {datadog(v1alpha1.DatadogMetric{Query: "q", Interval: "soon"}), `provider.datadog.interval must be a duration of a second or more, such as 5m, but is "soon"`},
		"newRelic":                                {provider{NewRelic: &v1alpha1.NewRelicMetric{Query: "q"}}, ""},
		"newRelic without a query":                {provider{NewRelic: &v1alpha1.NewRelicMetric{}}, "provider.newRelic.query is missing"},
		"newRelic with no time":                   {provider{NewRelic: &v1alpha1.NewRelicMetric{Query: "q", Timeout: new(int64(0))}}, "timeout must be >= 1 second, but is 0"},
		"cloudWatch":                              {provider{CloudWatch: &v1alpha1.CloudWatchMetric{MetricDataQueries: []v1alpha1.CloudWatchMetricDataQuery{expression}}}, ""},
		"cloudWatch without queries":              {provider{CloudWatch: &v1alpha1.CloudWatchMetric{}}, "must hold 1 to 500 queries, but holds 0"},
		"cloudWatch with a query of nothing":      {provider{CloudWatch: &v1alpha1.CloudWatchMetric{MetricDataQueries: []v1alpha1.CloudWatchMetricDataQuery{expression, {ID: "b"}}}}, "metricDataQueries[1] must have either"},
		"influxdb":                                {provider{Influxdb: &v1alpha1.InfluxdbMetric{Query: "q"}}, ""},
		"influxdb without a query":                {provider{Influxdb: &v1alpha1.InfluxdbMetric{}}, "provider.influxdb.query is missing"},
		"graphite":                                {provider{Graphite: &v1alpha1.GraphiteMetric{Address: "a", Query: "q"}}, ""},
		"graphite without an address":             {provider{Graphite: &v1alpha1.GraphiteMetric{Query: "q"}}, "provider.graphite.address is missing"},
		"wavefront":                               {provider{Wavefront: &v1alpha1.WavefrontMetric{Address: "a", Query: "q"}}, ""},
		"wavefront without a query":               {provider{Wavefront: &v1alpha1.WavefrontMetric{Address: "a"}}, "provider.wavefront.query is missing"},
		"skywalking":                              {provider{SkyWalking: &v1alpha1.SkyWalkingMetric{Address: "a", Query: "q"}}, ""},
		"skywalking with a short interval":        {provider{SkyWalking: &v1alpha1.SkyWalkingMetric{Address: "a", Query: "q", Interval: "1ms"}}, "provider.skywalking.interval must be"},
		"kayenta":                                 {kayenta(func(*v1alpha1.KayentaMetric) {}), ""},
		"kayenta without scopes":                  {kayenta(func(k *v1alpha1.KayentaMetric) { k.Scopes = nil }), "provider.kayenta.scopes is missing"},
		"kayenta without an application":          {kayenta(func(k *v1alpha1.KayentaMetric) { k.Application = "" }), "provider.kayenta.application is missing"},
		"kayenta with thresholds the other way":   {kayenta(func(k *v1alpha1.KayentaMetric) { k.Threshold.Marginal = 95 }), "marginal (95) must be <= pass (90)"},
		"a plugin":                                {provider{Plugin: map[string]apiextensionsv1.JSON{"x": {}}}, "provider plugin is not supported"},
		"prometheus signed":                       {provider{Prometheus: &v1alpha1.PrometheusMetric{Query: "q", Authentication: v1alpha1.Authentication{Sigv4: &v1alpha1.Sigv4Config{}}}}, ""},
		"prometheus signed and with a password": {provider{Prometheus: &v1alpha1.PrometheusMetric{Query: "q", Authentication: v1alpha1.Authentication{
			Sigv4: &v1alpha1.Sigv4Config{}, Basic: &v1alpha1.BasicAuth{},
		}}}, "more than one of basic, oauth2 and sigv4"},
		"web signed": {provider{Web: &v1alpha1.WebMetric{URL: "u", Authentication: v1alpha1.Authentication{Sigv4: &v1alpha1.Sigv4Config{}}}}, "sigv4 is not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := Validate([]v1alpha1.Metric{{Name: "m", Provider: test.provider}})
			switch {
			case test.want == "" && len(errs) > 0:
				t.Errorf("%v", errs)
			case test.want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Detail, test.want)):
				t.Errorf("%v", errs)
			}
		})
	}
}

func TestAQueryLooksBackFiveMinutesUnlessItSaysOtherwise(t *testing.T) {
	for interval, want := range map[v1alpha1.DurationString]time.Duration{"": 5 * time.Minute, "90s": 90 * time.Second, "1h": time.Hour} {
		if got, err := LookBack(interval); got != want || err != nil {
			t.Errorf("%q: %s, %v", interval, got, err)
		}
	}
	for _, interval := range []v1alpha1.DurationString{"-5m", "0s", "5", "1e999h"} {
		if got, err := LookBack(interval); err == nil {
			t.Errorf("%q: %s", interval, got)
		}
	}
}
