//go:build conformance

package analysis_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// The vectors in the folder $VECTORS hold inputs with the outputs of the reference. A case on which we differ on purpose is named in
// docs/compatibility/analysis.md, together with the reason; it must differ, or the document is out of date.

// vectors reads the cases of one file that the filter takes.
func vectors[T any](t *testing.T, file string, take func(T) bool) []T {
	t.Helper()
	folder := os.Getenv("VECTORS")
	if folder == "" {
		t.Fatal("VECTORS names no folder: run make conformance VECTORS=<folder>")
	}
	data, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c T
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if take == nil || take(c) {
			cases = append(cases, c)
		}
	}
	return cases
}

// tally counts the cases that agree and fails for those that differ without a reason in the document.
type tally struct {
	name          string
	agree, differ int
	excused       map[string]bool
}

func newTally(t *testing.T, name string) *tally {
	t.Helper()
	doc, err := os.ReadFile("../docs/compatibility/analysis.md")
	if err != nil {
		t.Fatal(err)
	}
	excused := map[string]bool{}
	for _, id := range regexp.MustCompile("`((?:cond|assess|valid|step)-[0-9]{4})`").FindAllSubmatch(doc, -1) {
		excused[string(id[1])] = true
	}
	return &tally{name: name, excused: excused}
}

func (y *tally) count(t *testing.T, id, diff string) {
	t.Helper()
	switch {
	case diff == "" && y.excused[id]:
		t.Errorf("%s agrees, but the document says that it differs", id)
	case diff == "":
		y.agree++
	case y.excused[id]:
		y.differ++
	default:
		t.Errorf("%s differs:\n%s", id, diff)
	}
}

func (y *tally) report(t *testing.T) {
	t.Helper()
	t.Logf("conformance: %s %d/%d agree, %d differ on purpose", y.name, y.agree, y.agree+y.differ, y.differ)
}

type conditionCase struct {
	ID     string
	Result struct {
		Kind  string
		Value json.RawMessage
	}
	SuccessCondition, FailureCondition string
	Expect                             struct {
		Phase      v1alpha1.AnalysisPhase
		ErrorClass string
		Message    string
	}
}

func number(t *testing.T, raw json.RawMessage) float64 {
	t.Helper()
	switch string(raw) {
	case `"NaN"`:
		return math.NaN()
	case `"+Inf"`:
		return math.Inf(1)
	case `"-Inf"`:
		return math.Inf(-1)
	}
	var f float64
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func (c conditionCase) result(t *testing.T) any {
	t.Helper()
	switch c.Result.Kind {
	case "float":
		return number(t, c.Result.Value)
	case "int":
		return int(number(t, c.Result.Value))
	case "vector":
		var raw []json.RawMessage
		if err := json.Unmarshal(c.Result.Value, &raw); err != nil {
			t.Fatal(err)
		}
		list := []float64{}
		for _, r := range raw {
			list = append(list, number(t, r))
		}
		return list
	case "nil", "nilFloat":
		return nil
	}
	var v any
	if err := json.Unmarshal(c.Result.Value, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestConformanceOfConditions(t *testing.T) {
	y := newTally(t, "conditions")
	for _, c := range vectors[conditionCase](t, "conditions.jsonl", nil) {
		m := v1alpha1.Metric{SuccessCondition: c.SuccessCondition, FailureCondition: c.FailureCondition}
		phase, message := analysis.Evaluate(m, analysis.Reading{Result: c.result(t)})
		diff := ""
		if phase != c.Expect.Phase {
			diff = "got " + string(phase) + " (" + message + "), want " + string(c.Expect.Phase)
		} else if c.Expect.Message != "" && message != c.Expect.Message {
			diff = "got message " + message + "\nwant " + c.Expect.Message
		}
		y.count(t, c.ID, diff)
	}
	y.report(t)
}

type passOf struct {
	AtSeconds           float64
	Measured            []string
	RunPhase            v1alpha1.AnalysisPhase
	RequeueAfterSeconds float64
}

type resultOf struct {
	Name                                           string
	Phase                                          v1alpha1.AnalysisPhase
	Message                                        string
	Count, Successful, Failed, Inconclusive, Error int32
	ConsecutiveError, ConsecutiveSuccess           int32
	DryRun                                         bool
	MeasurementsRetained                           int
}

type outcome struct {
	Phase          v1alpha1.AnalysisPhase
	Message        string
	RunSummary     v1alpha1.RunSummary
	DryRunSummary  *v1alpha1.RunSummary
	MetricResults  []resultOf
	Passes         []passOf
	CompletedAtSet bool
	Ended          string
}

type assessCase struct {
	ID                  string
	Spec                v1alpha1.AnalysisRunSpec
	Measurements        map[string][]v1alpha1.AnalysisPhase
	TerminateBeforePass int
	Expect              outcome
}

// play drives a run as the README of the vectors says.
func (c assessCase) play() outcome {
	var out outcome
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now, taken := start, map[string]int{}
	run := &v1alpha1.AnalysisRun{Spec: c.Spec}
	for pass := 1; ; pass++ {
		run.Spec.Terminate = run.Spec.Terminate || pass == c.TerminateBeforePass
		due, _ := analysis.Due(run, now)
		outcomes, exhausted := c.answer(due, taken, now)
		if exhausted {
			out.Ended = "scriptExhausted"
			break
		}
		run.Status = analysis.Assess(run, outcomes, now)
		step := passOf{AtSeconds: now.Sub(start).Seconds(), RunPhase: run.Status.Phase, Measured: []string{}}
		for _, task := range due {
			if !task.Stop {
				step.Measured = append(step.Measured, task.Metric.Name)
			}
		}
		slices.Sort(step.Measured)
		_, after := analysis.Due(run, now)
		step.RequeueAfterSeconds = after.Seconds()
		out.Passes = append(out.Passes, step)
		if run.Status.Phase.Completed() {
			out.Ended = "completed"
			break
		}
		if after == 0 {
			out.Ended = "noRequeue"
			break
		}
		now = now.Add(after + time.Second)
	}
	s := run.Status
	out.Phase, out.Message, out.RunSummary, out.DryRunSummary = s.Phase, s.Message, s.RunSummary, s.DryRunSummary
	out.CompletedAtSet, out.MetricResults = s.CompletedAt != nil, []resultOf{}
	for _, r := range s.MetricResults {
		out.MetricResults = append(out.MetricResults, resultOf{
			r.Name, r.Phase, r.Message, r.Count, r.Successful, r.Failed, r.Inconclusive, r.Error,
			r.ConsecutiveError, r.ConsecutiveSuccess, r.DryRun, len(r.Measurements),
		})
	}
	slices.SortFunc(out.MetricResults, func(a, b resultOf) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// answer plays the script of the provider; exhausted means that the run wants more than it holds.
func (c assessCase) answer(due []analysis.Task, taken map[string]int, now time.Time) (out []analysis.Taken, exhausted bool) {
	for _, task := range due {
		name, phase := task.Metric.Name, v1alpha1.AnalysisPhaseSuccessful
		if !task.Stop {
			if taken[name] == len(c.Measurements[name]) {
				return nil, true
			}
			phase = c.Measurements[name][taken[name]]
			taken[name]++
		}
		m := v1alpha1.Measurement{Phase: phase, StartedAt: &metav1.Time{Time: now}}
		switch phase {
		case v1alpha1.AnalysisPhaseRunning:
			m.ResumeAt = &metav1.Time{Time: now.Add(5 * time.Second)}
		case v1alpha1.AnalysisPhaseError:
			m.Message = fmt.Sprintf("boom %d", taken[name])
		}
		if task.Stop {
			m.Message = "Metric Terminated"
		}
		if phase.Completed() {
			m.FinishedAt = &metav1.Time{Time: now}
		}
		out = append(out, analysis.Taken{Metric: name, Measurement: m})
	}
	return out, false
}

func TestConformanceOfRuns(t *testing.T) {
	y := newTally(t, "assess-metric")
	for _, c := range vectors[assessCase](t, "assess-metric.jsonl", nil) {
		y.count(t, c.ID, cmp.Diff(c.Expect, c.play()))
	}
	y.report(t)
}
