package analysisrun

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

var (
	runPhases = []v1alpha1.AnalysisPhase{
		v1alpha1.AnalysisPhasePending, v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhaseSuccessful,
		v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive,
	}
	infoDesc           = prometheus.NewDesc("analysis_run_info", "Always 1; the labels describe an AnalysisRun.", []string{"namespace", "name", "phase"}, nil)
	phaseDesc          = prometheus.NewDesc("analysis_run_phase", "1 for the phase that an AnalysisRun is in. Deprecated: use analysis_run_info.", []string{"namespace", "name", "phase"}, nil)
	metricTypeDesc     = prometheus.NewDesc("analysis_run_metric_type", "Always 1; the labels describe a metric of an AnalysisRun.", []string{"namespace", "name", "metric", "type"}, nil)
	metricPhaseDesc    = prometheus.NewDesc("analysis_run_metric_phase", "1 for the phase that a metric of an AnalysisRun is in.", []string{"namespace", "name", "metric", "type", "dry_run", "phase"}, nil)
	templateDesc       = prometheus.NewDesc("analysis_template_info", "Always 1; the labels describe an AnalysisTemplate.", []string{"namespace", "name"}, nil)
	templateMetricDesc = prometheus.NewDesc("analysis_template_metric_info", "Always 1; the labels describe a metric of an AnalysisTemplate.", []string{"namespace", "name", "type", "metric"}, nil)
)

// newCensus describes the AnalysisRuns and AnalysisTemplates.
func newCensus(reader client.Reader) kube.Census {
	return kube.Census{Reader: reader, Count: count, Metrics: []*prometheus.Desc{
		infoDesc, phaseDesc, metricTypeDesc, metricPhaseDesc, templateDesc, templateMetricDesc,
	}}
}

func count(ctx context.Context, cached client.Reader, gauge kube.Gauge) error {
	var runs v1alpha1.AnalysisRunList
	var templates v1alpha1.AnalysisTemplateList
	if err := errors.Join(cached.List(ctx, &runs, client.UnsafeDisableDeepCopy), cached.List(ctx, &templates, client.UnsafeDisableDeepCopy)); err != nil {
		return err
	}
	for i := range runs.Items {
		describeRun(&runs.Items[i], gauge)
	}
	for i := range templates.Items {
		t := &templates.Items[i]
		gauge(templateDesc, 1, t.Namespace, t.Name)
		for _, m := range distinct(t.Spec.Metrics) {
			gauge(templateMetricDesc, 1, t.Namespace, t.Name, typeOf(m.Provider), m.Name)
		}
	}
	return nil
}

func describeRun(run *v1alpha1.AnalysisRun, gauge kube.Gauge) {
	gauge(infoDesc, 1, run.Namespace, run.Name, string(run.Status.Phase))
	for _, phase := range runPhases {
		gauge(phaseDesc, kube.OneIf(run.Status.Phase == phase), run.Namespace, run.Name, string(phase))
	}
	kinds := map[string]string{}
	for _, m := range distinct(run.Spec.Metrics) {
		kinds[m.Name] = typeOf(m.Provider)
		gauge(metricTypeDesc, 1, run.Namespace, run.Name, m.Name, kinds[m.Name])
	}
	for _, r := range run.Status.MetricResults {
		kind, known := kinds[r.Name]
		if !known {
			continue
		}
		delete(kinds, r.Name)
		for _, phase := range runPhases {
			gauge(metricPhaseDesc, kube.OneIf(r.Phase == phase), run.Namespace, run.Name, r.Name, kind, strconv.FormatBool(r.DryRun), string(phase))
		}
	}
}

// distinct leaves out metrics whose name repeats: two series with the same labels would make the whole scrape fail.
func distinct(metrics []v1alpha1.Metric) []v1alpha1.Metric {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(metrics), func(m v1alpha1.Metric) bool {
		repeats := seen[m.Name]
		seen[m.Name] = true
		return repeats
	})
}

// typeOf is the name of a provider as the wire contract's metrics spell it.
func typeOf(p v1alpha1.MetricProvider) string {
	switch {
	case p.Prometheus != nil:
		return "Prometheus"
	case p.Web != nil:
		return "WebMetric"
	case p.Job != nil:
		return "Job"
	case p.Kayenta != nil:
		return "Kayenta"
	case p.Datadog != nil:
		return "Datadog"
	case p.Wavefront != nil:
		return "Wavefront"
	case p.NewRelic != nil:
		return "NewRelic"
	case p.CloudWatch != nil:
		return "CloudWatch"
	case p.Graphite != nil:
		return "Graphite"
	case p.Influxdb != nil:
		return "Influxdb"
	case p.SkyWalking != nil:
		return "SkyWalking"
	}
	return "Plugin"
}
