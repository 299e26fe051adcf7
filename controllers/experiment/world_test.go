package experiment

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

const namespace = "shop"

var key = types.NamespacedName{Namespace: namespace, Name: "exp"}

// world is an API server in memory, pods that become available as soon as they are asked for, analyses that find something good, and a controller.
type world struct {
	t      *testing.T
	server client.WithWatch
	loop   *Controller
	at     time.Time
	events *record.FakeRecorder

	// Calls are the writes of the controller.
	kubetest.Calls
	// verdict ends every run that is not over; without one they go on and find something good.
	verdict v1alpha1.AnalysisPhase
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(appsv1.SchemeGroupVersion, &appsv1.ReplicaSet{}, &appsv1.ReplicaSetList{})
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Service{}, &corev1.ServiceList{})
	for _, version := range []schema.GroupVersion{appsv1.SchemeGroupVersion, corev1.SchemeGroupVersion} {
		metav1.AddToGroupVersion(scheme, version)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"Experiment", "AnalysisRun", "AnalysisTemplate"} {
		mapper.Add(v1alpha1.GroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	mapper.Add(v1alpha1.GroupVersion.WithKind("ClusterAnalysisTemplate"), meta.RESTScopeRoot)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Service"), meta.RESTScopeNamespace)
	w := &world{t: t, at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.server = fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(objects...).
		WithStatusSubresource(&appsv1.ReplicaSet{}).
		WithIndex(&appsv1.ReplicaSet{}, kube.OwnerField, kube.Owner).
		WithIndex(&v1alpha1.AnalysisRun{}, kube.OwnerField, kube.Owner).
		WithInterceptorFuncs(w.Writes()).Build()
	w.restart()
	return w
}

// restart puts a new controller in place of the old one, which forgets everything.
func (w *world) restart() {
	w.events = record.NewFakeRecorder(1000)
	w.loop = &Controller{Client: kube.NewRecent(w.server), Live: w.server, Events: w.events, Clock: func() time.Time { return w.at }}
}

func (w *world) ctx() context.Context { return kubetest.Outside(w.t.Context()) }

func (w *world) pass() (ctrl.Result, error) {
	w.t.Helper()
	return w.loop.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key})
}

// settle lets the controller, the pods and the analyses work, and time pass where somebody waits for it, until nothing changes any more.
func (w *world) settle() {
	w.t.Helper()
	w.Settle(w.t, &w.at, kubetest.Rest{Passes: 3, Longest: 5 * time.Minute}, w.pass, func() bool {
		moved := w.playPods()
		w.playRuns()
		return moved
	})
}

// playPods plays the ReplicaSet controller and the kubelets; it reports whether anything changed.
func (w *world) playPods() bool {
	w.t.Helper()
	return kubetest.Run(w.ctx(), w.t, w.server, w.sets())
}

// playRuns plays the controller of AnalysisRuns.
func (w *world) playRuns() {
	w.t.Helper()
	for _, run := range w.runs() {
		phase := w.verdict
		switch {
		case run.Status.Phase.Completed():
			continue
		case run.Spec.Terminate:
			phase = v1alpha1.AnalysisPhaseSuccessful
		case phase == "":
			phase = v1alpha1.AnalysisPhaseRunning
		}
		if run.Status.Phase == phase {
			continue
		}
		run.Status.Phase = phase
		run.Status.MetricResults = []v1alpha1.MetricResult{{Name: run.Spec.Metrics[0].Name, Count: 1, Successful: 1}}
		if err := w.server.Update(w.ctx(), &run); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) sets() []appsv1.ReplicaSet {
	w.t.Helper()
	var list appsv1.ReplicaSetList
	w.list(&list)
	return list.Items
}

func (w *world) runs() []v1alpha1.AnalysisRun {
	w.t.Helper()
	var list v1alpha1.AnalysisRunList
	w.list(&list)
	return list.Items
}

func (w *world) services() []corev1.Service {
	w.t.Helper()
	var list corev1.ServiceList
	w.list(&list)
	return list.Items
}

func (w *world) list(list client.ObjectList) {
	w.t.Helper()
	if err := w.server.List(w.ctx(), list, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) experiment() *v1alpha1.Experiment {
	w.t.Helper()
	e := &v1alpha1.Experiment{}
	if err := w.server.Get(w.ctx(), key, e); err != nil {
		w.t.Fatal(err)
	}
	return e
}

// edit changes the Experiment as a user does.
func (w *world) edit(change func(*v1alpha1.Experiment)) {
	w.t.Helper()
	e := w.experiment()
	change(e)
	if err := w.server.Update(w.ctx(), e); err != nil {
		w.t.Fatal(err)
	}
}

// told lists the events so far.
func (w *world) told() []string { return kubetest.Told(w.events) }

func pods(image string) runtime.RawExtension {
	return runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"app":"web","rollouts-pod-template-hash":"of-a-rollout"}},"spec":{"containers":[{"name":"web","image":"` + image +
		`","futureField":{"a":1},"ports":[{"containerPort":8080},{"name":"admin","containerPort":9090}]}]}}`)}
}

// timed is an Experiment with two groups of pods, one of them behind a Service, that an analysis watches for a minute.
func timed() *v1alpha1.Experiment {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	return &v1alpha1.Experiment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "exp", UID: "exp-uid", Labels: map[string]string{v1alpha1.LabelInstanceID: "one"}},
		Spec: v1alpha1.ExperimentSpec{
			Duration: "1m",
			Templates: []v1alpha1.TemplateSpec{
				{Name: "baseline", Replicas: ptr.To[int32](2), Selector: selector, Template: pods("app:v1"), MinReadySeconds: 5},
				{Name: "canary", Selector: selector, Template: pods("app:v2"), Service: &v1alpha1.TemplateService{}},
			},
			Analyses: []v1alpha1.ExperimentAnalysisTemplateRef{{
				Name: "rate", TemplateName: "check", Args: []v1alpha1.Argument{{Name: "hash", Value: ptr.To("{{templates.canary.podTemplateHash}}")}},
			}},
		},
	}
}

func check() *v1alpha1.AnalysisTemplate {
	return &v1alpha1.AnalysisTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "check"},
		Spec: v1alpha1.AnalysisTemplateSpec{
			Args: []v1alpha1.Argument{{Name: "hash"}},
			Metrics: []v1alpha1.Metric{{
				Name: "rate", Interval: "10s", SuccessCondition: "result > 0.9",
				Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check.example/{{args.hash}}"}},
			}},
		},
	}
}
