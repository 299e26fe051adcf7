package main

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBoundReachesEverySchema(t *testing.T) {
	tree := map[string]any{"items": []any{
		map[string]any{"format": "date-time"},
		map[string]any{"properties": map[string]any{"n": map[string]any{"x-kubernetes-int-or-string": true}, "s": map[string]any{"type": "string"}}},
	}}
	bound(tree)
	want := map[string]any{"items": []any{
		map[string]any{"format": "date-time", "pattern": momentPattern, "minItems": 1, "maxItems": 0},
		map[string]any{"properties": map[string]any{
			"n": map[string]any{"x-kubernetes-int-or-string": true, "minimum": math.MinInt32, "maximum": math.MaxInt32},
			"s": map[string]any{"type": "string"}}},
	}}
	if diff := cmp.Diff(want, tree); diff != "" {
		t.Error(diff)
	}
}

func TestDescribeTellsRepeatedPartsOnce(t *testing.T) {
	part := schema{Type: "object", Properties: map[string]schema{"a": {Type: "string"}, "b": {Type: "integer"}, "c": {IntOrString: true}}}
	var one crd
	one.Spec.Names.Kind = "Rollout"
	one.Spec.Versions = append(one.Spec.Versions, struct {
		Name   string
		Schema struct{ OpenAPIV3Schema schema }
	}{})
	one.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties = map[string]schema{
		"spec": {Type: "object", Properties: map[string]schema{"first": part, "second": {Items: &part, Description: "More."}}}}
	got := (&reference{}).describe(one)
	for _, row := range []string{"| `spec.first.c` | number or text |  |", "| `spec.second` | list of object | More. The same fields as `spec.first`. |"} {
		if !strings.Contains(got, row) {
			t.Errorf("the page lacks %q:\n%s", row, got)
		}
	}
	if strings.Contains(got, "spec.second[].a") {
		t.Errorf("the page repeats a part:\n%s", got)
	}
}

func TestTheFieldsOfASelectorAreToldInOurWords(t *testing.T) {
	if got := sentence("spec.selector.matchLabels", "matchLabels is a map of {key,value} pairs."); got != selectors["matchLabels"] {
		t.Errorf("matchLabels: %s", got)
	}
	own := "Key of the Secret that is read."
	if got := sentence("spec.secretKeyRef.key", own); got != own {
		t.Errorf("a key that is none of a selector: %s", got)
	}
}
