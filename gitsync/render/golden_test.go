package render

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/golden"
)

// Each folder of testdata holds the spec of an Application called shop, the files of its repositories, and the manifests that come out; its name
// says what it shows.
func TestGolden(t *testing.T) {
	specs, err := filepath.Glob("testdata/*/app.yaml")
	if err != nil || len(specs) == 0 {
		t.Fatalf("found %d inputs, error %v", len(specs), err)
	}
	for _, file := range specs {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			app := &gitopsv1.Application{}
			app.Name = "shop"
			if err := yaml.UnmarshalStrict(text, &app.Spec); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, filepath.Join(folder, "out.yaml"), story(t, app, filepath.Join(folder, "files")))
		})
	}
}

// story is what an Application comes to, as YAML.
func story(t *testing.T, app *gitopsv1.Application, files string) string {
	t.Helper()
	request := gitsync.RenderRequest{App: app, Name: app.Name, KubeVersion: "v1.37.2", APIVersions: []string{"v1"}}
	for _, source := range gitopsv1.SourcesOf(app.Spec) {
		dir, err := filepath.Abs(filepath.Join(files, path.Base(source.RepoURL)))
		if err != nil {
			t.Fatal(err)
		}
		request.Parts = append(request.Parts, gitsync.RenderPart{Source: source, Revision: "0123456789abcdef0123456789abcdef01234567", Fetch: func(context.Context) (gitsync.Checkout, error) {
			return gitsync.Checkout{Dir: dir, Release: func() {}}, nil
		}})
	}
	r := &Renderer{Timeout: 20 * time.Second, Memory: 256 << 20}
	got, err := r.Render(t.Context(), request)
	if err != nil {
		return "# " + err.Error() + "\n"
	}
	var s strings.Builder
	for i, kind := range got.SourceTypes {
		if kind == "" {
			kind = "only values"
		}
		s.WriteString("# " + request.Parts[i].Source.RepoURL + ": " + string(kind) + "\n")
	}
	for _, w := range got.Warnings {
		s.WriteString("# " + w + "\n")
	}
	for _, o := range got.Objects {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		s.WriteString("---\n" + string(text))
	}
	return s.String()
}
