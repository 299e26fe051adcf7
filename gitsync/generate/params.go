package generate

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// flatten writes the leaves of a tree under keys joined by dots, as plain placeholders name them; list items have their number as key.
func flatten(into Params, prefix string, value any) {
	key := func(name string) string {
		if prefix == "" {
			return name
		}
		return prefix + "." + name
	}
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			flatten(into, key(name), child)
		}
	case []any:
		for i, child := range v {
			flatten(into, key(strconv.Itoa(i)), child)
		}
	default:
		into[prefix] = fmt.Sprint(v)
	}
}

// addValues renders the values of a generator with the parameters that it has found, and those of the first generator of a matrix around
// it, and adds them, as values.
func (r *run) addValues(at string, values map[string]string, params Params) error {
	if len(values) == 0 {
		return nil
	}
	seen := params
	if len(r.outer) > 0 {
		seen = merged(params, r.outer)
	}
	rendered := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text, err := r.sandbox.Text(values[name], seen, fmt.Sprintf("%s.values.%s", at, name))
		if err != nil {
			return err
		}
		rendered[name] = text
	}
	if r.Set.Spec.GoTemplate {
		params["values"] = rendered
		return nil
	}
	flatten(params, "values", rendered)
	return nil
}

// joined is a set of the first generator of a matrix together with one of the second. Plain keys must not contradict each other; with Go
// templates maps are merged and the first generator wins.
func (r *run) joined(first, second Params) (Params, error) {
	if r.Set.Spec.GoTemplate {
		return merged(second, first), nil
	}
	all := maps.Clone(second)
	for key, value := range first {
		if other, ok := second[key]; ok && !reflect.DeepEqual(other, value) {
			return nil, fmt.Errorf("both generators give the parameter %s, with different values; rename one", key)
		}
		all[key] = value
	}
	return all, nil
}

// merged is base with what over has as well or instead; maps are merged, everything else is replaced. Neither argument is changed.
func merged(base, over map[string]any) map[string]any {
	all := maps.Clone(base)
	if all == nil {
		all = map[string]any{}
	}
	for key, value := range over {
		deep, isMap := value.(map[string]any)
		under, hasMap := all[key].(map[string]any)
		if isMap && hasMap {
			value = merged(under, deep)
		}
		all[key] = value
	}
	return all
}
