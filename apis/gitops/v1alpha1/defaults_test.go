package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := yaml.UnmarshalStrict([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestDefaultsOfAnApplication(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		get        func(gitopsv1.ApplicationSpec) any
		want       any
	}{
		{"no project is default", `{}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.ProjectName(s) }, "default"},
		{"a project", `{project: a}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.ProjectName(s) }, "a"},
		{"no source", `{}`, func(s gitopsv1.ApplicationSpec) any { return len(gitopsv1.SourcesOf(s)) }, 0},
		{"one source", `{source: {path: a}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.SourcesOf(s)[0].Path }, "a"},
		{"sources beat source", `{source: {path: a}, sources: [{path: b}]}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.SourcesOf(s)[0].Path }, "b"},
		{"no revision is HEAD", `{source: {}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.TargetRevision(*s.Source) }, "HEAD"},
		{"ten entries of history", `{}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.RevisionHistoryLimit(s) }, int64(10)},
		{"no history", `{revisionHistoryLimit: 0}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.RevisionHistoryLimit(s) }, int64(0)},
		{"manual", `{syncPolicy: {}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.IsAutomated(s) }, false},
		{"automated", `{syncPolicy: {automated: {}}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.IsAutomated(s) }, true},
		{"automated and switched off", `{syncPolicy: {automated: {enabled: false, prune: true}}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.Prunes(s) || gitopsv1.IsAutomated(s) }, false},
		{"prune", `{syncPolicy: {automated: {prune: true}}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.Prunes(s) }, true},
		{"self-heal", `{syncPolicy: {automated: {selfHeal: true}}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.SelfHeals(s) && !gitopsv1.AllowsEmpty(s) }, true},
		{"an automated sync has five retries", `{syncPolicy: {automated: {}}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.RetryOf(s).Limit }, int64(5)},
		{"an empty retry has none", `{syncPolicy: {automated: {}, retry: {}}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.RetryOf(s).Limit }, int64(0)},
		{"a manual sync has none", `{}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.RetryOf(s).Limit }, int64(0)},
		{"the first of an option counts", `{syncPolicy: {syncOptions: [Prune=confirm, " Prune=false"]}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.SyncOption(gitopsv1.SyncOptions(s), "Prune") }, "confirm"},
		{"options are written exactly", `{syncPolicy: {syncOptions: [prune=false]}}`, func(s gitopsv1.ApplicationSpec) any { return gitopsv1.SyncOption(gitopsv1.SyncOptions(s), "Prune") }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.get(decode[gitopsv1.ApplicationSpec](t, c.spec))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDefaultsOfAnApplicationSet(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		get        func(gitopsv1.ApplicationSetSpec) any
		want       any
	}{
		{"everything may be done", `{generators: []}`, func(s gitopsv1.ApplicationSetSpec) any { return gitopsv1.ApplicationsSyncOf(s) }, gitopsv1.ApplicationsSyncAll},
		{"resources go with their Applications", `{generators: [], syncPolicy: {}}`, func(s gitopsv1.ApplicationSetSpec) any { return gitopsv1.PreservesResources(s) }, false},
		{"all at once", `{generators: [], strategy: {rollingSync: {}}}`, func(s gitopsv1.ApplicationSetSpec) any { return gitopsv1.IsRolling(s) || gitopsv1.DeletesInReverse(s) }, false},
		{"in reverse", `{generators: [], strategy: {type: RollingSync, deletionOrder: Reverse, rollingSync: {}}}`, func(s gitopsv1.ApplicationSetSpec) any { return gitopsv1.DeletesInReverse(s) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.get(decode[gitopsv1.ApplicationSetSpec](t, c.spec))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRepositoriesOfAPolicyAreReadInBothForms(t *testing.T) {
	got, err := gitopsv1.RepoPatterns(decode[gitopsv1.GitIntegrityPolicy](t, `{repos: ["a", {url: b}]}`))
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, wrong := range []string{`{repos: [1]}`, `{repos: [{uri: a}]}`, `{repos: [""]}`} {
		if _, err := gitopsv1.RepoPatterns(decode[gitopsv1.GitIntegrityPolicy](t, wrong)); err == nil {
			t.Errorf("%s leaves a repository unchecked without a word", wrong)
		}
	}
}

func TestNestedGenerators(t *testing.T) {
	g, err := gitopsv1.NestedGenerator(apiextensionsv1.JSON{Raw: []byte(`{"list":{"elements":[{"a":1}]},"plugin":{"configMapRef":{"name":"a"}}}`)})
	if diff := cmp.Diff([]gitopsv1.GeneratorKind{gitopsv1.GeneratorList, gitopsv1.GeneratorPlugin}, gitopsv1.KindsOf(g)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, wrong := range []string{`[]`, `{"lists":{}}`, `{"List":{}}`, `{"list":{"elements":1}}`, ``} {
		if _, err := gitopsv1.NestedGenerator(apiextensionsv1.JSON{Raw: []byte(wrong)}); err == nil {
			t.Errorf("%q was taken for a generator", wrong)
		}
	}
}
