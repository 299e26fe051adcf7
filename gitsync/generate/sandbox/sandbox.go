package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Params is what a text is filled with. Plain placeholders see its texts only.
type Params = map[string]any

// Options choose a language.
type Options struct {
	// GoTemplate takes text/template with the functions of sprig instead of plain placeholders.
	GoTemplate bool
	// GoTemplateOptions are such as missingkey=error.
	GoTemplateOptions []string
	// Now is what templates see as the current time.
	Now time.Time
}

// Sandbox renders the texts of one pass out of one budget.
type Sandbox struct {
	language language
	budget   *budget
}

// language fills a text with parameters.
type language interface {
	render(text string, params Params) (string, error)
}

// New opens a sandbox. It fails for options that text/template does not know.
func New(o Options) (*Sandbox, error) {
	s := &Sandbox{budget: newBudget()}
	if !o.GoTemplate {
		s.language = placeholders{s.budget}
		return s, nil
	}
	templates, err := newGoTemplates(o.GoTemplateOptions, o.Now, s.budget)
	s.language = templates
	return s, err
}

// Grant adds to the budget what one more set of parameters may cost.
func (s *Sandbox) Grant() { s.budget.total += setSteps }

// Tree renders every text of a tree, keys of maps included. An error names the place.
func (s *Sandbox) Tree(value any, params Params, at string) (any, error) {
	switch v := value.(type) {
	case string:
		return s.Text(v, params, at)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			var err error
			if list[i], err = s.Tree(item, params, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at := at + "." + key
			name, err := s.Text(key, params, at)
			if err != nil {
				return nil, err
			}
			if _, twice := object[name]; twice {
				return nil, fmt.Errorf("rendering %s: the key %q is there already", at, name)
			}
			if object[name], err = s.Tree(v[key], params, at); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	return value, nil
}

// Text renders a text, and returns it as it is if it holds no placeholder. An error names the place.
func (s *Sandbox) Text(text string, params Params, at string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	rendered, err := s.language.render(text, params)
	if err != nil {
		return "", fmt.Errorf("rendering %s: %w", at, err)
	}
	return rendered, nil
}

// Clone is a deep copy of the maps and lists of a tree.
func Clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for key, child := range v {
			c[key] = Clone(child)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, child := range v {
			c[i] = Clone(child)
		}
		return c
	}
	return value
}
