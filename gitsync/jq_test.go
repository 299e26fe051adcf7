package gitsync

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAJQExpressionFindsFieldsAndDoesNothingElse(t *testing.T) {
	tree := map[string]any{"spec": map[string]any{"list": []any{map[string]any{"name": "a", "w": 1.0}, map[string]any{"name": "b"}}}}
	for _, c := range []struct {
		name, expression string
		paths            [][]any
		problem          string
	}{
		{"a field", ".spec.list[0].w", [][]any{{"spec", "list", 0, "w"}}, ""},
		{"a field by the name of its item", `.spec.list[] | select(.name == "b")`, [][]any{{"spec", "list", 1}}, ""},
		{"a field that is not there", ".status.x[].y", nil, ""},
		{"a text that doubles itself", `"a" | [.,.] | add`, nil, `uses "add"`},
		{"a text that is multiplied", `.x == ("a" * 1000000000)`, nil, `uses "*"`},
		{"an interpolation", `.["\(.a)\(.a)"]`, nil, `uses "\\"`},
		{"a loop without an end", "recurse(.)", nil, "names more than"},
		{"a value that doubles itself", strings.Repeat("[.,.] | ", 40) + ".[0] == .[1]", nil, "commas"},
		{"a definition", "def f: f; f", nil, `uses "def"`},
		{"the environment", "env.HOME", nil, `uses "env"`},
		{"no expression", ".spec[", nil, "unexpected"},
		{"a very long one", strings.Repeat(".a", 5000), nil, "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begun := time.Now()
			paths, err := jqFields(c.expression, tree)
			if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Fatalf("error %v, want %q", err, c.problem)
			}
			if diff := cmp.Diff(c.paths, paths); diff != "" && c.problem == "" {
				t.Error(diff)
			}
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("took %s", took)
			}
		})
	}
}
