package experiment

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

// outcome is what must be the same however an experiment went.
type outcome struct {
	Phase    v1alpha1.AnalysisPhase
	Pods     map[string]int32 // by template
	Services int
	Runs     map[string]v1alpha1.AnalysisPhase
	States   map[string]string
}

func (w *world) outcome() outcome {
	w.t.Helper()
	e := w.experiment()
	o := outcome{Phase: e.Status.Phase, Pods: map[string]int32{}, Services: len(w.services()), Runs: map[string]v1alpha1.AnalysisPhase{}, States: map[string]string{}}
	for _, set := range w.sets() {
		o.Pods[set.Annotations[v1alpha1.AnnotationExperimentTemplateName]] += *set.Spec.Replicas
		if deadline := set.Annotations[v1alpha1.AnnotationScaleDownDeadline]; deadline != "" {
			w.t.Errorf("ReplicaSet %s still has the deadline %s", set.Name, deadline)
		}
	}
	for _, run := range w.runs() {
		o.Runs[run.Name] = run.Status.Phase
	}
	for _, t := range e.Status.TemplateStatuses {
		o.States[t.Name] = t.Status
	}
	return o
}

var succeeded = outcome{
	Phase: v1alpha1.AnalysisPhaseSuccessful, Pods: map[string]int32{"baseline": 0, "canary": 0},
	Runs:   map[string]v1alpha1.AnalysisPhase{"exp-rate": v1alpha1.AnalysisPhaseSuccessful},
	States: map[string]string{"baseline": "Successful", "canary": "Successful"},
}

func TestAnExperimentEndsWithNothingLeft(t *testing.T) {
	w := newWorld(t, timed(), check())
	w.settle()
	if diff := cmp.Diff(succeeded, w.outcome()); diff != "" {
		t.Error(diff)
	}
	before := len(w.Made)
	w.restart()
	w.settle()
	if more := w.Made[before:]; len(more) > 0 {
		t.Errorf("after the end it wrote %v", more)
	}
}

func TestWhatAnExperimentMakes(t *testing.T) {
	w := newWorld(t, timed(), check())
	for range 4 {
		if _, err := w.pass(); err != nil {
			t.Fatal(err)
		}
		w.playPods()
	}
	owner := []metav1.OwnerReference{*metav1.NewControllerRef(w.experiment(), v1alpha1.ExperimentKind)}
	sets := w.sets()
	if len(sets) != 2 || sets[0].Name != "exp-baseline" || *sets[0].Spec.Replicas != 2 || sets[0].Spec.MinReadySeconds != 5 {
		t.Fatalf("the ReplicaSets are %+v", sets)
	}
	canary := sets[1]
	hash := canary.Labels[v1alpha1.LabelPodTemplateHash]
	if hash == "" || hash == "of-a-rollout" || hash == sets[0].Labels[v1alpha1.LabelPodTemplateHash] {
		t.Errorf("the pods have the hash %q, by which they cannot be told from others", hash)
	}
	if diff := cmp.Diff(map[string]string{"app": "web", v1alpha1.LabelPodTemplateHash: hash}, canary.Spec.Template.Labels); diff != "" {
		t.Errorf("labels of the pods: %s", diff)
	}
	if diff := cmp.Diff(owner, canary.OwnerReferences); diff != "" {
		t.Error(diff)
	}
	services := w.services()
	want := corev1.ServiceSpec{
		Selector: map[string]string{"app": "web", v1alpha1.LabelPodTemplateHash: hash},
		Ports:    []corev1.ServicePort{{Name: "port-0", Port: 8080, TargetPort: intstr.FromInt32(8080)}, {Name: "admin", Port: 9090, TargetPort: intstr.FromInt32(9090)}},
	}
	if len(services) != 1 || services[0].Name != "exp-canary" || !cmp.Equal(services[0].OwnerReferences, owner) {
		t.Fatalf("the Services are %+v", services)
	}
	if diff := cmp.Diff(want, services[0].Spec); diff != "" {
		t.Errorf("the Service: %s", diff)
	}
	runs := w.runs()
	if len(runs) != 1 || runs[0].Name != "exp-rate" || *runs[0].Spec.Args[0].Value != hash || runs[0].Labels[v1alpha1.LabelInstanceID] != "one" {
		t.Errorf("the runs are %+v", runs)
	}
	e := w.experiment()
	if e.Status.AvailableAt == nil || e.Status.TemplateStatuses[1].ServiceName != "exp-canary" || e.Status.TemplateStatuses[1].PodTemplateHash != hash {
		t.Errorf("the status is %+v", e.Status)
	}
}

func TestTheServiceOfAnExperimentInTheRoutesHasThePortsOfTheCanarys(t *testing.T) {
	e := timed()
	e.Annotations = map[string]string{v1alpha1.AnnotationExperimentPortsOf: "web-canary"}
	like := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-canary"},
		Spec:       corev1.ServiceSpec{ClusterIP: "10.0.0.1", Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("web"), NodePort: 30000}}},
	}
	w := newWorld(t, e, check())
	for range 2 {
		w.pass() //nolint:errcheck // it is to fail, because the Service is missing
	}
	if text := w.experiment().Status.TemplateStatuses[1].Message; text != `Service exp-canary could not be made yet: reading the ports of Service web-canary: services "web-canary" not found` {
		t.Errorf("the status says %q", text)
	}
	if err := w.server.Create(w.ctx(), like); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pass(); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.services() {
		if s.Name == "exp-canary" {
			if diff := cmp.Diff([]corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("web")}}, s.Spec.Ports); diff != "" {
				t.Error(diff)
			}
			return
		}
	}
	t.Error("there is no Service")
}

func TestAnExperimentConvergesWhateverCallFails(t *testing.T) {
	w := newWorld(t, timed(), check())
	w.settle()
	calls := len(w.Made)
	for _, f := range kubetest.Faults {
		t.Run(f.Name, func(t *testing.T) {
			for i := range calls {
				w := newWorld(t, timed(), check())
				w.Broken, w.Fault = i, f
				w.settle()
				if diff := cmp.Diff(succeeded, w.outcome()); diff != "" {
					t.Errorf("call %d (%s): %s", i, w.Made[i], diff)
				}
			}
		})
	}
	t.Logf("%d faults injected", calls*len(kubetest.Faults))
}

func TestAnExperimentConvergesWhereverTheControllerDies(t *testing.T) {
	w := newWorld(t, timed(), check())
	w.settle()
	calls := len(w.Made)
	for i := range calls {
		w := newWorld(t, timed(), check())
		made := 0
		w.After = func() {
			if made++; made == i+1 {
				w.restart()
				panic(errKilled)
			}
		}
		func() {
			defer func() {
				if p := recover(); p != nil && p != errKilled { //nolint:errorlint // a panic is no error
					panic(p)
				}
			}()
			w.settle()
		}()
		w.After = nil
		w.settle()
		if diff := cmp.Diff(succeeded, w.outcome()); diff != "" {
			t.Errorf("killed after write %d: %s", i, diff)
		}
	}
	t.Logf("killed after each of %d writes", calls)
}

var errKilled = errors.New("killed")

func TestABadVerdictIsToldAndEndsTheExperiment(t *testing.T) {
	w := newWorld(t, timed(), check())
	w.verdict = v1alpha1.AnalysisPhaseFailed
	w.settle()
	o := w.outcome()
	if o.Phase != v1alpha1.AnalysisPhaseFailed || o.Pods["baseline"]+o.Pods["canary"] != 0 || o.Services != 0 {
		t.Errorf("the outcome is %+v", o)
	}
	told := strings.Join(w.told(), "\n")
	for _, want := range []string{
		"Normal NewReplicaSetCreated Created ReplicaSet exp-baseline", "Normal TemplateRunning", "Normal ExperimentRunning", "Warning AnalysisRunFailed",
		"Warning ExperimentFailed Experiment transitioned from Running -> Failed: AnalysisRun exp-rate is Failed", "Normal ScalingReplicaSet Scaled down ReplicaSet exp-canary from 1 to 0",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("nobody was told %q; told was\n%s", want, told)
		}
	}
}

func TestPodsThatTheServerRefusesForGoodEndTheExperiment(t *testing.T) {
	w := newWorld(t, timed(), check())
	w.server = interceptor.NewClient(w.server, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if o.GetName() == "exp-canary" {
				return apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}, "exp-canary", nil)
			}
			return c.Create(ctx, o, opts...)
		},
	})
	w.restart()
	w.settle()
	e := w.experiment()
	if e.Status.Phase != v1alpha1.AnalysisPhaseError || !strings.Contains(e.Status.Message, "ReplicaSet exp-canary cannot be made") {
		t.Errorf("the status is %+v", e.Status)
	}
	if diff := cmp.Diff(map[string]int32{"baseline": 0}, w.outcome().Pods); diff != "" {
		t.Error(diff)
	}
}

func TestWhatBelongsToOthersIsLeftAlone(t *testing.T) {
	foreign := []client.Object{
		&appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "exp-baseline", UID: types.UID("a")}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "exp-canary", UID: types.UID("b")}},
	}
	w := newWorld(t, append(foreign, timed(), check())...)
	for range 5 {
		w.pass() //nolint:errcheck // it is to fail
		w.playPods()
	}
	for _, write := range w.Made {
		if slices.Contains([]string{"patch ReplicaSet exp-baseline", "patch Service exp-canary", "delete Service exp-canary"}, write) {
			t.Errorf("it wrote %s", write)
		}
	}
	for _, want := range []string{"ReplicaSet exp-baseline exists and does not belong", "Service exp-canary exists and does not belong"} {
		if !slices.ContainsFunc(w.experiment().Status.TemplateStatuses, func(s v1alpha1.TemplateStatus) bool { return strings.Contains(s.Message, want) }) {
			t.Errorf("the status does not say %q: %+v", want, w.experiment().Status.TemplateStatuses)
		}
	}
}

func TestARetryBeginsAnew(t *testing.T) {
	w := newWorld(t, timed(), check())
	w.verdict = v1alpha1.AnalysisPhaseFailed
	w.settle()
	w.verdict = ""
	w.edit(func(e *v1alpha1.Experiment) { e.Status = v1alpha1.ExperimentStatus{} })
	w.settle()
	want := succeeded
	want.Runs = map[string]v1alpha1.AnalysisPhase{"exp-rate": v1alpha1.AnalysisPhaseFailed, "exp-rate.1": v1alpha1.AnalysisPhaseSuccessful}
	if diff := cmp.Diff(want, w.outcome()); diff != "" {
		t.Error(diff)
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t, timed(), check())
	w.settle()
	want := `
# HELP experiment_info Always 1; the labels describe an Experiment.
# TYPE experiment_info gauge
experiment_info{name="exp",namespace="shop",phase="Successful"} 1
`
	if err := testutil.CollectAndCompare(newCensus(w.server), strings.NewReader(want), "experiment_info"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(newCensus(w.server), "experiment_phase"); n != 6 {
		t.Errorf("there are %d series of phases", n)
	}
}
