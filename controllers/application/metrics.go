package application

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// measures are what is counted as it happens, under the names of the wire contract. A nil one counts nothing.
type measures struct {
	syncs, seconds *prometheus.CounterVec
	took           *prometheus.HistogramVec
	orphans        *prometheus.GaugeVec
}

// Measure registers the metrics of Applications.
func (c *Controller) Measure(registry prometheus.Registerer) error {
	labels := []string{"namespace", "name", "project", "dest_server"}
	c.measures = &measures{
		syncs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "argocd_app_sync_total", Help: "Syncs of an Application that ended."},
			append(append([]string{}, labels...), "phase", "dry_run")),
		seconds: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "argocd_app_sync_duration_seconds_total", Help: "Seconds that the syncs of an Application took."}, labels),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "argocd_app_reconcile", Help: "Seconds that one pass over an Application took.", Buckets: []float64{.25, .5, 1, 2, 4, 8, 16},
		}, []string{"namespace", "dest_server"}),
	}
	c.measures.orphans = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "argocd_app_orphaned_resources_count", Help: "Objects of the destination namespace that no Application manages, where the project asks for them.",
	}, []string{"namespace", "name", "project"})
	for _, one := range []prometheus.Collector{c.measures.syncs, c.measures.seconds, c.measures.took, c.measures.orphans, newCensus(c.Client, c.MetricLabels)} {
		if err := registry.Register(one); err != nil {
			return err
		}
	}
	return nil
}

// passed counts a pass, and the sync that it ended if that was written down.
func (m *measures) passed(before, after *gitopsv1.Application, server string, written bool, took time.Duration) {
	if m == nil {
		return
	}
	m.took.WithLabelValues(after.Namespace, server).Observe(took.Seconds())
	then, now := before.Status.OperationState, after.Status.OperationState
	if !written || now == nil || !now.Phase.Completed() || now.FinishedAt == nil || before.Operation == nil ||
		then != nil && then.Phase.Completed() && then.StartedAt.Equal(&now.StartedAt) {
		return
	}
	dry := now.Operation.Sync != nil && now.Operation.Sync.DryRun
	labels := []string{after.Namespace, after.Name, gitopsv1.ProjectName(after.Spec), server}
	m.syncs.WithLabelValues(append(append([]string{}, labels...), string(now.Phase), strconv.FormatBool(dry))...).Inc()
	m.seconds.WithLabelValues(labels...).Add(max(0, now.FinishedAt.Sub(now.StartedAt.Time).Seconds()))
}

// found counts orphans.
func (m *measures) found(o gitsync.Observation) {
	if m == nil {
		return
	}
	labels := prometheus.Labels{"namespace": o.App.Namespace, "name": o.App.Name}
	if o.Neighbours == nil {
		m.orphans.DeletePartialMatch(labels)
		return
	}
	labels["project"] = gitopsv1.ProjectName(o.App.Spec)
	m.orphans.With(labels).Set(float64(len(gitsync.Orphans(o))))
}

// forget drops the series of an Application that is gone.
func (m *measures) forget(key client.ObjectKey) {
	if m == nil {
		return
	}
	labels := prometheus.Labels{"namespace": key.Namespace, "name": key.Name}
	m.syncs.DeletePartialMatch(labels)
	m.seconds.DeletePartialMatch(labels)
	m.orphans.DeletePartialMatch(labels)
}

var (
	infoDesc = prometheus.NewDesc("argocd_app_info", "Always 1; the labels describe an Application.",
		[]string{"namespace", "name", "project", "autosync_enabled", "repo", "dest_server", "dest_namespace", "sync_status", "health_status", "operation"}, nil)
	conditionDesc = prometheus.NewDesc("argocd_app_condition", "Conditions of a type that an Application has.", []string{"namespace", "name", "project", "condition"}, nil)
)

// newCensus describes the Applications, and those of their labels that are shown.
func newCensus(reader client.Reader, shown []string) kube.Census {
	labels := kube.NewLabels("argocd_app_labels", "Always 1; the labels are those of an Application that --metrics-application-labels names.", shown,
		"namespace", "name", "project")
	return kube.Census{Reader: reader, Metrics: labels.Beside(infoDesc, conditionDesc), Count: func(ctx context.Context, cached client.Reader, gauge kube.Gauge) error {
		var list gitopsv1.ApplicationList
		if err := cached.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
			return err
		}
		for i := range list.Items {
			app := &list.Items[i]
			describe(app, gauge)
			labels.Show(gauge, app.Labels, app.Namespace, app.Name, gitopsv1.ProjectName(app.Spec))
		}
		return nil
	}}
}

func describe(app *gitopsv1.Application, gauge kube.Gauge) {
	project := gitopsv1.ProjectName(app.Spec)
	gauge(infoDesc, 1, app.Namespace, app.Name, project, strconv.FormatBool(gitopsv1.IsAutomated(app.Spec)),
		repoOf(app.Spec), serverOf(app.Spec.Destination), app.Spec.Destination.Namespace, cmp.Or(string(app.Status.Sync.Status), "Unknown"),
		cmp.Or(string(app.Status.Health.Status), "Unknown"), operationOf(app))
	counts := map[gitopsv1.ApplicationConditionType]float64{}
	for _, condition := range app.Status.Conditions {
		counts[condition.Type]++
	}
	for kind, n := range counts {
		gauge(conditionDesc, n, app.Namespace, app.Name, project, string(kind))
	}
}

// operationOf is what is being done with an Application.
func operationOf(app *gitopsv1.Application) string {
	switch {
	case app.DeletionTimestamp != nil:
		return "delete"
	case app.Operation != nil && app.Operation.Sync != nil:
		return "sync"
	}
	return ""
}

// repoOf is the first repository of an Application, without what somebody may have written into its address.
func repoOf(spec gitopsv1.ApplicationSpec) string {
	sources := gitopsv1.SourcesOf(spec)
	if len(sources) == 0 {
		return ""
	}
	address := sources[0].RepoURL
	u, err := url.Parse(address)
	switch scheme, rest, found := strings.Cut(address, "://"); {
	case err != nil && found: // a password that should have been escaped is one nevertheless
		return scheme + "://" + rest[strings.LastIndex(rest, "@")+1:]
	case err != nil || u.User == nil:
		return address
	}
	u.User = nil
	return u.String()
}

func serverOf(d gitopsv1.Destination) string { return cmp.Or(d.Server, d.Name) }
