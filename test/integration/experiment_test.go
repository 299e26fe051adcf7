package integration

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// promQL answers queries as Prometheus does: with a success rate for each hash that the query names.
type promQL struct {
	*httptest.Server
	rate    atomic.Value // a text
	queries atomic.Value // the last query
}

func newPromQL(t *testing.T) *promQL {
	t.Helper()
	p := &promQL{}
	p.rate.Store("0.99")
	p.queries.Store("")
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.URL.Path != "/api/v1/query" {
			http.NotFound(w, r)
			return
		}
		p.queries.Store(r.Form.Get("query"))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%d,"%s"]}]}}`, time.Now().Unix(), p.rate.Load())
	}))
	t.Cleanup(p.Close)
	return p
}

// template is an analysis that asks for the success rate of the pods with a hash, so many times; 0 goes on for ever.
func (p *promQL) template(namespace string, count int) *v1alpha1.AnalysisTemplate {
	m := v1alpha1.Metric{
		Name: "rate", Interval: "1s", SuccessCondition: "result[0] >= 0.95",
		Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusMetric{Address: p.URL, Query: `sum(rate(requests{hash="{{args.hash}}"}[1m]))`}},
	}
	if count > 0 {
		m.Count = ptr.To(intstr.FromInt32(int32(count)))
	}
	return &v1alpha1.AnalysisTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "rate"},
		Spec:       v1alpha1.AnalysisTemplateSpec{Args: []v1alpha1.Argument{{Name: "hash"}}, Metrics: []v1alpha1.Metric{m}},
	}
}

// sideBySide is an Experiment with two groups of pods, one of them behind a Service, for a few seconds.
func sideBySide(namespace string) *v1alpha1.Experiment {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	return &v1alpha1.Experiment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "side-by-side"},
		Spec: v1alpha1.ExperimentSpec{
			Duration: "3s", ScaleDownDelaySeconds: ptr.To[int32](1),
			Templates: []v1alpha1.TemplateSpec{
				{Name: "old", Replicas: ptr.To[int32](2), Selector: selector, Template: template("app:v1")},
				{Name: "new", Selector: selector, Template: template("app:v2"), Service: &v1alpha1.TemplateService{}},
			},
			Analyses: []v1alpha1.ExperimentAnalysisTemplateRef{{
				Name: "rate", TemplateName: "rate", Args: []v1alpha1.Argument{{Name: "hash", Value: ptr.To("{{templates.new.podTemplateHash}}")}},
			}},
		},
	}
}

func TestAnExperimentRunsTwoGroupsOfPodsAndJudgesThem(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	p := newPromQL(t)
	e := sideBySide(namespace)
	create(t, p.template(namespace, 0), e)
	await(t, e, "it runs", func(e *v1alpha1.Experiment) bool { return e.Status.Phase == v1alpha1.AnalysisPhaseRunning })
	if n := len(podsOf(t, namespace)); n != 3 {
		t.Errorf("there are %d pods", n)
	}
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "side-by-side-new"}}
	if err := suite.admin.Get(t.Context(), client.ObjectKeyFromObject(s), s); err != nil || s.Spec.Ports[0].Port != 8080 {
		t.Errorf("the Service is %+v: %v", s.Spec, err)
	}
	await(t, e, "it has succeeded", func(e *v1alpha1.Experiment) bool { return e.Status.Phase == v1alpha1.AnalysisPhaseSuccessful })
	if ran := time.Since(e.Status.AvailableAt.Time); ran < 3*time.Second {
		t.Errorf("it ran for %s only", ran)
	}
	hash := ""
	for _, status := range e.Status.TemplateStatuses {
		if status.Name == "new" {
			hash = status.PodTemplateHash
		}
	}
	if query := p.queries.Load().(string); hash == "" || query != `sum(rate(requests{hash="`+hash+`"}[1m]))` {
		t.Errorf("the last query was %s, and the hash is %q", query, hash)
	}
	awaitNothingLeft(t, namespace)
	run := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "side-by-side-rate"}}
	await(t, run, "its analysis was ended", func(r *v1alpha1.AnalysisRun) bool {
		return r.Spec.Terminate && r.Status.Phase == v1alpha1.AnalysisPhaseSuccessful && r.Status.MetricResults[0].Successful > 0
	})
	if err := suite.admin.Delete(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func TestABadRateFailsAnExperiment(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	p := newPromQL(t)
	p.rate.Store("0.5")
	e := sideBySide(namespace)
	e.Spec.Duration = "1h"
	create(t, p.template(namespace, 0), e)
	await(t, e, "it has failed", func(e *v1alpha1.Experiment) bool { return e.Status.Phase == v1alpha1.AnalysisPhaseFailed })
	if !strings.Contains(e.Status.Message, `Metric "rate" assessed Failed`) {
		t.Errorf("it says %q", e.Status.Message)
	}
	awaitNothingLeft(t, namespace)
}

// awaitNothingLeft waits until every ReplicaSet of a namespace has no pods and no Service of an experiment is left.
func awaitNothingLeft(t *testing.T, namespace string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for ; ; time.Sleep(50 * time.Millisecond) {
		var sets appsv1.ReplicaSetList
		var services corev1.ServiceList
		for _, list := range []client.ObjectList{&sets, &services} {
			if err := suite.admin.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
				t.Fatal(err)
			}
		}
		left := len(services.Items)
		for _, set := range sets.Items {
			left += int(set.Status.Replicas + *set.Spec.Replicas)
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d Services and these ReplicaSets are left: %+v", len(services.Items), sets.Items)
		}
	}
}

func TestAReleaseTriesItsRevisionsBesideEachOtherAndLosesNoRequest(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	p := newPromQL(t)
	trial := v1alpha1.CanaryStep{Experiment: &v1alpha1.RolloutExperimentStep{
		Duration: "3s", ScaleDownDelaySeconds: ptr.To[int32](0),
		Templates: []v1alpha1.RolloutExperimentTemplate{
			{Name: "baseline", SpecRef: v1alpha1.SpecRefStable, Weight: ptr.To[int32](20)},
			{Name: "candidate", SpecRef: v1alpha1.SpecRefCanary, Weight: ptr.To[int32](20)},
		},
		Analyses: []v1alpha1.RolloutExperimentAnalysis{{Name: "rate", TemplateName: "rate", RequiredForCompletion: true, Args: []v1alpha1.AnalysisRunArgument{
			{Name: "hash", Value: "{{templates.candidate.podTemplateHash}}"},
		}}},
	}}
	r, around := routed(namespace, 4, append(append(weights(25), trial), weights(50)...)...)
	create(t, append(around, p.template(namespace, 2), r)...)
	await(t, r, "version 1 is healthy", healthy)
	underLoad(t, namespace)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "the routes hold the experiment", func(r *v1alpha1.Rollout) bool {
		w := r.Status.Canary.Weights
		return w != nil && len(w.Additional) == 2 && w.Canary.Weight == 25 && w.Stable.Weight == 35
	})
	e := &v1alpha1.Experiment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-" + r.Status.CurrentPodHash + "-2-1"}}
	await(t, e, "it has succeeded", func(e *v1alpha1.Experiment) bool { return e.Status.Phase == v1alpha1.AnalysisPhaseSuccessful })
	await(t, r, "version 2 is healthy", healthy)
	for _, name := range []string{"baseline", "candidate"} {
		count := suite.world.Gateway.Count(types.NamespacedName{Namespace: namespace, Name: e.Name + "-" + name})
		t.Logf("%s got %d requests, answered by %v", name, count.Requests, count.Versions)
		if count.Requests == 0 || count.Lost > 0 {
			t.Errorf("%s got %d requests and lost %d", name, count.Requests, count.Lost)
		}
	}
	route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}}
	await(t, route, "the route has its two backends again", func(route *gatewayv1.HTTPRoute) bool { return len(route.Spec.Rules[0].BackendRefs) == 2 })
	await(t, e, "nothing of it is left", func(e *v1alpha1.Experiment) bool {
		_, marked := e.Annotations[v1alpha1.AnnotationExperimentWeights]
		left := int32(0)
		for _, s := range e.Status.TemplateStatuses {
			left += s.Replicas
		}
		return !marked && left == 0
	})
}

func TestAFailedExperimentAbortsARelease(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	p := newPromQL(t)
	p.rate.Store("0.5")
	trial := v1alpha1.CanaryStep{Experiment: &v1alpha1.RolloutExperimentStep{
		Templates: []v1alpha1.RolloutExperimentTemplate{{Name: "candidate", SpecRef: v1alpha1.SpecRefCanary}},
		Analyses: []v1alpha1.RolloutExperimentAnalysis{{Name: "rate", TemplateName: "rate", RequiredForCompletion: true, Args: []v1alpha1.AnalysisRunArgument{
			{Name: "hash", ValueFrom: &v1alpha1.ArgumentValueFrom{PodTemplateHashValue: ptr.To(v1alpha1.PodTemplateHashLatest)}},
		}}},
	}}
	r := basic(namespace, "web", 2, trial)
	create(t, p.template(namespace, 2), r)
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it was aborted", func(r *v1alpha1.Rollout) bool {
		return r.Status.Abort && r.Status.Phase == v1alpha1.RolloutPhaseDegraded && strings.Contains(r.Status.Message, "Experiment analysis phase is error/failed")
	})
}
