package analysis_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func FuzzConditions(f *testing.F) {
	for _, success := range []string{
		"", "result < 1", "result[0] >= 0.95", "all(result, {# < 0.05})", "not (result > 1)", "isNaN(result) || len(result) == 0", "default(result, 0) == 0", "result.a.b == 'x'",
		"result matches '(a+)+$'", "repeat('x', 1000000000) != ''", "reduce(1..1000000, #acc + #) > 0", "let x = map(1..1000, result); x == x", "uniq(flatten([result, result])) == []", "fromJSON(toJSON(result)) == result", "\x00\xff", "((((",
	} {
		f.Add(success, "", "a")
		f.Add("", success, strings.Repeat("a", 10_000))
	}
	f.Fuzz(func(t *testing.T, success, failure, text string) {
		m := conditions(success, failure)
		speaks := func(words ...string) bool {
			for _, word := range words {
				if strings.Contains(success+failure, word) {
					return true
				}
			}
			return false
		}
		for _, c := range []struct {
			result any
			good   bool
		}{
			{1.0, true}, {[]float64{1, nan}, true}, {map[string]any{"a": []any{text, nil}}, true}, {text, true},
			{nan, speaks("isNaN")}, {math.Inf(-1), speaks("isInf")}, {[]float64{inf, inf}, speaks("isInf")},
			{[]float64{}, speaks("len", "isNil", "default")}, {nil, speaks("isNil", "default", "nil", "??")},
		} {
			start := time.Now()
			phase, message := analysis.Evaluate(m, analysis.Reading{Result: c.result})
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%v: it took %s", c.result, took)
			}
			if !phase.Completed() || phase == successful && !c.good || phase == errored && message == "" {
				t.Errorf("%v: %s (%s)", c.result, phase, message)
			}
		}
	})
}

func FuzzArguments(f *testing.F) {
	for _, value := range []string{``, `"} or vector(0) #`, `'`, "`", `\`, `\\`, "\\\n", "\r", "{{args.a}}", "{{", `\"`, "\x00\xff", `a\`} {
		f.Add("{{args.a}}", value)
		f.Add("x {{ args.a }} {{args.b}} {{", value)
		f.Add(`up{a="\`+`{{args.a}}"} # '{{args.a}}`, value)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		args := []v1alpha1.Argument{given("a", value)}
		for _, m := range []v1alpha1.Metric{promMetric(text), {Name: text, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: text, Body: text}}}} {
			got, err := analysis.Fill(m, args, nil)
			if err != nil || strings.Contains(text, "{{") || m.Provider.Web == nil {
				continue
			}
			// Text that is no UTF-8 cannot come from an object of the API.
			if got.Provider.Web.URL != text && got.Provider.Web.URL != strings.ToValidUTF8(text, "\ufffd") && !strings.Contains(got.Provider.Web.URL, "\ufffd") {
				t.Errorf("%q became %q", text, got.Provider.Web.URL)
			}
		}
		for _, quote := range []string{`"`, `'`, "`"} {
			before, behind := `rate(x{a=`+quote, quote+`}[1m])`
			m, err := analysis.Fill(promMetric(before+"{{args.a}}"+behind), args, nil)
			if err != nil {
				continue
			}
			if query := m.Provider.Prometheus.Query; literalEnd(query, len(before), quote[0]) != len(query)-len(behind) {
				t.Errorf("%q leaves its literal in %s", value, query)
			}
		}
	})
}

// literalEnd finds the end of a PromQL literal that began before from.
func literalEnd(query string, from int, quote byte) int {
	for i := from; i < len(query); i++ {
		switch {
		case query[i] == quote:
			return i
		case query[i] == '\n' && quote != '`':
			return i // an error for Prometheus
		case query[i] == '\\' && quote != '`':
			i++
		}
	}
	return -1
}

func FuzzMoment(f *testing.F) {
	for _, source := range []string{"now()", `now() - duration("1h")`, `duration("1e999h")`, `date("2026-01-01")`, "", "now().Add(now() - now())", `now() - duration("9223372036854775807ns") - duration("1h")`, `timezone("Europe/Berlin")`} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if at, err := analysis.Moment(source, noon); err != nil && !at.IsZero() {
			t.Errorf("both %s and %v", at, err)
		}
		_, _ = analysis.LookBack(v1alpha1.DurationString(source))
	})
}

func FuzzSchedule(f *testing.F) {
	for _, duration := range []string{"", "1s", "1h30m", "0", "-5s", "1d", "1e999h", "9223372036854775807ns", "2562047h47m16.854775807s", ".5s", "{{args.a}}", "{{x", "1µs"} {
		f.Add(duration, "1s", "1", "0")
		f.Add("1s", duration, "3", "1")
		f.Add("1s", "", duration, duration)
	}
	f.Fuzz(func(t *testing.T, interval, delay, count, limit string) {
		number := intstr.FromString(count)
		bound := intstr.FromString(limit)
		m := metric("m", func(m *v1alpha1.Metric) {
			m.Interval, m.InitialDelay, m.Count, m.FailureLimit = v1alpha1.DurationString(interval), v1alpha1.DurationString(delay), &number, &bound
		})
		run := runOf(m)
		for range 3 {
			due, wait := analysis.Due(run, noon)
			if wait < 0 || len(due) > 1 {
				t.Fatalf("%d tasks and a wait of %s", len(due), wait)
			}
			var taken []analysis.Taken
			for range due {
				taken = append(taken, analysis.Taken{Metric: "m", Measurement: v1alpha1.Measurement{Phase: successful, StartedAt: after(0), FinishedAt: after(0)}})
			}
			run.Status = analysis.Assess(run, taken, noon)
			if due, wait := analysis.Due(run, noon); !run.Status.Phase.Completed() && len(due) == 0 && wait == 0 {
				t.Fatalf("the run waits for nothing: %+v", run.Status)
			}
		}
	})
}

func FuzzFieldPath(f *testing.F) {
	for _, path := range []string{"metadata.name", "metadata.labels['a.b/c']", `metadata.labels["x"]`, "spec.template.spec.containers[0].image", "[", "a[']", "a[0", "..", "a.", "['']", "\x00"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		a := v1alpha1.RolloutAnalysis{Templates: refs("t"), Args: []v1alpha1.AnalysisRunArgument{{Name: "x", ValueFrom: &v1alpha1.ArgumentValueFrom{FieldRef: &v1alpha1.FieldRef{FieldPath: path}}}}}
		lib := analysis.Library{Templates: library{"t": withArgs(template("one"), given("x", ""))}}
		if run, err := analysis.ForRollout(rollout(), a, lib, analysis.RunAt{Type: analysis.TypeBackground}); err == nil && run.Spec.Args[0].Value == nil {
			t.Errorf("%q has no value and no error", path)
		}
	})
}

func FuzzRedact(f *testing.F) {
	for _, secret := range []string{"secret", "s", `a"b`, "a\nb", "ä", "a b", "\x00\xff", "<x>"} {
		f.Add(secret, "other", "the "+secret+" is "+secret+secret)
	}
	f.Fuzz(func(t *testing.T, secret, other, text string) {
		if secret == "" || strings.Contains(secret, "*") || strings.Contains(other, "*") {
			return // what stands for a secret would be one
		}
		if got := analysis.Redact(text, map[string]string{"a": secret, "b": other}); strings.Contains(got, secret) {
			t.Errorf("%q is left in %q", secret, got)
		}
	})
}
