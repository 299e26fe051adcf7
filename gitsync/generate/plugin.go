package generate

import (
	"encoding/json"
	"fmt"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate/sandbox"
)

// plugin gives the sets that a service answers with; what was sent to it is a parameter too, as generator.input.parameters.
func (r *run) plugin(at string, g *gitopsv1.PluginGenerator) ([]Params, error) {
	only := gitopsv1.PluginGenerator{ConfigMapRef: g.ConfigMapRef, Input: g.Input}
	text, err := json.Marshal(gitopsv1.Generator{Plugin: &only})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", at, err)
	}
	answer, err := r.answer(Question{About: AboutPlugin, Generator: string(text), MaxAge: maxAge(g.RequeueAfterSeconds)})
	if err != nil {
		return nil, err
	}
	input, err := tree(g.Input)
	if err != nil {
		return nil, fmt.Errorf("reading %s.input: %w", at, err)
	}
	var sets []Params
	for _, object := range answer.Parameters {
		whole := merged(sandbox.Clone(object).(map[string]any), map[string]any{"generator": map[string]any{"input": input}})
		set := Params{}
		if r.Set.Spec.GoTemplate {
			set = whole
		} else {
			flatten(set, "", whole)
		}
		if err := r.addValues(at, g.Values, set); err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}
