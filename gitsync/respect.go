package gitsync

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Digest identifies the content of a manifest.
func Digest(o *unstructured.Unstructured) string {
	text, err := json.Marshal(o.Object) // maps are written in the order of their keys
	if err != nil {
		return "" // such an object came from no JSON; it equals no other
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// respect gives a manifest in which ignored fields have the values that live, as the option RespectIgnoreDifferences asks for.
func respect(desired, live *unstructured.Unstructured, ignored Ignored) *unstructured.Unstructured {
	kept := desired.DeepCopy()
	for _, path := range ignored.paths(desired, live) {
		value := any(live.Object)
		for _, part := range path {
			value = at(value, part)
		}
		if value == nil {
			remove(kept.Object, path)
			continue
		}
		put(kept.Object, path, runtime.DeepCopyJSONValue(value))
	}
	return kept
}

// paths lists the fields that rules name in either of two objects. Expressions that cannot be read were told of by the comparison.
func (i Ignored) paths(desired, live *unstructured.Unstructured) (all [][]any) {
	for _, rule := range i {
		for _, pointer := range rule.JSONPointers {
			all = append(all, pointerPath(pointer))
		}
		for _, expression := range rule.JQPathExpressions {
			for _, tree := range []*unstructured.Unstructured{desired, live} {
				full, _ := numbers(tree.Object).(map[string]any)
				found, err := jqFields(expression, full)
				if err == nil {
					all = append(all, found...)
				}
			}
		}
		if len(rule.ManagedFieldsManagers) > 0 {
			fields := fieldsOf(live, func(m manager) bool { return slices.Contains(rule.ManagedFieldsManagers, m.name) })
			all = append(all, fieldPaths(nil, fields)...)
		}
	}
	return all
}

// fieldPaths lists the fields of a set that lie in no list.
func fieldPaths(above []any, fields map[string]any) (all [][]any) {
	for key, value := range fields {
		name, isField := cutField(key)
		if !isField {
			continue
		}
		path := append(slices.Clone(above), name)
		below, _ := value.(map[string]any)
		if isLeaf(below) {
			all = append(all, path)
			continue
		}
		all = append(all, fieldPaths(path, below)...)
	}
	return all
}

func cutField(key string) (any, bool) {
	if len(key) < 2 || key[:2] != "f:" {
		return nil, false
	}
	return key[2:], true
}

// numbers copies a tree with all numbers as the machine of jq knows them.
func numbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key, item := range v {
			copied[key] = numbers(item)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, item := range v {
			copied[i] = numbers(item)
		}
		return copied
	}
	return number(value)
}

// put sets what a path names; maps on the way are made, lists are not.
func put(tree any, path []any, value any) {
	for _, part := range path[:len(path)-1] {
		next := at(tree, part)
		if next == nil {
			holder, isMap := tree.(map[string]any)
			name, isName := part.(string)
			if !isMap || !isName {
				return
			}
			next = map[string]any{}
			holder[name] = next
		}
		tree = next
	}
	switch holder := tree.(type) {
	case map[string]any:
		if name, ok := path[len(path)-1].(string); ok {
			holder[name] = value
		}
	case []any:
		if i, ok := index(path[len(path)-1], len(holder)); ok {
			holder[i] = value
		}
	}
}
