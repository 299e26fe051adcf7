package generate

import (
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// patched merges the rendered templatePatch over a rendered Application: maps are merged, null removes, lists are replaced except that
// finalizers are added, as in a strategic merge. The project stays what the template says.
func (r *run) patched(object map[string]any, patch string, params Params) (map[string]any, error) {
	text, err := r.sandbox.Text(patch, params, "templatePatch")
	if err != nil {
		return nil, err
	}
	var fields any
	if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
		return nil, fmt.Errorf("reading the rendered templatePatch: %w", err)
	}
	if fields == nil {
		return object, nil
	}
	over, ok := fields.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the rendered templatePatch is no object; write the fields of an Application")
	}
	if err := checkPatch(over); err != nil {
		return nil, err
	}
	result := merge(object, over)
	addFinalizers(result, object, over)
	r.keepProject(result, object)
	return result, nil
}

// checkPatch refuses what a template may not say, because it is the Application's own.
func checkPatch(over map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(over)) {
		switch {
		case key == "metadata" || key == "spec":
		case key == "apiVersion" && over[key] == gitopsv1.GroupVersion.String():
		case key == "kind" && over[key] == gitopsv1.ApplicationKind.Kind:
		default:
			return fmt.Errorf("templatePatch sets %s; it may only set metadata and spec of an Application", key)
		}
	}
	return nil
}

// merge is base with a JSON merge patch (RFC 7386) applied; neither is changed.
func merge(base, patch map[string]any) map[string]any {
	result := maps.Clone(base)
	for key, value := range patch {
		if value == nil {
			delete(result, key)
			continue
		}
		if deep, isMap := value.(map[string]any); isMap {
			under, _ := result[key].(map[string]any)
			if under == nil {
				under = map[string]any{}
			}
			value = merge(under, deep)
		}
		result[key] = value
	}
	return result
}

func addFinalizers(result, object, over map[string]any) {
	before, _ := metadataOf(object)["finalizers"].([]any)
	more, ok := metadataOf(over)["finalizers"].([]any)
	if !ok {
		return
	}
	all := slices.Clone(before)
	for _, f := range more {
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	metadataOf(result)["finalizers"] = all
}

func metadataOf(object map[string]any) map[string]any {
	metadata, _ := object["metadata"].(map[string]any)
	return metadata
}

// keepProject undoes a change of the project, because a patch may be filled from what other people wrote.
func (r *run) keepProject(result, object map[string]any) {
	before, _ := object["spec"].(map[string]any)
	after, ok := result["spec"].(map[string]any)
	if !ok || after["project"] == before["project"] {
		return
	}
	if after["project"] = before["project"]; before["project"] == nil {
		delete(after, "project")
	}
	r.note("ProjectNotPatched", "templatePatch sets spec.project, which has no effect; set it in the template")
}
