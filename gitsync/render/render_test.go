package render

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

func TestMain(m *testing.M) {
	if IsChild() {
		os.Exit(Serve(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "

// rendered gives the names of what the files become.
func rendered(t *testing.T, files map[string]string, source gitopsv1.Source) ([]string, gitsync.Rendering, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		to, link := strings.CutPrefix(text, "->")
		err := error(nil)
		if link {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r := &Renderer{Timeout: 20 * time.Second, Memory: 512 << 20}
	fetch := func(context.Context) (gitsync.Checkout, error) {
		return gitsync.Checkout{Dir: dir, Release: func() {}}, nil
	}
	got, err := r.Render(t.Context(), gitsync.RenderRequest{Parts: []gitsync.RenderPart{{Source: source, Fetch: fetch}}})
	var names []string
	for _, o := range got.Objects {
		names = append(names, o.GetName())
	}
	return names, got, err
}

func TestAFolderBecomesItsManifestsInOrder(t *testing.T) {
	files := map[string]string{"b.yaml": configMap + "b\n---\n" + configMap + "c\n", "a.json": `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}]}`,
		"values.yaml": "x: 1\n", "sub/d.yaml": configMap + "d\n", "link.yaml": "->b.yaml", "nowhere.yaml": "->gone.yaml"}
	names, got, err := rendered(t, files, gitopsv1.Source{})
	if err != nil || !slices.Equal(names, []string{"a", "b", "c", "b", "c"}) || len(got.Warnings) != 1 {
		t.Errorf("names %v, warnings %v, error %v", names, got.Warnings, err)
	}
}

func TestAKustomizationIsBuilt(t *testing.T) {
	files := map[string]string{"overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: x-\n", "base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": configMap + "a\n"}
	names, got, err := rendered(t, files, gitopsv1.Source{Path: "overlay"})
	if err != nil || !slices.Equal(names, []string{"x-a"}) || got.SourceTypes[0] != gitopsv1.SourceTypeKustomize {
		t.Errorf("names %v, error %v", names, err)
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the network was reached") }))
	defer server.Close()
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := '1'; i <= '9'; i++ {
		bomb += "a" + string(i) + ": &a" + string(i) + " [" + strings.Repeat("*a"+string(i-1)+",", 9) + "]\n"
	}
	base := func(resource string) map[string]string {
		return map[string]string{"kustomization.yaml": "resources: ['" + resource + "']\n"}
	}
	for name, c := range map[string]struct {
		files  map[string]string
		source gitopsv1.Source
	}{
		"a link to a file outside":           {files: map[string]string{"x.yaml": "->/etc/passwd"}},
		"a folder that is a link to outside": {map[string]string{"x": "->/etc"}, gitopsv1.Source{Path: "x"}},
		"a loop of links":                    {files: map[string]string{"x.yaml": "->x.yaml"}},
		"a path upwards":                     {source: gitopsv1.Source{Path: "../.."}},
		"an absolute path":                   {source: gitopsv1.Source{Path: "/etc"}},
		"a path with a NUL":                  {source: gitopsv1.Source{Path: "a\x00b"}},
		"a bomb of aliases":                  {files: map[string]string{"x.yaml": configMap + "x\n" + bomb}},
		"nesting without end":                {files: map[string]string{"x.yaml": configMap + "x\ndata: " + strings.Repeat("[", 100_000)}},
		"an item that is null":               {files: map[string]string{"x.yaml": "kind: List\napiVersion: v1\nmetadata: {}\nitems: [null]\n"}},
		"a base outside of the repository":   {files: base("../../../../etc")},
		"a file outside of the repository":   {files: base("../../../../../../../../etc/passwd")},
		"a base on the network":              {files: base(server.URL + "/x.yaml")},
		"a base in another repository":       {files: base("git::" + server.URL + "/x.git?ref=main")},
		"a base of itself":                   {files: base(".")},
		"a generator that reads outside":     {files: map[string]string{"kustomization.yaml": "configMapGenerator: [{name: x, files: [/etc/passwd]}]\n"}},
		"a generator that links outside":     {files: map[string]string{"kustomization.yaml": "configMapGenerator: [{name: x, files: [p]}]\n", "p": "->/etc/passwd"}},
		"a plugin":                           {files: map[string]string{"kustomization.yaml": "generators: [g.yaml]\n", "g.yaml": "apiVersion: x/v1\nkind: X\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: /bin/true}\n"}},
		"a chart, which is not built":        {files: map[string]string{"Chart.yaml": "name: x\n"}},
		"two tools at once":                  {source: gitopsv1.Source{Helm: &gitopsv1.HelmSource{ReleaseName: "x"}, Directory: &gitopsv1.DirectorySource{Recurse: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			if names, _, err := rendered(t, c.files, c.source); err == nil || len(names) != 0 || strings.Contains(err.Error(), "root:") {
				t.Errorf("names %v, error %v", names, err)
			}
		})
	}
}
