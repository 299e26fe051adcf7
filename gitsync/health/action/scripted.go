package action

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/gitsync/health/script"
)

// definition is the form in which teams write the actions of a kind.
type definition struct {
	// MergeBuiltIn keeps the actions that are built in beside these, but for those of the same name.
	MergeBuiltIn bool `json:"mergeBuiltinActions,omitempty"`
	// Discovery finds the object as obj and returns a table of actions by name.
	Discovery string `json:"discovery.lua,omitempty"`
	// Definitions change obj, with actionParams, and return it, or a list of {operation, resource}.
	Definitions []struct {
		Name   string `json:"name"`
		Action string `json:"action.lua"`
	} `json:"definitions,omitempty"`
}

// scripted are the actions of a team for one kind.
type scripted struct {
	definition
	discovery *script.Program
	actions   map[string]*script.Program
}

// Check says what is wrong with the actions of a kind, as teams write them.
func Check(text string) error {
	_, err := parse(text)
	return err
}

func parse(text string) (*scripted, error) {
	s := &scripted{actions: map[string]*script.Program{}}
	if err := yaml.UnmarshalStrict([]byte(text), &s.definition); err != nil {
		return nil, fmt.Errorf("they must be YAML with discovery.lua and definitions: %w", err)
	}
	var err error
	if s.discovery, err = script.Compile("discovery.lua", s.Discovery); err != nil {
		return nil, err
	}
	for _, d := range s.Definitions {
		if d.Name == "" || s.has(d.Name) {
			return nil, fmt.Errorf("each definition needs a name of its own, and %q is none", d.Name)
		}
		if s.actions[d.Name], err = script.Compile(d.Name, d.Action); err != nil {
			return nil, fmt.Errorf("the action %s: %w", d.Name, err)
		}
	}
	return s, nil
}

func (s *scripted) has(name string) bool { return s.actions[name] != nil }

// discover runs the discovery; an action that has no definition is not one.
func (s *scripted) discover(o *unstructured.Unstructured, now time.Time) (all []Action, err error) {
	result, err := s.discovery.Run(script.Input{Globals: map[string]any{"obj": o.Object}, Now: now})
	if err != nil || result == nil {
		return nil, err
	}
	found, ok := result.(map[string]any)
	if !ok {
		return nil, errors.New("the discovery returned no table of actions by name")
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !s.has(name) {
			return nil, fmt.Errorf("the discovery returned %q, for which there is no definition", name)
		}
		one := Action{Name: name}
		if about, ok := found[name].(map[string]any); ok {
			one.Disabled, _ = about["disabled"].(bool)
			one.DisplayName, _ = about["displayName"].(string)
			one.IconClass, _ = about["iconClass"].(string)
			one.Parameters = parametersOf(about["params"])
		}
		all = append(all, one)
	}
	return all, nil
}

// parametersOf reads the list of parameters that a discovery gives, each a table with a name.
func parametersOf(value any) (names []string) {
	list, _ := value.([]any)
	for _, item := range list {
		about, _ := item.(map[string]any)
		if name, ok := about["name"].(string); ok {
			names = append(names, name)
		}
	}
	return names
}

func (s *scripted) run(o *unstructured.Unstructured, name string, in input) ([]Change, error) {
	parameters := map[string]any{}
	for key, value := range in.parameters {
		parameters[key] = value
	}
	result, err := s.actions[name].Run(script.Input{Globals: map[string]any{"obj": o.Object, "actionParams": parameters}, Now: in.now})
	if err != nil {
		return nil, err
	}
	if list, ok := result.([]any); ok {
		return changesOf(o, list)
	}
	changed, ok := result.(map[string]any)
	if !ok {
		return nil, errors.New("the script returned neither an object nor a list of {operation, resource}")
	}
	return []Change{{Object: &unstructured.Unstructured{Object: emptied(changed, o.Object)}}}, nil
}

func changesOf(o *unstructured.Unstructured, list []any) (changes []Change, err error) {
	for i, item := range list {
		entry, _ := item.(map[string]any)
		resource, ok := entry["resource"].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("entry %d of the list has no resource", i+1)
		}
		switch entry["operation"] {
		case "create":
			changes = append(changes, Change{Create: true, Object: &unstructured.Unstructured{Object: resource}})
		case "patch":
			changes = append(changes, Change{Object: &unstructured.Unstructured{Object: emptied(resource, o.Object)}})
		default:
			return nil, fmt.Errorf("the operation of entry %d is %v; there are create and patch", i+1, entry["operation"])
		}
	}
	return changes, nil
}

// emptied makes empty maps in an answer empty lists where the object had a list, because scripts cannot tell one from the other.
func emptied(answer, had map[string]any) map[string]any {
	for key, value := range answer {
		answer[key] = emptiedValue(value, had[key])
	}
	return answer
}

func emptiedValue(value, had any) any {
	switch v := value.(type) {
	case map[string]any:
		if _, wasList := had.([]any); wasList && len(v) == 0 {
			return []any{}
		}
		before, _ := had.(map[string]any)
		return emptied(v, before)
	case []any:
		before, _ := had.([]any)
		for i := range v {
			if i < len(before) {
				v[i] = emptiedValue(v[i], before[i])
			}
		}
	}
	return value
}
