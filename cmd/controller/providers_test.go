package main

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestEveryKindOfProviderIsBuiltInButPlugins(t *testing.T) {
	find := providers(nil, nil, "")
	kinds := reflect.TypeFor[v1alpha1.MetricProvider]()
	for i := range kinds.NumField() {
		var p v1alpha1.MetricProvider
		field := reflect.ValueOf(&p).Elem().Field(i)
		if field.Kind() != reflect.Pointer {
			continue
		}
		field.Set(reflect.New(field.Type().Elem()))
		if find(p) == nil {
			t.Errorf("nothing measures %s", kinds.Field(i).Name)
		}
	}
	if find(v1alpha1.MetricProvider{Plugin: map[string]apiextensionsv1.JSON{"x": {}}}) != nil || find(v1alpha1.MetricProvider{}) != nil {
		t.Error("something measures a plugin, or nothing")
	}
}

func TestTheExamplesOfTheProvidersPageCanBeUsed(t *testing.T) {
	page, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(block[1], "provider:") {
			continue
		}
		m := v1alpha1.Metric{Name: "example"}
		if err := yaml.UnmarshalStrict([]byte(block[1]), &m); err != nil {
			t.Errorf("%v in\n%s", err, block[1])
		}
		if errs := analysis.Validate([]v1alpha1.Metric{m}); len(errs) > 0 {
			t.Errorf("%v in\n%s", errs, block[1])
		}
		kinds[analysis.KindOf(m.Provider)] = true
	}
	if len(kinds) != 9 {
		t.Errorf("the page has examples for %v", kinds)
	}
}
