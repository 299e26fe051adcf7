//go:build conformance

package render

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/conformance"
)

type vector struct {
	ID, Title, Fixture, Path, App, Namespace, Revision, KubeVersion, Compare string
	APIVersions                                                              []string
	Source                                                                   gitopsv1.Source
	Expected                                                                 struct {
		Objects    []map[string]any
		SourceType gitopsv1.SourceType
		Error      bool
	}
}

func TestConformanceOfRendering(t *testing.T) {
	conformance.Compare(t, "gitops/render/cases.jsonl", "../../docs/compatibility/render.md", "render/", func(t *testing.T, v vector) conformance.Case {
		c := conformance.Case{ID: "render/" + v.ID, Note: v.Title, Foreign: strings.HasPrefix(v.ID, "dir-link-")} // links do not survive a copy of the vectors; render_test.go has them
		if c.Foreign {
			return c
		}
		dir := filepath.Join(os.Getenv("GITOPS_VECTORS"), "render", "fixtures", v.Fixture)
		v.Source.Path = v.Path
		r := &Renderer{Timeout: time.Minute, Memory: 512 << 20}
		fetch := func(context.Context) (gitsync.Checkout, error) {
			return gitsync.Checkout{Dir: dir, Release: func() {}}, nil
		}
		app := &gitopsv1.Application{}
		app.Name, app.Spec.Destination.Namespace = v.App, v.Namespace
		got, err := r.Render(t.Context(), gitsync.RenderRequest{
			App: app, Name: v.App, KubeVersion: v.KubeVersion, APIVersions: v.APIVersions, Parts: []gitsync.RenderPart{{Source: v.Source, Revision: v.Revision, Fetch: fetch}},
		})
		if c.Diff = gocmp.Diff(v.Expected.Error, err != nil); c.Diff != "" && err != nil {
			c.Diff += err.Error()
		}
		if c.Diff == "" && err == nil {
			var objects []map[string]any
			for _, o := range got.Objects {
				objects = append(objects, o.Object)
			}
			c.Diff = gocmp.Diff(canonical(t, v.Expected.Objects), canonical(t, objects)) + gocmp.Diff([]gitopsv1.SourceType{v.Expected.SourceType}, got.SourceTypes)
		}
		return c
	})
}

// canonical is a set of objects as sorted lines of JSON.
func canonical(t *testing.T, objects []map[string]any) []string {
	t.Helper()
	var lines []string
	for _, o := range objects {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	slices.SortFunc(lines, cmp.Compare[string])
	return lines
}
