package analysisrun

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// series gives the series of a registry that are not zero, such as name{a="b"} 1.
func series(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, family := range families {
		for _, m := range family.Metric {
			if value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()); value != 0 {
				all = append(all, family.GetName()+"{"+labels(m)+"}")
			}
		}
	}
	return all
}

func labels(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.Label {
		pairs = append(pairs, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(pairs, ",")
}

func TestTheMetricsDescribeWhatIsThere(t *testing.T) {
	run := newRun("ratio", "shadow")
	run.Spec.Metrics[1].SuccessCondition = "false"
	run.Spec.DryRun = []v1alpha1.DryRun{{MetricName: "shadow"}}
	template := &v1alpha1.AnalysisTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "success"}}
	template.Spec.Metrics = []v1alpha1.Metric{{Name: "ratio", Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusMetric{}}}}
	w := newWorld(t, run, template)
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCensus(w.server))
	w.mustPass()
	want := []string{
		"analysis_run_info{name=web-6d4-2,namespace=shop,phase=Successful}",
		"analysis_run_metric_phase{dry_run=false,metric=ratio,name=web-6d4-2,namespace=shop,phase=Successful,type=WebMetric}",
		"analysis_run_metric_phase{dry_run=true,metric=shadow,name=web-6d4-2,namespace=shop,phase=Failed,type=WebMetric}",
		"analysis_run_metric_type{metric=ratio,name=web-6d4-2,namespace=shop,type=WebMetric}",
		"analysis_run_metric_type{metric=shadow,name=web-6d4-2,namespace=shop,type=WebMetric}",
		"analysis_run_phase{name=web-6d4-2,namespace=shop,phase=Successful}",
		"analysis_template_info{name=success,namespace=shop}",
		"analysis_template_metric_info{metric=ratio,name=success,namespace=shop,type=Prometheus}",
	}
	if diff := cmp.Diff(want, series(t, registry)); diff != "" {
		t.Errorf("the series differ:\n%s", diff)
	}
}

func TestNoSeriesOutlivesItsRun(t *testing.T) {
	run := newRun("ratio")
	w := newWorld(t, run)
	registry := prometheus.NewRegistry()
	w.loop.passes = kube.NewPasses("analysis_run", "an AnalysisRun")
	registry.MustRegister(w.loop.passes, newCensus(w.server))
	w.mustPass()
	if got := series(t, registry); !slices.Contains(got, "analysis_run_reconcile{name=web-6d4-2,namespace=shop}") {
		t.Errorf("the pass is not counted: %v", got)
	}
	if err := w.server.Delete(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	w.mustPass()
	if got := series(t, registry); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestARunWhoseNamesRepeatDoesNotSpoilTheScrape(t *testing.T) {
	run := newRun("ratio", "ratio")
	run.Status.MetricResults = []v1alpha1.MetricResult{{Name: "ratio"}, {Name: "ratio"}, {Name: "bad\xff"}}
	template := &v1alpha1.AnalysisTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "twice"}}
	template.Spec.Metrics = run.Spec.Metrics
	w := newWorld(t, run, template)
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCensus(w.server))
	if got := series(t, registry); len(got) == 0 {
		t.Error("nothing is described")
	}
}

func TestEachProviderHasATypeOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range []v1alpha1.MetricProvider{
		{Prometheus: &v1alpha1.PrometheusMetric{}}, {Web: &v1alpha1.WebMetric{}}, {Job: &v1alpha1.JobMetric{}}, {Kayenta: &v1alpha1.KayentaMetric{}},
		{Datadog: &v1alpha1.DatadogMetric{}}, {Wavefront: &v1alpha1.WavefrontMetric{}}, {NewRelic: &v1alpha1.NewRelicMetric{}},
		{CloudWatch: &v1alpha1.CloudWatchMetric{}}, {Graphite: &v1alpha1.GraphiteMetric{}}, {Influxdb: &v1alpha1.InfluxdbMetric{}},
		{SkyWalking: &v1alpha1.SkyWalkingMetric{}}, {Plugin: map[string]apiextensionsv1.JSON{"a/b": {}}},
	} {
		seen[typeOf(p)] = true
	}
	if len(seen) != 12 {
		t.Errorf("the types are %v", seen)
	}
}
