//go:build conformance

package health

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/conformance"
)

const page = "../../docs/compatibility/health.md"

type vector struct {
	ID, Group, Kind, Status, Message string
	Object                           json.RawMessage
}

// TestConformanceOfHealth compares the verdicts on live objects, and for kinds of the contract itself what they say.
func TestConformanceOfHealth(t *testing.T) {
	checks := New(Custom{})
	for file, sayAll := range map[string]bool{"gitops/health/cases.jsonl": false, "gitops/health/builtin.jsonl": true} {
		prefix := "health/"
		if sayAll {
			prefix = "builtin/"
		}
		conformance.Compare(t, file, page, prefix, func(t *testing.T, v vector) conformance.Case {
			o := &unstructured.Unstructured{}
			if err := o.UnmarshalJSON(v.Object); err != nil {
				t.Fatal(err)
			}
			got := checks.Assess(o, time.Unix(0, 0))
			want := gitsync.Health{Status: gitsync.HealthStatus(v.Status), Message: got.Message}
			if sayAll || v.Group == "argoproj.io" {
				want.Message = v.Message
			}
			id := v.ID
			if !sayAll {
				id = prefix + id
			}
			return conformance.Case{ID: id, Note: v.Kind + " " + v.Message, Diff: cmp.Diff(want, got)}
		})
	}
}
