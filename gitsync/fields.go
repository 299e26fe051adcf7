package gitsync

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// appliedByUs reports whether our field manager has applied an object.
func appliedByUs(live *unstructured.Unstructured) bool { return len(ourFields(live)) > 0 }

// ourFields are the fields that our last apply set, as the server keeps them.
func ourFields(live *unstructured.Unstructured) map[string]any {
	return fieldsOf(live, func(m manager) bool {
		return m == manager{name: gitopsv1.FieldManager, operation: string(metav1.ManagedFieldsOperationApply)}
	})
}

// isOurs reports whether our last apply set a field.
func isOurs(live *unstructured.Unstructured, path []string) bool {
	fields := ourFields(live)
	for _, name := range path {
		below, found := fields["f:"+name].(map[string]any)
		if !found {
			return false
		}
		fields = below
	}
	return true
}

// fieldsOf merges the field sets of the managers that are asked for; ones that cannot be read count as empty. Nobody may change it.
func fieldsOf(live *unstructured.Unstructured, asked func(manager) bool) map[string]any {
	var all map[string]any
	metadata, _ := live.Object["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		fields, _ := entry["fieldsV1"].(map[string]any)
		switch {
		case !asked(managerOf(entry)):
		case all == nil:
			all = fields
		default:
			before := all
			all = map[string]any{}
			mergeFields(all, before)
			mergeFields(all, fields)
		}
	}
	return all
}

// manager is who wrote fields, and how. The accessor of an object would write out and read again all the fields.
type manager struct{ name, operation, subresource string }

func managerOf(entry map[string]any) (m manager) {
	m.name, _ = entry["manager"].(string)
	m.operation, _ = entry["operation"].(string)
	m.subresource, _ = entry["subresource"].(string)
	return m
}

func mergeFields(into, from map[string]any) {
	for key, value := range from {
		below, _ := value.(map[string]any)
		present, ok := into[key].(map[string]any)
		if !ok {
			present = map[string]any{}
			into[key] = present
		}
		mergeFields(present, below)
	}
}

// leftBehind reports whether our last apply set a field that is still there and that is wanted no more.
func leftBehind(live *unstructured.Unstructured, want, have map[string]any) bool {
	return outlives(ourFields(live), want, have)
}

// outlives walks a field set: f: names a field, k: an item of a list by its keys, v: an item that is a plain value.
func outlives(fields map[string]any, want, have any) bool {
	for key, value := range fields {
		below, _ := value.(map[string]any)
		there, present := child(key, have)
		if !present {
			continue
		}
		wanted, stays := child(key, want)
		if !stays || outlives(below, wanted, there) {
			return true
		}
	}
	return false
}

// child finds what an element of a field path names below a value.
func child(element string, in any) (any, bool) {
	kind, name, _ := strings.Cut(element, ":")
	switch kind {
	case "f":
		m, _ := in.(map[string]any)
		value, ok := m[name]
		return value, ok
	case "k", "v":
		var key any
		if json.Unmarshal([]byte(name), &key) != nil {
			return nil, false
		}
		list, _ := in.([]any)
		at := slices.IndexFunc(list, func(item any) bool { return isItem(item, key, kind == "k") })
		if at < 0 {
			return nil, false
		}
		return list[at], true
	}
	return nil, false
}

// isItem reports whether a list item is the one that a path element names. A key field that the item lacks is a default and does not count.
func isItem(item, key any, keyed bool) bool {
	if !keyed {
		return reflect.DeepEqual(item, key)
	}
	m, ok := item.(map[string]any)
	if !ok {
		return false
	}
	keys, _ := key.(map[string]any)
	for name, value := range keys {
		if have, set := m[name]; set && !reflect.DeepEqual(have, value) {
			return false
		}
	}
	return true
}

// cut removes the fields of a set from a value, and gives what is left.
func cut(fields map[string]any, from any) any {
	for element, value := range fields {
		below, _ := value.(map[string]any)
		kind, name, _ := strings.Cut(element, ":")
		there, present := child(element, from)
		if !present {
			continue
		}
		switch holder := from.(type) {
		case map[string]any:
			if kind == "f" && isLeaf(below) {
				delete(holder, name)
				continue
			}
			holder[name] = cut(below, there)
		case []any:
			at := slices.IndexFunc(holder, func(item any) bool { return reflect.DeepEqual(item, there) })
			if kind == "v" {
				from = slices.Delete(slices.Clone(holder), at, at+1)
				continue
			}
			holder[at] = cut(below, there)
		}
	}
	return from
}

// isLeaf reports whether a manager owns a field as a whole.
func isLeaf(below map[string]any) bool { return len(below) == 0 }
