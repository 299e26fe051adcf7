package analysis_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestValidate(t *testing.T) {
	text := func(s string) *intstr.IntOrString { return ptr.To(intstr.FromString(s)) }
	prom := func(p v1alpha1.PrometheusMetric) v1alpha1.MetricProvider {
		return v1alpha1.MetricProvider{Prometheus: &p}
	}
	web := func(w v1alpha1.WebMetric) v1alpha1.MetricProvider { return v1alpha1.MetricProvider{Web: &w} }
	ranged := func(start, end, step string) v1alpha1.MetricProvider {
		return prom(v1alpha1.PrometheusMetric{Query: "up", RangeQuery: &v1alpha1.PrometheusRangeQueryArgs{Start: start, End: end, Step: step}})
	}
	body := &apiextensionsv1.JSON{Raw: []byte("{}")}
	for name, c := range map[string]struct {
		change func(*v1alpha1.Metric)
		want   []string
	}{
		"a metric with a provider is enough": {func(*v1alpha1.Metric) {}, nil},
		"all limits at once": {func(m *v1alpha1.Metric) {
			m.Count, m.Interval, m.InitialDelay = limit(10), "1s", "5m"
			m.FailureLimit, m.InconclusiveLimit, m.ConsecutiveErrorLimit, m.ConsecutiveSuccessLimit = limit(3), limit(2), limit(1), limit(7)
		}, nil},
		"numbers may be texts": {func(m *v1alpha1.Metric) {
			m.Count, m.Interval, m.FailureLimit = text("3"), "1s", text("-1")
			m.ConsecutiveSuccessLimit = text("2")
		}, nil},
		"what is still an argument is not judged": {func(m *v1alpha1.Metric) {
			m.Count, m.FailureLimit, m.Interval, m.InitialDelay = text("{{args.a}}"), text("{{args.b}}"), "{{args.c}}", "{{args.d}}"
			m.SuccessCondition, m.FailureCondition = "result < {{args.e}}", "{{args.f}}"
			m.Provider = ranged("{{args.g}}", "now() - duration('{{args.h}}')", "{{args.i}}")
		}, nil},
		"several measurements without an interval": {func(m *v1alpha1.Metric) { m.Count = limit(2) }, []string{"interval must be specified when count > 1"}},
		"an interval that is none":                 {func(m *v1alpha1.Metric) { m.Interval = "1d" }, []string{`invalid interval string: time: unknown unit "d" in duration "1d"`}},
		"an interval of nothing":                   {func(m *v1alpha1.Metric) { m.Interval = "0s" }, []string{"interval must be > 0, but is 0s"}},
		"a delay that is none":                     {func(m *v1alpha1.Metric) { m.InitialDelay = "1e999h" }, []string{`invalid startDelay string: time: unknown unit "e" in duration "1e999h"`}},
		"a delay that lies in the past":            {func(m *v1alpha1.Metric) { m.InitialDelay = "-1s" }, []string{"initialDelay must be >= 0, but is -1s"}},
		"numbers below what makes sense": {func(m *v1alpha1.Metric) {
			m.Count, m.FailureLimit, m.InconclusiveLimit, m.ConsecutiveErrorLimit, m.ConsecutiveSuccessLimit = limit(-1), limit(-2), limit(-1), limit(-1), limit(-1)
		}, []string{"count must be >= 0", "failureLimit must be >= 0, or -1 to be disabled", "inconclusiveLimit must be >= 0", "consecutiveErrorLimit must be >= 0", "consecutiveSuccessLimit must be >= 0"}},
		"numbers that are none": {func(m *v1alpha1.Metric) { m.Count, m.FailureLimit = text("5%"), text("99999999999") }, []string{`count must be a whole number, but is "5%"`, `failureLimit must be a whole number, but is "99999999999"`}},
		"nothing decides":       {func(m *v1alpha1.Metric) { m.FailureLimit = limit(-1) }, []string{"failureLimit and consecutiveSuccessLimit cannot both be disabled: nothing could decide the metric"}},
		"a count below the limits": {func(m *v1alpha1.Metric) {
			m.Count, m.Interval, m.FailureLimit, m.ConsecutiveSuccessLimit = limit(3), "1s", limit(2), limit(2)
		}, []string{"count (3) must be >= failureLimit + consecutiveSuccessLimit (2 + 2) if both >= 0"}},
		"a count below the successes": {func(m *v1alpha1.Metric) {
			m.Count, m.Interval, m.FailureLimit, m.ConsecutiveSuccessLimit = limit(3), "1s", limit(-1), limit(4)
		}, []string{"count (3) must be >= consecutiveSuccessLimit (4)"}},
		"a count below the inconclusive ones":  {func(m *v1alpha1.Metric) { m.Count, m.InconclusiveLimit = limit(1), limit(2) }, []string{"count (1) must be >= inconclusiveLimit (2)"}},
		"conditions that cannot be evaluated":  {func(m *v1alpha1.Metric) { m.SuccessCondition, m.FailureCondition = "result <", "rezult > 1" }, []string{"successCondition result < cannot be evaluated: unexpected token EOF (1:8)\n | result <\n | .......^", "failureCondition rezult > 1 cannot be evaluated: unknown name rezult (1:1)\n | rezult > 1\n | ^"}},
		"no provider":                          {func(m *v1alpha1.Metric) { m.Provider = v1alpha1.MetricProvider{} }, []string{"no provider specified"}},
		"two providers":                        {func(m *v1alpha1.Metric) { m.Provider.Prometheus = &v1alpha1.PrometheusMetric{} }, []string{"multiple providers specified"}},
		"a Prometheus metric without a query":  {func(m *v1alpha1.Metric) { m.Provider = prom(v1alpha1.PrometheusMetric{}) }, []string{"provider.prometheus.query is missing"}},
		"a range in good order":                {func(m *v1alpha1.Metric) { m.Provider = ranged(`now() - duration("1h")`, "now()", "1m") }, nil},
		"a range without bounds":               {func(m *v1alpha1.Metric) { m.Provider = ranged("", "", "") }, []string{"provider.prometheus.rangeQuery.start: unexpected token EOF", "provider.prometheus.rangeQuery.end: unexpected token EOF", `provider.prometheus.rangeQuery.step must be a duration > 0, but is ""`}},
		"a range with bounds that are no time": {func(m *v1alpha1.Metric) { m.Provider = ranged(`"1h"`, "7", "-1s") }, []string{`provider.prometheus.rangeQuery.start: expected a time, but got string; write something like now() - duration("5m")`, `provider.prometheus.rangeQuery.end: expected a time, but got int; write something like now() - duration("5m")`, `provider.prometheus.rangeQuery.step must be a duration > 0, but is "-1s"`}},
		"a web metric that sends text":         {func(m *v1alpha1.Metric) { m.Provider = web(v1alpha1.WebMetric{Method: "POST", Body: "x"}) }, nil},
		"a web metric with another method":     {func(m *v1alpha1.Metric) { m.Provider = web(v1alpha1.WebMetric{Method: "DELETE"}) }, []string{`provider.web.method must be GET, POST or PUT, but is "DELETE"`}},
		"a web metric with two bodies": {func(m *v1alpha1.Metric) {
			m.Provider = web(v1alpha1.WebMetric{Method: "PUT", Body: "x", JSONBody: body})
		}, []string{"provider.web has both body and jsonBody; use one of them"}},
		"a web metric that sends a body with GET": {func(m *v1alpha1.Metric) { m.Provider = web(v1alpha1.WebMetric{JSONBody: body}) }, []string{"provider.web has a body, which a GET request cannot carry; set method to POST or PUT"}},
		"a web metric that signs for a cloud": {func(m *v1alpha1.Metric) {
			m.Provider = web(v1alpha1.WebMetric{Authentication: v1alpha1.Authentication{Sigv4: &v1alpha1.Sigv4Config{}}})
		}, []string{"provider.web.authentication.sigv4 is not supported; put a signing proxy in front of the server"}},
		"a job without a spec": {func(m *v1alpha1.Metric) { m.Provider = v1alpha1.MetricProvider{Job: &v1alpha1.JobMetric{}} }, []string{"provider.job.spec is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := webMetric("m")
			c.change(&m)
			errs := analysis.Validate([]v1alpha1.Metric{webMetric("other"), m})
			var got []string
			for _, e := range errs {
				if e.Field != "metrics[1]" || fmt.Sprint(e.BadValue) != "m" {
					t.Errorf("the error is about %s, %v", e.Field, e.BadValue)
				}
				got = append(got, e.Detail)
			}
			if diff := cmp.Diff(c.want, got, cmp.Comparer(func(want, got string) bool {
				return want == got || len(want) > 40 && len(got) > len(want) && got[:len(want)] == want
			})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTwoMetricsCannotHaveOneName(t *testing.T) {
	errs := analysis.Validate(metrics("a", "b", "a"))
	if len(errs) != 1 || errs[0].Error() != `metrics[2]: Invalid value: "a": two metrics have the name "a"` {
		t.Errorf("got %v", errs)
	}
}

func TestKindOf(t *testing.T) {
	for want, p := range map[string]v1alpha1.MetricProvider{
		analysis.KindPrometheus: {Prometheus: &v1alpha1.PrometheusMetric{}},
		analysis.KindWeb:        {Web: &v1alpha1.WebMetric{}},
		analysis.KindJob:        {Job: &v1alpha1.JobMetric{}},
		"plugin":                {Plugin: map[string]apiextensionsv1.JSON{"a/b": {}}},
		"":                      {Web: &v1alpha1.WebMetric{}, Job: &v1alpha1.JobMetric{}},
	} {
		if got := analysis.KindOf(p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
