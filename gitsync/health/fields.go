package health

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// at gives what lies at a path in a tree; nil if there is nothing.
func at(tree map[string]any, path ...string) any {
	var here any = tree
	for _, name := range path {
		m, ok := here.(map[string]any)
		if !ok {
			return nil
		}
		here = m[name]
	}
	return here
}

func text(tree map[string]any, path ...string) string {
	s, _ := at(tree, path...).(string)
	return s
}

func list(tree map[string]any, path ...string) []any {
	l, _ := at(tree, path...).([]any)
	return l
}

// number gives a number, of which JSON has two kinds.
func number(tree map[string]any, path ...string) (n float64, found bool) {
	switch v := at(tree, path...).(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// count gives a whole number, 0 where there is none.
func count(tree map[string]any, path ...string) int64 {
	n, _ := number(tree, path...)
	return int64(n)
}

// conditionsOf lists the conditions in a status.
func conditionsOf(o *unstructured.Unstructured) (all []map[string]any) {
	for _, item := range list(o.Object, "status", "conditions") {
		if c, ok := item.(map[string]any); ok {
			all = append(all, c)
		}
	}
	return all
}

// condition is one of a status; the last of its type counts.
type condition struct {
	status, reason, message string
	found                   bool
	// observed is the generation it was given for, if it says so.
	observed    float64
	hasObserved bool
}

func conditionOf(o *unstructured.Unstructured, name string) (found condition) {
	for _, c := range conditionsOf(o) {
		if c["type"] == name {
			found = condition{status: text(c, "status"), reason: text(c, "reason"), message: text(c, "message"), found: true}
			found.observed, found.hasObserved = number(c, "observedGeneration")
		}
	}
	return found
}
