package rollout

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

// trying is a canary whose second step is an experiment with a share of the traffic.
func trying() *v1alpha1.Rollout {
	r := canary()
	r.Labels = map[string]string{"team": "blue"}
	r.Spec.Strategy.Canary.Steps = []v1alpha1.CanaryStep{{SetWeight: ptr.To[int32](10)}, {Experiment: &v1alpha1.RolloutExperimentStep{
		Duration: "1m", ScaleDownDelaySeconds: ptr.To[int32](5),
		Templates: []v1alpha1.RolloutExperimentTemplate{
			{Name: "old", SpecRef: v1alpha1.SpecRefStable, Weight: ptr.To[int32](5)},
			{Name: "new", SpecRef: v1alpha1.SpecRefCanary, Replicas: ptr.To[int32](2), Metadata: v1alpha1.PodTemplateMetadata{Labels: map[string]string{"tried": "yes"}}},
		},
		Analyses: []v1alpha1.RolloutExperimentAnalysis{{Name: "rate", TemplateName: "check", RequiredForCompletion: true, Args: []v1alpha1.AnalysisRunArgument{
			{Name: "hash", ValueFrom: &v1alpha1.ArgumentValueFrom{PodTemplateHashValue: ptr.To(v1alpha1.PodTemplateHashLatest)}},
			{Name: "team", ValueFrom: &v1alpha1.ArgumentValueFrom{FieldRef: &v1alpha1.FieldRef{FieldPath: "metadata.labels['team']"}}},
		}}},
	}}, {SetWeight: ptr.To[int32](50)}}
	return r
}

func checkOnce() *v1alpha1.AnalysisTemplate {
	t := &v1alpha1.AnalysisTemplate{Spec: v1alpha1.AnalysisTemplateSpec{
		Args:    []v1alpha1.Argument{{Name: "hash"}, {Name: "team"}},
		Metrics: []v1alpha1.Metric{{Name: "rate", Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check.example/"}}}},
	}}
	t.Namespace, t.Name = namespace, "check"
	return t
}

func (w *world) experiments() []v1alpha1.Experiment {
	w.t.Helper()
	var list v1alpha1.ExperimentList
	if err := w.server.List(w.ctx(), &list, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

// playExperiments plays the controller of Experiments: one that begins runs at once, and one that runs is over at the next look.
func (w *world) playExperiments(verdict v1alpha1.AnalysisPhase) {
	w.t.Helper()
	for _, e := range w.experiments() {
		switch {
		case e.Status.Phase.Completed():
			continue
		case e.Spec.Terminate:
			e.Status.Phase = v1alpha1.AnalysisPhaseSuccessful
		case e.Status.Phase == "":
			e.Status.Phase = v1alpha1.AnalysisPhaseRunning
			for i := range e.Spec.Templates {
				t := &e.Spec.Templates[i]
				e.Status.TemplateStatuses = append(e.Status.TemplateStatuses, v1alpha1.TemplateStatus{
					Name: t.Name, Status: v1alpha1.TemplateStatusRunning, AvailableReplicas: v1alpha1.TemplateReplicas(t),
					ServiceName: v1alpha1.ExperimentServiceName(&e, t), PodTemplateHash: "of-" + t.Name,
				})
			}
		case len(w.rollout().Status.Canary.Weights.Additional) == 0:
			continue
		default:
			e.Status.Phase = verdict
		}
		if err := w.server.Update(w.ctx(), &e); err != nil {
			w.t.Fatal(err)
		}
	}
}

// backends are the Services in the route, with their weights.
func (w *world) backends() map[string]int32 {
	w.t.Helper()
	route := &gatewayv1.HTTPRoute{}
	w.get(route, "web")
	weights := map[string]int32{}
	for _, b := range route.Spec.Rules[0].BackendRefs {
		weights[string(b.Name)] = *b.Weight
	}
	return weights
}

func TestAnExperimentIsMadeOfTheRevisionsThatItNames(t *testing.T) {
	w := newWorld(t, append(around(), trying(), checkOnce())...)
	w.release()
	all := w.experiments()
	r := w.rollout()
	if len(all) != 1 {
		t.Fatalf("there are %d Experiments", len(all))
	}
	e := all[0]
	if want := fmt.Sprintf("web-%s-2-1", r.Status.CurrentPodHash); e.Name != want || r.Status.Canary.CurrentExperiment != want {
		t.Errorf("it is called %s, and the status says %s", e.Name, r.Status.Canary.CurrentExperiment)
	}
	if diff := cmp.Diff(map[string]string{"team": "blue", v1alpha1.LabelPodTemplateHash: r.Status.CurrentPodHash}, e.Labels); diff != "" {
		t.Errorf("labels: %s", diff)
	}
	if diff := cmp.Diff(map[string]string{
		v1alpha1.AnnotationRevision: "2", v1alpha1.AnnotationExperimentWeights: `{"old":5}`, v1alpha1.AnnotationExperimentPortsOf: "web-canary",
	}, e.Annotations); diff != "" {
		t.Errorf("annotations: %s", diff)
	}
	var images []string
	for _, template := range e.Spec.Templates {
		var pod struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct{ Containers []map[string]any }
		}
		if err := json.Unmarshal(template.Template.Raw, &pod); err != nil {
			t.Fatal(err)
		}
		_, hashed := pod.Metadata.Labels[v1alpha1.LabelPodTemplateHash]
		images = append(images, fmt.Sprintf("%s: %v tried=%s future=%v hashed=%v service=%v", template.Name, pod.Spec.Containers[0]["image"],
			pod.Metadata.Labels["tried"], pod.Spec.Containers[0]["futureField"] != nil, hashed, template.Service != nil))
	}
	if diff := cmp.Diff([]string{"old: app:v1 tried= future=false hashed=false service=true", "new: app:v2 tried=yes future=false hashed=false service=false"}, images); diff != "" {
		t.Errorf("templates: %s", diff)
	}
	args := e.Spec.Analyses[0].Args
	if len(args) != 2 || *args[0].Value != r.Status.CurrentPodHash || *args[1].Value != "blue" {
		t.Errorf("the arguments are %+v", args)
	}
	if told := strings.Join(w.told(), "\n"); !strings.Contains(told, "Normal ExperimentCreated Created Experiment '"+e.Name+"'") {
		t.Errorf("nobody was told of it: %s", told)
	}
}

func TestAReleaseWithAnExperimentConvergesWhateverCallFailsAndWhereverTheControllerDies(t *testing.T) {
	begin := func() *world {
		w := newWorld(t, append(around(), trying(), checkOnce())...)
		w.before = func() { w.playExperiments(v1alpha1.AnalysisPhaseSuccessful) }
		return w
	}
	judge := func(w *world, what string) {
		t.Helper()
		if diff := cmp.Diff(released, w.outcome()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		if diff := cmp.Diff(map[string]int32{"web-stable": 100, "web-canary": 0}, w.backends()); diff != "" {
			t.Errorf("%s: the route holds %s", what, diff)
		}
		names := map[string]bool{}
		for _, e := range w.experiments() {
			names[e.Name] = true
			if _, marked := e.Annotations[v1alpha1.AnnotationExperimentWeights]; marked || e.Status.Phase != v1alpha1.AnalysisPhaseSuccessful {
				t.Errorf("%s: Experiment %s is %s and marked: %t", what, e.Name, e.Status.Phase, marked)
			}
		}
		if len(names) != 1 {
			t.Errorf("%s: there are the Experiments %v", what, names)
		}
	}
	w := begin()
	w.release()
	judge(w, "undisturbed")
	calls := len(w.Made)
	for i := range calls {
		w := begin()
		f := kubetest.Faults[i%len(kubetest.Faults)] // each in turn, because every one at every write takes minutes
		w.Broken, w.Fault = i, f
		w.release()
		judge(w, fmt.Sprintf("%s at write %d (%s)", f.Name, i, w.Made[i]))

		w = begin()
		done := false
		w.After = func() {
			if len(w.Made) == i+1 && !done {
				done = true
				panic(crashed{})
			}
		}
		until(w, w.settle)
		w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
		until(w, w.settle)
		judge(w, "after a crash behind "+w.Made[i])
	}
	t.Logf("%d faults injected", 2*calls)
}

func TestAnAbortTakesAnExperimentOutOfTheRouteBeforeItsPodsMayGo(t *testing.T) {
	w := newWorld(t, append(around(), trying(), checkOnce())...)
	w.before = func() {
		if len(w.experiments()) == 0 || w.experiments()[0].Status.Phase == "" {
			w.playExperiments("")
		}
	}
	w.release()
	if diff := cmp.Diff(map[string]int32{"web-stable": 85, "web-canary": 10, w.experiments()[0].Name + "-old": 5}, w.backends()); diff != "" {
		t.Fatalf("while it runs the route holds %s", diff)
	}
	weights := w.rollout().Status.Canary.Weights
	if weights.Stable.Weight != 85 || len(weights.Additional) != 1 || weights.Additional[0].PodTemplateHash != "of-old" {
		t.Errorf("the status says %+v", weights)
	}
	w.After = func() {
		if _, marked := w.experiments()[0].Annotations[v1alpha1.AnnotationExperimentWeights]; !marked && len(w.backends()) > 2 {
			t.Error("the Experiment may go while the route still names it")
		}
	}
	w.edit(func(r *v1alpha1.Rollout) { r.Status.Abort = true })
	status := w.rollout()
	status.Status.Abort = true
	if err := w.server.Status().Update(w.ctx(), status); err != nil {
		t.Fatal(err)
	}
	w.settle()
	e := w.experiments()[0]
	if _, marked := e.Annotations[v1alpha1.AnnotationExperimentWeights]; marked || !e.Spec.Terminate || len(w.backends()) != 2 {
		t.Errorf("after the abort the Experiment is marked: %t, ended: %t, and the route holds %v", marked, e.Spec.Terminate, w.backends())
	}
}

func TestAFailedExperimentAborts(t *testing.T) {
	w := newWorld(t, append(around(), trying(), checkOnce())...)
	w.before = func() { w.playExperiments(v1alpha1.AnalysisPhaseFailed) }
	w.release()
	if c := w.condition(v1alpha1.ConditionProgressing); c.Status != corev1.ConditionFalse || !strings.Contains(c.Message, "Experiment analysis phase is error/failed") {
		t.Errorf("condition %+v", c)
	}
	if !slices.ContainsFunc(w.told(), func(e string) bool { return strings.HasPrefix(e, "Warning RolloutAborted") }) {
		t.Error("nobody was told of the abort")
	}
}
