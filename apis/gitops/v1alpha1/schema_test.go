package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

var kinds = map[string]func() any{
	"application":    func() any { return &gitopsv1.Application{} },
	"appproject":     func() any { return &gitopsv1.AppProject{} },
	"applicationset": func() any { return &gitopsv1.ApplicationSet{} },
}

func parse[T any](t *testing.T, file string) T {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var value T
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func schemaOf(t *testing.T, kind string) *apiextensions.JSONSchemaProps {
	t.Helper()
	crd := parse[apiextensionsv1.CustomResourceDefinition](t, filepath.Join("../../../config/crd", "argoproj.io_"+kind+"s.yaml"))
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		t.Fatal(err)
	}
	return &internal
}

// The files in testdata were written from the contract and not from the types.
func TestNothingThatAUserWroteIsLost(t *testing.T) {
	for kind, object := range kinds {
		t.Run(kind, func(t *testing.T) {
			file := "testdata/" + kind + ".yaml"
			written := parse[map[string]any](t, file)
			s := schemaOf(t, kind)
			values, _, err := validation.NewSchemaValidator(s)
			if err != nil {
				t.Fatal(err)
			}
			if errs := validation.ValidateCustomResource(nil, written, values); len(errs) > 0 {
				t.Errorf("the API server would refuse it: %v", errs.ToAggregate())
			}
			structural, err := schema.NewStructural(s)
			if err != nil {
				t.Fatal(err)
			}
			stored := parse[map[string]any](t, file)
			pruning.Prune(stored, structural, true)
			if diff := cmp.Diff(written, stored); diff != "" {
				t.Errorf("the API server would drop: %s", diff)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			into := object()
			if err := yaml.UnmarshalStrict(text, into); err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(into)
			if err != nil {
				t.Fatal(err)
			}
			var back map[string]any
			if err := json.Unmarshal(again, &back); err != nil {
				t.Fatal(err)
			}
			for _, path := range missing("", written, back) {
				t.Errorf("decoding and encoding changes %s", path)
			}
		})
	}
}

// missing lists where a value differs from what was written; what encoding adds is no difference.
func missing(at string, written, back any) []string {
	switch w := written.(type) {
	case map[string]any:
		b, ok := back.(map[string]any)
		if !ok {
			return []string{at}
		}
		var all []string
		for _, key := range slices.Sorted(maps.Keys(w)) {
			value, ok := b[key]
			if !ok {
				all = append(all, at+"."+key)
				continue
			}
			all = append(all, missing(at+"."+key, w[key], value)...)
		}
		return all
	case []any:
		b, ok := back.([]any)
		if !ok || len(b) != len(w) {
			return []string{at}
		}
		var all []string
		for i := range w {
			all = append(all, missing(fmt.Sprintf("%s[%d]", at, i), w[i], b[i])...)
		}
		return all
	}
	if !cmp.Equal(written, back) {
		return []string{at}
	}
	return nil
}

// An object that one user can store and no controller can decode would blind the controller to every object of that kind.
func TestWhatTheSchemaAdmitsCanBeDecoded(t *testing.T) {
	strange := []any{"", "x", "2020-01-01t00:00:00z", "2020-01-01T00:00:00+25:00", int64(-1), int64(4294967296), 1.5, 1e30, true, []any{}, []any{int64(1)}, map[string]any{}, map[string]any{"a": int64(1)}}
	for kind, object := range kinds {
		t.Run(kind, func(t *testing.T) {
			s := schemaOf(t, kind)
			optional(s)
			values, _, err := validation.NewSchemaValidator(s)
			if err != nil {
				t.Fatal(err)
			}
			tried := 0
			for _, part := range []string{"spec", "status", "operation"} {
				inner, ok := s.Properties[part]
				if !ok {
					continue
				}
				leaves(inner, func(wrap func(any) any) {
					for _, value := range strange {
						whole := map[string]any{part: wrap(value)}
						if len(validation.ValidateCustomResource(nil, whole, values)) > 0 {
							continue
						}
						tried++
						text, err := json.Marshal(whole)
						if err != nil {
							t.Fatal(err)
						}
						if err := json.Unmarshal(text, object()); err != nil {
							t.Errorf("the schema admits %s, and decoding fails: %v", text, err)
						}
					}
				})
			}
			if tried < 100 {
				t.Errorf("only %d values were tried", tried)
			}
		})
	}
}

// optional takes out what must be present, so that each field can be tried alone.
func optional(s *apiextensions.JSONSchemaProps) {
	s.Required = nil
	for name, child := range s.Properties {
		optional(&child)
		s.Properties[name] = child
	}
	if s.Items != nil {
		optional(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		optional(s.AdditionalProperties.Schema)
	}
}

// leaves calls visit for every place of a schema, with a function that builds an object that has a value there.
func leaves(s apiextensions.JSONSchemaProps, visit func(wrap func(any) any)) {
	visit(func(v any) any { return v })
	for name, child := range s.Properties {
		leaves(child, func(wrap func(any) any) {
			visit(func(v any) any { return map[string]any{name: wrap(v)} })
		})
	}
	if s.Items != nil {
		leaves(*s.Items.Schema, func(wrap func(any) any) {
			visit(func(v any) any { return []any{wrap(v)} })
		})
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		leaves(*s.AdditionalProperties.Schema, func(wrap func(any) any) {
			visit(func(v any) any { return map[string]any{"key": wrap(v)} })
		})
	}
}
