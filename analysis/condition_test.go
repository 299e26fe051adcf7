package analysis_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

var (
	nan         = math.NaN()
	inf         = math.Inf(1)
	negativeInf = math.Inf(-1)
)

func conditions(success, failure string) v1alpha1.Metric {
	return v1alpha1.Metric{SuccessCondition: success, FailureCondition: failure}
}

func TestEvaluate(t *testing.T) {
	const (
		good         = v1alpha1.AnalysisPhaseSuccessful
		bad          = v1alpha1.AnalysisPhaseFailed
		inconclusive = v1alpha1.AnalysisPhaseInconclusive
		broken       = v1alpha1.AnalysisPhaseError
	)
	noData := "could not evaluate successCondition \"result[0] < 1\": metric result is nil or empty: no data returned from the metric provider"
	for name, c := range map[string]struct {
		success, failure string
		reading          analysis.Reading
		phase            v1alpha1.AnalysisPhase
		message          string
	}{
		"a success condition that holds":                      {"result < 1", "", analysis.Reading{Result: 0.5}, good, ""},
		"a success condition that does not hold":              {"result < 1", "", analysis.Reading{Result: 2.0}, bad, ""},
		"a failure condition that holds":                      {"", "result > 1", analysis.Reading{Result: 2.0}, bad, ""},
		"a failure condition that does not hold":              {"", "result > 1", analysis.Reading{Result: 0.5}, good, ""},
		"of both the failure condition wins":                  {"result > 1", "result > 1", analysis.Reading{Result: 2.0}, bad, ""},
		"neither of both":                                     {"result < 1", "result > 2", analysis.Reading{Result: 1.5}, inconclusive, ""},
		"no condition and a number":                           {"", "", analysis.Reading{Result: 0.0}, good, ""},
		"no condition and an answer that is text":             {"", "", analysis.Reading{Result: "ok"}, good, ""},
		"the first of several numbers":                        {"result[0] < 1", "", analysis.Reading{Result: []float64{0.5, 7}}, good, ""},
		"a member of a document":                              {"result.ok && result.code == 200", "", analysis.Reading{Result: map[string]any{"ok": true, "code": 200.0}}, good, ""},
		"text as a number":                                    {`asFloat(result) < 1 && asInt("12") == 12`, "", analysis.Reading{Result: " 0.5 "}, good, ""},
		"isNil looks at the whole result":                     {"isNil(result.a)", "", analysis.Reading{Result: map[string]any{}}, bad, ""},
		"default looks at the whole result":                   {"default(result, 7) == 7", "", analysis.Reading{}, good, ""},
		"no number is not an answer without a condition":      {"", "", analysis.Reading{Result: nan}, inconclusive, "the result is NaN, and no condition says that this is good"},
		"nor is an infinite one":                              {"", "", analysis.Reading{Result: []float64{1, negativeInf}}, inconclusive, "the result is infinite, and no condition says that this is good"},
		"nor is nothing":                                      {"", "", analysis.Reading{}, inconclusive, "the result is nil, and no condition says that this is good"},
		"nor is an empty list":                                {"", "", analysis.Reading{Result: []float64{}}, inconclusive, "the result is empty, and no condition says that this is good"},
		"nor is an empty list of a document":                  {"", "", analysis.Reading{Result: []any{}}, inconclusive, "the result is empty, and no condition says that this is good"},
		"NaN is no failure and no success":                    {"", "result > 1", analysis.Reading{Result: nan}, inconclusive, "the result is NaN, and no condition says that this is good"},
		"NaN fails a comparison":                              {"result < 1", "", analysis.Reading{Result: nan}, bad, ""},
		"NaN does not pass by a negation":                     {"not (result > 1)", "", analysis.Reading{Result: nan}, inconclusive, "the result is NaN, and no condition says that this is good"},
		"infinity does not pass by a comparison":              {"result[0] >= 0.95", "", analysis.Reading{Result: []float64{inf}}, inconclusive, "the result is infinite, and no condition says that this is good"},
		"all of an empty list proves nothing":                 {"all(result, # < 1)", "", analysis.Reading{Result: []float64{}}, inconclusive, "the result is empty, and no condition says that this is good"},
		"a difference from nothing proves nothing":            {"result != 5", "", analysis.Reading{}, inconclusive, "the result is nil, and no condition says that this is good"},
		"a condition may call NaN good":                       {"isNaN(result) || result < 1", "", analysis.Reading{Result: nan}, good, ""},
		"a failure condition may speak of NaN":                {"", "!isNaN(result) && result > 1", analysis.Reading{Result: nan}, good, ""},
		"a condition may call infinity good":                  {"isInf(result)", "", analysis.Reading{Result: inf}, good, ""},
		"a condition that speaks of NaN does not of infinity": {"isNaN(result) || result > 1", "", analysis.Reading{Result: inf}, inconclusive, "the result is infinite, and no condition says that this is good"},
		"a condition may call an empty list good":             {"len(result) == 0 || result[0] < 1", "", analysis.Reading{Result: []float64{}}, good, ""},
		"a condition may call nothing good":                   {"isNil(result)", "", analysis.Reading{}, good, ""},
		"a condition may name nil":                            {"result == nil", "", analysis.Reading{}, good, ""},
		"a condition may give nothing a value":                {"(result ?? 0) < 1", "", analysis.Reading{}, good, ""},
		"a name that only contains isNaN does not speak":      {`"isNaN" != "" && not (result > 1)`, "", analysis.Reading{Result: nan}, inconclusive, "the result is NaN, and no condition says that this is good"},
		"a series that began without traffic":                 {"result[len(result)-1] < 1", "", analysis.Reading{Result: []float64{nan, nan, 0.5}}, good, ""},
		"a number beside infinity decides":                    {"any(result, # > 1)", "", analysis.Reading{Result: []float64{inf, 3}}, good, ""},
		"infinity beside a number does not":                   {"sum(result) > 1", "", analysis.Reading{Result: []float64{inf, 0.5}}, inconclusive, "the result is infinite, and no condition says that this is good"},
		"nor may it hide a failure":                           {"len(result) > 0", "result[0] > 100", analysis.Reading{Result: []float64{nan, 1}}, inconclusive, "the result is NaN, and no condition says that this is good"},
		"an element of an empty list":                         {"result[0] < 1", "", analysis.Reading{Result: []float64{}}, broken, noData},
		"a doubtful result is not good":                       {"result < 1", "", analysis.Reading{Result: 0.5, Doubt: "it is old"}, inconclusive, "the result is not counted as good: it is old"},
		"a doubtful result may be bad":                        {"result < 1", "", analysis.Reading{Result: 2.0, Doubt: "it is old"}, bad, ""},
		"a condition may accept doubt":                        {"result < 1 && (isDoubtful() || true)", "", analysis.Reading{Result: 0.5, Doubt: "it is old"}, good, ""},
		"a condition that is no question":                     {"result", "", analysis.Reading{Result: 0.5}, broken, `could not evaluate successCondition "result": expected bool, but got float64`},
		"an integer of NaN":                                   {"asInt(result) == 0", "", analysis.Reading{Result: nan}, broken, ""},
	} {
		t.Run(name, func(t *testing.T) {
			phase, message := analysis.Evaluate(conditions(c.success, c.failure), c.reading)
			if phase != c.phase || c.message != message && (c.message != "" || phase != broken) {
				t.Errorf("got %s (%s), want %s (%s)", phase, message, c.phase, c.message)
			}
		})
	}
}

// What costs too much costs its author an Error, and everybody else no time and no memory.
func TestHostileConditionsEndSoon(t *testing.T) {
	const good, bad, broken = v1alpha1.AnalysisPhaseSuccessful, v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError
	long := make([]float64, 50_000)
	text := strings.Repeat("a", 1<<20)
	for name, c := range map[string]struct {
		condition string
		result    any
		want      v1alpha1.AnalysisPhase
	}{
		"a megabyte of expression":                {"true || " + strings.Repeat("true || ", 130_000) + "true", 1.0, broken},
		"ten thousand brackets":                   {strings.Repeat("(", 4000) + "true" + strings.Repeat(")", 4000), 1.0, good},
		"brackets that nobody closes":             {strings.Repeat("(", 8000), 1.0, broken},
		"a long chain of operators":               {strings.Repeat("!", 8000) + "true", 1.0, broken},
		"predicates in predicates":                {"all(result, {all(result, {all(result, {# >= 0})})})", long, broken},
		"a list of lists of lists":                {"len(map(1..900, map(1..900, map(1..900, #)))) > 0", 1.0, broken},
		"a range without an end":                  {"len(1..1000000000) > 0", 1.0, broken},
		"a billion repetitions":                   {`len(repeat("x", 1000000000)) > 0`, 1.0, broken},
		"repetitions of repetitions":              {`len(repeat(repeat(repeat("x", 10000), 10000), 10000)) > 0`, 1.0, broken},
		"text that doubles":                       {"let a = result + result; let b = a + a; let c = b + b; let d = c + c; let e = d + d; let f = e + e; let g = f + f; let h = g + g; len(h + h) > 0", text, broken},
		"text that grows by replacement":          {`len(replace(result, "a", result)) > 0`, text, broken},
		"text that grows by joining":              {"len(join(map(1..1000, result), result)) > 0", text, broken},
		"text cut into a million pieces":          {`len(split(result, "")) > 0`, text, good},
		"a pattern that backtracks elsewhere":     {`result matches "(a+)+$"`, text + "!", bad},
		"a pattern made of the answer":            {`"a" matches repeat("(a*)*", 400)`, text, broken},
		"a comparison of all with all":            {"len(uniq(map(1..20000, string(#)))) > 0", 1.0, broken},
		"sorting a product":                       {"len(sort(flatten(map(1..500, map(1..500, #))))) > 0", 1.0, broken},
		"a sum that is grouped and reduced":       {"reduce(1..900000, #acc + # , 0) > 0 && len(groupBy(1..900000, #)) > 0", 1.0, broken},
		"JSON of JSON of JSON":                    {"len(toJSON(toJSON(toJSON(toJSON(map(1..100, result)))))) > 0", text, broken},
		"a function that does not end by calling": {"default(default(default(default(1,1),1),1),1) == 1 && isNil(isNil(isNil(1)))", 1.0, bad},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			phase, message := analysis.Evaluate(conditions(c.condition, ""), analysis.Reading{Result: c.result})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if phase != c.want {
				t.Errorf("got %s, want %s: %s", phase, c.want, message)
			}
			if took > time.Minute {
				t.Errorf("it took %s", took)
			}
			if made := after.TotalAlloc - before.TotalAlloc; made > 512<<20 {
				t.Errorf("it made %d MiB", made>>20)
			}
		})
	}
}

func TestAConditionNeverPanicsWhateverTheResult(t *testing.T) {
	results := []any{nil, 1, 1.0, "x", true, nan, inf, []float64{}, []float64{nan}, []any{}, []any{nil}, map[string]any{}, map[string]any{"a": nil}, int32(7)}
	for _, condition := range []string{
		"result", "result[0]", "result[-1]", "result.a.b", "result?.a", "asInt(result)", "asFloat(result)", "isNaN(result)", "isInf(result)", "isNil(result)", "default(result, 1)", "default(result)",
		"len(result)", "result + 1", "result[0:5]", "result in [1]", "keys(result)", "sum(result)", "max(result)", "all(result, # > 0)", "result ?? 1", "fromJSON(result)", "nothing", "result.result()",
	} {
		for _, result := range results {
			for _, m := range []v1alpha1.Metric{conditions(condition+" == true", ""), conditions("", condition+" == true")} {
				phase, message := analysis.Evaluate(m, analysis.Reading{Result: result})
				if !phase.Completed() {
					t.Errorf("%s of %v is %s (%s)", condition, result, phase, message)
				}
			}
		}
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for source, want := range map[string]string{
		`now()`:                             "2026-01-02T03:04:05Z",
		`now() - duration("1h30m")`:         "2026-01-02T01:34:05Z",
		`now() + duration("1s")`:            "2026-01-02T03:04:06Z",
		`date("2026-01-01")`:                "2026-01-01T00:00:00Z",
		`now() - 5`:                         "error: invalid operation: - (mismatched types time.Time and int)",
		`"1h"`:                              `error: expected a time, but got string; write something like now() - duration("5m")`,
		`duration("1h")`:                    `error: expected a time, but got time.Duration; write something like now() - duration("5m")`,
		`now() - duration("1d")`:            `error: time: unknown unit "d" in duration "1d"`,
		`now() - duration("1e999h")`:        `error: time: unknown unit "e" in duration "1e999h"`,
		`result`:                            "error: unknown name result",
		``:                                  "error: unexpected token EOF",
		`now(`:                              "error: unexpected token EOF",
		`[now()][1..1000000000][0]`:         "error: ",
		strings.Repeat("x", 9000):           "error: the expression has 9000 bytes, at most 8192 are allowed",
		`duration("1h") + duration("1h")`:   `error: expected a time, but got time.Duration; write something like now() - duration("5m")`,
		`now().Add(duration("1h"))`:         "2026-01-02T04:04:05Z",
		`isNil(now())`:                      "error: unknown name isNil",
		`true ? now() : now() - now() < 0 `: "error: ",
	} {
		t.Run(source[:min(len(source), 40)], func(t *testing.T) {
			got, err := analysis.Moment(source, now)
			text := got.Format(time.RFC3339)
			if err != nil {
				text = fmt.Sprintf("error: %v", err)
			}
			if text != want && (err == nil || !strings.HasPrefix(text, want)) {
				t.Errorf("got %s, want %s", text, want)
			}
		})
	}
}
