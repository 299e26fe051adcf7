package experiment

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

var (
	phases = []v1alpha1.AnalysisPhase{
		v1alpha1.AnalysisPhasePending, v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhaseSuccessful,
		v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive,
	}
	infoDesc  = prometheus.NewDesc("experiment_info", "Always 1; the labels describe an Experiment.", []string{"namespace", "name", "phase"}, nil)
	phaseDesc = prometheus.NewDesc("experiment_phase", "1 for the phase that an Experiment is in. Deprecated: use experiment_info.", []string{"namespace", "name", "phase"}, nil)
)

// census describes the Experiments as they are in the cache at the moment of a scrape, so no series outlives its object.
type census struct{ reader client.Reader }

// Describe names the metrics.
func (c census) Describe(to chan<- *prometheus.Desc) {
	to <- infoDesc
	to <- phaseDesc
}

// Collect counts. A cache that is not filled yet shows nothing; one that cannot be read makes the scrape fail.
func (c census) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var list v1alpha1.ExperimentList
	var notStarted *cache.ErrCacheNotStarted
	err := c.reader.List(ctx, &list, client.UnsafeDisableDeepCopy)
	if errors.As(err, &notStarted) {
		return
	}
	if err != nil {
		to <- prometheus.NewInvalidMetric(infoDesc, err)
		return
	}
	for i := range list.Items {
		e := &list.Items[i]
		to <- prometheus.MustNewConstMetric(infoDesc, prometheus.GaugeValue, 1, e.Namespace, e.Name, string(e.Status.Phase))
		for _, phase := range phases {
			value := 0.0
			if e.Status.Phase == phase {
				value = 1
			}
			to <- prometheus.MustNewConstMetric(phaseDesc, prometheus.GaugeValue, value, e.Namespace, e.Name, string(phase))
		}
	}
}
