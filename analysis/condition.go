package analysis

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Limits of an expression; those of an evaluation are in budget.go.
const (
	maxSource = 8 << 10
	maxNodes  = 1000
	// maxQuoted is how much of it an error repeats, in bytes, so that the reason is not cut off.
	maxQuoted = 300
)

// errNoData is what clients of the wire contract look for when a condition trips over an empty answer.
var errNoData = errors.New("metric result is nil or empty: no data returned from the metric provider")

// Evaluate says what a reading means by the conditions of its metric; the message explains an Error and an Inconclusive.
//
// What no condition speaks of is never good: a result that is absent, empty, NaN or infinite is Inconclusive where a comparison, or
// the lack of any, would let it pass; see gaps.go. The same is true of a reading with a Doubt, unless a condition asks isDoubtful().
func Evaluate(m v1alpha1.Metric, r Reading) (v1alpha1.AnalysisPhase, string) {
	phase, message := compare(m, r)
	if phase != v1alpha1.AnalysisPhaseSuccessful {
		return phase, message
	}
	if r.Doubt != "" && !mentions(m, "isDoubtful") {
		return v1alpha1.AnalysisPhaseInconclusive, "the result is not counted as good: " + r.Doubt
	}
	if gap := gapOf(m, r); gap != "" {
		return v1alpha1.AnalysisPhaseInconclusive, fmt.Sprintf("the result is %s, and no condition says that this is good", gap)
	}
	return phase, ""
}

// compare says what the conditions alone mean.
func compare(m v1alpha1.Metric, r Reading) (v1alpha1.AnalysisPhase, string) {
	passed, err := holds(m.SuccessCondition, r)
	if err != nil {
		return v1alpha1.AnalysisPhaseError, fmt.Sprintf("could not evaluate successCondition %q: %v", shorten(m.SuccessCondition, maxQuoted), err)
	}
	failed, err := holds(m.FailureCondition, r)
	if err != nil {
		return v1alpha1.AnalysisPhaseError, fmt.Sprintf("could not evaluate failureCondition %q: %v", shorten(m.FailureCondition, maxQuoted), err)
	}
	switch {
	case failed:
		return v1alpha1.AnalysisPhaseFailed, ""
	case m.SuccessCondition == "" || passed:
		return v1alpha1.AnalysisPhaseSuccessful, ""
	case m.FailureCondition == "":
		return v1alpha1.AnalysisPhaseFailed, ""
	}
	return v1alpha1.AnalysisPhaseInconclusive, ""
}

// holds evaluates one condition; one that is not given does not hold.
func holds(source string, r Reading) (bool, error) {
	if source == "" {
		return false, nil
	}
	out, err := run(source, environment(r))
	if err != nil {
		if isNil(r.Result) || empty(r.Result) {
			return false, errNoData
		}
		return false, err
	}
	yes, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("expected bool, but got %T", out)
	}
	return yes, nil
}

// run compiles and evaluates an expression within the limits.
func run(source string, env map[string]any) (any, error) {
	if err := compiles(source, env); err != nil {
		return nil, err
	}
	program, err := expr.Compile(source, append(limits(env), meter()...)...)
	if err != nil {
		return nil, err
	}
	return expr.Run(program, env)
}

// compiles finds what is wrong with an expression before any of it is evaluated. Types are checked here, for the metered form
// hides them.
func compiles(source string, env any) error {
	if len(source) > maxSource {
		return fmt.Errorf("the expression has %d bytes, at most %d are allowed", len(source), maxSource)
	}
	_, err := expr.Compile(source, limits(env)...)
	return err
}

func limits(env any) []expr.Option {
	// The optimizer would build ranges before any limit applies to them.
	return []expr.Option{expr.Env(env), expr.MaxNodes(maxNodes), expr.Optimize(false)}
}

// unknown is the environment of a condition whose result is not there yet.
type unknown struct {
	Result     any                        `expr:"result"`
	AsInt      func(any) (int64, error)   `expr:"asInt"`
	AsFloat    func(any) (float64, error) `expr:"asFloat"`
	IsNaN      func(float64) bool         `expr:"isNaN"`
	IsInf      func(float64) bool         `expr:"isInf"`
	IsNil      func(any) bool             `expr:"isNil"`
	IsDoubtful func() bool                `expr:"isDoubtful"`
	Default    func(any, any) any         `expr:"default"`
}

// environment is what a condition can name. isNil and default look at the whole result whatever they are given: the wire
// contract has it so (section 1.10).
func environment(r Reading) map[string]any {
	return map[string]any{
		"result":     r.Result,
		"asInt":      asInt,
		"asFloat":    asFloat,
		"isNaN":      math.IsNaN,
		"isInf":      func(f float64) bool { return math.IsInf(f, 0) },
		"isNil":      func(any) bool { return isNil(r.Result) },
		"isDoubtful": func() bool { return r.Doubt != "" },
		"default": func(_, fallback any) any {
			if isNil(r.Result) {
				return fallback
			}
			return r.Result
		},
	}
}

// asInt takes any number, cut off at the point, or the text of an integer. What is no number has no integer: were it given
// one, a comparison could call it good.
func asInt(v any) (int64, error) {
	if text, ok := v.(string); ok {
		return strconv.ParseInt(text, 10, 64)
	}
	f, err := asFloat(v)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("asInt: %v is not an integer", v)
	}
	return int64(f), nil
}

// asFloat takes any number, or the text of one.
func asFloat(v any) (float64, error) {
	if text, ok := v.(string); ok {
		return strconv.ParseFloat(strings.TrimSpace(text), 64)
	}
	if value := reflect.ValueOf(v); value.IsValid() && value.CanConvert(reflect.TypeFor[float64]()) {
		return value.Convert(reflect.TypeFor[float64]()).Float(), nil
	}
	return 0, fmt.Errorf("asFloat: %v is not a number", v)
}
