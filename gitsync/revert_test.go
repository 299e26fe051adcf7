package gitsync

import (
	"strings"
	"testing"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

const (
	goodCommit = "1111111111111111111111111111111111111111"
	badCommit  = "2222222222222222222222222222222222222222"
)

// rejecting is a world in which a canary rejected badCommit, and whose Application names a branch for reverts.
func rejecting(t *testing.T, branch string) *world {
	t.Helper()
	return rejectingA(t, branch, rollout)
}

// rejectingA is the same with manifests of which badCommit changes the image.
func rejectingA(t *testing.T, branch, manifests string) *world {
	t.Helper()
	w := newWorld(automated)
	w.app.Annotations = map[string]string{AnnotationRevertBranch: branch}
	w.push(goodCommit, manifests)
	w.settle(t)
	w.push(badCommit, strings.ReplaceAll(manifests, "web:1", "web:2"))
	w.settle(t)
	w.abort("error rate\nof 3 %")
	w.settle(t)
	return w
}

// decideAfter decides with what came of an earlier attempt.
func (w *world) decideAfter(r Reverted) Plan {
	o := w.observation()
	o.Reverted = []Reverted{r}
	return Decide(o)
}

// told is the message of a condition; empty if there is none.
func told(app *gitopsv1.Application, kind gitopsv1.ApplicationConditionType) string {
	for _, c := range app.Status.Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

func TestARevertIsAskedForOnlyWhereABranchIsNamed(t *testing.T) {
	w := rejecting(t, "revert/shop")
	plan := Decide(w.observation())
	if len(plan.Reverts) != 1 {
		t.Fatalf("asked for %+v", plan.Reverts)
	}
	ask := plan.Reverts[0]
	if ask.Commit != badCommit || ask.Tracked != badCommit || ask.Branch != "revert/shop" || ask.Rollout != rolloutKey || ask.Source.Path != "shop" {
		t.Errorf("asked for %+v", ask)
	}
	if want := "Rollout prod/web of the application shop was aborted: error rate of 3 %"; ask.Body != want {
		t.Errorf("the reason is %q, want %q", ask.Body, want)
	}
	delete(w.app.Annotations, AnnotationRevertBranch)
	if plan := Decide(w.observation()); len(plan.Reverts) != 0 {
		t.Errorf("without the annotation it asks for %+v", plan.Reverts)
	}
	w.app.Annotations[AnnotationRevertBranch] = "revert/shop"
	w.push("3333333333333333333333333333333333333333", strings.ReplaceAll(rollout, "web:1", "web:3"))
	w.settle(t)
	if plan := Decide(w.observation()); len(plan.Reverts) != 0 {
		t.Errorf("once there is another commit it asks for %+v", plan.Reverts)
	}
}

func TestWhatCameOfARevertIsToldOnceAndAFailureIsTriedAgainLater(t *testing.T) {
	w := rejecting(t, "revert/shop")
	done := Reverted{Commit: badCommit, Branch: "revert/shop", By: goodCommit, At: w.now}
	plan := w.decideAfter(done)
	if text := told(plan.App, ConditionRevertPushed); len(plan.Reverts) != 0 || text != "Commit 1111111 on the branch revert/shop reverts 2222222, which is held" {
		t.Errorf("asks for %+v and tells %q", plan.Reverts, text)
	}
	if len(plan.Notes) != 1 || plan.Notes[0].Reason != "RevertPushed" {
		t.Errorf("notes %+v", plan.Notes)
	}
	w.app = plan.App
	if plan := w.decideAfter(done); len(plan.Notes) != 0 {
		t.Errorf("it is told again: %+v", plan.Notes)
	}
	failed := Reverted{Commit: badCommit, Branch: "revert/shop", Problem: "it conflicts", At: w.now}
	plan = w.decideAfter(failed)
	if text := told(plan.App, ConditionRevertError); len(plan.Reverts) != 0 || !strings.HasSuffix(text, "it conflicts") || plan.After <= 0 || plan.After > 10*time.Minute {
		t.Errorf("asks for %+v after %s and tells %q", plan.Reverts, plan.After, text)
	}
	w.now = w.now.Add(10 * time.Minute)
	if plan := w.decideAfter(failed); len(plan.Reverts) != 1 || told(plan.App, ConditionRevertError) == "" {
		t.Errorf("ten minutes later it asks for %+v", plan.Reverts)
	}
}

func TestWhatCanNeverBeRevertedIsToldAndNotAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		branch, reason string
		spec           func(*gitopsv1.ApplicationSpec)
	}{
		"an option instead of a branch":    {"--force", "must name a branch", nil},
		"a full ref":                       {"refs/heads/main", "must name a branch", nil},
		"two refs":                         {"a:b", "must name a branch", nil},
		"a range":                          {"a..b", "must name a branch", nil},
		"a lock":                           {"a.lock/b", "must name a branch", nil},
		"nothing":                          {"", "must name a branch", nil},
		"the head":                         {"HEAD", "must name a branch", nil},
		"a path of three thousand letters": {strings.Repeat("a", 3000), "must name a branch", nil},
		"a chart":                          {"b", "only a commit of a Git repository", func(s *gitopsv1.ApplicationSpec) { s.Source.Chart, s.Source.TargetRevision = "web", "1.x" }},
		"several sources":                  {"b", "several sources", func(s *gitopsv1.ApplicationSpec) { s.Sources = []gitopsv1.Source{*s.Source, *s.Source} }},
	} {
		t.Run(name, func(t *testing.T) {
			w := rejecting(t, c.branch)
			o := w.observation()
			if c.spec != nil {
				c.spec(&o.App.Spec)
			}
			plan := Decide(o)
			if text := told(plan.App, ConditionRevertError); len(plan.Reverts) != 0 || !strings.Contains(text, c.reason) || len(text) > 400 {
				t.Errorf("asks for %+v and tells %q, want %q", plan.Reverts, text, c.reason)
			}
		})
	}
}

func TestACommitBringsAManifestThatItsParentDoesNotHave(t *testing.T) {
	const worked = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: prod}
spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}, strategy: {canary: {}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec: {template: {spec: {containers: [{name: web, image: "web:1"}]}}}
`
	for name, manifests := range map[string]string{"a Rollout with a template": rollout, "a Rollout with a workload": worked} {
		t.Run(name, func(t *testing.T) {
			w := rejectingA(t, "revert/shop", manifests)
			o := w.observation()
			asked := Decide(o).Reverts
			if len(asked) != 1 {
				t.Fatalf("asked for %+v", asked)
			}
			if ask := asked[0]; ask.Brings(o, w.material(badCommit)) || !ask.Brings(o, w.material(goodCommit)) || !ask.Brings(o, Material{}) {
				t.Error("the commit that brought the manifest is not told from the others")
			}
		})
	}
}
