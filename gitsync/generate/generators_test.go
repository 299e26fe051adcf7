package generate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// setOf is an ApplicationSet with these generators, whose Applications are named by the parameter name.
func setOf(t *testing.T, generators string, goTemplate bool) *gitopsv1.ApplicationSet {
	t.Helper()
	name := "{{name}}"
	if goTemplate {
		name = "{{.name}}"
	}
	text := fmt.Sprintf(`
metadata: {name: set, namespace: argocd, uid: set-uid}
spec:
  goTemplate: %v
  template:
    metadata: {name: "%s"}
    spec: {project: default, source: {repoURL: "https://git.example.com/r.git", path: p}, destination: {name: in-cluster, namespace: x}}
  generators: %s`, goTemplate, name, generators)
	var set gitopsv1.ApplicationSet
	if err := yaml.UnmarshalStrict([]byte(text), &set); err != nil {
		t.Fatal(err)
	}
	return &set
}

func names(apps []gitopsv1.Application) []string {
	all := []string{}
	for _, app := range apps {
		all = append(all, app.Name)
	}
	return all
}

func TestWhatIsWrongWithAGeneratorIsToldWithItsPlace(t *testing.T) {
	w := world{Repos: map[string]map[string]string{"r": {"a.yaml": "x: [", "b.yaml": "text", "c.yaml": "[1]", "d.yaml": "name: d"}}, NotFound: true}
	for _, c := range []struct{ name, generators, part string }{
		{"no generator", `[{}]`, "spec.generators[0] names no generator"},
		{"an element that is no object", `[{list: {elements: [1]}}]`, "spec.generators[0].list.elements[0]"},
		{"a number for plain placeholders", `[{list: {elements: [{name: a, count: 3, size: 4}]}}]`, "count is no text"},
		{"values that are no map", `[{list: {elements: [{values: a}]}}]`, "values is no map"},
		{"a value that is no text", `[{list: {elements: [{values: {a: 1}}]}}]`, "values.a is no text"},
		{"elementsYaml that is no list", `[{list: {elementsYaml: "a: b"}}]`, "elementsYaml"},
		{"a template with an unknown field", `[{list: {elements: [], template: {spec: {projekt: x}}}}]`, "projekt"},
		{"a broken file", `[{git: {repoURL: r, files: [{path: a.yaml}]}}]`, "the file a.yaml of r"},
		{"a file with a text", `[{git: {repoURL: r, files: [{path: b.yaml}]}}]`, "neither an object nor a list"},
		{"a file with a list of numbers", `[{git: {repoURL: r, files: [{path: c.yaml}]}}]`, "item 0 is no object"},
		{"neither files nor directories", `[{git: {repoURL: r}}]`, "neither directories nor files"},
		{"a broken pattern for files", `[{git: {repoURL: r, files: [{path: "[a"}]}}]`, "bracket"},
		{"a broken pattern for folders", `[{git: {repoURL: r, directories: [{path: "[a"}]}}, {git: {repoURL: q, directories: [{path: "[a"}]}}]`, "pattern"},
		{"a matrix of one", `[{matrix: {generators: [{list: {}}]}}]`, "it needs two"},
		{"a matrix that contradicts itself", `[{matrix: {generators: [{list: {elements: [{name: a}]}}, {list: {elements: [{name: b}]}}]}}]`, "the parameter name"},
		{"two kinds in a matrix", `[{matrix: {generators: [{list: {}, clusters: {}}, {list: {}}]}}]`, "names 2 generators"},
		{"three levels", `[{matrix: {generators: [{matrix: {generators: [{matrix: {generators: []}}, {list: {}}]}}, {list: {}}]}}]`, "lies too deep"},
		{"a merge without keys", `[{merge: {generators: [{list: {}}, {list: {}}]}}]`, "no mergeKeys"},
		{"a merge of equal sets", `[{merge: {mergeKeys: [name], generators: [{list: {elements: [{name: a}, {name: a}]}}, {list: {}}]}}]`, "same values of the mergeKeys"},
		{"an unknown operator", `[{list: {elements: [{name: a}]}, selector: {matchExpressions: [{key: a, operator: Like}]}}]`, `"Like"`},
		{"In without values", `[{list: {}, selector: {matchExpressions: [{key: a, operator: In}]}}]`, "no values"},
		{"Exists with values", `[{list: {}, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]`, "takes none"},
		{"an operator in a selector of clusters", `[{clusters: {selector: {matchExpressions: [{key: a, operator: Like}]}}}]`, "clusters.selector"},
		{"two providers", `[{scmProvider: {github: {organization: a}, gitea: {owner: a, api: b}}}]`, "names 2 providers"},
		{"no provider", `[{pullRequest: {}}]`, "names 0 providers"},
		{"a broken filter", `[{scmProvider: {github: {organization: a}, filters: [{branchMatch: "("}]}}]`, "filters[0].branchMatch"},
		{"a repository that is not there", `[{pullRequest: {github: {owner: a, repo: b}}}]`, "not found"},
		{"what is not built", `[{clusterDecisionResource: {configMapRef: a}}]`, "cannot be used"},
		{"a provider that is not built", `[{scmProvider: {bitbucket: {owner: a, user: b}}}]`, "spec.generators[0].scmProvider.bitbucket: Forbidden"},
		{"pull requests of a provider that is not built", `[{pullRequest: {azuredevops: {organization: a, project: b, repo: c}}}]`, "spec.generators[0].pullRequest.azuredevops: Forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			result, err := settle(t, Observation{Set: setOf(t, c.generators, false)}, world{
				Repos: map[string]map[string]string{"r": w.Repos["r"], "q": {"dir/file": ""}}, NotFound: true})
			if err == nil || !strings.Contains(err.Error(), c.part) {
				t.Fatalf("got %v and %v, want an error about %q", names(result.Applications), err, c.part)
			}
			if failure := asError(err); failure == nil || failure.Reason != gitopsv1.ReasonParamsError {
				t.Errorf("the error %v has no or a wrong reason", err)
			}
		})
	}
}

func TestGeneratorsTogether(t *testing.T) {
	clusters := []Cluster{{Name: "one", Server: "s1", Labels: map[string]string{"env": "prod"}}, {Name: "two", Server: "s2"}}
	for _, c := range []struct {
		name, generators string
		goTemplate       bool
		want             []string
	}{
		{"two kinds in one entry", `[{list: {elements: [{name: a}]}, clusters: {selector: {matchLabels: {env: prod}}}}]`, false, []string{"a", "one"}},
		{"an empty selector is none", `[{clusters: {selector: {}}}]`, false, []string{"in-cluster", "one", "two"}},
		{"the label of all cluster Secrets", `[{clusters: {selector: {matchLabels: {argocd.argoproj.io/secret-type: cluster}}}}]`, false, []string{"one", "two"}},
		{"exists and does not exist", `[{list: {elements: [{name: a, x: "1"}, {name: b}]}, selector: {matchExpressions: [{key: x, operator: DoesNotExist}, {key: name, operator: Exists}]}}]`, false, []string{"b"}},
		{"a selector inside a matrix", `[{matrix: {generators: [{list: {elements: [{name: a}, {name: b}]}, selector: {matchLabels: {name: b}}}, {list: {elements: [{x: "1"}]}}]}}]`, false, []string{"b"}},
		{"a merge key that is missing counts as null", `[{merge: {mergeKeys: [id], generators: [{list: {elements: [{name: a}]}}, {list: {elements: [{name: b}]}}]}}]`, false, []string{"b"}},
		{"a matrix of one list and another inside", `[{matrix: {generators: [{list: {elements: [{x: "1"}]}}, {matrix: {generators: [{list: {elements: [{name: a}, {name: b}]}}, {list: {elements: [{y: "1"}]}}]}}]}}]`, false, []string{"a", "b"}},
		{"numbers with Go templates", `[{list: {elements: [{name: 1}, {name: 2.5}]}}]`, true, []string{"1", "2.5"}},
		{"a repository that may be missing", `[{pullRequest: {github: {owner: a, repo: b}, continueOnRepoNotFoundError: true}}]`, false, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := settle(t, Observation{Set: setOf(t, c.generators, c.goTemplate), Clusters: clusters}, world{NotFound: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, names(got.Applications)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQuestionsComeTogetherAndCheapOnesFirst(t *testing.T) {
	set := setOf(t, `[{matrix: {generators: [{list: {elements: [{name: a, repo: r1}, {name: b, repo: r2}]}}, {git: {repoURL: "{{repo}}", revision: v1, files: [{path: "*.json"}]}}]}}]`, false)
	o := Observation{Set: set, Answers: map[Question]Answer{}}
	ask := func() []Question {
		t.Helper()
		result, err := Generate(o)
		if err != nil {
			t.Fatal(err)
		}
		return result.Questions
	}
	trees := []Question{{About: AboutTree, Repository: "r1", Revision: "v1"}, {About: AboutTree, Repository: "r2", Revision: "v1"}}
	if diff := cmp.Diff(trees, ask()); diff != "" {
		t.Fatal(diff)
	}
	o.Answers[trees[0]] = Answer{Commit: "c1", Paths: []string{"x.json", "y.json", "z.yaml"}}
	o.Answers[trees[1]] = Answer{Commit: "c2"}
	files := []Question{{About: AboutFile, Repository: "r1", Revision: "c1", Path: "x.json"}, {About: AboutFile, Repository: "r1", Revision: "c1", Path: "y.json"}}
	if diff := cmp.Diff(files, ask()); diff != "" {
		t.Fatal(diff)
	}
	o.Answers[files[0]], o.Answers[files[1]] = Answer{Content: []byte(`{"file": "x"}`)}, Answer{Content: []byte(`{"file": "y"}`)}
	if left := ask(); left != nil {
		t.Error(left)
	}
}

func TestProviderQuestionsNameTheProviderOnly(t *testing.T) {
	o := Observation{Set: setOf(t, `[{scmProvider: {gitlab: {group: g, allBranches: true}, values: {a: b}, requeueAfterSeconds: 5, filters: [{repositoryMatch: a}]}}]`, false)}
	result, err := Generate(o)
	if err != nil || len(result.Questions) != 1 {
		t.Fatalf("%v, %v", result.Questions, err)
	}
	g, err := GeneratorOf(result.Questions[0])
	if err != nil {
		t.Fatal(err)
	}
	if age := result.Questions[0].MaxAge; age != 5*time.Second {
		t.Errorf("the answer may be %v old", age)
	}
	want := gitopsv1.Generator{SCMProvider: &gitopsv1.SCMProviderGenerator{GitLab: &gitopsv1.SCMGitLab{Group: "g", AllBranches: true}}}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Error(diff)
	}
	if result.After != 5*time.Second {
		t.Errorf("looks again after %v", result.After)
	}
}

func TestAParameterIsNeverTakenForATemplate(t *testing.T) {
	for _, c := range []struct{ name, generators, want string }{
		{"in the template", `[{list: {elements: [{title: "{{.name}}{{.server}}"}]}}]`, "{{.name}}{{.server}}"},
		{"in the values of the second generator of a matrix", `[{matrix: {generators: [{list: {elements: [{raw: "{{.server}}"}]}}, {clusters: {values: {a: "{{.raw}} on {{.name}}"}}}]}}]`, "{{.server}} on in-cluster"},
		{"in a matrix inside a matrix", `[{matrix: {generators: [{list: {elements: [{raw: "{{.server}}"}]}}, {matrix: {generators: [{list: {elements: [{deep: d}]}}, {clusters: {values: {a: "{{.raw}} {{.deep}} {{.name}}"}}}]}}]}}]`, "{{.server}} d in-cluster"},
		{"in a second list", `[{matrix: {generators: [{list: {elements: [{raw: "{{.server}}"}]}}, {list: {elements: [{title: "{{.raw}}"}]}}]}}]`, "{{.server}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := setOf(t, c.generators, true)
			set.Spec.Template.Metadata.Name = "{{ .title | default (.values | default dict).a }}"
			got, err := settle(t, Observation{Set: set}, world{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.want}, names(got.Applications)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARepositoryIsAskedForNoMoreThanItsFiltersNeed(t *testing.T) {
	o := Observation{Set: setOf(t, `[{scmProvider: {gitea: {owner: o, api: "https://gitea.example.com"}, filters: [{repositoryMatch: ^a, labelMatch: ui, pathsExist: [deploy]}]}}]`, false), Answers: map[Question]Answer{}}
	ask := func() []string {
		t.Helper()
		result, err := Generate(o)
		if err != nil {
			t.Fatal(err)
		}
		all := []string{}
		for _, q := range result.Questions {
			all = append(all, strings.TrimSpace(fmt.Sprint(q.About, " ", q.Repository, " ", q.Revision, " ", q.Path)))
			o.Answers[q] = map[About]Answer{
				AboutRepositories: {Repositories: []Repository{
					{Organization: "o", Name: "a1", DefaultBranch: "trunk"}, {Organization: "o", Name: "a2", DefaultBranch: "main"},
					{Organization: "o", Name: "a3"}, {Organization: "o", Name: "b", DefaultBranch: "main"},
				}},
				AboutLabels:   {Labels: map[string][]string{"o/a1": {"ui"}, "o/a3": {"ui"}}[q.Repository]},
				AboutBranches: {Branches: []Branch{{Name: q.Revision, SHA: "c0ffee"}}},
				AboutPath:     {Exists: false},
			}[q.About]
		}
		return all
	}
	got := [][]string{ask(), ask(), ask(), ask(), ask()}
	want := [][]string{{"repositories"}, {"labels o/a1", "labels o/a2", "labels o/a3"}, {"branches o/a1 trunk"}, {"path o/a1 trunk deploy"}, {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTooManyQuestionsAreRefused(t *testing.T) {
	o := Observation{Set: setOf(t, `[{scmProvider: {github: {organization: o}}}]`, false), Answers: map[Question]Answer{}}
	first, err := Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	var listed Answer
	for i := range maxQuestions + 1 {
		listed.Repositories = append(listed.Repositories, Repository{Organization: "o", Name: fmt.Sprint(i), DefaultBranch: "main"})
	}
	o.Answers[first.Questions[0]] = listed
	result, err := Generate(o)
	if err == nil || !strings.Contains(err.Error(), "more than 50000 things") || len(result.Questions) > 0 || len(result.Applications) > 0 {
		t.Errorf("%d questions, %d Applications, %v", len(result.Questions), len(result.Applications), err)
	}
}

func TestTooManySetsAreRefused(t *testing.T) {
	var elements []string
	for i := range 200 {
		elements = append(elements, fmt.Sprintf(`{name: "n%d"}`, i))
	}
	list := `{list: {elements: [` + strings.Join(elements, ",") + `]}}`
	other := strings.ReplaceAll(list, "name", "other")
	start := time.Now()
	_, err := Generate(Observation{Set: setOf(t, `[{matrix: {generators: [`+list+`,`+other+`]}}]`, false)})
	if err == nil || !strings.Contains(err.Error(), "more than 10000 sets") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

func TestGenerateChangesNoInput(t *testing.T) {
	set := setOf(t, `[{plugin: {configMapRef: {name: p}}}]`, true)
	set.Spec.Template.Metadata.Name = `{{$_ := set . "name" "x"}}{{.m.a}}{{$_ := set .m "a" "changed"}}`
	question := Question{About: AboutPlugin, Generator: `{"plugin":{"configMapRef":{"name":"p"}}}`, MaxAge: gitopsv1.DefaultProviderRequeueAfter}
	o := Observation{Set: set, Answers: map[Question]Answer{question: {Parameters: []map[string]any{{"m": map[string]any{"a": "b"}}}}}}
	before, err := json.Marshal([]any{o.Set, o.Answers[question]})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		result, err := Generate(o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"b"}, names(result.Applications)); diff != "" {
			t.Error(diff)
		}
	}
	after, err := json.Marshal([]any{o.Set, o.Answers[question]})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Error(diff)
	}
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"a/config.json", "a/config.json", true},
		{"a", "a/b/config.json", true},
		{"a/", "a/b/config.json", true},
		{"a", "ab/config.json", false},
		{"*.json", "a/b.json", true},
		{"a/*/c.json", "a/b/b/c.json", true},
		{"a/**/c.json", "a/b/c.json", true},
		{"a/?.json", "a/b.json", true},
		{"a/?.json", "a/bb.json", false},
		{"a/[bc].json", "a/c.json", true},
		{"a/[!bc].json", "a/c.json", false},
		{"a/[]x].json", "a/].json", true},
		{"a/[^]x].json", "a/y.json", true},
		{"a/[a-c].json", "a/b.json", true},
		{`a/\*.json`, "a/*.json", true},
		{`a/\*.json`, "a/b.json", false},
		{"a.json", "axjson", false},
		{"(a*", "(ab", true},
	} {
		t.Run(c.pattern+" and "+c.path, func(t *testing.T) {
			g, err := pathGlob(c.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := g.matches(c.path); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestSelectorsTreatMissingKeysAsLabelsDo(t *testing.T) {
	for _, c := range []struct {
		operator metav1.LabelSelectorOperator
		present  bool
		want     bool
	}{
		{metav1.LabelSelectorOpIn, false, false}, {metav1.LabelSelectorOpNotIn, false, true},
		{metav1.LabelSelectorOpExists, false, false}, {metav1.LabelSelectorOpDoesNotExist, false, true},
		{metav1.LabelSelectorOpIn, true, true}, {metav1.LabelSelectorOpNotIn, true, false},
		{metav1.LabelSelectorOpExists, true, true}, {metav1.LabelSelectorOpDoesNotExist, true, false},
	} {
		s := &gitopsv1.ParameterSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "k", Operator: c.operator, Values: []string{"any text / at all"}}}}
		texts := map[string]string{}
		if c.present {
			texts["k"] = "any text / at all"
		}
		if got := matches(s, texts); got != c.want {
			t.Errorf("%s with the key present %v: %v", c.operator, c.present, got)
		}
	}
}

func FuzzGlob(f *testing.F) {
	for _, seed := range []string{"*", "a/[b-", "[]]", "[!]]", `\`, "**/?", "[[:alpha:]]", "a{b,c}"} {
		f.Add(seed, "a/b.json")
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if g, err := pathGlob(pattern); err == nil {
			g.matches(path)
		}
	})
}

func TestAStrategyThatCannotBeFollowedChangesNothing(t *testing.T) {
	for name, strategy := range map[string]string{
		"an operator that steps do not know": `{type: RollingSync, rollingSync: {steps: [{matchExpressions: [{key: env, operator: Exists}]}]}}`,
		"a limit that is no share":           `{type: RollingSync, rollingSync: {steps: [{maxUpdate: abc}]}}`,
		"no steps":                           `{type: RollingSync, rollingSync: {steps: []}}`,
	} {
		t.Run(name, func(t *testing.T) {
			set := setOf(t, `[{list: {elements: [{name: a}]}}]`, false)
			set.Spec.Strategy = &gitopsv1.ApplicationSetStrategy{}
			if err := yaml.UnmarshalStrict([]byte(strategy), set.Spec.Strategy); err != nil {
				t.Fatal(err)
			}
			result, err := Generate(Observation{Set: set})
			if err == nil || len(result.Applications) > 0 {
				t.Fatalf("got %v and %v, want an error", names(result.Applications), err)
			}
			for _, c := range StatusOf(set, Outcome{Problem: err}, time.Now()).Conditions {
				if c.Type == gitopsv1.ConditionInvalidRollout && c.Status == metav1.ConditionTrue && strings.Contains(c.Message, "spec.strategy.rollingSync.steps") {
					return
				}
			}
			t.Error("no condition tells it")
		})
	}
}
