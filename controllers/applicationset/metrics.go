package applicationset

import (
	"cmp"
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// Measure registers the metrics of ApplicationSets, under the names of the wire contract.
func (c *Controller) Measure(registry prometheus.Registerer) error {
	c.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "argocd_appset_reconcile", Help: "Seconds that one pass over an ApplicationSet took.", Buckets: []float64{.25, .5, 1, 2, 4, 8, 16},
	}, []string{"namespace", "name"})
	return errors.Join(registry.Register(c.took), registry.Register(newCensus(c.Client, c.MetricLabels)))
}

var (
	infoDesc  = prometheus.NewDesc("argocd_appset_info", "Always 1; the labels describe an ApplicationSet.", []string{"namespace", "name", "resource_update_status"}, nil)
	ownedDesc = prometheus.NewDesc("argocd_appset_owned_applications", "Applications that an ApplicationSet has made.", []string{"namespace", "name"}, nil)
)

// newCensus describes the sets, and those of their labels that are shown.
func newCensus(reader client.Reader, shown []string) kube.Census {
	labels := kube.NewLabels("argocd_appset_labels", "Always 1; the labels are those of an ApplicationSet that --metrics-applicationset-labels names.", shown,
		"namespace", "name")
	return kube.Census{Reader: reader, Metrics: labels.Beside(infoDesc, ownedDesc), Count: func(ctx context.Context, cached client.Reader, gauge kube.Gauge) error {
		return count(ctx, cached, gauge, labels)
	}}
}

func count(ctx context.Context, cached client.Reader, gauge kube.Gauge, labels kube.Labels) error {
	var sets gitopsv1.ApplicationSetList
	var apps gitopsv1.ApplicationList
	if err := cmp.Or(cached.List(ctx, &sets, client.UnsafeDisableDeepCopy), cached.List(ctx, &apps, client.UnsafeDisableDeepCopy)); err != nil {
		return err
	}
	owned := map[string]float64{}
	for i := range apps.Items {
		if owner := metav1.GetControllerOfNoCopy(&apps.Items[i]); owner != nil {
			owned[string(owner.UID)]++
		}
	}
	for i := range sets.Items {
		set := &sets.Items[i]
		status := "ApplicationSetUpToDate"
		for _, condition := range set.Status.Conditions {
			if condition.Type == gitopsv1.ConditionErrorOccurred && condition.Status == "True" {
				status = condition.Reason
			}
		}
		gauge(infoDesc, 1, set.Namespace, set.Name, status)
		gauge(ownedDesc, owned[string(set.UID)], set.Namespace, set.Name)
		labels.Show(gauge, set.Labels, set.Namespace, set.Name)
	}
	return nil
}
