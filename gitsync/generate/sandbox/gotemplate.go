package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// Functions that every parsed template calls without having written so.
const (
	tickFunction = "sluice_step" // at the start of each loop body and each named template
	textFunction = "sluice_text" // at the end of each action that writes
)

// goTemplates renders with text/template. Templates are rewritten after parsing so that they pay for each step, because text/template itself
// can neither be interrupted nor bounded.
type goTemplates struct {
	options   []string
	functions template.FuncMap
	budget    *budget
	parsed    map[string]*template.Template
}

var knownOptions = []string{"missingkey=default", "missingkey=invalid", "missingkey=zero", "missingkey=error"}

func newGoTemplates(options []string, now time.Time, b *budget) (*goTemplates, error) {
	for _, option := range options {
		if !slices.Contains(knownOptions, option) {
			return nil, fmt.Errorf("spec.goTemplateOptions holds %q; use one of %s", option, strings.Join(knownOptions, ", "))
		}
	}
	return &goTemplates{options: options, functions: functions(now, b), budget: b, parsed: map[string]*template.Template{}}, nil
}

func (l *goTemplates) render(text string, params Params) (string, error) {
	t, err := l.parse(text)
	if err != nil {
		return "", err
	}
	if mayChange(text) {
		params = Clone(params).(map[string]any)
	}
	l.budget.open()
	out := &boundedText{budget: l.budget}
	if err := t.Execute(out, params); err != nil {
		return "", err
	}
	return out.String(), nil
}

// mayChange reports whether a template may call a function that changes its arguments.
func mayChange(text string) bool {
	return strings.Contains(text, "set") || strings.Contains(text, "erge")
}

func (l *goTemplates) parse(text string) (*template.Template, error) {
	if t, ok := l.parsed[text]; ok {
		return t, nil
	}
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("the template has %d bytes, more than %d", len(text), maxTemplate)
	}
	t, err := template.New("template").Funcs(l.functions).Option(l.options...).Parse(text)
	if err != nil {
		return nil, err
	}
	calls := map[string][]string{}
	for _, named := range t.Templates() {
		guard(named.Root, func(name string) { calls[named.Name()] = append(calls[named.Name()], name) })
		named.Root.Nodes = append([]parse.Node{tick(named.Root.Pos)}, named.Root.Nodes...)
	}
	for _, named := range t.Templates() {
		if reaches(calls, named.Name(), named.Name(), map[string]bool{}) {
			return nil, fmt.Errorf("the template %q calls itself", named.Name())
		}
	}
	l.parsed[text] = t
	return t, nil
}

// guard adds the calls of tickFunction and textFunction below a node and tells each template that is called.
func guard(node parse.Node, calls func(name string)) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			guard(child, calls)
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			n.Pipe.Cmds = append(n.Pipe.Cmds, call(textFunction, n.Pos))
		}
	case *parse.TemplateNode:
		calls(n.Name)
	case *parse.IfNode:
		guard(n.List, calls)
		guard(n.ElseList, calls)
	case *parse.WithNode:
		guard(n.List, calls)
		guard(n.ElseList, calls)
	case *parse.RangeNode:
		guard(n.List, calls)
		guard(n.ElseList, calls)
		n.List.Nodes = append([]parse.Node{tick(n.Pos)}, n.List.Nodes...)
	}
}

func call(function string, pos parse.Pos) *parse.CommandNode {
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: []parse.Node{parse.NewIdentifier(function).SetPos(pos)}}
}

func tick(pos parse.Pos) *parse.ActionNode {
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{call(tickFunction, pos)}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: pos, Pipe: pipe}
}

// reaches reports whether a template calls another one, itself or through others.
func reaches(calls map[string][]string, from, to string, seen map[string]bool) bool {
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(calls[from], func(next string) bool {
		return next == to || reaches(calls, next, to, seen)
	})
}

// boundedText collects what a template writes and refuses what is too much.
type boundedText struct {
	strings.Builder
	budget *budget
}

func (t *boundedText) Write(p []byte) (int, error) {
	if t.Len()+len(p) > maxText {
		return 0, fmt.Errorf("the text grows beyond %d bytes", maxText)
	}
	if err := t.budget.spend(len(p)); err != nil {
		return 0, err
	}
	return t.Builder.Write(p)
}
