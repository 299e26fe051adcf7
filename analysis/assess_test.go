package analysis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// play drives a run on a virtual clock: answers holds what the provider of each metric says in turn, in the letters S, F, I, E and R for
// a measurement that is still in flight. It gives one line for each pass, and ends with the run, or when the answers end.
func play(run *v1alpha1.AnalysisRun, answers map[string]string) []string {
	letters := map[byte]v1alpha1.AnalysisPhase{'S': successful, 'F': failed, 'I': unclear, 'E': errored, 'R': running}
	var story []string
	for now := noon; ; {
		var taken []analysis.Taken
		var did []string
		due, _ := analysis.Due(run, now)
		for _, task := range due {
			name := task.Metric.Name
			m := v1alpha1.Measurement{StartedAt: &metav1.Time{Time: now}}
			switch {
			case task.Stop:
				did = append(did, "stop "+name)
				m = analysis.Stopped(*task.Previous, now)
			case answers[name] == "":
				return append(story, "no answer for "+name)
			default:
				did = append(did, name)
				m.Phase, answers[name] = letters[answers[name][0]], answers[name][1:]
				if m.Phase.Completed() {
					m.FinishedAt = &metav1.Time{Time: now}
				} else {
					m.ResumeAt = &metav1.Time{Time: now.Add(5 * time.Second)}
				}
				if m.Phase == errored {
					m.Message = "away"
				}
			}
			taken = append(taken, analysis.Taken{Metric: name, Measurement: m})
		}
		run.Status = analysis.Assess(run, taken, now)
		_, after := analysis.Due(run, now)
		story = append(story, fmt.Sprintf("%s %s -> %s", now.Sub(noon), strings.Join(did, ", "), run.Status.Phase))
		if run.Status.Phase.Completed() || len(story) > 20 {
			return story
		}
		if analysis.Ending(run) || after == 0 {
			continue
		}
		now = now.Add(after + time.Millisecond).Truncate(time.Second)
		if _, wait := analysis.Due(run, now); wait > 0 && wait < time.Second { // the next moment is strictly after the interval
			now = now.Add(time.Second)
		}
	}
}

func metric(name string, change func(*v1alpha1.Metric)) v1alpha1.Metric {
	m := webMetric(name)
	if change != nil {
		change(&m)
	}
	return m
}

func limit(n int32) *intstr.IntOrString { return ptr.To(intstr.FromInt32(n)) }

func runOf(metrics ...v1alpha1.Metric) *v1alpha1.AnalysisRun {
	return &v1alpha1.AnalysisRun{Spec: v1alpha1.AnalysisRunSpec{Metrics: metrics}}
}

func TestARunTakesItsMeasurementsInTime(t *testing.T) {
	every := func(interval v1alpha1.DurationString, count int32) func(*v1alpha1.Metric) {
		return func(m *v1alpha1.Metric) { m.Interval, m.Count = interval, limit(count) }
	}
	for name, c := range map[string]struct {
		run     *v1alpha1.AnalysisRun
		answers map[string]string
		story   []string
		message string
	}{
		"without an interval one measurement is enough": {
			run: runOf(metric("a", nil)), answers: map[string]string{"a": "S"}, story: []string{"0s a -> Successful"},
		},
		"the next measurement is strictly after the interval": {
			run: runOf(metric("a", every("10s", 3))), answers: map[string]string{"a": "SSS"},
			story: []string{"0s a -> Running", "11s a -> Running", "22s a -> Successful"},
		},
		"the first delay counts from the end of the first pass": {
			run: runOf(metric("a", func(m *v1alpha1.Metric) { m.InitialDelay = "30s" }), metric("b", nil)), answers: map[string]string{"a": "S", "b": "S"},
			story: []string{"0s b -> Running", "30s a -> Successful"},
		},
		"after an error the next attempt is in ten seconds, whatever the interval": {
			run: runOf(metric("a", every("1h", 2))), answers: map[string]string{"a": "ESS"},
			story: []string{"0s a -> Running", "11s a -> Running", "1h0m12s a -> Successful"},
		},
		"the fifth error in a row is one too many": {
			run: runOf(metric("a", nil)), answers: map[string]string{"a": "EEEEE"},
			story:   []string{"0s a -> Running", "11s a -> Running", "22s a -> Running", "33s a -> Running", "44s a -> Error"},
			message: `Metric "a" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): "Error Message: away"`,
		},
		"an answer forgives the errors before it": {
			run: runOf(metric("a", every("1s", 2))), answers: map[string]string{"a": "EEEESEEEES"},
			story: []string{"0s a -> Running", "11s a -> Running", "22s a -> Running", "33s a -> Running", "44s a -> Running", "46s a -> Running",
				"57s a -> Running", "1m8s a -> Running", "1m19s a -> Running", "1m30s a -> Successful"},
		},
		"one failure is one too many": {
			run: runOf(metric("a", every("10s", 3))), answers: map[string]string{"a": "SF"}, story: []string{"0s a -> Running", "11s a -> Failed"},
			message: `Metric "a" assessed Failed due to failed (1) > failureLimit (0)`,
		},
		"failures up to the limit are tolerated": {
			run:     runOf(metric("a", func(m *v1alpha1.Metric) { every("10s", 3)(m); m.FailureLimit = limit(2) })),
			answers: map[string]string{"a": "FFS"}, story: []string{"0s a -> Running", "11s a -> Running", "22s a -> Successful"},
		},
		"an inconclusive answer is one too many": {
			run: runOf(metric("a", nil)), answers: map[string]string{"a": "I"}, story: []string{"0s a -> Inconclusive"},
			message: `Metric "a" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)`,
		},
		"enough successes in a row end a metric without a count": {
			run: runOf(metric("a", func(m *v1alpha1.Metric) {
				m.Interval, m.ConsecutiveSuccessLimit, m.FailureLimit = "10s", limit(2), limit(-1)
			})),
			answers: map[string]string{"a": "SFSS"}, story: []string{"0s a -> Running", "11s a -> Running", "22s a -> Running", "33s a -> Successful"},
		},
		"too few successes in a row at the end of the count": {
			run: runOf(metric("a", func(m *v1alpha1.Metric) {
				every("10s", 3)(m)
				m.ConsecutiveSuccessLimit, m.FailureLimit = limit(2), limit(1)
			})),
			answers: map[string]string{"a": "SFS"}, story: []string{"0s a -> Running", "11s a -> Running", "22s a -> Inconclusive"},
			message: `Metric "a" assessed Inconclusive due to consecutiveSuccess (1) < consecutiveSuccessLimit (2) at the end of count (3)`,
		},
		"a metric that fails ends the others": {
			run: runOf(metric("a", every("10s", 9)), metric("b", nil)), answers: map[string]string{"a": "SS", "b": "F"},
			story: []string{"0s a, b -> Running", "0s  -> Failed"}, message: `Metric "b" assessed Failed due to failed (1) > failureLimit (0)`,
		},
		"what is in flight then is stopped, also before its time": {
			run: runOf(metric("a", nil), metric("b", every("1s", 2))), answers: map[string]string{"a": "R", "b": "SF"},
			story:   []string{"0s a, b -> Running", "2s b -> Running", "2s stop a -> Failed"},
			message: `Metric "b" assessed Failed due to failed (1) > failureLimit (0)`,
		},
		"a metric that waits for its delay is not measured then": {
			run:     runOf(metric("a", func(m *v1alpha1.Metric) { m.InitialDelay = "1h" }), metric("b", nil)),
			answers: map[string]string{"b": "F"}, story: []string{"0s b -> Running", "0s  -> Failed"},
			message: `Metric "b" assessed Failed due to failed (1) > failureLimit (0)`,
		},
		"of several bad metrics the worst gives the verdict": {
			run: runOf(metric("a", nil), metric("b", nil), metric("c", nil)), answers: map[string]string{"a": "I", "b": "F", "c": "S"},
			story: []string{"0s a, b, c -> Failed"}, message: `Metric "b" assessed Failed due to failed (1) > failureLimit (0)`,
		},
		"a measurement in flight is looked at again in its time": {
			run: runOf(metric("a", nil)), answers: map[string]string{"a": "RRS"}, story: []string{"0s a -> Running", "5s a -> Running", "10s a -> Successful"},
		},
		"a metric in dry-run ends nothing": {
			run: func() *v1alpha1.AnalysisRun {
				r := runOf(metric("dry-a", nil), metric("b", every("10s", 2)))
				r.Spec.DryRun = []v1alpha1.DryRun{{MetricName: "^dry-"}}
				return r
			}(),
			answers: map[string]string{"dry-a": "F", "b": "SS"}, story: []string{"0s dry-a, b -> Running", "11s b -> Successful"},
		},
		"a name may be an argument": {
			run: func() *v1alpha1.AnalysisRun {
				r := runOf(metric("check-{{args.x}}", every("10s", 2)))
				r.Spec.Args = []v1alpha1.Argument{given("x", "web")}
				return r
			}(),
			answers: map[string]string{"check-web": "SS"}, story: []string{"0s check-web -> Running", "11s check-web -> Successful"},
		},
		"a run that is told to end measures nothing more": {
			run:   func() *v1alpha1.AnalysisRun { r := runOf(metric("a", nil)); r.Spec.Terminate = true; return r }(),
			story: []string{"0s  -> Successful"}, message: "Run Terminated",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.story, play(c.run, c.answers)); diff != "" {
				t.Error(diff)
			}
			if got := c.run.Status.Message; got != c.message {
				t.Errorf("got message %s\nwant %s", got, c.message)
			}
			for name, left := range c.answers {
				if left != "" && c.run.Status.Phase == successful {
					t.Errorf("%s was not asked for %s", name, left)
				}
			}
		})
	}
}

func TestTheStatusTellsWhatWasMeasured(t *testing.T) {
	run := runOf(metric("dry", nil), metric("a", func(m *v1alpha1.Metric) { m.Interval, m.Count, m.FailureLimit = "1s", limit(12), limit(1) }))
	run.Spec.DryRun = []v1alpha1.DryRun{{MetricName: "dry"}}
	run.Spec.MeasurementRetention = []v1alpha1.MeasurementRetention{{MetricName: "a", Limit: 2}}
	play(run, map[string]string{"dry": "F", "a": "SSSSSSSSSSSF"})
	got := run.Status
	kept := map[string]int{}
	for i := range got.MetricResults {
		kept[got.MetricResults[i].Name] = len(got.MetricResults[i].Measurements)
		got.MetricResults[i].Measurements = nil
	}
	if diff := cmp.Diff(map[string]int{"dry": 1, "a": 2}, kept); diff != "" {
		t.Errorf("measurements:\n%s", diff)
	}
	want := v1alpha1.AnalysisRunStatus{
		Phase: successful, StartedAt: after(0), CompletedAt: after(22 * time.Second),
		RunSummary: v1alpha1.RunSummary{Count: 1, Successful: 1}, DryRunSummary: &v1alpha1.RunSummary{Count: 1, Failed: 1},
		MetricResults: []v1alpha1.MetricResult{
			{Name: "dry", Phase: failed, Count: 1, Failed: 1, DryRun: true, Message: "Metric assessed Failed due to failed (1) > failureLimit (0)"},
			{Name: "a", Phase: successful, Count: 12, Successful: 11, Failed: 1},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAStatusStaysSmallEnoughForOneObject(t *testing.T) {
	run := runOf()
	for i := range 50 {
		run.Spec.Metrics = append(run.Spec.Metrics, metric(fmt.Sprintf("m%d", i), func(m *v1alpha1.Metric) { m.Interval = "1s" }))
	}
	run.Spec.MeasurementRetention = []v1alpha1.MeasurementRetention{{MetricName: ".*", Limit: 1 << 30}}
	for i := range 100 {
		var taken []analysis.Taken
		for _, m := range run.Spec.Metrics {
			taken = append(taken, analysis.Taken{Metric: m.Name, Measurement: v1alpha1.Measurement{Phase: successful, Value: strings.Repeat("9", 2000), FinishedAt: after(time.Duration(i))}})
		}
		run.Status = analysis.Assess(run, taken, noon)
	}
	size := 0
	for _, r := range run.Status.MetricResults {
		if last := r.Measurements[len(r.Measurements)-1].FinishedAt; !last.Equal(after(99)) {
			t.Errorf("the newest measurement of %s is of %s", r.Name, last)
		}
		for _, m := range r.Measurements {
			size += len(m.Value)
		}
	}
	if size > 512<<10 || size < 256<<10 {
		t.Errorf("the values have %d bytes", size)
	}
}

// The clock of a computer may be set back by an hour; what waits for moments of before would do nothing for so long.
func TestAClockThatIsSetBackStopsNothing(t *testing.T) {
	for name, last := range map[string]v1alpha1.Measurement{
		"a measurement that has ended":        {Phase: successful, StartedAt: after(time.Hour), FinishedAt: after(time.Hour)},
		"an error":                            {Phase: errored, StartedAt: after(time.Hour), FinishedAt: after(time.Hour)},
		"a measurement in flight":             {Phase: running, StartedAt: after(time.Hour), ResumeAt: after(time.Hour + time.Second)},
		"a measurement that lost its end":     {Phase: successful, StartedAt: after(0)},
		"a measurement in flight without end": {Phase: running, StartedAt: after(0)},
	} {
		t.Run(name, func(t *testing.T) {
			run := runOf(metric("a", func(m *v1alpha1.Metric) { m.Interval = "30s" }))
			run.Status = v1alpha1.AnalysisRunStatus{Phase: running, StartedAt: after(0), MetricResults: []v1alpha1.MetricResult{{Name: "a", Phase: running, Measurements: []v1alpha1.Measurement{last}}}}
			if due, after := analysis.Due(run, noon); len(due) != 1 || after != 0 {
				t.Errorf("got %d tasks and a wait of %s", len(due), after)
			}
		})
	}
	t.Run("a delay begins anew", func(t *testing.T) {
		run := runOf(metric("a", func(m *v1alpha1.Metric) { m.InitialDelay = "30s" }))
		run.Status.StartedAt = after(time.Hour)
		if due, after := analysis.Due(run, noon); len(due) != 0 || after != 30*time.Second {
			t.Errorf("got %d tasks and a wait of %s", len(due), after)
		}
		if status := analysis.Assess(run, nil, noon); !status.StartedAt.Time.Equal(noon) {
			t.Errorf("the run begins at %s", status.StartedAt)
		}
	})
	t.Run("an end a moment ahead is waited for", func(t *testing.T) {
		run := runOf(metric("a", func(m *v1alpha1.Metric) { m.Interval = "30s" }))
		run.Status.MetricResults = []v1alpha1.MetricResult{{Name: "a", Phase: running, Measurements: []v1alpha1.Measurement{{Phase: successful, FinishedAt: after(2 * time.Second)}}}}
		if due, after := analysis.Due(run, noon); len(due) != 0 || after != 32*time.Second {
			t.Errorf("got %d tasks and a wait of %s", len(due), after)
		}
	})
}

func TestNoIntervalMakesAStormOfMeasurements(t *testing.T) {
	run := runOf(metric("a", func(m *v1alpha1.Metric) { m.Interval = "1ns" }))
	run.Status.MetricResults = []v1alpha1.MetricResult{{Name: "a", Phase: running, Measurements: []v1alpha1.Measurement{{Phase: successful, FinishedAt: after(0)}}}}
	if due, after := analysis.Due(run, noon); len(due) != 0 || after != 100*time.Millisecond {
		t.Errorf("got %d tasks and a wait of %s", len(due), after)
	}
}

func TestAJobIsLookedAtBeforeItsTime(t *testing.T) {
	job := jobMetric("a", "{}")
	run := runOf(job)
	run.Status.MetricResults = []v1alpha1.MetricResult{{Name: "a", Phase: running, Measurements: []v1alpha1.Measurement{{Phase: running, StartedAt: after(0), ResumeAt: after(8 * time.Second)}}}}
	due, wait := analysis.Due(run, noon)
	want := []analysis.Task{{Metric: job, Previous: &run.Status.MetricResults[0].Measurements[0], Early: true}}
	if diff := cmp.Diff(want, due); diff != "" || wait != 8*time.Second {
		t.Errorf("wait %s, tasks:\n%s", wait, diff)
	}
}

func TestARunThatMakesNoSenseSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha1.AnalysisRunSpec)
		want   string
	}{
		"no metric":                     {func(s *v1alpha1.AnalysisRunSpec) { s.Metrics = nil }, "Analysis spec invalid: metrics: no metrics specified"},
		"too many metrics":              {func(s *v1alpha1.AnalysisRunSpec) { s.Metrics = make([]v1alpha1.Metric, 201) }, "Analysis spec invalid: metrics: must have at most 200 items"},
		"a metric that is invalid":      {func(s *v1alpha1.AnalysisRunSpec) { s.Metrics[0].Count = limit(2) }, "Analysis spec invalid: metrics[0]: interval must be specified when count > 1"},
		"an argument that is not there": {func(s *v1alpha1.AnalysisRunSpec) { s.Metrics[0].SuccessCondition = "{{args.x}}" }, "Unable to resolve metric arguments: failed to resolve {{args.x}}"},
		"an interval of foreign braces": {func(s *v1alpha1.AnalysisRunSpec) { s.Metrics[0].Interval = "{{interval}}" }, "Unable to resolve metric arguments: metric a: interval is {{interval}}, which is no argument with a value of its own"},
		"a count out of a Secret": {func(s *v1alpha1.AnalysisRunSpec) {
			s.Args = []v1alpha1.Argument{secret("x")}
			s.Metrics[0].Count = ptr.To(intstr.FromString("{{args.x}}"))
		}, "Unable to resolve metric arguments: metric a: count is {{args.x}}, which is no argument with a value of its own"},
		"a name out of a Secret": {func(s *v1alpha1.AnalysisRunSpec) {
			s.Args = []v1alpha1.Argument{secret("x")}
			s.Metrics[0].Name = "{{args.x}}"
		}, "Unable to resolve metric arguments: metric {{args.x}}: name is {{args.x}}, which is no argument with a value of its own"},
		"arguments that fill too much": {func(s *v1alpha1.AnalysisRunSpec) {
			s.Args = []v1alpha1.Argument{given("x", strings.Repeat("x", 500_000))}
			s.Metrics = manyTimes("{{args.x}}")
		}, "Unable to resolve metric arguments: the arguments fill more than 2097152 bytes"},
		"a dry-run of nothing": {func(s *v1alpha1.AnalysisRunSpec) { s.DryRun = []v1alpha1.DryRun{{MetricName: "a"}, {MetricName: "b"}} }, "Analysis spec invalid: dryRun[1]: Rule didn't match any metric name(s)"},
		"a retention of nothing": {func(s *v1alpha1.AnalysisRunSpec) {
			s.MeasurementRetention = []v1alpha1.MeasurementRetention{{MetricName: "b"}}
		}, "Analysis spec invalid: measurementRetention[0]: Rule didn't match any metric name(s)"},
		"a pattern that is none": {func(s *v1alpha1.AnalysisRunSpec) { s.DryRun = []v1alpha1.DryRun{{MetricName: "("}} }, "Analysis spec invalid: dryRun[0]: metricName is no regular expression: error parsing regexp: missing closing ): `(`"},
		"a pattern that is long": {func(s *v1alpha1.AnalysisRunSpec) {
			s.DryRun = []v1alpha1.DryRun{{MetricName: strings.Repeat("a", 9000)}}
		}, "Analysis spec invalid: dryRun[0]: metricName has 9000 bytes, at most 8192 are allowed"},
		"a pattern that multiplies itself": {func(s *v1alpha1.AnalysisRunSpec) { s.DryRun = []v1alpha1.DryRun{{MetricName: "((a{100}){100}){100}"}} }, "Analysis spec invalid: dryRun[0]: metricName is no regular expression: error parsing regexp: invalid repeat count: `{100}`"},
	} {
		t.Run(name, func(t *testing.T) {
			run := runOf(metric("a", nil))
			c.change(&run.Spec)
			if due, after := analysis.Due(run, noon); len(due) > 0 || after > 0 {
				t.Errorf("it wants %d tasks and to wait %s", len(due), after)
			}
			got := analysis.Assess(run, nil, noon)
			if diff := cmp.Diff(v1alpha1.AnalysisRunStatus{Phase: errored, Message: c.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func manyTimes(text string) []v1alpha1.Metric {
	var out []v1alpha1.Metric
	for i := range 10 {
		out = append(out, metric(fmt.Sprint(i), func(m *v1alpha1.Metric) { m.Provider.Web.Body = text }))
	}
	return out
}

func TestARunThatHasEndedStaysAsItIs(t *testing.T) {
	for _, phase := range []v1alpha1.AnalysisPhase{successful, failed, errored, unclear} {
		run := runOf(metric("a", func(m *v1alpha1.Metric) { m.Interval = "1s" }))
		run.Status = v1alpha1.AnalysisRunStatus{Phase: phase, Message: "m"}
		if due, after := analysis.Due(run, noon); len(due) > 0 || after > 0 {
			t.Errorf("%s: it wants %d tasks and to wait %s", phase, len(due), after)
		}
		taken := []analysis.Taken{{Metric: "a", Measurement: v1alpha1.Measurement{Phase: failed}}}
		if diff := cmp.Diff(run.Status, analysis.Assess(run, taken, noon)); diff != "" {
			t.Errorf("%s: %s", phase, diff)
		}
	}
}

func TestDueAndAssessChangeNothingThatTheyAreGiven(t *testing.T) {
	run := runOf(metric("a", func(m *v1alpha1.Metric) { m.Interval, m.Count = "1s", limit(20) }), metric("b", nil))
	run.Spec.MeasurementRetention = []v1alpha1.MeasurementRetention{{MetricName: "a", Limit: 1}}
	answers := map[string]string{"a": "SSFR", "b": "R"}
	play(run, answers)
	before := run.DeepCopy()
	analysis.Due(run, noon.Add(time.Hour))
	analysis.Assess(run, []analysis.Taken{{Metric: "b", Measurement: v1alpha1.Measurement{Phase: failed}}}, noon.Add(time.Hour))
	if diff := cmp.Diff(before, run); diff != "" {
		t.Error(diff)
	}
	slices.Reverse(run.Status.MetricResults) // the order of results does not matter
	if got, want := analysis.Assess(run, nil, noon).Phase, analysis.Assess(before, nil, noon).Phase; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
