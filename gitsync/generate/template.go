package generate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kjson "sigs.k8s.io/json"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// applications renders the template of each bundle with each of its sets.
func (r *run) applications(bundles []bundle) ([]gitopsv1.Application, error) {
	var all []gitopsv1.Application
	for _, b := range bundles {
		for _, set := range b.sets {
			app, err := r.application(b.template, set)
			if err != nil {
				return nil, err
			}
			all = append(all, app)
		}
	}
	slices.SortStableFunc(all, func(a, b gitopsv1.Application) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// rendered is what a template and its patch may say about an Application.
type rendered struct {
	APIVersion string                           `json:"apiVersion,omitempty"`
	Kind       string                           `json:"kind,omitempty"`
	Metadata   gitopsv1.ApplicationTemplateMeta `json:"metadata"`
	Spec       gitopsv1.ApplicationSpec         `json:"spec"`
}

func (r *run) application(template map[string]any, params Params) (gitopsv1.Application, error) {
	r.sandbox.Grant()
	filled, err := r.sandbox.Tree(template, params, "template")
	if err != nil {
		return gitopsv1.Application{}, err
	}
	object := filled.(map[string]any)
	if err := r.finalize(object); err != nil {
		return gitopsv1.Application{}, err
	}
	if patch := r.Set.Spec.TemplatePatch; patch != nil {
		if object, err = r.patched(object, *patch, params); err != nil {
			return gitopsv1.Application{}, err
		}
	}
	text, err := json.Marshal(object)
	if err != nil {
		return gitopsv1.Application{}, fmt.Errorf("writing the rendered Application: %w", err)
	}
	var parts rendered
	unknown, err := kjson.UnmarshalStrict(text, &parts)
	if err == nil && len(unknown) > 0 {
		err = unknown[0]
	}
	if err != nil {
		return gitopsv1.Application{}, fmt.Errorf("reading the rendered Application: %w", err)
	}
	return r.composed(parts), nil
}

func (r *run) composed(parts rendered) gitopsv1.Application {
	app := gitopsv1.Application{Spec: parts.Spec}
	app.SetGroupVersionKind(gitopsv1.ApplicationKind)
	app.Name, app.Namespace = parts.Metadata.Name, r.Set.Namespace
	app.Labels, app.Annotations, app.Finalizers = parts.Metadata.Labels, parts.Metadata.Annotations, parts.Metadata.Finalizers
	return app
}

// finalize lets the resources of an Application go with it, unless the template or the set says otherwise.
func (r *run) finalize(object map[string]any) error {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return fmt.Errorf("the template has no metadata")
	}
	if list, _ := metadata["finalizers"].([]any); len(list) == 0 && !gitopsv1.PreservesResources(r.Set.Spec) {
		metadata["finalizers"] = []any{gitopsv1.FinalizerResources}
	}
	return nil
}

// overlaid is a template with the fields that the template of a generator fills; empty ones leave the base as it is.
func overlaid(base map[string]any, over *apiextensionsv1.JSON) (map[string]any, error) {
	if over == nil || len(over.Raw) == 0 {
		return base, nil
	}
	var typed gitopsv1.ApplicationTemplate
	unknown, err := kjson.UnmarshalStrict(over.Raw, &typed)
	if err == nil && len(unknown) > 0 {
		err = unknown[0]
	}
	if err != nil {
		return nil, err
	}
	fields, err := tree(typed)
	if err != nil {
		return nil, err
	}
	filled, _ := pruned(fields).(map[string]any)
	return merged(base, filled), nil
}

// pruned is a value without empty texts, lists and maps; nil if nothing is left of it.
func pruned(value any) any {
	switch v := value.(type) {
	case string:
		if v == "" {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case map[string]any:
		kept := map[string]any{}
		for key, child := range v {
			if child = pruned(child); child != nil {
				kept[key] = child
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	}
	return value
}
