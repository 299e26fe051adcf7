package kube

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestTheRuleAgainstAnotherRevisionIsNoPartOfATemplate(t *testing.T) {
	own := map[string]any{"podAffinity": map[string]any{"x": "y"}}
	for name, affinity := range map[string]map[string]any{"without a rule of its own": nil, "with affinity of its own": own} {
		t.Run(name, func(t *testing.T) {
			bare := func() map[string]any {
				spec := map[string]any{"containers": []any{}}
				if affinity != nil {
					spec["affinity"] = runtime.DeepCopyJSON(affinity)
				}
				return map[string]any{"spec": spec}
			}
			template := bare()
			rule := &v1alpha1.AntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1alpha1.RequiredDuringSchedulingIgnoredDuringExecution{}}
			if err := KeepApart(template, rule, "abc"); err != nil {
				t.Fatal(err)
			}
			if cmp.Equal(bare(), template) {
				t.Fatal("there is no rule to take out")
			}
			raw, err := json.Marshal(template)
			if err != nil {
				t.Fatal(err)
			}
			if !withoutApart(template) {
				t.Error("nothing was found")
			}
			if diff := cmp.Diff(bare(), template); diff != "" {
				t.Error(diff)
			}
			want, err := json.Marshal(bare())
			if err != nil {
				t.Fatal(err)
			}
			if got := AuthorsTemplate(runtime.RawExtension{Raw: raw}); string(got.Raw) != string(want) {
				t.Errorf("the author's template is %s and not %s", got.Raw, want)
			}
		})
	}
}

func TestATemplateThatCannotBeReadStaysAsItsAuthorWroteIt(t *testing.T) {
	for _, written := range []string{`{"rollouts-pod-template-hash"`, `["rollouts-pod-template-hash"]`, `{"spec":{"affinity":"rollouts-pod-template-hash"}}`} {
		if got := AuthorsTemplate(runtime.RawExtension{Raw: []byte(written)}); string(got.Raw) != written {
			t.Errorf("%s became %s", written, got.Raw)
		}
	}
}
