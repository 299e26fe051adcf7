package experiment_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/repeat"
	"github.com/sluice-delivery/sluice/strategy/experiment"
)

// Unless flags or variables of rapid say otherwise, the model always walks the same paths.
const (
	modelChecks = "400"
	modelSteps  = "60"
	modelSeed   = "1"
)

func TestMain(m *testing.M) { os.Exit(repeat.Main(m, modelChecks, modelSteps, modelSeed)) }

// decision is a plan and what it was made from.
type decision struct {
	seen experiment.Observation
	plan experiment.Plan
}

func (d *decision) before() *v1alpha1.ExperimentStatus { return &d.seen.Experiment.Status }

func (d *decision) after() *v1alpha1.ExperimentStatus { return &d.plan.Status }

// predicates are what may never happen: each says what is broken, or nothing.
var predicates = []struct {
	name   string
	broken func(*decision) string
}{
	{"nothing is taken away before the end is written down", takesNothingEarly},
	{"what the routes may reach is kept", keepsWhatIsRouted},
	{"analyses begin when every pod was available", beginsWhenAvailable},
	{"an analysis starts once", startsOnce},
	{"it succeeds on good news only", succeedsOnGoodNews},
	{"timers are absolute", timersAreAbsolute},
	{"an end is final", endsAreFinal},
	{"sizes are those of the templates", sizesAreAsAsked},
}

func takesNothingEarly(d *decision) string {
	if d.before().Phase.Completed() {
		return ""
	}
	for _, i := range d.plan.Sets {
		if i.Deadline != nil && *i.Deadline != "" || i.Replicas != nil && *i.Replicas == 0 && i.From > 0 {
			return "ReplicaSet " + i.Name + " loses its pods while the experiment goes on"
		}
	}
	if len(d.plan.Close) > 0 {
		return "Service " + d.plan.Close[0] + " goes while the experiment goes on"
	}
	return ""
}

func keepsWhatIsRouted(d *decision) string {
	if _, held := d.seen.Experiment.Annotations[v1alpha1.AnnotationExperimentWeights]; !held {
		return ""
	}
	for _, i := range d.plan.Sets {
		if i.Replicas != nil && *i.Replicas < i.From {
			return "ReplicaSet " + i.Name + " shrinks and may be sent requests"
		}
	}
	if len(d.plan.Close) > 0 {
		return "Service " + d.plan.Close[0] + " goes and may be sent requests"
	}
	return ""
}

func beginsWhenAvailable(d *decision) string {
	if len(d.plan.Start) > 0 && d.before().AvailableAt == nil {
		return "AnalysisRun " + d.plan.Start[0].Run.Name + " starts before the status says that every pod was available"
	}
	return ""
}

func startsOnce(d *decision) string {
	for _, i := range d.plan.Start {
		for _, run := range d.seen.Runs {
			base := analysis.ExperimentRunName(d.seen.Experiment, "rate")
			same := strings.HasPrefix(run.Name, base) == strings.HasPrefix(i.Run.Name, base)
			if same && !run.Status.Phase.Completed() && !run.Spec.Terminate {
				return "AnalysisRun " + i.Run.Name + " starts beside " + run.Name + ", which is not over"
			}
		}
	}
	return ""
}

func succeedsOnGoodNews(d *decision) string {
	e := d.seen.Experiment
	if d.before().Phase == v1alpha1.AnalysisPhaseSuccessful || d.after().Phase != v1alpha1.AnalysisPhaseSuccessful {
		return ""
	}
	if length, _ := e.Spec.Duration.Duration(); !e.Spec.Terminate && length > 0 && d.seen.Now.Before(d.after().AvailableAt.Add(length)) {
		return "it succeeds before its time"
	}
	for _, a := range e.Spec.Analyses {
		if e.Spec.Terminate && !a.RequiredForCompletion {
			continue
		}
		i := slices.IndexFunc(d.after().AnalysisRuns, func(r v1alpha1.ExperimentAnalysisRunStatus) bool { return r.Name == a.Name })
		if i < 0 {
			return "it succeeds without a run of " + a.Name
		}
		status := d.after().AnalysisRuns[i]
		at := slices.IndexFunc(d.seen.Runs, func(r v1alpha1.AnalysisRun) bool { return r.Name == status.AnalysisRun })
		if at < 0 {
			if status.Phase != v1alpha1.AnalysisPhaseSuccessful {
				return "it succeeds, and the run of " + a.Name + " is gone without a verdict"
			}
			continue
		}
		run := &d.seen.Runs[at]
		good := run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful && !run.Spec.Terminate || analysis.GoodSoFar(run)
		if !good || a.RequiredForCompletion && !e.Spec.Terminate && run.Status.Phase != v1alpha1.AnalysisPhaseSuccessful {
			return "it succeeds, and " + run.Name + " has said nothing good"
		}
	}
	return ""
}

func timersAreAbsolute(d *decision) string {
	if a, b := d.before().AvailableAt, d.after().AvailableAt; a != nil && b != nil && !a.Equal(b) {
		return fmt.Sprintf("the experiment began at %s and now at %s", a, b)
	}
	for _, i := range d.plan.Sets {
		at := slices.IndexFunc(d.seen.Sets, func(s experiment.Set) bool { return s.Name == i.Name })
		if at >= 0 && d.seen.Sets[at].Deadline != nil && i.Deadline != nil && *i.Deadline != "" {
			return "the deadline of ReplicaSet " + i.Name + " moves"
		}
	}
	return ""
}

func endsAreFinal(d *decision) string {
	if before, after := d.before(), d.after(); before.Phase.Completed() && before.Phase != after.Phase && d.seen.Invalid == "" &&
		!slices.ContainsFunc(before.Conditions, func(c v1alpha1.ExperimentCondition) bool { return c.Type == string(v1alpha1.ConditionInvalidSpec) }) {
		return fmt.Sprintf("it was %s and is %s", before.Phase, after.Phase)
	}
	return ""
}

func sizesAreAsAsked(d *decision) string {
	for _, i := range d.plan.Sets {
		if i.Replicas == nil || *i.Replicas == 0 {
			continue
		}
		at := slices.IndexFunc(d.seen.Experiment.Spec.Templates, func(t v1alpha1.TemplateSpec) bool { return t.Name == i.Template })
		if at < 0 || *i.Replicas != v1alpha1.TemplateReplicas(&d.seen.Experiment.Spec.Templates[at]) {
			return fmt.Sprintf("ReplicaSet %s is sized to %d", i.Name, *i.Replicas)
		}
	}
	return ""
}

// model is a world in which anything may happen.
type model struct {
	*world
	rt *rapid.T
	// states and crashes are counted over all walks.
	states, crashes *int
}

// TestModel walks random orders of pod events, verdicts, commands, lost statuses and crashes, and checks every predicate at each decision.
func TestModel(t *testing.T) {
	states, crashes := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{world: newWorld(t, rapid.SampledFrom([]string{timed, judged, endless, fronted}).Draw(rt, "spec")), rt: rt, states: &states, crashes: &crashes}
		rt.Repeat(map[string]func(*rapid.T){
			"a pass": m.decide, "a pass again": m.decide, "a pass once more": m.decide,
			"pods come": m.podsCome, "pods come too": m.podsCome, "pods die": m.podsDie, "time": m.time, "a verdict": m.judge, "a measurement": m.measure,
			"terminate":  func(*rapid.T) { m.e.Spec.Terminate = true },
			"retry":      func(*rapid.T) { m.e.Status = v1alpha1.ExperimentStatus{} },
			"mark":       m.mark,
			"delete run": m.deleteRun,
			"delete set": m.deleteSet,
			"spoil":      m.spoil,
		})
		m.comesToRest()
	})
	fmt.Printf("model of experiments: %d states, %d crashes\n", states, crashes)
}

func (m *model) check(d *decision) {
	for _, p := range predicates {
		if broken := p.broken(d); broken != "" {
			m.rt.Logf("%s: %s\n%s", p.name, broken, m.text.String())
			m.rt.Fatal(p.name)
		}
	}
}

// decide makes a plan, checks it, and writes as much of it as fate allows.
func (m *model) decide(t *rapid.T) {
	seen, again := m.observe(), m.observe()
	plan := experiment.Decide(seen)
	if !reflect.DeepEqual(seen, again) || !equality.Semantic.DeepEqual(plan, experiment.Decide(again)) {
		t.Fatal("a decision changed what it was made from, or differs from the same one made again")
	}
	m.check(&decision{seen: seen, plan: plan})
	writes := m.writes(plan)
	if rapid.IntRange(0, 4).Draw(t, "fate") == 0 {
		*m.crashes++
		writes = writes[:rapid.IntRange(0, len(writes)-1).Draw(t, "crashes after")]
	}
	for _, write := range writes {
		write()
		*m.states++
	}
}

func (m *model) podsCome(*rapid.T) {
	for i := range m.sets {
		m.sets[i].Ready, m.sets[i].Available = m.sets[i].Spec, m.sets[i].Spec
	}
	*m.states++
}

func (m *model) podsDie(t *rapid.T) {
	if len(m.sets) == 0 {
		t.Skip()
	}
	s := &m.sets[rapid.IntRange(0, len(m.sets)-1).Draw(t, "set")]
	s.Available = rapid.Int32Range(0, s.Available).Draw(t, "available")
	s.Ready = s.Available
	*m.states++
}

func (m *model) time(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 29, 31, 61, 301, 601}).Draw(t, "seconds")) * time.Second)
	m.world.ends()
	*m.states++
}

func (m *model) judge(t *rapid.T) {
	if len(m.runs) == 0 {
		t.Skip()
	}
	run := &m.runs[rapid.IntRange(0, len(m.runs)-1).Draw(t, "run")]
	if run.Status.Phase.Completed() {
		t.Skip()
	}
	run.Status.Phase = rapid.SampledFrom([]v1alpha1.AnalysisPhase{
		v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhaseSuccessful, v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive,
	}).Draw(t, "phase")
	*m.states++
}

func (m *model) measure(t *rapid.T) {
	good := rapid.Int32Range(0, 1).Draw(t, "good")
	for i := range m.runs {
		if run := &m.runs[i]; !run.Status.Phase.Completed() {
			run.Status.Phase = v1alpha1.AnalysisPhaseRunning
			run.Status.MetricResults = []v1alpha1.MetricResult{{Name: run.Spec.Metrics[0].Name, Count: 1, Successful: good}}
		}
	}
	*m.states++
}

func (m *model) mark(t *rapid.T) {
	m.e.Annotations = nil
	if rapid.Bool().Draw(t, "routed") {
		m.e.Annotations = map[string]string{v1alpha1.AnnotationExperimentWeights: `{"canary":5}`}
	}
	*m.states++
}

func (m *model) deleteRun(t *rapid.T) {
	if len(m.runs) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(m.runs)-1).Draw(t, "run")
	m.runs = slices.Delete(m.runs, i, i+1)
	*m.states++
}

func (m *model) deleteSet(t *rapid.T) {
	if len(m.sets) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(m.sets)-1).Draw(t, "set")
	m.sets = slices.Delete(m.sets, i, i+1)
	*m.states++
}

// spoil makes the spec invalid, or mends it.
func (m *model) spoil(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip()
	}
	spoiled := int32(-1)
	if m.e.Spec.ScaleDownDelaySeconds != nil && *m.e.Spec.ScaleDownDelaySeconds < 0 {
		m.e.Spec.ScaleDownDelaySeconds = nil
		return
	}
	m.e.Spec.ScaleDownDelaySeconds = &spoiled
	*m.states++
}

// comesToRest lets everything go well, and looks at what is left at the end.
func (m *model) comesToRest() {
	m.e.Annotations, m.e.Spec.Terminate = nil, true
	if d := m.e.Spec.ScaleDownDelaySeconds; d != nil && *d < 0 {
		m.e.Spec.ScaleDownDelaySeconds = nil
	}
	for range 60 {
		seen := m.observe()
		plan := experiment.Decide(seen)
		m.check(&decision{seen: seen, plan: plan})
		for _, write := range m.writes(plan) {
			write()
			*m.states++
		}
		m.podsCome(m.rt)
		m.world.ends()
		if plan.After > 0 {
			m.now = m.now.Add(plan.After)
		}
	}
	for _, s := range m.sets {
		if s.Spec > 0 || s.Deadline != nil {
			m.rt.Fatalf("after the end ReplicaSet %s has %d pods until %v:\n%s", s.Name, s.Spec, s.Deadline, m.text.String())
		}
	}
	plan := experiment.Decide(m.observe())
	if !plan.Empty() || !equality.Semantic.DeepEqual(plan.Status, m.e.Status) || len(m.services) > 0 || !m.e.Status.Phase.Completed() {
		m.rt.Fatalf("it does not come to rest: %+v with %d Services:\n%s", plan, len(m.services), m.text.String())
	}
	for _, run := range m.runs {
		if !run.Status.Phase.Completed() {
			m.rt.Fatalf("AnalysisRun %s goes on", run.Name)
		}
	}
}
