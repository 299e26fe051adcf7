package applicationset

import (
	"context"
	"errors"
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// archive answers all but one question: from number broken on it gives what it has found, and an error.
type archive struct{ asked, broken int }

func (a *archive) Answer(_ context.Context, _ *gitopsv1.ApplicationSet, questions []generate.Question, _ bool) (map[generate.Question]generate.Answer, error) {
	answers := map[generate.Question]generate.Answer{}
	for _, q := range questions {
		if a.asked++; a.asked > a.broken {
			return answers, errors.New("the line is down")
		}
		switch q.About {
		case generate.AboutTree:
			answers[q] = generate.Answer{Commit: "c0ffee", Paths: []string{"apps/one.yaml", "apps/two.yaml"}}
		case generate.AboutFile:
			answers[q] = generate.Answer{Content: []byte("name: " + q.Path[len("apps/"):len("apps/")+3])}
		default:
			answers[q] = generate.Answer{Parameters: []map[string]any{{"name": "one", "team": "x"}, {"name": "two", "team": "y"}}}
		}
	}
	return answers, nil
}

// TestNoFailureOnTheWayTakesApplicationsAway lets each question in turn be the first without an answer, of sets that had all of them before.
func TestNoFailureOnTheWayTakesApplicationsAway(t *testing.T) {
	const git, plugin, static = `{"git":{"repoURL":"https://git.example.com/r","files":[{"path":"apps/*"}]}}`, `{"plugin":{"configMapRef":{"name":"p"}}}`, `{"list":{"elements":[{"k":"v"}]}}`
	nested := func(all ...string) (raw []apiextensionsv1.JSON) {
		for _, one := range all {
			raw = append(raw, apiextensionsv1.JSON{Raw: []byte(one)})
		}
		return raw
	}
	files := gitopsv1.Generator{Git: &gitopsv1.GitGenerator{RepoURL: "https://git.example.com/r", Files: []gitopsv1.GitPath{{Path: "apps/*"}}}}
	for name, generators := range map[string][]gitopsv1.Generator{
		"beside a list": {list("three"), files},
		"a matrix":      {{Matrix: &gitopsv1.MatrixGenerator{Generators: nested(static, git)}}},
		"a merge":       {{Merge: &gitopsv1.MergeGenerator{MergeKeys: []string{"name"}, Generators: nested(git, plugin)}}},
		"a merge in a matrix": {{Matrix: &gitopsv1.MatrixGenerator{Generators: nested(
			`{"merge":{"mergeKeys":["name"],"generators":[`+git+`,`+plugin+`]}}`, static)}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, aSet(generators...))
			whole := &archive{broken: 1000}
			s.Library = whole
			s.pass()
			before := s.apps()
			if len(before) < 2 || whole.asked < 3 {
				t.Fatalf("%v after %d questions, conditions %+v", before, whole.asked, s.set().Status.Conditions)
			}
			for broken := range whole.asked {
				s.memory.forget(setKey)
				s.Library = &archive{broken: broken}
				s.change(func(set *gitopsv1.ApplicationSet) {
					set.Spec.Template.Metadata.Name = "{{.name}}-anew" // which would take all others away, were the answers whole
				})
				s.pass()
				if after := s.apps(); !slices.Equal(before, after) {
					t.Fatalf("without answer %d the Applications are %v, were %v", broken+1, after, before)
				}
				if !slices.ContainsFunc(s.set().Status.Conditions, func(c gitopsv1.ApplicationSetCondition) bool {
					return c.Type == gitopsv1.ConditionErrorOccurred && c.Status == metav1.ConditionTrue && c.Message == "the line is down"
				}) {
					t.Errorf("without answer %d: conditions %+v", broken+1, s.set().Status.Conditions)
				}
			}
		})
	}
}
