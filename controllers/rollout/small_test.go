package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy"
)

func jsonOf(o any) (string, error) {
	data, err := json.Marshal(o)
	return string(data), err
}

func strategyRun(run *v1alpha1.AnalysisRun) strategy.RunIntent { return strategy.RunIntent{Run: run} }

func TestAReplicaSetIsReadWithWhateverSomebodyWroteIntoIt(t *testing.T) {
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web-a", Labels: map[string]string{v1alpha1.LabelPodTemplateHash: "a"}, Annotations: map[string]string{
			v1alpha1.AnnotationRevision: "seven", v1alpha1.AnnotationDesiredReplicas: "99999999999", v1alpha1.AnnotationScaleDownDeadline: "soon",
		}},
		Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](2)},
		Status: appsv1.ReplicaSetStatus{Replicas: 5, ReadyReplicas: 5, AvailableReplicas: 5, Conditions: []appsv1.ReplicaSetCondition{
			{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Message: "no room"},
		}},
	}
	want := strategy.Revision{Name: "web-a", Hash: "a", Spec: 2, Replicas: 5, Ready: 2, Available: 2, Desired: -1, Failure: "no room"}
	if diff := cmp.Diff(want, revisionOf(set)); diff != "" {
		t.Error(diff)
	}
}

func TestTemplatesThatNameEachOtherAreReadOnce(t *testing.T) {
	named := func(name string, next ...v1alpha1.AnalysisTemplateRef) *v1alpha1.AnalysisTemplate {
		return &v1alpha1.AnalysisTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: v1alpha1.AnalysisTemplateSpec{Templates: next}}
	}
	ref := func(name string, cluster bool) v1alpha1.AnalysisTemplateRef {
		return v1alpha1.AnalysisTemplateRef{TemplateName: name, ClusterScope: &cluster}
	}
	shared := &v1alpha1.ClusterAnalysisTemplate{ObjectMeta: metav1.ObjectMeta{Name: "shared"}, Spec: v1alpha1.AnalysisTemplateSpec{
		Templates: []v1alpha1.AnalysisTemplateRef{ref("a", false)},
	}}
	w := newWorld(t, named("a", ref("b", false), ref("missing", false)), named("b", ref("shared", true)), shared)
	s := &seen{}
	s.Rollout = basic()
	s.Rollout.Spec.Strategy.Canary.Analysis = &v1alpha1.RolloutAnalysisBackground{RolloutAnalysis: v1alpha1.RolloutAnalysis{
		Templates: []v1alpha1.AnalysisTemplateRef{ref("a", false)},
	}}
	if err := w.loop.observeLibrary(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if len(s.Library.Templates) != 2 || len(s.Library.ClusterTemplates) != 1 {
		t.Errorf("read %d templates and %d of the cluster", len(s.Library.Templates), len(s.Library.ClusterTemplates))
	}
}

func TestCountsWaitLongerTheMoreOfThemWereWritten(t *testing.T) {
	m := &memory{}
	now := time.Unix(1000, 0)
	var waits []time.Duration
	for range 6 {
		wait := m.holdBack(true, now)
		waits = append(waits, wait)
		now = now.Add(wait)
		if left := m.holdBack(true, now); left > 0 {
			t.Fatalf("%s are still left", left)
		}
		m.wrote(true, now)
	}
	want := []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Error(diff)
	}
	if wait := m.holdBack(true, now.Add(2*time.Minute)); wait != time.Second {
		t.Errorf("after a quiet time the first count waits %s", wait)
	}
}

func TestAPodIsAvailableOnceItWasReadyForLongEnough(t *testing.T) {
	now := time.Unix(1000, 0)
	ready := func(status corev1.ConditionStatus, ago time.Duration) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(now.Add(-ago))},
		}}}
	}
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"ready for long":      {ready(corev1.ConditionTrue, time.Minute), true},
		"ready since just":    {ready(corev1.ConditionTrue, time.Second), false},
		"not ready":           {ready(corev1.ConditionFalse, time.Minute), false},
		"nothing known of it": {&corev1.Pod{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := isAvailable(test.pod, 10, now); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestTheMetricsOfARolloutVanishWithIt(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.loop.passes, w.loop.told = kube.NewPasses("rollout", "a Rollout"), countEvents()
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.loop.passes, w.loop.told, newCensus(w.server))
	w.settle()
	names := func() map[string]bool {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, f := range families {
			found[f.GetName()] = len(f.GetMetric()) > 0
		}
		return found
	}
	for _, name := range []string{"rollout_info", "rollout_phase", "rollout_info_replicas_desired", "rollout_info_replicas_available",
		"rollout_info_replicas_unavailable", "rollout_info_replicas_updated", "rollout_reconcile", "rollout_events_total"} {
		if !names()[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if err := w.server.Delete(w.ctx(), w.rollout()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pass(); err != nil {
		t.Fatal(err)
	}
	for name := range names() {
		if name != "rollout_reconcile" { // the pass that found the Rollout gone
			t.Errorf("%s is still there", name)
		}
	}
}

func TestTheInfoOfARolloutNamesStrategyRouterAndPhase(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.settle()
	metrics := make(chan prometheus.Metric, 100)
	newCensus(w.server).Collect(metrics)
	var m dto.Metric
	if err := (<-metrics).Write(&m); err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, l := range m.GetLabel() {
		labels = append(labels, l.GetName()+"="+l.GetValue())
	}
	if got := strings.Join(labels, ","); got != "name=web,namespace=shop,phase=Healthy,strategy=canary,traffic_router=gatewayAPI" {
		t.Error(got)
	}
}

func TestAServiceOrTemplateLeadsToTheRolloutsThatNameIt(t *testing.T) {
	r := canary()
	if diff := cmp.Diff([]string{"shop/web-stable", "shop/web-canary"}, servicesOf(r)); diff != "" {
		t.Error(diff)
	}
	if got := usesTemplates(r); got != nil {
		t.Errorf("no template is named, but %v", got)
	}
	r.Spec.Strategy.Canary.Steps = append(r.Spec.Strategy.Canary.Steps, v1alpha1.CanaryStep{Analysis: &v1alpha1.RolloutAnalysis{
		Templates: []v1alpha1.AnalysisTemplateRef{{TemplateName: "rate"}},
	}})
	if diff := cmp.Diff([]string{"shop", ""}, usesTemplates(r)); diff != "" {
		t.Error(diff)
	}
	for want, o := range map[string]client.Object{
		"shop": &v1alpha1.AnalysisTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "rate"}},
		"":     &v1alpha1.ClusterAnalysisTemplate{ObjectMeta: metav1.ObjectMeta{Name: "rate"}},
	} {
		if diff := cmp.Diff([]string{want}, anyTemplate(o)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAnEndedContextStopsTheWriting(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := w.loop.observe(ctx, webKey)
	if err != nil {
		t.Fatal(err)
	}
	plan := strategy.Decide(s.Observation)
	cancel()
	if err := w.loop.apply(ctx, s, &plan); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if len(w.Made) > 0 {
		t.Errorf("wrote %v", w.Made)
	}
}
