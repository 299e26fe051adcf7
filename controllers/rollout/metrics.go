package rollout

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

func countEvents() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollout_events_total", Help: "Events of a Rollout.",
	}, []string{"namespace", "name", "type", "reason"})
}

var (
	infoLabels = []string{"namespace", "name", "strategy", "traffic_router", "phase"}
	phases     = []v1alpha1.RolloutPhase{
		v1alpha1.RolloutPhaseHealthy, v1alpha1.RolloutPhaseProgressing, v1alpha1.RolloutPhasePaused, v1alpha1.RolloutPhaseDegraded,
	}
	infoDesc        = prometheus.NewDesc("rollout_info", "Always 1; the labels describe a Rollout.", infoLabels, nil)
	phaseDesc       = prometheus.NewDesc("rollout_phase", "1 for the phase that a Rollout is in. Deprecated: use rollout_info.", []string{"namespace", "name", "phase"}, nil)
	desiredDesc     = prometheus.NewDesc("rollout_info_replicas_desired", "Pods that a Rollout wants.", infoLabels, nil)
	availableDesc   = prometheus.NewDesc("rollout_info_replicas_available", "Pods of a Rollout that are available.", infoLabels, nil)
	unavailableDesc = prometheus.NewDesc("rollout_info_replicas_unavailable", "Pods of a Rollout that are not available.", infoLabels, nil)
	durationLabels  = []string{"namespace", "name", "status"}
	durationDesc    = prometheus.NewDesc("rollout_duration_seconds", "Seconds that the last update that ended took.", durationLabels, nil)
	progressDesc    = prometheus.NewDesc("rollout_progression_duration_seconds", "Those of them without pauses that only a person ends.", durationLabels, nil)
	waitDesc        = prometheus.NewDesc("rollout_manual_pause_duration_seconds", "Those of them in pauses that only a person ends.", durationLabels, nil)
	updatedDesc     = prometheus.NewDesc("rollout_info_replicas_updated", "Pods of the newest revision of a Rollout.", infoLabels, nil)
)

// newCensus describes the Rollouts.
func newCensus(reader client.Reader) kube.Census {
	return kube.Census{Reader: reader, Count: count, Metrics: []*prometheus.Desc{
		infoDesc, phaseDesc, desiredDesc, availableDesc, unavailableDesc, updatedDesc, durationDesc, progressDesc, waitDesc,
	}}
}

func count(ctx context.Context, cached client.Reader, gauge kube.Gauge) error {
	var list v1alpha1.RolloutList
	if err := cached.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range list.Items {
		r := &list.Items[i]
		labels := []string{r.Namespace, r.Name, strategyName(r), routerName(r), string(r.Status.Phase)}
		gauge(infoDesc, 1, labels...)
		gauge(desiredDesc, float64(v1alpha1.Replicas(r)), labels...)
		gauge(availableDesc, float64(r.Status.AvailableReplicas), labels...)
		gauge(unavailableDesc, float64(r.Status.Replicas-r.Status.AvailableReplicas), labels...)
		gauge(updatedDesc, float64(r.Status.UpdatedReplicas), labels...)
		if d := r.Status.Duration; d != nil && d.RolloutStartedAt != nil && d.FinishedAt != nil {
			took, waited := d.FinishedAt.Sub(d.RolloutStartedAt.Time).Seconds(), float64(d.TotalManualPauseDurationSeconds)
			gauge(durationDesc, took, r.Namespace, r.Name, d.CompletionStatus)
			gauge(progressDesc, took-waited, r.Namespace, r.Name, d.CompletionStatus)
			gauge(waitDesc, waited, r.Namespace, r.Name, d.CompletionStatus)
		}
		for _, phase := range phases {
			gauge(phaseDesc, kube.OneIf(r.Status.Phase == phase), r.Namespace, r.Name, string(phase))
		}
	}
	return nil
}

func strategyName(r *v1alpha1.Rollout) string {
	switch {
	case r.Spec.Strategy.BlueGreen != nil:
		return "blueGreen"
	case r.Spec.Strategy.Canary != nil:
		return "canary"
	}
	return ""
}

func routerName(r *v1alpha1.Rollout) string {
	if v1alpha1.HasRouter(r) {
		return "gatewayAPI"
	}
	return ""
}
