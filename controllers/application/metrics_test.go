package application

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestMetricsDescribeApplicationsAndCountTheirSyncs(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	app := c.app(t)
	app.Spec.Source.RepoURL = "https://eve:tweety-the-canary@git.example.com/org/repo.git"
	app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{DryRun: true}}
	if err := c.Client.Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := c.Measure(registry); err != nil {
		t.Fatal(err)
	}
	reconcileOnce(t, c) // the project is missing, so the operation ends at once
	const want = `
# HELP argocd_app_condition Conditions of a type that an Application has.
# TYPE argocd_app_condition gauge
argocd_app_condition{condition="InvalidSpecError",name="shop",namespace="argocd",project="default"} 1
# HELP argocd_app_info Always 1; the labels describe an Application.
# TYPE argocd_app_info gauge
argocd_app_info{autosync_enabled="false",dest_namespace="shop",dest_server="https://kubernetes.default.svc",health_status="Unknown",name="shop",namespace="argocd",operation="",project="default",repo="https://git.example.com/org/repo.git",sync_status="Unknown"} 1
# HELP argocd_app_sync_total Syncs of an Application that ended.
# TYPE argocd_app_sync_total counter
argocd_app_sync_total{dest_server="https://kubernetes.default.svc",dry_run="true",name="shop",namespace="argocd",phase="Error",project="default"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "argocd_app_info", "argocd_app_condition", "argocd_app_sync_total"); err != nil {
		t.Error(err)
	}
	reconcileOnce(t, c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			counts[f.GetName()] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()) + m.GetGauge().GetValue()
		}
		if strings.Contains(f.String(), "tweety") {
			t.Errorf("%s tells a password", f.GetName())
		}
	}
	if diff := cmp.Diff(map[string]float64{
		"argocd_app_info": 1, "argocd_app_condition": 1, "argocd_app_sync_total": 1, "argocd_app_sync_duration_seconds_total": 0, "argocd_app_reconcile": 2,
	}, counts); diff != "" {
		t.Error(diff)
	}
	if err := c.Client.Delete(t.Context(), c.app(t)); err != nil {
		t.Fatal(err)
	}
	reconcileOnce(t, c)
	if n, err := testutil.GatherAndCount(registry, "argocd_app_info", "argocd_app_sync_total", "argocd_app_sync_duration_seconds_total"); n != 0 || err != nil {
		t.Errorf("%d series outlive the Application, %v", n, err)
	}
}

func TestMetricsShowTheLabelsThatAreAskedFor(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	c.MetricLabels = []string{"example.com/team-name", "tier"}
	app := c.app(t)
	app.Labels = map[string]string{"example.com/team-name": "red", "other": "hidden"}
	if err := c.Client.Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := c.Measure(registry); err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP argocd_app_labels Always 1; the labels are those of an Application that --metrics-application-labels names.
# TYPE argocd_app_labels gauge
argocd_app_labels{label_example_com_team_name="red",label_tier="",name="shop",namespace="argocd",project="default"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "argocd_app_labels"); err != nil {
		t.Error(err)
	}
}

func TestLabelsThatAreOneInMetricsAreRefused(t *testing.T) {
	c := &Controller{MetricLabels: []string{"a.b", "a/b"}}
	if err := c.Measure(prometheus.NewRegistry()); err == nil {
		t.Error("two labels of one name are taken")
	}
}

func TestASyncIsCountedByItsTime(t *testing.T) {
	began := metav1.NewTime(time.Unix(100, 0))
	ended := metav1.NewTime(time.Unix(107, 0))
	registry := prometheus.NewRegistry()
	c := &Controller{}
	if err := c.Measure(registry); err != nil {
		t.Fatal(err)
	}
	before := &gitopsv1.Application{Operation: &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}}}
	before.Status.OperationState = &gitopsv1.OperationState{Phase: gitopsv1.OperationRunning, StartedAt: began}
	after := before.DeepCopy()
	after.Status.OperationState.Phase, after.Status.OperationState.FinishedAt = gitopsv1.OperationSucceeded, &ended
	c.measures.passed(before, after, "here", false, time.Second)
	if n := testutil.CollectAndCount(c.measures.syncs); n != 0 {
		t.Error("a sync is counted before it was written down that it ended")
	}
	c.measures.passed(before, after, "here", true, time.Second)
	c.measures.passed(after, after, "here", true, time.Second)
	if got := testutil.ToFloat64(c.measures.seconds); got != 7 {
		t.Errorf("%v seconds", got)
	}
}

func TestNoMetricTellsWhatSomebodyWroteIntoAnAddress(t *testing.T) {
	for address, want := range map[string]string{
		"https://git.example.com/org/repo.git":            "https://git.example.com/org/repo.git",
		"https://eve@git.example.com/org/repo":            "https://git.example.com/org/repo",
		"https://eve:tweety@git.example.com/org/repo":     "https://git.example.com/org/repo",
		"https://eve:tweety%@git.example.com/org/repo":    "https://git.example.com/org/repo",
		"https://eve:twe/ety@git.example.com/org/repo":    "https://git.example.com/org/repo",
		"https://eve:tw@ety@git.example.com:x/org/repo":   "https://git.example.com:x/org/repo",
		"ssh://eve:twe ety%zz@git.example.com/org/repo":   "ssh://git.example.com/org/repo",
		"git@git.example.com:org/repo.git":                "git@git.example.com:org/repo.git",
		"https://git.example.com/@scope/repo":             "https://git.example.com/@scope/repo",
		"oci://eve:tweety@registry.example.com/org/chart": "oci://registry.example.com/org/chart",
	} {
		if got := repoOf(gitopsv1.ApplicationSpec{Source: &gitopsv1.Source{RepoURL: address}}); got != want {
			t.Errorf("%s becomes %s", address, got)
		}
	}
}
