package experiment

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

var (
	phases = []v1alpha1.AnalysisPhase{
		v1alpha1.AnalysisPhasePending, v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhaseSuccessful,
		v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive,
	}
	infoDesc  = prometheus.NewDesc("experiment_info", "Always 1; the labels describe an Experiment.", []string{"namespace", "name", "phase"}, nil)
	phaseDesc = prometheus.NewDesc("experiment_phase", "1 for the phase that an Experiment is in. Deprecated: use experiment_info.", []string{"namespace", "name", "phase"}, nil)
)

// newCensus describes the Experiments.
func newCensus(reader client.Reader) kube.Census {
	return kube.Census{Reader: reader, Metrics: []*prometheus.Desc{infoDesc, phaseDesc}, Count: func(ctx context.Context, cached client.Reader, gauge kube.Gauge) error {
		var list v1alpha1.ExperimentList
		if err := cached.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
			return err
		}
		for i := range list.Items {
			e := &list.Items[i]
			gauge(infoDesc, 1, e.Namespace, e.Name, string(e.Status.Phase))
			for _, phase := range phases {
				gauge(phaseDesc, kube.OneIf(e.Status.Phase == phase), e.Namespace, e.Name, string(phase))
			}
		}
		return nil
	}}
}
