package gitsync

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Ignored is the rules of ignoreDifferences that concern one object.
type Ignored []gitopsv1.IgnoreDifference

// IgnoredFor picks the rules for an object: group and kind are globs, name and namespace must be equal where they are set.
func IgnoredFor(rules []gitopsv1.IgnoreDifference, o *unstructured.Unstructured) (found Ignored) {
	key := KeyOf(o)
	for _, r := range rules {
		group := r.Group == key.Group || r.Group != "" && matchesAny([]string{r.Group}, key.Group)
		if group && matchesAny([]string{r.Kind}, key.Kind) && (r.Name == "" || r.Name == key.Name) && (r.Namespace == "" || r.Namespace == key.Namespace) {
			found = append(found, r)
		}
	}
	return found
}

// strip takes ignored fields out of copies of both sides. A jq expression may look at what only one side has, such as a label that a controller
// sets: what it names on one side is taken out of the other as well, unless it lies in a list, whose items need not stand in the same place.
func (i Ignored) strip(want, have map[string]any, live *unstructured.Unstructured) (strippedWant, strippedHave map[string]any, err error) {
	if len(i) == 0 {
		return want, have, nil
	}
	// The machine of jq knows only some types of numbers; these trees hold float64, and are copied because fields are deleted.
	want, have = runtime.DeepCopyJSON(want), runtime.DeepCopyJSON(have)
	for _, rule := range i {
		for _, pointer := range rule.JSONPointers {
			path := pointerPath(pointer)
			remove(want, path)
			remove(have, path)
		}
		for _, expression := range rule.JQPathExpressions {
			if err := stripJQ(expression, want, have); err != nil {
				return nil, nil, fmt.Errorf("ignoreDifferences for %s: jqPathExpressions %q: %w", rule.Kind, expression, err)
			}
		}
		if len(rule.ManagedFieldsManagers) > 0 {
			fields := fieldsOf(live, func(m manager) bool { return slices.Contains(rule.ManagedFieldsManagers, m.name) })
			cut(fields, want)
			cut(fields, have)
		}
	}
	strippedWant, _ = compact(want).(map[string]any)
	strippedHave, _ = compact(have).(map[string]any)
	return strippedWant, strippedHave, nil
}

func pointerPath(pointer string) (path []any) {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		path = append(path, unescape.Replace(part))
	}
	return path
}

func stripJQ(expression string, want, have map[string]any) error {
	inWant, err := jqFields(expression, want)
	if err != nil {
		return err
	}
	inHave, err := jqFields(expression, have)
	if err != nil {
		return err
	}
	for _, side := range []struct {
		tree        map[string]any
		own, others [][]any
	}{{want, inWant, inHave}, {have, inHave, inWant}} {
		removeAll(side.tree, side.own)
		removeAll(side.tree, slices.DeleteFunc(slices.Clone(side.others), inList))
	}
	return nil
}

func inList(path []any) bool {
	return slices.ContainsFunc(path, func(part any) bool { _, isName := part.(string); return !isName })
}

// removeAll removes the last paths first, so that the places of list items stay what they were.
func removeAll(tree map[string]any, paths [][]any) {
	sorted := slices.Clone(paths)
	slices.SortStableFunc(sorted, func(a, b []any) int { return -gojq.Compare(a, b) })
	for _, path := range sorted {
		remove(tree, path)
	}
}

// remove takes what a path names out of a tree; a path that names nothing is left alone.
func remove(tree any, path []any) {
	if len(path) == 0 {
		return
	}
	for _, part := range path[:len(path)-1] {
		tree = at(tree, part)
	}
	switch holder := tree.(type) {
	case map[string]any:
		if name, ok := path[len(path)-1].(string); ok {
			delete(holder, name)
		}
	case []any:
		// The item is blanked, not removed: the list belongs to a holder above, and both sides are blanked alike.
		if i, ok := index(path[len(path)-1], len(holder)); ok {
			holder[i] = map[string]any{}
		}
	}
}

func at(tree, part any) any {
	switch holder := tree.(type) {
	case map[string]any:
		if name, ok := part.(string); ok {
			return holder[name]
		}
	case []any:
		if i, ok := index(part, len(holder)); ok {
			return holder[i]
		}
	}
	return nil
}

func index(part any, length int) (int, bool) {
	i := -1
	switch p := part.(type) {
	case int:
		i = p
	case float64:
		i = int(p)
	case string:
		n, err := strconv.Atoi(p)
		if err != nil {
			return 0, false
		}
		i = n
	}
	return i, i >= 0 && i < length
}
