package render

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
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

// write puts files into a folder; a text that begins with an arrow is a link.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
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
}

// checkout is a folder of which every content has an identity.
func checkout(dir string) gitsync.Checkout {
	return gitsync.Checkout{Dir: dir, Release: func() {}, Tree: func(_ context.Context, path string) (string, error) {
		root := filepath.Join(dir, path)
		info, err := os.Lstat(root)
		if err != nil {
			return "", nil //nolint:nilerr // nothing is there
		}
		sum := sha256.New()
		err = filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			to, _ := os.Readlink(at)
			text, _ := os.ReadFile(at)
			fmt.Fprintf(sum, "%s %s %s\n", at, to, text)
			return nil
		})
		if info.IsDir() {
			return fmt.Sprintf("tree %x", sum.Sum(nil)), err
		}
		return fmt.Sprintf("blob %x", sum.Sum(nil)), err
	}}
}

func newRenderer() *Renderer { return &Renderer{Timeout: time.Minute, Memory: 256 << 20} }

// rendered gives the names of what the files become.
func rendered(t *testing.T, files map[string]string, source gitopsv1.Source) ([]string, gitsync.Rendering, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	app := &gitopsv1.Application{}
	app.Name = "shop"
	got, err := newRenderer().Render(t.Context(), gitsync.RenderRequest{App: app, Name: "shop", Parts: []gitsync.RenderPart{{
		Source: source, Fetch: func(context.Context) (gitsync.Checkout, error) { return checkout(dir), nil },
	}}})
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

func TestLinksInsideTheRepositoryAreFollowed(t *testing.T) {
	files := map[string]string{"apps/shop/Chart.yaml": "name: a\nversion: 1.0.0\n", "apps/shop/templates": "->../../common/templates", "common/templates/a.yaml": configMap + "a\n"}
	names, _, err := rendered(t, files, gitopsv1.Source{Path: "apps/shop"})
	if err != nil || !slices.Equal(names, []string{"a"}) {
		t.Errorf("names %v, error %v", names, err)
	}
}

func TestTextInUTF16IsRead(t *testing.T) {
	text := "\xff\xfe"
	for _, c := range []byte(configMap + "wide\n") {
		text += string([]byte{c, 0})
	}
	names, _, err := rendered(t, map[string]string{"a.yaml": text}, gitopsv1.Source{})
	if err != nil || !slices.Equal(names, []string{"wide"}) {
		t.Errorf("names %v, error %v", names, err)
	}
}

func TestAHookBeyondTestsIsKeptWhereTestsAreSkipped(t *testing.T) {
	files := map[string]string{"Chart.yaml": "name: a\nversion: 1.0.0\n", "templates/a.yaml": configMap + "kept\n---\n" + configMap + "dropped\n  annotations: {helm.sh/hook: 'post-install, test-success'}\n"}
	names, _, err := rendered(t, files, gitopsv1.Source{Helm: &gitopsv1.HelmSource{SkipTests: true}})
	if err != nil || !slices.Equal(names, []string{"kept"}) {
		t.Errorf("names %v, error %v", names, err)
	}
}

// A chart whose manifests differ each time shows whether it was rendered again.
func TestOnlyWhatWasLookedAtIsRenderedAgain(t *testing.T) {
	random := configMap + "x\ndata: {random: '{{ uuidv4 }}', of: '{{ .Values.of }}'}\n"
	base := map[string]string{"apps/shop/Chart.yaml": "name: a\nversion: 1.0.0\n", "apps/shop/templates/a.yaml": random, "elsewhere/a.yaml": "a: b\n", "values/a.yaml": "of: a\n", "other/b.yaml": "of: b\n", "link": "->values"}
	source := gitopsv1.Source{Path: "apps/shop", Helm: &gitopsv1.HelmSource{ValueFiles: []string{"/values/*.yaml", "../../link/a.yaml", "/none.yaml"}, IgnoreMissingValueFiles: true}}
	for name, c := range map[string]struct {
		files    map[string]string
		remove   string
		change   func(*gitsync.RenderRequest)
		rendered bool
	}{
		"nothing":                              {},
		"a commit elsewhere":                   {files: map[string]string{"elsewhere/a.yaml": "b: c\n"}},
		"a commit to the chart":                {files: map[string]string{"apps/shop/values.yaml": "of: b\n"}, rendered: true},
		"a commit to a values file":            {files: map[string]string{"values/a.yaml": "of: c\n"}, rendered: true},
		"a new file for a glob":                {files: map[string]string{"values/b.yaml": "of: c\n"}, rendered: true},
		"a file that was missing":              {files: map[string]string{"none.yaml": "of: d\n"}, rendered: true},
		"a link that leads elsewhere":          {remove: "link", files: map[string]string{"link": "->other"}, rendered: true},
		"another cluster version":              {change: func(r *gitsync.RenderRequest) { r.KubeVersion = "v1.38.0" }, rendered: true},
		"the same API versions in other order": {change: func(r *gitsync.RenderRequest) { slices.Reverse(r.APIVersions) }},
		"another Application":                  {change: func(r *gitsync.RenderRequest) { r.App.Name, r.Name = "other", "other" }, rendered: true},
		"other values":                         {change: func(r *gitsync.RenderRequest) { r.Parts[0].Source.Helm.Values = "of: e" }, rendered: true},
		"a hard refresh":                       {change: func(r *gitsync.RenderRequest) { r.Hard = true }, rendered: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, base)
			request := func() gitsync.RenderRequest {
				app := &gitopsv1.Application{}
				app.Name = "shop"
				return gitsync.RenderRequest{App: app, Name: "shop", KubeVersion: "v1.37.0", APIVersions: []string{"v1", "apps/v1"}, Parts: []gitsync.RenderPart{{
					Source: *source.DeepCopy(), Revision: "1", Fetch: func(context.Context) (gitsync.Checkout, error) { return checkout(dir), nil },
				}}}
			}
			r := newRenderer()
			first, err := r.Render(t.Context(), request())
			if err != nil {
				t.Fatal(err)
			}
			if c.remove != "" {
				if err := os.Remove(filepath.Join(dir, c.remove)); err != nil {
					t.Fatal(err)
				}
			}
			write(t, dir, c.files)
			again := request()
			again.Parts[0].Revision = "2"
			if c.change != nil {
				c.change(&again)
			}
			second, err := r.Render(t.Context(), again)
			if err != nil {
				t.Fatal(err)
			}
			random := func(r gitsync.Rendering) any { return r.Objects[0].Object["data"].(map[string]any)["random"] }
			if changed := random(first) != random(second); changed != c.rendered {
				t.Errorf("rendered again: %t", changed)
			}
		})
	}
}

func TestACommitElsewhereInARepositoryOfValuesRendersNothing(t *testing.T) {
	charts, values := t.TempDir(), t.TempDir()
	write(t, charts, map[string]string{"web/Chart.yaml": "name: a\nversion: 1.0.0\n", "web/templates/a.yaml": configMap + "x\ndata: {random: '{{ uuidv4 }}'}\n"})
	write(t, values, map[string]string{"prod/a.yaml": "a: b\n"})
	r, seen := newRenderer(), map[string]bool{}
	for _, files := range []map[string]string{nil, {"elsewhere/a.yaml": "a: b\n"}, {"prod/a.yaml": "a: c\n"}} {
		write(t, values, files)
		got, err := r.Render(t.Context(), gitsync.RenderRequest{Parts: []gitsync.RenderPart{
			{Source: gitopsv1.Source{Path: "web", Helm: &gitopsv1.HelmSource{ReleaseName: "x", ValueFiles: []string{"$values/prod/*.yaml"}}}, Fetch: func(context.Context) (gitsync.Checkout, error) { return checkout(charts), nil }},
			{Source: gitopsv1.Source{Ref: "values"}, Revision: fmt.Sprint(len(files), files), Fetch: func(context.Context) (gitsync.Checkout, error) { return checkout(values), nil }},
		}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := got.Objects[0].MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		seen[string(text)] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d renderings of three commits, one of which is elsewhere", len(seen))
	}
}

func TestTheRevisionMattersOnlyWhereItIsUsed(t *testing.T) {
	for value, matters := range map[string]bool{"$ARGOCD_APP_REVISION": true, "$ARGOCD_APP_NAME": false} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"Chart.yaml": "name: a\nversion: 1.0.0\n", "templates/a.yaml": configMap + "x\ndata: {random: '{{ uuidv4 }}'}\n"})
		r, seen := newRenderer(), map[string]bool{}
		for _, revision := range []string{"1", "2", "2"} {
			got, err := r.Render(t.Context(), gitsync.RenderRequest{Parts: []gitsync.RenderPart{{
				Source:   gitopsv1.Source{Helm: &gitopsv1.HelmSource{ReleaseName: "x", Parameters: []gitopsv1.HelmParameter{{Name: "a", Value: value}}}},
				Revision: revision, Fetch: func(context.Context) (gitsync.Checkout, error) { return checkout(dir), nil },
			}}})
			if err != nil {
				t.Fatal(err)
			}
			text, err := got.Objects[0].MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			seen[string(text)] = true
		}
		if (len(seen) == 2) != matters {
			t.Errorf("%s: %d renderings of three commits, of which two are the same", value, len(seen))
		}
	}
}

func TestSignaturesAreAskedForEvenOfWhatIsRemembered(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": configMap + "a\n"})
	fetched := 0
	request := gitsync.RenderRequest{Project: &gitopsv1.AppProject{}, Parts: []gitsync.RenderPart{{Revision: "1", Fetch: func(context.Context) (gitsync.Checkout, error) {
		fetched++
		return checkout(dir), nil
	}}}}
	r := newRenderer()
	for _, want := range []int{1, 1, 2} {
		if want == 2 {
			request.Project.Spec.SignatureKeys = []gitopsv1.SignatureKey{{KeyID: "A"}}
		}
		if _, err := r.Render(t.Context(), request); err != nil || fetched != want {
			t.Errorf("fetched %d times, want %d, error %v", fetched, want, err)
		}
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	var c cache
	for i := range 3 * maxRemembered >> 20 {
		c.put(&entry{key: fmt.Sprint(i), text: make([]byte, 1<<20)})
	}
	if c.size > maxRemembered || len(c.entries) != c.order.Len() || c.find("0") != nil || c.find(fmt.Sprint(3*maxRemembered>>20-1)) == nil {
		t.Errorf("%d bytes in %d entries", c.size, len(c.entries))
	}
}
