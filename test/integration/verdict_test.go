package integration

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// judge is a web server whose answer is a success rate; it remembers when it first gave a bad one.
type judge struct {
	*httptest.Server
	bad     atomic.Bool
	firstAt atomic.Pointer[time.Time]
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	j := &judge{}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !j.bad.Load() {
			fmt.Fprint(w, `{"rate":0.99}`)
			return
		}
		now := time.Now()
		j.firstAt.CompareAndSwap(nil, &now)
		fmt.Fprint(w, `{"rate":0.5}`)
	}))
	t.Cleanup(j.Close)
	return j
}

// judged makes a Rollout that a web server judges in the background of its steps.
func judged(namespace string, j *judge) (*v1alpha1.Rollout, []client.Object) {
	r, around := routed(namespace, 4, append(weights(50), hold)...)
	r.Spec.Strategy.Canary.Analysis = &v1alpha1.RolloutAnalysisBackground{RolloutAnalysis: v1alpha1.RolloutAnalysis{
		Templates: []v1alpha1.AnalysisTemplateRef{{TemplateName: "rate"}},
	}}
	return r, append(around, &v1alpha1.AnalysisTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "rate"},
		Spec: v1alpha1.AnalysisTemplateSpec{Metrics: []v1alpha1.Metric{{
			Name: "rate", Interval: "1s", SuccessCondition: "result >= 0.95", FailureLimit: ptr.To(intstr.FromInt32(0)),
			Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: j.URL, JSONPath: "{$.rate}"}},
		}}},
	})
}

func TestABadVerdictTakesAllTrafficFromTheCanary(t *testing.T) {
	t.Parallel()
	j := newJudge(t)
	namespace := newNamespace(t)
	r, around := judged(namespace, j)
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses at 50 % and is judged", func(r *v1alpha1.Rollout) bool {
		run := r.Status.Canary.CurrentBackgroundAnalysisRunStatus
		return paused(r) && run != nil && run.Status == v1alpha1.AnalysisPhaseRunning
	})
	routes := watchRoutes(t, namespace)
	j.bad.Store(true)
	took := routes.until(t, 0).Sub(*j.firstAt.Load())
	t.Logf("from the first bad sample to weight 0: %s", took)
	if took > promptly {
		t.Errorf("it took %s", took)
	}
	await(t, r, "it says that it was aborted", func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.RolloutPhaseDegraded && r.Status.Abort
	})
}

func TestAGoodVerdictLetsAReleaseComplete(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := judged(namespace, newJudge(t))
	r.Spec.Strategy.Canary.Steps = weights(50)
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "version 2 is healthy", healthy)
	run := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-" + r.Status.CurrentPodHash + "-2"}}
	await(t, run, "its analysis has ended well", func(a *v1alpha1.AnalysisRun) bool { return a.Status.Phase == v1alpha1.AnalysisPhaseSuccessful })
}

func TestAnAbortTakesAllTrafficFromTheCanary(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 4, append(weights(50), hold)...)
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses at 50 %", paused)
	routes := watchRoutes(t, namespace)
	start := time.Now()
	command(t, r, `{"status":{"abort":true}}`)
	took := routes.until(t, 0).Sub(start)
	t.Logf("from the abort to weight 0: %s", took)
	if took > promptly {
		t.Errorf("it took %s", took)
	}
	await(t, r, "a retry releases it", func(r *v1alpha1.Rollout) bool { return r.Status.AbortedAt != nil })
	command(t, r, `{"status":{"abort":false}}`)
	await(t, r, "it pauses at 50 % again", func(r *v1alpha1.Rollout) bool { return r.Status.AbortedAt == nil && paused(r) })
	command(t, r, `{"status":{"pauseConditions":null}}`)
	await(t, r, "version 2 is healthy", healthy)
}

// routeWatch sees each state of the routes of a namespace as the API server sends it.
type routeWatch struct{ events <-chan *gatewayv1.HTTPRoute }

func watchRoutes(t *testing.T, namespace string) routeWatch {
	t.Helper()
	w, err := suite.admin.Watch(t.Context(), &gatewayv1.HTTPRouteList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	events := make(chan *gatewayv1.HTTPRoute, 100)
	go func() {
		for e := range w.ResultChan() {
			if route, ok := e.Object.(*gatewayv1.HTTPRoute); ok {
				events <- route
			}
		}
	}()
	return routeWatch{events}
}

// until gives the moment at which the canary's weight was seen.
func (w routeWatch) until(t *testing.T, weight int32) time.Time {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case route := <-w.events:
			if weightOf(route) == weight {
				return time.Now()
			}
		case <-deadline:
			t.Fatalf("the canary never had weight %d", weight)
		}
	}
}
