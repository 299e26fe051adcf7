package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// told lists the places of mistakes with what is wrong there.
func told(errs field.ErrorList) []string {
	var all []string
	for _, e := range errs {
		all = append(all, e.Field+" "+string(e.Type))
	}
	return all
}

func read[T any](t *testing.T, text string) *T {
	t.Helper()
	var object T
	if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return &object
}

func TestApplication(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		want       []string
	}{
		{"what is built is not refused", `{source: {repoURL: r, path: p, helm: {}}}`, nil},
		{"a plugin", `{source: {repoURL: r, path: p, plugin: {}}}`, []string{"spec.source.plugin FieldValueForbidden"}},
		{"a plugin in several sources", `{sources: [{repoURL: r}, {repoURL: r, plugin: {}}]}`, []string{"spec.sources[1].plugin FieldValueForbidden"}},
		{"a source that has no effect", `{source: {plugin: {}}, sources: [{repoURL: r}]}`, nil},
		{"a hydrator", `{sourceHydrator: {drySource: {repoURL: r, targetRevision: a, path: b}, syncSource: {targetBranch: c, path: d}}}`, []string{"spec.sourceHydrator FieldValueForbidden"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, told(Application(read[gitopsv1.Application](t, `{spec: `+c.spec+`}`)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestApplicationSet(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		want       []string
	}{
		{"what is built is not refused", `{generators: [{list: {}}, {scmProvider: {gitlab: {group: g}}}, {pullRequest: {github: {owner: a, repo: b}}}]}`, nil},
		{"a generator", `{generators: [{list: {}}, {clusterDecisionResource: {configMapRef: a}}]}`, []string{"spec.generators[1].clusterDecisionResource FieldValueForbidden"}},
		{"a generator inside a matrix inside a merge", `{generators: [{merge: {generators: [{matrix: {generators: [{}, {clusterDecisionResource: {configMapRef: a}}]}}]}}]}`,
			[]string{"spec.generators[0].merge.generators[0].matrix.generators[1].clusterDecisionResource FieldValueForbidden"}},
		{"providers", `{generators: [{scmProvider: {bitbucket: {owner: a}, awsCodeCommit: {}}}]}`,
			[]string{"spec.generators[0].scmProvider.bitbucket FieldValueForbidden", "spec.generators[0].scmProvider.awsCodeCommit FieldValueForbidden"}},
		{"a GitHub App", `{generators: [{scmProvider: {github: {organization: o, appSecretName: s}}}, {pullRequest: {github: {owner: a, repo: b, appSecretName: c}}}]}`, nil},
		{"pull requests elsewhere", `{generators: [{pullRequest: {azuredevops: {organization: a, project: b, repo: c}}}]}`,
			[]string{"spec.generators[0].pullRequest.azuredevops FieldValueForbidden"}},
		{"a plugin in the template", `{generators: [], template: {spec: {source: {plugin: {}}}}}`, []string{"spec.template.spec.source.plugin FieldValueForbidden"}},
		{"an unknown strategy", `{generators: [], strategy: {type: Rolling, deletionOrder: Backwards}}`,
			[]string{"spec.strategy.type FieldValueNotSupported", "spec.strategy.deletionOrder FieldValueNotSupported"}},
		{"a rolling sync", `{generators: [], strategy: {type: RollingSync, deletionOrder: Reverse, rollingSync: {steps: [{maxUpdate: 10%, matchExpressions: [{key: a, operator: In, values: [b]}]}, {maxUpdate: 0}]}}}`, nil},
		{"a rolling sync without steps", `{generators: [], strategy: {type: RollingSync}}`, []string{"spec.strategy.rollingSync.steps FieldValueRequired"}},
		{"a reverse order of nothing", `{generators: [], strategy: {deletionOrder: Reverse}}`, []string{"spec.strategy.deletionOrder FieldValueInvalid"}},
		{"steps that cannot be followed", `{generators: [], strategy: {type: RollingSync, rollingSync: {steps: [{maxUpdate: -1}, {maxUpdate: "5"}, {maxUpdate: 101%}, {matchExpressions: [{operator: Exists}]}]}}}`,
			[]string{"spec.strategy.rollingSync.steps[0].maxUpdate FieldValueInvalid", "spec.strategy.rollingSync.steps[1].maxUpdate FieldValueInvalid",
				"spec.strategy.rollingSync.steps[2].maxUpdate FieldValueInvalid", "spec.strategy.rollingSync.steps[3].matchExpressions[0].key FieldValueRequired",
				"spec.strategy.rollingSync.steps[3].matchExpressions[0].operator FieldValueNotSupported"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, told(ApplicationSet(read[gitopsv1.ApplicationSet](t, `{spec: `+c.spec+`}`)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAppProject(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		want       []string
	}{
		{"an ordinary project", `{sourceRepos: ["*"], syncWindows: [{kind: allow}, {kind: deny}], sourceIntegrity: {git: {policies: [{repos: ["*", {url: a}], gpg: {mode: head}}]}}}`, nil},
		{"a window of an unknown kind", `{syncWindows: [{kind: permit}, {}]}`, []string{"spec.syncWindows[0].kind FieldValueNotSupported", "spec.syncWindows[1].kind FieldValueNotSupported"}},
		{"a policy that says nothing", `{sourceIntegrity: {git: {policies: [{repos: ["*"]}, {gpg: {}}]}}}`,
			[]string{"spec.sourceIntegrity.git.policies[0].gpg FieldValueRequired", "spec.sourceIntegrity.git.policies[1].gpg.mode FieldValueRequired"}},
		{"a policy for nobody knows what", `{sourceIntegrity: {git: {policies: [{repos: [1], gpg: {mode: all}}]}}}`,
			[]string{"spec.sourceIntegrity.git.policies[0].repos FieldValueInvalid", "spec.sourceIntegrity.git.policies[0].gpg.mode FieldValueNotSupported"}},
		{"a service account without a name", `{destinationServiceAccounts: [{server: "*", defaultServiceAccount: ""}]}`, []string{"spec.destinationServiceAccounts[0].defaultServiceAccount FieldValueRequired"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, told(AppProject(read[gitopsv1.AppProject](t, `{spec: `+c.spec+`}`)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
