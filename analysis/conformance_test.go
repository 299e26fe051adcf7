//go:build conformance

package analysis_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/conformance"
)

// A case on which we differ on purpose stands on this page, with the reason.
const differences = "../docs/compatibility/analysis.md"

type conditionCase struct {
	ID, Note string
	Result   struct {
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
	conformance.Compare(t, "conditions.jsonl", differences, "cond-", func(t *testing.T, c conditionCase) conformance.Case {
		m := v1alpha1.Metric{SuccessCondition: c.SuccessCondition, FailureCondition: c.FailureCondition}
		phase, message := analysis.Evaluate(m, analysis.Reading{Result: c.result(t)})
		want, got := []string{string(c.Expect.Phase), c.Expect.Message}, []string{string(phase), message}
		if c.Expect.Message == "" { // of most messages only the phase is a fact of the wire
			want[1] = message
		}
		return conformance.Case{ID: c.ID, Note: c.Note, Diff: cmp.Diff(want, got)}
	})
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
	ID, Note            string
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
	conformance.Compare(t, "assess-metric.jsonl", differences, "assess-", func(_ *testing.T, c assessCase) conformance.Case {
		return conformance.Case{ID: c.ID, Note: c.Note, Diff: cmp.Diff(c.Expect, c.play())}
	})
}

type metricsCase struct {
	ID, Kind, Note string
	Metrics        []v1alpha1.Metric
	Expect         struct {
		Errors []struct{ Path, Code string }
	}
}

// Of several errors the reference tells the first, and not its type.
func TestConformanceOfMetrics(t *testing.T) {
	conformance.Compare(t, "validation.jsonl", differences, "valid-", func(_ *testing.T, c metricsCase) conformance.Case {
		if c.Kind != "Metrics" { // the others are compared where Rollouts are judged
			return conformance.Case{Foreign: true}
		}
		want, got := "no error", "no error"
		if len(c.Expect.Errors) > 0 {
			want = c.Expect.Errors[0].Path
		}
		errs := analysis.Validate(c.Metrics)
		if len(errs) > 0 {
			got = errs[0].Field
		}
		return conformance.Case{ID: c.ID, Note: c.Note, Diff: cmp.Diff(want, got)}
	})
}

type nameCase struct {
	ID, Kind, Note string
	Input          struct {
		Rollout                              v1alpha1.Rollout
		Analysis                             v1alpha1.RolloutAnalysis
		PodTemplateHash, Type                string
		StepIndex                            int32
		ExistingRuns                         []string
		ExistingRunsStillRunningWithSameSpec bool
	}
	Expect struct {
		Name                string
		Labels, Annotations map[string]string
		Owner               struct {
			Kind, Name                     string
			Controller, BlockOwnerDeletion bool
		}
	}
}

func TestConformanceOfNames(t *testing.T) {
	conformance.Compare(t, "durations-and-steps.jsonl", differences, "step-", func(t *testing.T, c nameCase) conformance.Case {
		if c.Kind != "analysisRunName" { // the others are compared where durations, steps and windows are read
			return conformance.Case{Foreign: true}
		}
		got, want := c, c
		run := c.place(t)
		got.Expect.Name, got.Expect.Labels, got.Expect.Annotations = run.Name, run.Labels, run.Annotations
		owner := metav1.GetControllerOf(run)
		got.Expect.Owner.Kind, got.Expect.Owner.Name = owner.Kind, owner.Name
		got.Expect.Owner.Controller, got.Expect.Owner.BlockOwnerDeletion = *owner.Controller, *owner.BlockOwnerDeletion
		return conformance.Case{ID: c.ID, Note: c.Note, Diff: cmp.Diff(want.Expect, got.Expect)}
	})
}

// place makes the run of a case as the step machine does.
func (c nameCase) place(t *testing.T) *v1alpha1.AnalysisRun {
	t.Helper()
	in := c.Input
	revision, err := strconv.ParseInt(in.Rollout.Annotations[v1alpha1.AnnotationRevision], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	in.Analysis.Templates = []v1alpha1.AnalysisTemplateRef{{TemplateName: "check"}}
	library := analysis.Library{Templates: map[string]v1alpha1.AnalysisTemplateSpec{
		"check": {Metrics: []v1alpha1.Metric{{Name: "m", Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check"}}}}},
	}}
	want, err := analysis.ForRollout(&in.Rollout, in.Analysis, library, analysis.RunAt{
		Hash: in.PodTemplateHash, Revision: revision, Type: in.Type, Step: &in.StepIndex, InstanceID: in.Rollout.Labels[v1alpha1.LabelInstanceID],
	})
	if err != nil {
		t.Fatal(err)
	}
	var existing []v1alpha1.AnalysisRun
	for _, name := range in.ExistingRuns {
		run := *want.DeepCopy()
		run.Name = name
		if !in.ExistingRunsStillRunningWithSameSpec {
			run.Status.Phase = v1alpha1.AnalysisPhaseFailed
		}
		existing = append(existing, run)
	}
	run, _ := analysis.Place(want, existing)
	return run
}
