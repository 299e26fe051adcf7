//go:build conformance

package action

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/internal/conformance"
)

type vector struct {
	Type, ID, Kind, Action string
	Object                 json.RawMessage
	Actions                []struct {
		Name, DisplayName, IconClass string
		Disabled                     bool
	}
	Parameters map[string]string
	Expected   json.RawMessage
	Error      any
}

// TestConformanceOfActions compares which actions an object has and what they make of it.
func TestConformanceOfActions(t *testing.T) {
	actions, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	conformance.Compare(t, "gitops/actions/cases.jsonl", "../../../docs/compatibility/health.md", "actions/", func(t *testing.T, v vector) conformance.Case {
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(v.Object); err != nil {
			t.Fatal(err)
		}
		c := conformance.Case{ID: "actions/" + v.ID, Note: v.Kind + " " + v.Action}
		if v.Type == "discovery" {
			c.Diff = discovered(t, actions, o, v)
			return c
		}
		changes, err := actions.Run(o, v.Action, v.Parameters, time.Date(2023, 6, 22, 17, 36, 0, 0, time.UTC))
		if (err != nil) != (v.Error != nil) {
			t.Errorf("%s: error %v", v.ID, err)
		}
		c.Diff = cmp.Diff(plain(t, v.Expected), plainChanges(t, changes))
		return c
	})
}

// discovered compares each action that we offer with the one of that name.
func discovered(t *testing.T, actions *Actions, o *unstructured.Unstructured, v vector) string {
	all, err := actions.List(o, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]any{}, map[string]any{}
	for _, one := range all {
		got[one.Name] = fmt.Sprint(one.Disabled, one.DisplayName, one.IconClass)
		want[one.Name] = "not offered"
		for _, other := range v.Actions {
			if other.Name == one.Name {
				want[one.Name] = fmt.Sprint(other.Disabled, other.DisplayName, other.IconClass)
			}
		}
	}
	return cmp.Diff(want, got)
}

func plainChanges(t *testing.T, changes []Change) any {
	if len(changes) == 1 && !changes[0].Create {
		return plain(t, marshal(t, changes[0].Object.Object))
	}
	list := []any{}
	for _, c := range changes {
		list = append(list, map[string]any{"k8sOperation": "create", "unstructuredObj": c.Object.Object})
	}
	return plain(t, marshal(t, list))
}

func marshal(t *testing.T, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// plain reads JSON without what the comparison leaves out.
func plain(t *testing.T, text []byte) any {
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	return without(tree)
}

func without(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = without(item)
		}
		if v["kind"] == "Workflow" {
			if metadata, ok := v["metadata"].(map[string]any); ok {
				delete(metadata, "name")
			}
		}
		for _, key := range []string{"restartAt", "resourceVersion", "uid", "workflows.argoproj.io/scheduled-time"} {
			delete(v, key)
		}
		if annotations, ok := v["annotations"].(map[string]any); ok && len(annotations) == 0 {
			delete(v, "annotations")
		}
	case []any:
		for i := range v {
			v[i] = without(v[i])
		}
	}
	return tree
}
