package applicationset

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestMetricsDescribeSetsAndCountWhatTheyMade(t *testing.T) {
	set := &gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "set", UID: "set-uid", Labels: map[string]string{"team/name": "red"}}}
	s := newStage(t, set)
	app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "made", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: gitopsv1.GroupVersion.String(), Kind: "ApplicationSet", Name: "set", UID: set.UID, Controller: new(true)},
	}}}
	if err := s.Client.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	s.MetricLabels = []string{"team/name"}
	registry := prometheus.NewPedanticRegistry()
	if err := s.Measure(registry); err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP argocd_appset_info Always 1; the labels describe an ApplicationSet.
# TYPE argocd_appset_info gauge
argocd_appset_info{name="set",namespace="argocd",resource_update_status="ApplicationSetUpToDate"} 1
# HELP argocd_appset_labels Always 1; the labels are those of an ApplicationSet that --metrics-applicationset-labels names.
# TYPE argocd_appset_labels gauge
argocd_appset_labels{label_team_name="red",name="set",namespace="argocd"} 1
# HELP argocd_appset_owned_applications Applications that an ApplicationSet has made.
# TYPE argocd_appset_owned_applications gauge
argocd_appset_owned_applications{name="set",namespace="argocd"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
