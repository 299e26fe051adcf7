package analysis

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
)

// The language has no loops, but nested predicates over a long list, or text that is doubled again and again, make a short
// expression cost hours or all memory. So each expression is rewritten to pay for what it does before it does it: one unit for
// a turn of a predicate, and one for each element and each few bytes of the data that an operation reads or copies. Units are
// counted, not timed, so the same input always has the same outcome.

// The names cannot be written in an expression.
const (
	turnCall    = "·turn"
	payCall     = "·pay"
	patternCall = "·pattern"
)

const (
	// maxCost bounds an evaluation to well under a second, and its memory to some 100 MiB.
	maxCost = 4_000_000
	// bytesPer is how many bytes of text weigh one unit.
	bytesPer = 16
	// maxPattern is the longest pattern of a match that is not written in the expression itself, in bytes.
	maxPattern = 1024
)

var errCost = errors.New("the expression costs too much to evaluate: it loops over too much data")

// purse holds what an evaluation may still spend.
type purse struct{ left int }

func (p *purse) spend(units int) error {
	if p.left -= units; p.left < 0 {
		return errCost
	}
	return nil
}

// meter gives the options that make one compiled expression pay. They hold its purse, so they serve one evaluation only.
func meter() []expr.Option {
	p := &purse{left: maxCost}
	turn := func(...any) (any, error) { return true, p.spend(1) }
	options := []expr.Option{
		expr.Function(turnCall, turn, new(func() bool)),
		expr.Function(payCall, p.pay, new(func(any, int) any)),
		expr.Patch(payer{}),
	}
	return append(options, p.textFunctions()...)
}

// pay is called with a value and what each unit of its weight costs; a price of zero means as much as the whole weighs.
func (p *purse) pay(args ...any) (any, error) {
	before, price := p.left, args[1].(int)
	if err := p.weigh(reflect.ValueOf(args[0]), max(price, 1)); err != nil || price > 0 {
		return args[0], err
	}
	weight := min(before-p.left, maxCost)
	return args[0], p.spend(weight * weight)
}

// weigh spends for each element of v, times over.
func (p *purse) weigh(v reflect.Value, times int) error {
	if err := p.spend(times); err != nil {
		return err
	}
	switch v.Kind() {
	case reflect.String:
		return p.spend(v.Len() / bytesPer * times)
	case reflect.Interface, reflect.Pointer:
		return p.weigh(v.Elem(), times)
	case reflect.Slice, reflect.Array:
		return p.weighList(v, times)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if err := p.weigh(v.MapIndex(key), times); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *purse) weighList(v reflect.Value, times int) error {
	switch v.Type().Elem().Kind() {
	case reflect.Float64, reflect.Int:
		return p.spend(v.Len() * times)
	}
	for i := range v.Len() {
		if err := p.weigh(v.Index(i), times); err != nil {
			return err
		}
	}
	return nil
}

// payer rewrites an expression so that it pays.
type payer struct{}

// Visit implements ast.Visitor; it is called for a node after its children.
func (payer) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{call(turnCall), n.Node}}
	case *ast.BuiltinNode:
		payArguments(n)
	case *ast.BinaryNode:
		payOperands(n)
	case *ast.SliceNode:
		n.Node = paid(n.Node, 1)
	}
}

// prices lists the functions that make more of their arguments than a copy: text cut in bytes, and a comparison of all with all.
var prices = map[string]int{"split": bytesPer, "splitAfter": bytesPer, "fromJSON": bytesPer, "uniq": 0}

func payArguments(n *ast.BuiltinNode) {
	price, special := prices[n.Name]
	if !special {
		price = 1
	}
	for i, argument := range n.Arguments {
		if _, ok := argument.(*ast.PredicateNode); !ok {
			n.Arguments[i] = paid(argument, price)
		}
	}
}

func payOperands(n *ast.BinaryNode) {
	if n.Operator != "matches" {
		n.Left, n.Right = paid(n.Left, 1), paid(n.Right, 1)
		return
	}
	// The time of a match grows with both the text and the pattern. A constant pattern stays one, for it is compiled once.
	if pattern, ok := n.Right.(*ast.StringNode); ok {
		n.Left = paid(n.Left, 1+len(pattern.Value)/4)
		return
	}
	n.Left, n.Right = paid(n.Left, maxPattern/4), call(patternCall, n.Right)
}

// paid wraps a node whose value may be large.
func paid(node ast.Node, price int) ast.Node {
	switch n := node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode:
		return node
	case *ast.StringNode:
		if len(n.Value) < 4*bytesPer && price == 1 {
			return node
		}
	}
	if t := node.Type(); t != nil {
		switch t.Kind() {
		case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
			return node
		}
	}
	return call(payCall, node, &ast.IntegerNode{Value: price})
}

func call(name string, arguments ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: arguments}
}

// textFunctions are those of the language whose result can be far longer than what they are given, in a form that pays for the
// result before making it.
func (p *purse) textFunctions() []expr.Option {
	return []expr.Option{
		expr.Function(patternCall, shortPattern, new(func(any) any)),
		expr.DisableBuiltin("repeat"), expr.Function("repeat", p.repeat, strings.Repeat),
		expr.DisableBuiltin("replace"), expr.Function("replace", p.replace, strings.Replace, strings.ReplaceAll),
		expr.DisableBuiltin("join"), expr.Function("join", p.join, new(func([]any, string) string), new(func([]any) string),
			strings.Join, new(func([]string) string), new(func(any, string) string), new(func(any) string)),
	}
}

// shortPattern refuses a pattern, found only while evaluating, that is too long to be matched in good time.
func shortPattern(args ...any) (any, error) {
	if text, ok := args[0].(string); ok && len(text) > maxPattern {
		return nil, errCost
	}
	return args[0], nil
}

func (p *purse) repeat(args ...any) (any, error) {
	text, n := args[0].(string), args[1].(int)
	if n < 0 {
		return nil, fmt.Errorf("repeat: %d is negative", n)
	}
	if n > maxCost {
		return nil, errCost
	}
	if err := p.spend(1 + len(text)*n/bytesPer); err != nil {
		return nil, err
	}
	return strings.Repeat(text, n), nil
}

func (p *purse) replace(args ...any) (any, error) {
	text, old, by, n := args[0].(string), args[1].(string), args[2].(string), -1
	if len(args) == 4 {
		n = args[3].(int)
	}
	if err := p.spend(1 + (len(text)+strings.Count(text, old)*len(by))/bytesPer); err != nil {
		return nil, err
	}
	return strings.Replace(text, old, by, n), nil
}

func (p *purse) join(args ...any) (any, error) {
	glue := ""
	if len(args) == 2 {
		glue = args[1].(string)
	}
	list := reflect.ValueOf(args[0])
	if list.Kind() != reflect.Slice {
		return nil, fmt.Errorf("join: %T is not a list", args[0])
	}
	texts := make([]string, 0, min(list.Len(), maxCost))
	for i := range list.Len() {
		text, ok := list.Index(i).Interface().(string)
		if !ok {
			return nil, fmt.Errorf("join: element %d is not text", i)
		}
		if err := p.spend(1 + (len(text)+len(glue))/bytesPer); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, glue), nil
}
