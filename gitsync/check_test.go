package gitsync

import (
	"strings"
	"testing"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestWhatIsNotBuiltOrNotMeantIsRefusedAloud(t *testing.T) {
	for name, test := range map[string]struct {
		spec   string
		change func(*gitopsv1.AppProjectSpec)
		want   string
	}{
		"a plugin":                    {automated + `source: {repoURL: "https://git.example.com/r.git", path: p, plugin: {}}`, nil, "spec.source.plugin: Forbidden"},
		"rendering into a branch":     {automated + `sourceHydrator: {}`, nil, "spec.sourceHydrator: Forbidden"},
		"a window of an unknown kind": {automated, func(s *gitopsv1.AppProjectSpec) { s.SyncWindows = []gitopsv1.SyncWindow{{Kind: "permit"}} }, "project default cannot be used: spec.syncWindows[0].kind"},
		"a policy without a signature": {automated, func(s *gitopsv1.AppProjectSpec) {
			s.SourceIntegrity = &gitopsv1.SourceIntegrity{Git: &gitopsv1.GitIntegrity{Policies: []gitopsv1.GitIntegrityPolicy{{}}}}
		}, "project default cannot be used: spec.sourceIntegrity.git.policies[0].gpg"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(test.spec)
			w.push("a", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
			if test.change != nil {
				test.change(&w.project.Spec)
			}
			plan := Decide(w.observation())
			if len(plan.App.Status.Conditions) != 1 || plan.App.Status.Conditions[0].Type != gitopsv1.ConditionInvalidSpecError ||
				!strings.Contains(plan.App.Status.Conditions[0].Message, test.want) {
				t.Errorf("conditions %+v", plan.App.Status.Conditions)
			}
			if plan.App.Status.OperationState != nil {
				t.Error("a sync begins")
			}
		})
	}
}
