package main

import (
	"reflect"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

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
