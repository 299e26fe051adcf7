package experiment_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/validation"
	"github.com/sluice-delivery/sluice/internal/golden"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/strategy/experiment"
)

// world is everything around one Experiment, and a teller of what happens in it.
type world struct {
	t        *testing.T
	now      time.Time
	e        *v1alpha1.Experiment
	sets     []experiment.Set
	services []experiment.Service
	runs     []v1alpha1.AnalysisRun
	library  analysis.Library
	// most caps how many pods of a template can become available.
	most map[string]int32
	text strings.Builder
	// wrote is called after each write.
	wrote func(before experiment.Observation, plan experiment.Plan)
}

const pods = `{metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}}`

func newWorld(t *testing.T, spec string) *world {
	t.Helper()
	e := &v1alpha1.Experiment{ObjectMeta: metav1.ObjectMeta{Name: "exp", Namespace: "shop", UID: "1", Generation: 1}}
	templates := `[{name: baseline, replicas: 2, selector: {matchLabels: {app: web}}, template: ` + pods + `}, {name: canary, selector: {matchLabels: {app: web}}, template: ` + pods + `}]`
	text := strings.NewReplacer("TEMPLATES", templates, "PODS", pods).Replace(spec)
	if err := yaml.UnmarshalStrict([]byte(text), &e.Spec); err != nil {
		t.Fatalf("reading the spec of the story: %v", err)
	}
	w := &world{t: t, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), e: e, most: map[string]int32{}}
	w.library = analysis.Library{Templates: map[string]v1alpha1.AnalysisTemplateSpec{"check": {
		Args:    []v1alpha1.Argument{{Name: "hash", Value: new(string)}},
		Metrics: []v1alpha1.Metric{{Name: "good", Interval: "10s", Count: nil, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check.example/"}}}},
	}, "once": {Metrics: []v1alpha1.Metric{{Name: "well", Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check.example/"}}}}}}}
	return w
}

func (w *world) observe() experiment.Observation {
	o := experiment.Observation{
		Now: w.now, Experiment: w.e.DeepCopy(), Sets: slices.Clone(w.sets), Services: slices.Clone(w.services), Library: w.library,
	}
	if errs := validation.Experiment(w.e); len(errs) > 0 {
		o.Invalid = validation.ExperimentMessage(w.e.Name, errs)
	}
	for i := range w.runs {
		o.Runs = append(o.Runs, *w.runs[i].DeepCopy())
	}
	return o
}

// writes lists the writes of a plan; the status comes last.
func (w *world) writes(plan experiment.Plan) (all []func()) {
	for _, i := range plan.Sets {
		all = append(all, func() { w.scale(i) })
	}
	for _, i := range plan.Serve {
		all = append(all, func() {
			w.say(i.Why)
			w.services = append(w.services, experiment.Service{Name: i.Name, Ours: true, Hash: i.Hash})
		})
	}
	for _, i := range plan.Start {
		all = append(all, func() { w.start(i) })
	}
	for _, name := range plan.Stop {
		all = append(all, func() {
			w.line("Terminated: " + name)
			w.run(name).Spec.Terminate = true
		})
	}
	for _, name := range plan.Close {
		all = append(all, func() {
			w.line("Deleted: Service " + name)
			w.services = slices.DeleteFunc(w.services, func(s experiment.Service) bool { return s.Name == name })
		})
	}
	return append(all, func() {
		for _, n := range plan.Notes {
			w.say(n)
		}
		w.e.Status = *plan.Status.DeepCopy()
	})
}

func (w *world) scale(i experiment.SetIntent) {
	if i.Why != nil {
		w.say(*i.Why)
	}
	at := slices.IndexFunc(w.sets, func(s experiment.Set) bool { return s.Name == i.Name })
	if at < 0 {
		w.sets = append(w.sets, experiment.Set{Template: i.Template, Name: i.Name, Hash: i.Hash})
		at = len(w.sets) - 1
	}
	s := &w.sets[at]
	if i.Replicas != nil {
		s.Spec, s.Replicas = *i.Replicas, *i.Replicas
		s.Available, s.Ready = min(s.Available, s.Spec), min(s.Ready, s.Spec)
	}
	if i.Deadline != nil {
		s.Deadline = nil
		if at, err := time.Parse(time.RFC3339, *i.Deadline); err == nil {
			s.Deadline = &at
		}
	}
}

func (w *world) start(i experiment.RunIntent) {
	if w.run(i.Run.Name) != nil {
		return
	}
	w.say(i.Why)
	run := i.Run.DeepCopy()
	run.CreationTimestamp = metav1.NewTime(w.now.Truncate(time.Second))
	w.runs = append(w.runs, *run)
}

func (w *world) run(name string) *v1alpha1.AnalysisRun {
	for i := range w.runs {
		if w.runs[i].Name == name {
			return &w.runs[i]
		}
	}
	return nil
}

// pass observes, decides and writes once; it reports whether anything was written.
func (w *world) pass() bool {
	before := w.e.Status.DeepCopy()
	seen := w.observe()
	plan := experiment.Decide(seen)
	for _, write := range w.writes(plan) {
		write()
		if w.wrote != nil {
			w.wrote(seen, plan)
		}
	}
	return !plan.Empty() || !equality.Semantic.DeepEqual(*before, w.e.Status)
}

// rest lets pods become available until the experiment waits for something else.
func (w *world) rest() {
	for range 50 {
		moved := w.pass()
		for i := range w.sets {
			s := &w.sets[i]
			can := s.Spec
			if most, capped := w.most[s.Template]; capped {
				can = min(can, most)
			}
			moved = moved || s.Available != can
			s.Ready, s.Available = can, can
		}
		if !moved {
			w.state()
			return
		}
	}
	w.t.Fatalf("it does not come to rest:\n%s", w.text.String())
}

func (w *world) tell(format string, args ...any) { fmt.Fprintf(&w.text, "> "+format+"\n", args...) }

func (w *world) line(text string) { fmt.Fprintf(&w.text, "   %s\n", text) }

func (w *world) say(n strategy.Note) { w.line(n.Reason + ": " + n.Message) }

// state adds one line on where the experiment stands.
func (w *world) state() {
	var sets []string
	for _, s := range w.sets {
		text := fmt.Sprintf("%s %d/%d", s.Template, s.Available, s.Spec)
		if s.Deadline != nil {
			text += " until " + s.Deadline.Format("15:04:05")
		}
		sets = append(sets, text)
	}
	fmt.Fprintf(&w.text, "   = %s pods: %s; Services: %d; %s\n", w.e.Status.Phase, strings.Join(sets, ", "), len(w.services), w.e.Status.Message)
}

func (w *world) wait(d time.Duration) {
	w.tell("%s pass", d)
	w.now = w.now.Add(d)
	w.rest()
}

func (w *world) edit(what string, change func(*v1alpha1.Experiment)) {
	w.tell("%s", what)
	change(w.e)
	w.rest()
}

// measures lets the runs that go on find something, good or not.
func (w *world) measures(good int32) {
	w.tell("each analysis measures something, good: %d", good)
	for i := range w.runs {
		if run := &w.runs[i]; !run.Status.Phase.Completed() {
			run.Status.Phase = v1alpha1.AnalysisPhaseRunning
			run.Status.MetricResults = []v1alpha1.MetricResult{{Name: run.Spec.Metrics[0].Name, Count: 1, Successful: good}}
		}
	}
	w.rest()
}

// says gives one run its verdict.
func (w *world) says(name string, phase v1alpha1.AnalysisPhase, message string) {
	w.tell("%s says %s", name, phase)
	run := w.run(name)
	if run == nil {
		w.t.Fatalf("there is no run %s:\n%s", name, w.text.String())
	}
	run.Status.Phase, run.Status.Message = phase, message
	w.rest()
}

// ends lets the runs end that were told to.
func (w *world) ends() {
	for i := range w.runs {
		if run := &w.runs[i]; run.Spec.Terminate && !run.Status.Phase.Completed() {
			run.Status.Phase, run.Status.Message = v1alpha1.AnalysisPhaseSuccessful, "Run Terminated"
		}
	}
}

// TestStories tells each story and compares it with the golden one; go test -update writes them anew.
func TestStories(t *testing.T) {
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.spec)
			w.tell("an Experiment is made")
			w.rest()
			c.tell(w)
			got := "# " + c.why + "\n" + w.text.String()
			file := filepath.Join("testdata", strings.NewReplacer(" ", "-", ",", "").Replace(c.name)+".txt")
			golden.Compare(t, file, got)
		})
	}
}
