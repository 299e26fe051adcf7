package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write puts a file into a folder of its own and returns the folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// manifestHead begins a valid Rollout of namespace shop; what follows is its strategy.
const manifestHead = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: "web:1"}]}}
  strategy: `

// experimentHead begins a valid Experiment of namespace shop; what follows is the rest of its spec.
const experimentHead = `
apiVersion: argoproj.io/v1alpha1
kind: Experiment
metadata: {name: trial, namespace: shop}
spec: {templates: [{name: a, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: "web:1"}]}}}], `

func TestLint(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
		code  int
	}{
		"what is right": {
			files: map[string]string{"a.yaml": manifestHead + `{canary: {steps: [{setWeight: 10}]}}`, "notes.txt": "no manifest"},
			want:  []string{"1 Rollout checked, no mistakes"},
		},
		"every mistake is a line with its file and document": {
			files: map[string]string{
				"b.yaml":     "# only a comment\n---" + manifestHead + `{canary: {steps: [{setWeight: 110}, {setWeigth: 10}]}}`,
				"sub/a.json": `{"kind":"Rollout","spec":{"replicas":"many"}}`,
			},
			want: []string{
				`b.yaml:2: unknown field "spec.strategy.canary.steps[1].setWeigth"`,
				"b.yaml:2: spec.strategy.steps[0].setWeight: Invalid value: 110:",
				"b.yaml:2: spec.strategy.steps[1]: ",
				"sub/a.json:1: json: cannot unmarshal string into Go struct field",
			}, code: exitError,
		},
		"a Service among the files is held against the Rollout": {
			files: map[string]string{"a.yaml": manifestHead + `{canary: {stableService: web}}` + `
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: another}}`},
			want: []string{"a.yaml:1: spec.strategy.canary.stableService: Invalid value: \"web\": selects pods with app=another"}, code: exitError,
		},
		"an Experiment is checked, and so are its analyses": {
			files: map[string]string{"a.yaml": experimentHead + `analyses: [{name: x, templateName: elsewhere}]}`, "b.yaml": experimentHead + `duration: soon}`,
				"c.yaml": experimentHead + "analyses: [{name: x, templateName: rate, args: [{name: hash, value: '{{templates.b.podTemplateHash}}'}]}]}" + `
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: rate, namespace: shop}
spec: {args: [{name: hash}], metrics: [{name: m, provider: {web: {url: "http://check.example/"}}}]}`},
			want: []string{"b.yaml:1: spec.duration: Invalid value", "c.yaml:1: spec.analyses: analysis x: {{templates.b.podTemplateHash}} names no fact"}, code: exitError,
		},
		"a right Experiment": {
			files: map[string]string{"a.yaml": experimentHead + `duration: 5m}`},
			want:  []string{"1 Experiment checked, no mistakes"},
		},
		"a Service of another namespace is another one": {
			files: map[string]string{"a.yaml": manifestHead + `{canary: {stableService: web}}` + `
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: pay}
spec: {selector: {app: another}}`},
			want: []string{"1 Rollout checked, no mistakes"},
		},
		"an analysis template is checked, and its arguments are looked for": {
			files: map[string]string{"a.yaml": manifestHead + `{canary: {steps: [{analysis: {templates: [{templateName: rate}, {templateName: elsewhere}]}}, {analysis: {templates: [{templateName: rate}]}}]}}` + `
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: rate, namespace: shop}
spec:
  args: [{name: host}]
  metrics: [{name: rate, interval: often, provider: {web: {url: "http://{{args.host}}"}}}]`},
			want: []string{
				"a.yaml:1: spec.strategy.canary.steps[1].analysis.templates: Invalid value: [\"rate\"]: cannot be run: argument host of AnalysisTemplate rate has no value",
				"a.yaml:2: spec.metrics[0]: Invalid value: \"rate\": ",
			}, code: exitError,
		},
		"a document that is no manifest does not hide the others": {
			files: map[string]string{"a.yaml": "- 1\n---\n{\n---\nkind: \"\"\n---" + manifestHead + `{}`},
			want:  []string{"a.yaml:1: is no object", "a.yaml:2: ", "a.yaml:3: kind: is missing", "a.yaml:4: spec.strategy"}, code: exitError,
		},
		"an Application is checked by itself": {
			files: map[string]string{"a.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\n" +
				"spec: {project: default, source: {repoURL: https://git.example/a.git, path: ., plugin: {name: x}}, destinations: {}}",
				"b.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: b}\nspec: {source: {repoURL: https://git.example/a.git}}",
				"c.yaml": "apiVersion: app.k8s.io/v1beta1\nkind: Application\nspec: {selector: {}}"},
			want: []string{
				`a.yaml:1: unknown field "spec.destinations"`, "a.yaml:1: spec.source.plugin: Forbidden: a config management plugin cannot be used yet",
				"b.yaml:1: spec.source.repoURL and either spec.source.path or spec.source.chart are required",
			}, code: exitError,
		},
		"projects, sets and settings are checked": {
			files: map[string]string{"a.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: a}\nspec: {syncWindows: [{kind: deny, schedule: never, duration: 1h}]}",
				"b.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: b}\nspec: {generators: [{clusterDecisionResource: {}}], template: {metadata: {}, spec: {}}}",
				"c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm}\ndata: {kustomize.buildOptions: --enable-helm}"},
			want: []string{
				"a.yaml:1: spec.syncWindows[0]: cannot parse schedule 'never': ",
				"b.yaml:1: spec.generators[0].clusterDecisionResource: Forbidden: ", "c.yaml:1: data: kustomize.buildOptions: it is not built: ",
			}, code: exitError,
		},
		"what is right in Git-sync": {
			files: map[string]string{"a.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {repoURL: https://git.example/a.git, path: .}}\n---\n" +
				"apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: a}\n---\nkind: Service\nmetadata: {name: a}"},
			want: []string{"1 AppProject, 1 Application checked, no mistakes"},
		},
		"nothing to check is no success": {
			files: map[string]string{"a.yaml": "kind: ConfigMap"},
			want:  []string{"error: there is nothing in"}, code: exitError,
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := write(t, c.files)
			on := open(nil, 0, 0)
			if code := on.do(t, "lint -f "+folder); code != c.code {
				t.Errorf("exit code %d", code)
			}
			got := strings.Split(strings.TrimSpace(strings.ReplaceAll(on.text()+on.err.String(), folder+"/", "")), "\n")
			for i := range got {
				if i < len(c.want) && strings.HasPrefix(got[i], c.want[i]) {
					got[i] = c.want[i]
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLintReadsTheStandardInput(t *testing.T) {
	c := open(nil, 0, 0)
	c.in = strings.NewReader(manifestHead + `{canary: {maxSurge: 0, maxUnavailable: 0}}`)
	if code := c.do(t, "lint -f -"); code != exitError || !strings.HasPrefix(c.text(), "standard input:1: spec.strategy.maxSurge: ") {
		t.Errorf("exit code %d: %s%s", code, c.text(), c.err.String())
	}
}

func TestLintReadsWhatKubectlGetPrints(t *testing.T) {
	c := open(nil, 0, 0)
	c.in = strings.NewReader(`{"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [
		{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}},
		{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web", "namespace": "shop", "managedFields": []}, "status": {"phase": "Healthy", "ofAnother": 1},
			"spec": {"replicas": -1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
				"spec": {"containers": [{"name": "web", "image": "web"}]}}, "strategy": {"canary": {}}}}]}`)
	if code := c.do(t, "lint -f -"); code != exitError || !strings.HasPrefix(c.text(), "standard input:1[1] shop/web: spec.replicas: ") || strings.Count(c.text(), "\n") != 1 {
		t.Errorf("exit code %d: %s%s", code, c.text(), c.err.String())
	}
}

func TestLintSurvivesHostileFiles(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		refs := strings.Repeat(fmt.Sprintf("*%c,", 'a'+i), 10)
		bomb += fmt.Sprintf("%c: &%c [%s]\n", 'b'+i, 'b'+i, refs)
	}
	for name, content := range map[string]string{
		"an alias bomb":           bomb,
		"nesting without end":     strings.Repeat("[", 100_000),
		"a field that is doubled": "kind: Rollout\nkind: Rollout",
		"bytes that are no text":  "kind: Rollout\nmetadata: {name: \"\xff\xfe\"}",
		"a file without measure":  "kind: " + strings.Repeat("x", mostBytes),
		"a terminal's sequence":   "kind: Rollout\nspec: {\"\\e[2J\": 1}",
	} {
		t.Run(name, func(t *testing.T) {
			c := open(nil, 0, 0)
			code := c.do(t, "lint -f "+write(t, map[string]string{"a.yaml": content}))
			if out := c.text() + c.err.String(); code != exitError || out == "" || len(out) > 10_000 || strings.Contains(out, "\x1b") {
				t.Errorf("exit code %d, %d bytes", code, len(out))
			}
		})
	}
}

func TestAFileThatIsMissingIsAnError(t *testing.T) {
	c := open(nil, 0, 0)
	if code := c.do(t, "lint -f /nowhere/a.yaml"); code != exitError || !strings.Contains(c.err.String(), "/nowhere/a.yaml") {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
}

func TestPlanTellsTheStory(t *testing.T) {
	folder := write(t, map[string]string{"a.yaml": manifestHead + `{canary: {steps: [{setWeight: 50}, {analysis: {templates: [{templateName: rate}]}}]}}`})
	c := open(nil, 0, 0)
	if code := c.do(t, "plan -f "+folder); code != 0 {
		t.Fatal(c.err.String())
	}
	for _, sentence := range []string{
		"a.yaml:1: Rollout web",
		"AnalysisTemplate rate is not among the files and counts as one that succeeds",
		"> the first deploy",
		"Completed all 2 canary steps",
	} {
		if !strings.Contains(c.text(), sentence) {
			t.Errorf("%q is missing in\n%s", sentence, c.text())
		}
	}
}

func TestPlanOfAMistakeIsRefused(t *testing.T) {
	folder := write(t, map[string]string{"a.yaml": manifestHead + `{canary: {steps: [{setWeight: -1}]}}`})
	c := open(nil, 0, 0)
	if code := c.do(t, "plan -f "+folder); code != exitError || !strings.Contains(c.err.String(), "spec.strategy.steps[0].setWeight") || c.text() != "" {
		t.Errorf("exit code %d: %s%s", code, c.text(), c.err.String())
	}
}
