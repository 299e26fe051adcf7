package generate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// full is a world in which every generator finds something.
var full = world{
	Repos:        map[string]map[string]string{"r": {"apps/a/x.yaml": "name: a", "apps/b/x.yaml": "name: b"}},
	Repositories: []Repository{{Organization: "o", Name: "a", DefaultBranch: "main", HTTPSURL: "https://h/o/a"}},
	Branches:     map[string][]Branch{"o/a": {{Name: "main", SHA: "c0ffee"}}},
	PullRequests: []PullRequest{{Number: 1, Branch: "b", HeadSHA: "c0ffee"}},
	Parameters:   []map[string]any{{"name": "a"}},
}

const (
	ofList     = `{list: {elements: [{name: x, id: "1"}]}}`
	ofNothing  = `{list: {elements: []}}`
	ofClusters = `{clusters: {selector: {matchLabels: {env: prod}}}}`
	ofFolders  = `{git: {repoURL: r, directories: [{path: apps/*}], values: {name: "{{path.basename}}"}}}`
	ofFiles    = `{git: {repoURL: r, files: [{path: "apps/*/x.yaml"}]}}`
	ofSCM      = `{scmProvider: {github: {organization: o}, values: {name: "{{repository}}"}}}`
	ofRequests = `{pullRequest: {github: {owner: o, repo: r}, values: {name: "pr-{{number}}"}}}`
	ofPlugin   = `{plugin: {configMapRef: {name: p}}}`
)

// called makes Applications of sets that have their name under values.
func called(set *gitopsv1.ApplicationSet, generators string) {
	if strings.Contains(generators, "values:") {
		set.Spec.Template.Metadata.Name = "{{values.name}}"
	}
}

func TestAnEmptyResultOfAnyGeneratorDeletesNothing(t *testing.T) {
	clusters := []Cluster{{Name: "c", Server: "https://c", Labels: map[string]string{"env": "prod"}}}
	for name, generators := range map[string]string{
		"clusters":                       ofClusters,
		"folders":                        ofFolders,
		"files":                          ofFiles,
		"repositories":                   ofSCM,
		"requests":                       ofRequests,
		"a plugin":                       ofPlugin,
		"a matrix, the first of it":      `{matrix: {generators: [` + ofFiles + `, {list: {elements: [{k: v}]}}]}}`,
		"a matrix, the second of it":     `{matrix: {generators: [{list: {elements: [{k: v}]}}, ` + ofFiles + `]}}`,
		"a merge, the first of it":       `{merge: {mergeKeys: [name], generators: [` + ofFiles + `, ` + ofList + `]}}`,
		"a matrix of a merge":            `{matrix: {generators: [{merge: {mergeKeys: [name], generators: [` + ofFiles + `, ` + ofList + `]}}, {list: {elements: [{k: v}]}}]}}`,
		"a selector that nothing passes": `{list: {elements: [{name: x}]}, selector: {matchLabels: {name: PASS}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			set := setOf(t, "["+strings.ReplaceAll(generators, "PASS", "x")+"]", false)
			called(set, generators)
			o := Observation{Set: set, Clusters: clusters}
			before, err := settle(t, o, full)
			if err != nil || len(before.Applications) == 0 {
				t.Fatalf("%v, %v", names(before.Applications), err)
			}
			var own []gitopsv1.Application
			for _, app := range before.Applications {
				own = append(own, childrenOf(t, set, app.Name)...)
			}
			if strings.Contains(generators, "PASS") {
				o.Set = setOf(t, "["+strings.ReplaceAll(generators, "PASS", "y")+"]", false)
			}
			o.Clusters = nil
			after, err := settle(t, o, world{Repos: map[string]map[string]string{"r": {}}})
			if err != nil || len(after.Applications) > 0 {
				t.Fatalf("%v, %v", names(after.Applications), err)
			}
			plan := Decide(State{Set: set, Wanted: after.Applications, Current: own, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
			if len(plan.Delete) > 0 || len(plan.Notes) != 1 || plan.Notes[0].Reason != "NothingGenerated" {
				t.Errorf("deleted %v, notes %v", names(plan.Delete), plan.Notes)
			}
		})
	}
}

// TestNothingIsGeneratedWhileOneAnswerIsMissing leaves out each answer in turn, of sets whose other generators have found everything.
func TestNothingIsGeneratedWhileOneAnswerIsMissing(t *testing.T) {
	for name, generators := range map[string]string{
		"beside a list":              ofList + `, ` + ofFiles + `, ` + ofPlugin,
		"a matrix of two":            `{matrix: {generators: [` + ofFiles + `, ` + ofRequests + `]}}`,
		"a matrix, twice":            `{matrix: {generators: [` + ofFolders + `, {git: {repoURL: r, files: [{path: "{{path}}/x.yaml"}], pathParamPrefix: f}}]}}`,
		"a merge of three":           `{merge: {mergeKeys: [name], generators: [` + ofFiles + `, ` + ofPlugin + `, ` + ofList + `]}}`,
		"a merge in a matrix":        `{matrix: {generators: [{merge: {mergeKeys: [name], generators: [` + ofFiles + `, ` + ofPlugin + `]}}, {list: {elements: [{k: v}]}}]}}`,
		"repositories and their own": ofSCM,
	} {
		t.Run(name, func(t *testing.T) {
			set := setOf(t, "["+generators+"]", false)
			called(set, generators)
			o := Observation{Set: set, Answers: map[Question]Answer{}}
			for {
				result, err := Generate(o)
				if err != nil {
					t.Fatal(err)
				}
				if len(result.Questions) == 0 {
					break
				}
				for _, q := range result.Questions {
					o.Answers[q] = full.answer(t, q)
				}
			}
			if len(o.Answers) < 2 {
				t.Fatalf("only %d things were asked", len(o.Answers))
			}
			for q, a := range o.Answers {
				delete(o.Answers, q)
				result, err := Generate(o)
				if err != nil || len(result.Applications) > 0 || !slices.Contains(result.Questions, q) {
					t.Errorf("without the answer about %s %s%s: %v and %v, still asked %t", q.About, q.Repository, q.Path, names(result.Applications), err, slices.Contains(result.Questions, q))
				}
				o.Answers[q] = a
			}
		})
	}
}

func TestAProblemOfOneGeneratorIsOneOfTheWholeSet(t *testing.T) {
	broken := world{Repos: map[string]map[string]string{"r": {"apps/a/x.yaml": "name: a", "apps/b/x.yaml": "["}}, Parameters: full.Parameters}
	for name, generators := range map[string]string{
		"after a list":                 ofList + `, ` + ofFiles,
		"before a list":                ofFiles + `, ` + ofList,
		"the first of a matrix":        `{matrix: {generators: [` + ofFiles + `, {list: {elements: [{k: v}]}}]}}`,
		"the second, of one set only":  `{matrix: {generators: [{list: {elements: [{f: a}, {f: b}]}}, {git: {repoURL: r, files: [{path: "apps/{{f}}/x.yaml"}]}}]}}`,
		"the last of a merge":          `{merge: {mergeKeys: [name], generators: [` + ofList + `, ` + ofPlugin + `, ` + ofFiles + `]}}`,
		"a merge in a matrix":          `{matrix: {generators: [{list: {elements: [{k: v}]}}, {merge: {mergeKeys: [name], generators: [` + ofList + `, ` + ofFiles + `]}}]}}`,
		"a kind beside, in one entry":  `{list: {elements: [{name: x}]}, git: {repoURL: r, files: [{path: "apps/*/x.yaml"}]}}`,
		"a selector that cannot be":    ofList + `, {list: {elements: [{name: y}]}, selector: {matchExpressions: [{key: a, operator: Gt}]}}`,
		"an entry of no known kind":    ofList + `, {}`,
		"a misspelt one in a matrix":   ofList + `, {matrix: {generators: [` + ofList + `, {lists: {}}]}}`,
		"a misspelt field in a matrix": ofList + `, {matrix: {generators: [` + ofList + `, {list: {elementz: []}}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			result, err := settle(t, Observation{Set: setOf(t, "["+generators+"]", false)}, broken)
			var failure *Error
			if !errors.As(err, &failure) || failure.Reason != gitopsv1.ReasonParamsError || len(result.Applications) > 0 {
				t.Errorf("%v, %v", names(result.Applications), err)
			}
		})
	}
}

func TestEachGeneratorLooksAgainWhenItsKindDoes(t *testing.T) {
	for generators, want := range map[string]time.Duration{
		ofList: 0, ofClusters: 0, ofFolders: 3 * time.Minute, ofFiles: 3 * time.Minute, ofSCM: 30 * time.Minute, ofRequests: 30 * time.Minute, ofPlugin: 30 * time.Minute,
		ofSCM + `, ` + ofFiles + `, ` + ofList: 3 * time.Minute,
		`{matrix: {generators: [` + ofSCM + `, {git: {repoURL: "{{url}}", requeueAfterSeconds: 7, files: [{path: x}]}}]}}`: 7 * time.Second,
		`{merge: {mergeKeys: [a], generators: [` + ofPlugin + `, ` + ofList + `]}}`:                                        30 * time.Minute,
	} {
		set := setOf(t, "["+generators+"]", false)
		if got := requeueAfter(set.Spec.Generators); got != want {
			t.Errorf("%s: %s, want %s", generators, got, want)
		}
	}
}

func TestWhatIsFoundTwiceCountsOnce(t *testing.T) {
	for name, generators := range map[string]string{
		"a file that two patterns match":   `{git: {repoURL: r, files: [{path: "apps/a/*"}, {path: apps/a/x.yaml}, {path: "**/a/x.yaml"}]}}`,
		"a folder that two patterns match": `{git: {repoURL: r, directories: [{path: apps/a}, {path: "*/a"}], values: {name: "{{path.basename}}"}}}`,
		"two Secrets of one cluster name":  `{clusters: {selector: {matchLabels: {env: prod}}}}`,
	} {
		set := setOf(t, "["+generators+"]", false)
		called(set, generators)
		prod := map[string]string{"env": "prod"}
		got, err := settle(t, Observation{Set: set, Clusters: []Cluster{{Name: "a", Server: "https://one", Labels: prod}, {Name: "a", Server: "https://two", Labels: prod}}}, full)
		if diff := cmp.Diff([]string{"a"}, names(got.Applications)); err != nil || diff != "" {
			t.Error(name, err, diff)
		}
	}
}

func TestOrdersAndHooksOfOthersAreAlwaysKept(t *testing.T) {
	set := setOf(t, "[]", false)
	found := childrenOf(t, set, "a")
	found[0].Annotations = map[string]string{"argocd.argoproj.io/hydrate": "normal", "argocd.argoproj.io/refresh": "normal", "notified.notifications.argoproj.io/x": "{}", "else": "x"}
	found[0].Finalizers = []string{"pre-delete-finalizer.argocd.argoproj.io", "pre-delete-finalizer.argocd.argoproj.io/cleanup", "post-delete-finalizer.argocd.argoproj.io"}
	plan := Decide(State{Set: set, Wanted: named(t, "a"), Current: found, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
	if len(plan.Update) != 1 {
		t.Fatalf("%d updates", len(plan.Update))
	}
	delete(found[0].Annotations, "else")
	if diff := cmp.Diff(fmt.Sprint(found[0].Annotations, found[0].Finalizers), fmt.Sprint(plan.Update[0].Annotations, plan.Update[0].Finalizers)); diff != "" {
		t.Error(diff)
	}
}
