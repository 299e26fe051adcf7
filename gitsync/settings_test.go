package gitsync

import (
	"strings"
	"testing"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// settled is a world in which two objects of a commit live as it says.
func settled(t *testing.T) *world {
	t.Helper()
	w := newWorld(automated)
	w.push("aaaa", docs(manifest("ConfigMap", "a"), manifest("Service", "b")))
	w.settle(t)
	return w
}

func (w *world) decideUnder(s Settings) Plan {
	w.settings = s
	return Decide(w.observation())
}

func conditionsText(p Plan) string {
	var all []string
	for _, c := range p.App.Status.Conditions {
		all = append(all, string(c.Type)+": "+c.Message)
	}
	return strings.Join(all, "\n")
}

func TestAnExcludedObjectIsToldAndLeftAlone(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", docs(manifest("ConfigMap", "a"), manifest("Service", "b")))
	plan := w.decideUnder(Settings{Exclusions: []ResourceFilter{{APIGroups: []string{""}, Kinds: []string{"Service"}}}})
	if got := conditionsText(plan); !strings.Contains(got, "ExcludedResourceWarning: Resource /Service b is excluded in the settings") {
		t.Errorf("conditions %q", got)
	}
	for _, r := range plan.App.Status.Resources {
		if r.Kind == "Service" {
			t.Errorf("it is among the resources: %+v", r)
		}
	}
}

func TestADifferenceThatTheSettingsIgnoreCountsForNoApplication(t *testing.T) {
	w := settled(t)
	live := w.objects[key("", "ConfigMap", "a")]
	w.push("bbbb", docs(manifest("ConfigMap", "a")+"data: {colour: red}\n", manifest("Service", "b")))
	live.Object["data"] = map[string]any{"colour": "blue"}
	ignoring := Settings{Ignore: []gitopsv1.IgnoreDifference{{Group: "*", Kind: "ConfigMap", JSONPointers: []string{"/data/colour"}}}}
	if got := w.decideUnder(Settings{}).App.Status.Sync.Status; got != gitopsv1.SyncOutOfSync {
		t.Errorf("without the rule it is %s", got)
	}
	if got := w.decideUnder(ignoring).App.Status.Sync.Status; got != gitopsv1.SyncSynced {
		t.Errorf("with the rule it is %s", got)
	}
}

func TestAnObjectWhoseRulesCannotBeReadIsNotHealedAgainstThem(t *testing.T) {
	w := settled(t)
	w.objects[key("", "ConfigMap", "a")].Object["data"] = map[string]any{"colour": "blue"}
	plan := w.decideUnder(Settings{Unclear: []Unclear{{Group: "", Kind: "ConfigMap", Why: "the rule is no YAML"}}})
	if plan.App.Status.Sync.Status != gitopsv1.SyncUnknown || plan.App.Operation != nil {
		t.Errorf("sync %s, operation %+v", plan.App.Status.Sync.Status, plan.App.Operation)
	}
	if got := conditionsText(plan); !strings.Contains(got, "ComparisonError: the rule is no YAML") {
		t.Errorf("conditions %q", got)
	}
}

func TestACheckThatFailsIsUnknownAndSaysWhy(t *testing.T) {
	w := settled(t)
	w.health[key("", "Service", "b")] = Health{Status: Unknown, Message: "the script is broken", Problem: "the script is broken"}
	plan := Decide(w.observation())
	if got := plan.App.Status.Health.Status; got != gitopsv1.HealthUnknown {
		t.Errorf("health %s", got)
	}
	if got := conditionsText(plan); !strings.Contains(got, "ComparisonError: the script is broken") {
		t.Errorf("conditions %q", got)
	}
	if plan.App.Status.Sync.Status != gitopsv1.SyncSynced {
		t.Errorf("sync %s: what lives is what Git says all the same", plan.App.Status.Sync.Status)
	}
}

func TestASyncByHandEndsWhereAnObjectCannotBeCompared(t *testing.T) {
	for name, c := range map[string]struct {
		expression string
		settings   Settings
		says       string
	}{
		"by a rule of the Application": {".data |= 1", Settings{}, `/ConfigMap/settings cannot be compared: ignoreDifferences for ConfigMap: jqPathExpressions ".data |= 1": `},
		"by a rule of the settings":    {".data.b", Settings{Unclear: []Unclear{{Kind: "ConfigMap", Why: "the rule is no YAML"}}}, "/ConfigMap/settings cannot be compared: the rule is no YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			w.push("aaaa", docs(config, manifest("Deployment", "web")))
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			w.story = nil
			w.settings = c.settings
			w.app.Spec.IgnoreDifferences = []gitopsv1.IgnoreDifference{{Kind: "ConfigMap", JQPathExpressions: []string{c.expression}}}
			w.push("bbbb", docs(strings.ReplaceAll(config, `"1"`, "2"), manifest("Deployment", "web")+"spec: {replicas: 2}\n"))
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			wantStory(t, w)
			if s := w.app.Status.OperationState; s.Phase != gitopsv1.OperationError || !strings.HasPrefix(s.Message, c.says) {
				t.Errorf("%s: %s", s.Phase, s.Message)
			}
			w.sync(gitopsv1.SyncOperation{Resources: []gitopsv1.SyncResource{{Group: "apps", Kind: "Deployment", Name: "web"}}})
			w.settle(t)
			wantStory(t, w, "apply Deployment prod/web")
		})
	}
}
