package generate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func (r *run) list(at string, g *gitopsv1.ListGenerator) ([]Params, error) {
	var elements []Params
	for i, raw := range g.Elements {
		var element Params
		if err := json.Unmarshal(raw.Raw, &element); err != nil {
			return nil, fmt.Errorf("reading %s.elements[%d]: %w", at, i, err)
		}
		elements = append(elements, element)
	}
	if g.ElementsYAML != "" {
		var more []Params
		if err := yaml.Unmarshal([]byte(g.ElementsYAML), &more); err != nil {
			return nil, fmt.Errorf("reading %s.elementsYaml, which must be a list of objects: %w", at, err)
		}
		elements = append(elements, more...)
	}
	if r.Set.Spec.GoTemplate {
		return elements, nil
	}
	for i, element := range elements {
		flat, err := flatElement(element)
		if err != nil {
			return nil, fmt.Errorf("reading element %d of %s: %w", i, at, err)
		}
		elements[i] = flat
	}
	return elements, nil
}

// flatElement is an element for plain placeholders: texts, and a map of texts under values.
func flatElement(element Params) (Params, error) {
	flat := Params{}
	for _, key := range slices.Sorted(maps.Keys(element)) {
		if key != "values" {
			if err := addText(flat, key, element[key]); err != nil {
				return nil, err
			}
			continue
		}
		values, ok := element[key].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("values is no map of texts")
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if err := addText(flat, "values."+name, values[name]); err != nil {
				return nil, err
			}
		}
	}
	return flat, nil
}

func addText(into Params, key string, value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("%s is no text; put it in quotes, or set goTemplate to true", key)
	}
	into[key] = text
	return nil
}
