package analysis

import (
	"math"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// gapOf names what a result lacks to count as good; empty if nothing. It lacks nothing that a condition speaks of.
//
// Where only some of several numbers are NaN or infinite, a successCondition may well look at the others, such as the last one of a
// series that began without traffic. So it is asked again with the extremes of a number in their stead: what holds for both does not
// rest on them.
func gapOf(m v1alpha1.Metric, r Reading) string {
	switch {
	case isNil(r.Result) && !mentions(m, "isNil", "default", "nil"):
		return "nil"
	case empty(r.Result) && !mentions(m, "len", "isNil", "default"):
		return "empty"
	}
	list := listOf(r.Result)
	if !slices.ContainsFunc(list, func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) }) {
		return ""
	}
	o := oddity{nan: !mentions(m, "isNaN"), inf: !mentions(m, "isInf")}
	first := slices.IndexFunc(list, o.odd)
	if first < 0 || m.SuccessCondition != "" && slices.ContainsFunc(list, o.even) && o.irrelevant(m, r, list) {
		return ""
	}
	if math.IsNaN(list[first]) {
		return "NaN"
	}
	return "infinite"
}

// oddity says which numbers are none: those that no condition speaks of.
type oddity struct{ nan, inf bool }

func (o oddity) odd(f float64) bool { return o.nan && math.IsNaN(f) || o.inf && math.IsInf(f, 0) }

func (o oddity) even(f float64) bool { return !o.odd(f) }

// irrelevant reports whether a good verdict stays good whatever the odd numbers would be.
func (o oddity) irrelevant(m v1alpha1.Metric, r Reading, list []float64) bool {
	for _, extreme := range []float64{-math.MaxFloat64, math.MaxFloat64} {
		probe := slices.Clone(list)
		for i := range probe {
			if o.odd(probe[i]) {
				probe[i] = extreme
			}
		}
		r.Result = probe
		if phase, _ := compare(m, r); phase != v1alpha1.AnalysisPhaseSuccessful {
			return false
		}
	}
	return true
}

func listOf(result any) []float64 {
	switch v := result.(type) {
	case float64:
		return []float64{v}
	case []float64:
		return v
	}
	return nil
}

func isNil(v any) bool { return v == nil }

// empty reports whether v is a list without elements.
func empty(v any) bool {
	switch list := v.(type) {
	case []float64:
		return len(list) == 0
	case []any:
		return len(list) == 0
	}
	return false
}

// mentions reports whether a condition of the metric calls one of the functions, or holds nil or ?? where nil is among the names.
func mentions(m v1alpha1.Metric, names ...string) bool {
	found := finder{names: names}
	for _, source := range []string{m.SuccessCondition, m.FailureCondition} {
		if source == "" {
			continue
		}
		if tree, err := parser.Parse(source); err == nil {
			ast.Walk(&tree.Node, &found)
		}
	}
	return found.found
}

// finder looks for calls by name.
type finder struct {
	names []string
	found bool
}

// Visit implements ast.Visitor.
func (f *finder) Visit(node *ast.Node) {
	name := ""
	switch n := (*node).(type) {
	case *ast.CallNode:
		name = n.Callee.String()
	case *ast.BuiltinNode:
		name = n.Name
	case *ast.NilNode:
		name = "nil"
	case *ast.BinaryNode:
		if n.Operator == "??" {
			name = "nil"
		}
	}
	for _, wanted := range f.names {
		f.found = f.found || name == wanted
	}
}
