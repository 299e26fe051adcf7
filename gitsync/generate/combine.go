package generate

import (
	"encoding/json"
	"errors"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// maxDepth is how deep matrix and merge may be nested: one inside another.
const maxDepth = 2

func nested(g gitopsv1.Generator) []apiextensionsv1.JSON {
	var all []apiextensionsv1.JSON
	if g.Matrix != nil {
		all = append(all, g.Matrix.Generators...)
	}
	if g.Merge != nil {
		all = append(all, g.Merge.Generators...)
	}
	return all
}

// matrix gives every pair of sets. The second generator is rendered with each set of the first before it is asked.
func (r *run) matrix(at string, g *gitopsv1.MatrixGenerator, depth int) ([]Params, error) {
	if len(g.Generators) != 2 {
		return nil, fmt.Errorf("%s has %d generators; it needs two", at, len(g.Generators))
	}
	firsts, err := r.child(at+".generators[0]", g.Generators[0], depth)
	if err != nil {
		return nil, err
	}
	var all []Params
	unanswered := false
	for _, first := range firsts {
		pairs, err := r.pairs(at, first, g.Generators[1], depth)
		if errors.Is(err, errUnanswered) {
			unanswered = true
			continue
		}
		if err != nil {
			return nil, err
		}
		if all = append(all, pairs...); len(all) > maxSets {
			return nil, fewEnough(at, len(all))
		}
	}
	if unanswered {
		return nil, errUnanswered
	}
	return all, nil
}

// pairs joins one set of the first generator with each set that the second gives for it.
func (r *run) pairs(at string, first Params, second apiextensionsv1.JSON, depth int) ([]Params, error) {
	at += ".generators[1]"
	r.sandbox.Grant()
	var template any
	if err := json.Unmarshal(second.Raw, &template); err != nil {
		return nil, fmt.Errorf("reading %s: %w", at, err)
	}
	outer := r.outer
	defer func() { r.outer = outer }()
	r.outer = merged(first, outer)
	putBack := setValuesAside(template)
	rendered, err := r.sandbox.Tree(template, r.outer, at)
	if err != nil {
		return nil, err
	}
	putBack(rendered)
	raw, err := json.Marshal(rendered)
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", at, err)
	}
	sets, err := r.child(at, apiextensionsv1.JSON{Raw: raw}, depth)
	if err != nil {
		return nil, err
	}
	var all []Params
	for _, set := range sets {
		pair, err := r.joined(first, set)
		if err != nil {
			return nil, fmt.Errorf("joining the sets of %s: %w", at, err)
		}
		all = append(all, pair)
	}
	return all, nil
}

// setValuesAside takes the values out of a generator and of those inside it, and returns a function that puts them into a copy. They are
// rendered once, by the generator itself: rendered before, a parameter that holds braces would be taken for a template.
func setValuesAside(generator any) (putBack func(rendered any)) {
	kinds, _ := generator.(map[string]any)
	var all []func(any)
	for kind, part := range kinds {
		fields, ok := part.(map[string]any)
		if !ok {
			continue
		}
		if values, ok := fields["values"]; ok {
			delete(fields, "values")
			all = append(all, func(rendered any) { rendered.(map[string]any)[kind].(map[string]any)["values"] = values })
		}
		inside, _ := fields["generators"].([]any)
		for i, g := range inside {
			deeper := setValuesAside(g)
			all = append(all, func(rendered any) {
				deeper(rendered.(map[string]any)[kind].(map[string]any)["generators"].([]any)[i])
			})
		}
	}
	return func(rendered any) {
		for _, put := range all {
			put(rendered)
		}
	}
}

// merge gives the sets of the first generator, with what the later ones say about the same mergeKeys.
func (r *run) merge(at string, g *gitopsv1.MergeGenerator, depth int) ([]Params, error) {
	switch {
	case len(g.Generators) < 2:
		return nil, fmt.Errorf("%s has %d generators; it needs two or more", at, len(g.Generators))
	case len(g.MergeKeys) == 0:
		return nil, fmt.Errorf("%s has no mergeKeys; name the parameters that say which sets belong together", at)
	}
	var order []string
	var base map[string]Params
	unanswered := false
	for i, raw := range g.Generators {
		at := fmt.Sprintf("%s.generators[%d]", at, i)
		sets, err := r.child(at, raw, depth)
		if errors.Is(err, errUnanswered) {
			unanswered = true
			continue
		}
		if err != nil {
			return nil, err
		}
		keys, byKey, err := keyed(at, sets, g.MergeKeys)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			order, base = keys, byKey
			continue
		}
		for _, key := range keys {
			if under, ok := base[key]; ok {
				base[key] = r.overridden(under, byKey[key])
			}
		}
	}
	if unanswered {
		return nil, errUnanswered
	}
	var all []Params
	for _, key := range order {
		all = append(all, base[key])
	}
	return all, nil
}

// overridden is a set with the parameters of a later one; nested maps are merged only with Go templates.
func (r *run) overridden(under, over Params) Params {
	if r.Set.Spec.GoTemplate {
		return merged(under, over)
	}
	all := Params{}
	for _, set := range []Params{under, over} {
		for key, value := range set {
			all[key] = value
		}
	}
	return all
}

// keyed finds sets by the values of the merge keys; a key that a set lacks counts as null.
func keyed(at string, sets []Params, mergeKeys []string) ([]string, map[string]Params, error) {
	var order []string
	byKey := map[string]Params{}
	for _, set := range sets {
		values := make([]any, len(mergeKeys))
		for i, name := range mergeKeys {
			values[i] = set[name]
		}
		text, err := json.Marshal(values)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the mergeKeys of %s: %w", at, err)
		}
		key := string(text)
		if _, twice := byKey[key]; twice {
			return nil, nil, fmt.Errorf("%s gives two sets with the same values of the mergeKeys %q; they must tell its sets apart", at, mergeKeys)
		}
		byKey[key] = set
		order = append(order, key)
	}
	return order, byKey, nil
}

// child asks a generator inside a matrix or a merge.
func (r *run) child(at string, raw apiextensionsv1.JSON, depth int) ([]Params, error) {
	g, err := gitopsv1.NestedGenerator(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	kinds := gitopsv1.KindsOf(g)
	switch {
	case len(kinds) == 0:
		return nil, unknownGenerator(at)
	case len(kinds) > 1:
		return nil, fmt.Errorf("%s names %d generators; a matrix and a merge take one in each entry", at, len(kinds))
	case depth+1 >= maxDepth && (g.Matrix != nil || g.Merge != nil):
		return nil, fmt.Errorf("%s.%s lies too deep; a matrix or a merge may hold another one, and that only simple generators", at, kinds[0])
	}
	if t := templateOf(kinds[0], g); t != nil && !isEmptyJSON(t.Raw) {
		r.note("TemplateWithoutEffect", fmt.Sprintf("%s.%s.template has no effect; move it to the matrix or merge around it", at, kinds[0]))
	}
	return r.find(at, kinds[0], g, depth+1)
}

// note tells something once.
func (r *run) note(reason, message string) {
	n := Note{reason, message}
	for _, told := range r.notes {
		if told == n {
			return
		}
	}
	r.notes = append(r.notes, n)
}

// isEmptyJSON reports whether a value holds nothing: null, or objects, lists and texts without content.
func isEmptyJSON(raw []byte) bool {
	var value any
	return json.Unmarshal(raw, &value) != nil || pruned(value) == nil
}
