package render

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

func TestYAMLWithoutMeasureIsRefused(t *testing.T) {
	refuse(t, map[string]hostile{
		"a hundred thousand documents":     {files: map[string]string{"x.yaml": strings.Repeat("apiVersion: v1\nkind: A\nmetadata: {}\n---\n", 100_000)}, reason: "more than 20000 objects"},
		"a hundred thousand items":         {files: map[string]string{"x.yaml": "apiVersion: v1\nkind: List\nitems:\n" + strings.Repeat("- {kind: A}\n", 100_000)}}, // by its count or its memory
		"an item too many":                 {files: map[string]string{"x.yaml": "apiVersion: v1\nkind: List\nitems:\n" + strings.Repeat("- {kind: A}\n", maxObjects+1)}, reason: "more than 20000 objects"},
		"lists in lists without end":       {files: map[string]string{"x.json": strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, 20_000) + strings.Repeat("]}", 20_000)}, reason: "exactly one JSON object"},
		"mappings in mappings without end": {files: map[string]string{"x.yaml": configMap + "x\ndata: " + strings.Repeat("{a: ", 100_000)}, reason: "depth"},
		"a null in a list of lists":        {files: map[string]string{"x.yaml": "apiVersion: v1\nkind: List\nmetadata: {}\nitems: [{apiVersion: v1, kind: List, items: [null]}]\n"}, reason: "is no object"},
		"a null after an object":           {files: map[string]string{"x.yaml": "kind: List\nitems: [{kind: A}, null]\n"}, reason: "is no object"},
		"one object too many, elsewhere":   {files: map[string]string{"a.yaml": strings.Repeat("kind: A\n---\n", maxObjects), "b.yaml": "kind: B\n"}, reason: "more than 20000 objects"},
	})
}

func TestOneFileOf100MBIsNotRead(t *testing.T) {
	for _, name := range []string{"x.yaml", "x.json", "x.jsonnet", "kustomization.yaml", "Chart.yaml"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(dir, name), 100<<20); err != nil {
				t.Fatal(err)
			}
			fetch := func(context.Context) (gitsync.Checkout, error) {
				return gitsync.Checkout{Dir: dir, Release: func() {}, Tree: func(context.Context, string) (string, error) { return "one", nil }}, nil
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			app := &gitopsv1.Application{}
			_, err := newRenderer().Render(t.Context(), gitsync.RenderRequest{App: app, Name: "shop", Parts: []gitsync.RenderPart{{Fetch: fetch}}})
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("it is rendered")
			}
			if took, used := time.Since(began), (after.TotalAlloc-before.TotalAlloc)>>20; took > time.Minute || used > 64 {
				t.Errorf("it took %s and %d MiB in this process", took, used)
			}
		})
	}
}

func TestOddYAMLIsReadAsKubectlReadsIt(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
		warnings   int
	}{
		{"empty documents", strings.Repeat("---\n", 100_000) + configMap + "a\n" + strings.Repeat("---\n# nothing\n---\n{}\n", 1000), []string{"a"}, 0},
		{"a list of lists", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMapList\n  items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}]\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n", []string{"a", "b"}, 0},
		{"an empty list", "apiVersion: v1\nkind: List\nitems: []\n---\n" + configMap + "a\n", []string{"a"}, 0},
		{"a list without items", "apiVersion: v1\nkind: List\nitems: null\n---\n" + configMap + "a\n", []string{"a"}, 0},
		{"a key twice", configMap + "a\ndata: {k: old, k: new}\n", []string{"a"}, 1},
		{"a kind that nobody knows, and its definition", "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g}\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.example.com}\n",
			[]string{"g", "gadgets.example.com"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			names, got, err := rendered(t, map[string]string{"x.yaml": c.text}, gitopsv1.Source{})
			if err != nil || !slices.Equal(names, c.want) || len(got.Warnings) != c.warnings {
				t.Errorf("names %v, warnings %v, error %v", names, got.Warnings, err)
			}
		})
	}
}

func TestNumbersStayWhatTheyAre(t *testing.T) {
	_, got, err := rendered(t, map[string]string{"x.yaml": "apiVersion: example.com/v1\nkind: A\nmetadata: {name: a}\nspec: {safe: 9007199254740993, most: 9223372036854775807, least: -9223372036854775808, beyond: 99999999999999999999999, octal: 0644, text: \"1e3\"}\n"}, gitopsv1.Source{})
	if err != nil {
		t.Fatal(err)
	}
	spec, _, _ := unstructured.NestedMap(got.Objects[0].Object, "spec")
	for key, want := range map[string]any{"safe": int64(9007199254740993), "most": int64(9223372036854775807), "least": int64(-9223372036854775808), "beyond": 1e23, "octal": int64(420), "text": "1e3"} {
		if spec[key] != want {
			t.Errorf("%s is %v (%T), want %v", key, spec[key], spec[key], want)
		}
	}
}

func TestKustomizationsWithoutMeasureAreRefused(t *testing.T) {
	var objects, patches strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&objects, "%s%d\ndata: {a: b}\n---\n", configMap, i)
		fmt.Fprintf(&patches, `- {target: {kind: ConfigMap}, patch: '[{"op": "add", "path": "/data/k%d", "value": "xxxxxxxxxxxxxxxx"}]'}`+"\n", i)
	}
	refuse(t, map[string]hostile{
		"patches of everything by everything": {files: map[string]string{"kustomization.yaml": "resources: [a.yaml]\npatches:\n" + patches.String(), "a.yaml": objects.String()}, reason: "the rendering"},
		"bases of bases of bases":             {files: doubling(16), reason: "the rendering"},
		"a bomb of aliases":                   {files: map[string]string{"kustomization.yaml": "resources: [a.yaml]\ncommonAnnotations: " + bombOf(9)}, reason: "aliasing"},
	})
}

// doubling are kustomizations that each take the next one twice, under other names.
func doubling(depth int) map[string]string {
	files := map[string]string{"kustomization.yaml": "resources: [0/a, 0/b]\n"}
	for i := range depth {
		for _, side := range []string{"a", "b"} {
			text := fmt.Sprintf("namePrefix: %s\nresources: [../../%d/a, ../../%d/b]\n", side, i+1, i+1)
			if i == depth-1 {
				text = "namePrefix: " + side + "\nresources: [x.yaml]\n"
				files[fmt.Sprintf("%d/%s/x.yaml", i, side)] = configMap + "x\n"
			}
			files[fmt.Sprintf("%d/%s/kustomization.yaml", i, side)] = text
		}
	}
	return files
}

// bombOf is a mapping whose aliases unfold to 9 to the power of n texts.
func bombOf(n int) string {
	text := "\n  a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i <= n; i++ {
		text += fmt.Sprintf("  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	return text
}

func TestChartsWithoutMeasureAreRefused(t *testing.T) {
	chart := func(more map[string]string) map[string]string {
		files := map[string]string{"Chart.yaml": chartYAML, "templates/a.yaml": configMap + "a\ndata: {a: {{ .Values.a | quote }}}\n"}
		for name, text := range more {
			files[name] = text
		}
		return files
	}
	refuse(t, map[string]hostile{
		"values that are a bomb of aliases":  {files: chart(map[string]string{"values.yaml": "a:" + bombOf(9)}), reason: "aliasing"},
		"values of a source that are a bomb": {files: chart(nil), source: gitopsv1.Source{Helm: &gitopsv1.HelmSource{Values: "a:" + bombOf(9)}}, reason: "aliasing"},
		"values that are nested deep":        {files: chart(map[string]string{"values.yaml": strings.Repeat("{a: ", 100_000)}), reason: "depth"},
		"a schema whose pattern explodes":    {files: chart(map[string]string{"values.yaml": "a: " + strings.Repeat("a", 1<<20) + "!\n", "values.schema.json": `{"properties":{"a":{"pattern":"^(a+)+$"}}}`}), reason: "a"},
	})
}

func TestASchemaThatRefersToItselfComesToAnEnd(t *testing.T) {
	for name, schema := range map[string]string{
		"at once":      `{"$ref":"#"}`,
		"in a circle":  `{"$ref":"#/definitions/a","definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}}`,
		"in each part": `{"properties":{"a":{"$ref":"#"}},"additionalProperties":{"$ref":"#"}}`,
	} {
		began := time.Now()
		_, _, err := rendered(t, map[string]string{"Chart.yaml": chartYAML, "values.yaml": "a: {a: {a: b}}\n", "values.schema.json": schema, "templates/a.yaml": configMap + "a\n"}, gitopsv1.Source{})
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s: it took %s, error %v", name, took, err)
		}
		if err != nil && strings.Contains(err.Error(), "the rendering") {
			t.Errorf("%s: the process was ended: %v", name, err)
		}
	}
}

// TestWhatIsFilledInStaysText has values that would be something else where they are filled in without care.
func TestWhatIsFilledInStaysText(t *testing.T) {
	show := map[string]string{"Chart.yaml": chartYAML, "templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: {{ .Values.a | toString | toJson }}, evil: {{ .Values.evil | toString | toJson }}}\n"}
	for name, value := range map[string]string{
		"a template":          `x {{ .Release.Name }}`,
		"an end of a text":    `"} or vector(0) #`,
		"another parameter":   `x,evil=true`,
		"a document":          "x\n---\nkind: Secret",
		"an apostrophe":       `it's "so"`,
		"a variable of Go":    `%s%!d`,
		"a dollar of a shell": "`id`;&&|",
	} {
		source := gitopsv1.Source{Helm: &gitopsv1.HelmSource{Parameters: []gitopsv1.HelmParameter{{Name: "a", Value: value, ForceString: true}}}}
		_, got, err := rendered(t, show, source)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		data, _, _ := unstructured.NestedStringMap(got.Objects[0].Object, "data")
		if len(got.Objects) != 1 || data["a"] != value || data["evil"] != "" && data["evil"] != "<nil>" {
			t.Errorf("%s: %d objects, %q", name, len(got.Objects), data)
		}
	}
	pod := map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: app}]}\n"}
	for name, o := range map[string]gitopsv1.KustomizeSource{
		"an image with a quote":        {Images: []string{`app=other:"} #`}},
		"an image with a line break":   {Images: []string{"app=other:1\nkind: Secret"}},
		"a prefix with a line break":   {NamePrefix: "x\nkind: Secret\n"},
		"an annotation with a mapping": {CommonAnnotations: map[string]string{"a": "{b: c}\nd: e"}},
	} {
		_, got, err := rendered(t, pod, gitopsv1.Source{Kustomize: &o})
		if err == nil && (len(got.Objects) != 1 || got.Objects[0].GetKind() != "Pod") {
			t.Errorf("%s: %v", name, got.Objects)
		}
	}
}
