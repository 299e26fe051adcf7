package health

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Limits of expressions.
const (
	longestExpression = 4096
	// maxCost bounds the work of one expression on one object, in the units of the library; a comparison takes a few.
	maxCost = 1_000_000
	// maxSums is how often an expression may add, because each addition can double a text or a list.
	maxSums = 20
	// deepest is how many parts of an expression may lie inside each other.
	deepest = 50
	// maxText is how long a text may become, in bytes.
	maxText = 64 << 10
)

// expression is one in CEL; nil stands for one that is empty.
type expression struct{ program cel.Program }

// view is what expressions see of an object.
func view(o *unstructured.Unstructured) map[string]any {
	part := func(name string) any {
		if m, ok := o.Object[name].(map[string]any); ok {
			return m
		}
		return map[string]any{}
	}
	conditions, met, unmet := map[string]any{}, []string{}, []string{}
	for _, c := range conditionsOf(o) {
		name, _ := c["type"].(string)
		conditions[name] = c
		switch c["status"] {
		case "True", true:
			met = append(met, name)
		case "False", false:
			unmet = append(unmet, name)
		}
	}
	return map[string]any{
		"object": o.Object, "metadata": part("metadata"), "spec": part("spec"), "status": part("status"),
		"conditions": conditions, "met": met, "unmet": unmet,
	}
}

var environment = sync.OnceValues(func() (*cel.Env, error) {
	tree, texts := cel.MapType(cel.StringType, cel.DynType), cel.ListType(cel.StringType)
	return cel.NewEnv(
		cel.Variable("object", tree), cel.Variable("metadata", tree), cel.Variable("spec", tree), cel.Variable("status", tree),
		cel.Variable("conditions", tree), cel.Variable("met", texts), cel.Variable("unmet", texts),
		cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(),
		cel.ParserExpressionSizeLimit(longestExpression), cel.ParserRecursionLimit(deepest),
		// Of the functions on texts only those that make nothing much larger than what they are given.
		cel.Function("join", cel.MemberOverload("texts_join", []*cel.Type{cel.ListType(cel.DynType), cel.StringType}, cel.StringType, cel.BinaryBinding(join))),
		cel.Function("split", cel.MemberOverload("text_split", []*cel.Type{cel.StringType, cel.StringType}, texts, cel.BinaryBinding(parts))),
		cel.Function("lowerAscii", cel.MemberOverload("text_lower", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(lower))),
	)
})

// absent starts the error of a function that is given something of another type, as the library words it.
const absent = "no such overload"

func join(list, separator ref.Val) ref.Val {
	items, isList := list.(traits.Lister)
	between, isText := separator.(types.String)
	if !isList || !isText {
		return types.NewErr(absent)
	}
	var out strings.Builder
	for it := items.Iterator(); it.HasNext() == types.True; {
		item, ok := it.Next().(types.String)
		if !ok {
			return types.NewErr(absent)
		}
		if out.Len() > 0 {
			out.WriteString(string(between))
		}
		out.WriteString(string(item))
		if out.Len() > maxText {
			return types.NewErr("a text is longer than %d bytes", maxText)
		}
	}
	return types.String(out.String())
}

func parts(text, separator ref.Val) ref.Val {
	whole, isText := text.(types.String)
	at, isSeparator := separator.(types.String)
	if !isText || !isSeparator {
		return types.NewErr(absent)
	}
	if len(whole) > maxText {
		return types.NewErr("a text is longer than %d bytes", maxText)
	}
	return types.DefaultTypeAdapter.NativeToValue(strings.Split(string(whole), string(at)))
}

func lower(text ref.Val) ref.Val {
	whole, ok := text.(types.String)
	if !ok {
		return types.NewErr(absent)
	}
	return types.String(strings.ToLower(string(whole)))
}

// newExpression compiles an expression that gives a value of some type; an empty one is nil.
func newExpression(source string, gives *cel.Type) (*expression, error) {
	if source == "" {
		return nil, nil
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%q: %s", source, firstLine(errors.New(strings.TrimPrefix(issues.Err().Error(), "ERROR: "))))
	}
	if t := checked.OutputType(); !t.IsExactType(gives) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("%q gives a value of type %s instead of %s", source, t, gives)
	}
	sums := 0
	celast.PreOrderVisit(checked.NativeRep().Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.Kind() == celast.CallKind && e.AsCall().FunctionName() == operators.Add {
			sums++
		}
	}))
	if sums > maxSums {
		return nil, fmt.Errorf("%q: it adds %d times, more than %d", source, sums, maxSums)
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", source, err)
	}
	return &expression{program}, nil
}

// value evaluates an expression; nil if it looks at something that is not there.
func (e *expression) value(seen map[string]any) (any, error) {
	out, _, err := e.program.Eval(seen)
	if err != nil {
		if isAbsent(err) {
			return nil, nil
		}
		return nil, err
	}
	return out.Value(), nil
}

// isAbsent reports whether an expression failed because an object does not have what it looks at, or has something else there.
func isAbsent(err error) bool {
	for _, start := range []string{"no such key", "no such attribute", absent, "index out of bounds", "expected iterable type"} {
		if strings.Contains(err.Error(), start) {
			return true
		}
	}
	return false
}

// holds reports whether an expression is true; none always is.
func (e *expression) holds(seen map[string]any) (bool, error) {
	if e == nil {
		return true, nil
	}
	value, err := e.value(seen)
	is, _ := value.(bool)
	return is, err
}

// text is what an expression says; empty if that is no text.
func (e *expression) text(seen map[string]any) (string, error) {
	if e == nil {
		return "", nil
	}
	value, err := e.value(seen)
	said, _ := value.(string)
	return said, err
}
