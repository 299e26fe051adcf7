package analysisrun

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

const namespace = "shop"

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is an API server in memory, a provider that answers as it is told, and a controller.
type world struct {
	t      *testing.T
	server client.WithWatch
	loop   *Controller
	at     time.Time
	events *record.FakeRecorder
	log    bytes.Buffer
	// source is the provider of every metric.
	source *source
	// Calls are the writes of the controller.
	kubetest.Calls
}

// source answers metrics by their names.
type source struct {
	mu      sync.Mutex
	answers map[string]func(context.Context, v1alpha1.Metric, *v1alpha1.Measurement) (analysis.Reading, error)
	asked   []string
	stop    func() error
	stopped []string
}

func (s *source) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, previous *v1alpha1.Measurement) (analysis.Reading, error) {
	s.mu.Lock()
	s.asked = append(s.asked, m.Name)
	answer := s.answers[m.Name]
	s.mu.Unlock()
	if answer == nil {
		return analysis.Reading{Result: 1.0, Value: "1"}, nil
	}
	return answer(ctx, m, previous)
}

func (s *source) Stop(_ context.Context, _ *v1alpha1.AnalysisRun, previous *v1alpha1.Measurement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = append(s.stopped, previous.Metadata["name"])
	if s.stop == nil {
		return nil
	}
	return s.stop()
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Secret{})
	w := &world{
		t: t, at: start, events: record.NewFakeRecorder(100),
		source: &source{answers: map[string]func(context.Context, v1alpha1.Metric, *v1alpha1.Measurement) (analysis.Reading, error){}},
	}
	w.server = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(w.Writes()).Build()
	w.loop = &Controller{
		Client: w.server, Live: w.server, Events: w.events, Clock: func() time.Time { return w.at },
		Providers: func(v1alpha1.MetricProvider) analysis.Provider { return w.source },
	}
	return w
}

// pass makes one pass over the run.
func (w *world) pass() (ctrl.Result, error) {
	w.t.Helper()
	ctx := logr.NewContext(w.t.Context(), logr.FromSlogHandler(slog.NewJSONHandler(&w.log, nil)))
	return w.loop.Reconcile(ctx, request)
}

// mustPass makes a pass that is to end without an error.
func (w *world) mustPass() ctrl.Result {
	w.t.Helper()
	next, err := w.pass()
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

func (w *world) run() *v1alpha1.AnalysisRun {
	w.t.Helper()
	run := &v1alpha1.AnalysisRun{}
	if err := w.server.Get(w.t.Context(), runKey, run); err != nil {
		w.t.Fatal(err)
	}
	return run
}

// edit changes the run as a user would.
func (w *world) edit(change func(*v1alpha1.AnalysisRun)) {
	w.t.Helper()
	run := w.run()
	change(run)
	if err := w.server.Update(kubetest.Outside(w.t.Context()), run); err != nil {
		w.t.Fatal(err)
	}
}

// told gives the events so far.
func (w *world) told() []string { return kubetest.Told(w.events) }

func (w *world) answer(metric string, r analysis.Reading) {
	w.source.answers[metric] = func(context.Context, v1alpha1.Metric, *v1alpha1.Measurement) (analysis.Reading, error) { return r, nil }
}

var (
	runKey  = types.NamespacedName{Namespace: namespace, Name: "web-6d4-2"}
	request = ctrl.Request{NamespacedName: runKey}
)

func dump(t *testing.T, run *v1alpha1.AnalysisRun) string {
	t.Helper()
	data, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// newRun makes a run of metrics that are good above 0.9 and measured once.
func newRun(metrics ...string) *v1alpha1.AnalysisRun {
	run := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{
		Namespace: runKey.Namespace, Name: runKey.Name, UID: "u", CreationTimestamp: metav1.Time{Time: start},
	}}
	for _, name := range metrics {
		run.Spec.Metrics = append(run.Spec.Metrics, v1alpha1.Metric{
			Name: name, SuccessCondition: "result > 0.9", Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://metrics.example/{{args.path}}"}},
		})
	}
	path := "ratio"
	run.Spec.Args = []v1alpha1.Argument{{Name: "path", Value: &path}}
	return run
}

// every makes a metric of the run repeat.
func every(run *v1alpha1.AnalysisRun, interval v1alpha1.DurationString, count int) *v1alpha1.AnalysisRun {
	for i := range run.Spec.Metrics {
		run.Spec.Metrics[i].Interval = interval
		if count > 0 {
			n := intstr.FromInt32(int32(count))
			run.Spec.Metrics[i].Count = &n
		}
	}
	return run
}

// secret makes the Secret keys.
func secret(inNamespace string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: inNamespace, Name: "keys"}, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return s
}

func secretArgument(name, secret, key string) v1alpha1.Argument {
	return v1alpha1.Argument{Name: name, ValueFrom: &v1alpha1.ValueFrom{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: secret, Key: key}}}
}

func (w *world) phase() string {
	status := w.run().Status
	text := string(status.Phase)
	for _, r := range status.MetricResults {
		text += fmt.Sprintf(" %s:%s", r.Name, r.Phase)
	}
	return text
}
