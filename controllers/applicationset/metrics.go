package applicationset

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Measure registers the metrics of ApplicationSets, under the names of the wire contract.
func (c *Controller) Measure(registry prometheus.Registerer) error {
	c.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "argocd_appset_reconcile", Help: "Seconds that one pass over an ApplicationSet took.", Buckets: []float64{.25, .5, 1, 2, 4, 8, 16},
	}, []string{"namespace", "name"})
	return errors.Join(registry.Register(c.took), registry.Register(census{c.Client}))
}

var (
	infoDesc  = prometheus.NewDesc("argocd_appset_info", "Always 1; the labels describe an ApplicationSet.", []string{"namespace", "name", "resource_update_status"}, nil)
	ownedDesc = prometheus.NewDesc("argocd_appset_owned_applications", "Applications that an ApplicationSet has made.", []string{"namespace", "name"}, nil)
)

// census describes the sets as they are in the cache at the moment of a scrape.
type census struct{ reader client.Reader }

// Describe names the metrics.
func (c census) Describe(to chan<- *prometheus.Desc) {
	to <- infoDesc
	to <- ownedDesc
}

// Collect counts. A cache that is not filled yet shows no sets; one that cannot be read makes the scrape fail.
func (c census) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var sets gitopsv1.ApplicationSetList
	var apps gitopsv1.ApplicationList
	err := cmp.Or(c.reader.List(ctx, &sets, client.UnsafeDisableDeepCopy), c.reader.List(ctx, &apps, client.UnsafeDisableDeepCopy))
	var notStarted *cache.ErrCacheNotStarted
	if errors.As(err, &notStarted) {
		return
	}
	if err != nil {
		to <- prometheus.NewInvalidMetric(infoDesc, err)
		return
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
		to <- prometheus.MustNewConstMetric(infoDesc, prometheus.GaugeValue, 1, set.Namespace, set.Name, status)
		to <- prometheus.MustNewConstMetric(ownedDesc, prometheus.GaugeValue, owned[string(set.UID)], set.Namespace, set.Name)
	}
}
