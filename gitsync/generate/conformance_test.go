//go:build conformance

package generate

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/conformance"
)

type vector struct {
	ID, Title      string
	ApplicationSet gitopsv1.ApplicationSet
	Clusters       []Cluster
	Repos          map[string]map[string]string
	Expected       struct {
		Applications []gitopsv1.Application
		Error        bool
		Reason       string
	}
}

func TestConformanceOfGenerators(t *testing.T) {
	conformance.Compare(t, "gitops/appset/*.yaml", "../../docs/compatibility/generate.md", "appset/", func(t *testing.T, v vector) conformance.Case {
		got, err := settle(t, Observation{Set: &v.ApplicationSet, Clusters: v.Clusters, Now: time.Unix(0, 0)}, world{Repos: v.Repos})
		reason := ""
		var failure *Error
		if errors.As(err, &failure) {
			reason = failure.Reason
		}
		c := conformance.Case{ID: "appset/" + v.ID, Note: v.Title, Diff: cmp.Diff(v.Expected.Reason, reason)}
		if c.Diff == "" && !v.Expected.Error {
			c.Diff = cmp.Diff(canonical(t, v.Expected.Applications), canonical(t, got.Applications), cmpopts.EquateEmpty())
		}
		if c.Diff != "" && err != nil {
			c.Diff += err.Error()
		}
		return c
	})
}

// canonical is a set of Applications as sorted lines of JSON.
func canonical(t *testing.T, apps []gitopsv1.Application) []string {
	t.Helper()
	var lines []string
	for _, app := range apps {
		text, err := json.Marshal(app)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	slices.Sort(lines)
	return lines
}
