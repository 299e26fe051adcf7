package gitsync

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	w.abort("\x1b[2J\x00" + strings.Repeat("ü", 5000))
	if body := Decide(w.observation()).Reverts[0].Body; !strings.HasSuffix(body, "was aborted: [2J "+strings.Repeat("ü", 996)) {
		t.Errorf("a reason of a terminal makes %d bytes: %q", len(body), body)
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
	done := Reverted{Held: badCommit, Branch: "revert/shop", By: goodCommit, At: w.now}
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
	failed := Reverted{Held: badCommit, Branch: "revert/shop", Problem: "it conflicts", At: w.now}
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
		"other sources than before":        {"b", "several sources", func(s *gitopsv1.ApplicationSpec) { s.Sources = []gitopsv1.Source{*s.Source, *s.Source} }},
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

// rejectingOneOf is a world of several sources, in which a canary rejected the last of some states of them.
func rejectingOneOf(t *testing.T, sources []gitopsv1.Source, states ...string) *world {
	t.Helper()
	w := newWorld(automated)
	w.app.Annotations = map[string]string{AnnotationRevertBranch: "revert/shop"}
	w.app.Spec.Source, w.app.Spec.Sources = nil, sources
	for i, state := range states {
		w.push(state, rollout)
		if i == len(states)-1 {
			w.push(state, strings.ReplaceAll(rollout, "web:1", "web:2"))
		}
		w.settle(t)
	}
	w.abort("errors")
	w.settle(t)
	return w
}

func TestOfSeveralSourcesTheOneThatChangedIsReverted(t *testing.T) {
	const a1, a2, b1, b2 = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222",
		"3333333333333333333333333333333333333333", "4444444444444444444444444444444444444444"
	a, b := gitopsv1.Source{RepoURL: "https://git.example.com/org/a", Path: "."}, gitopsv1.Source{RepoURL: "https://git.example.com/org/b.git", Ref: "values"}
	sameAsB := gitopsv1.Source{RepoURL: "https://git.example.com/org/B", Path: "more"}
	chart := gitopsv1.Source{RepoURL: "https://charts.example.com", Chart: "web", TargetRevision: "1.x"}
	for name, c := range map[string]struct {
		sources []gitopsv1.Source
		states  []string
		change  Change
		// suspects are the places of all that changed at once.
		suspects [][]int
		// commits is how people read what is held.
		commits, problem string
	}{
		"the first of two": {
			sources: []gitopsv1.Source{a, b}, states: []string{a1 + " " + b1, a2 + " " + b1}, commits: "2222222",
			change: Change{Source: a, Places: []int{0}, Commit: a2, Before: a1, Tracked: a2},
		},
		"the values beside a chart": {
			sources: []gitopsv1.Source{chart, b}, states: []string{"1.0.0 " + b1, "1.0.0 " + b2}, commits: "4444444",
			change: Change{Source: b, Places: []int{1}, Commit: b2, Before: b1, Tracked: b2},
		},
		"two of one repository": {
			sources: []gitopsv1.Source{a, b, sameAsB}, states: []string{a1 + " " + b1 + " " + b1, a1 + " " + b2 + " " + b2}, commits: "4444444",
			change: Change{Source: b, Places: []int{1, 2}, Commit: b2, Before: b1, Tracked: b2},
		},
		"a chart": {
			sources: []gitopsv1.Source{chart, b}, states: []string{"1.0.0 " + b1, "1.1.0 " + b1}, commits: "1.1.0", problem: "only a commit of a Git repository",
		},
		"both at once": {
			sources: []gitopsv1.Source{a, b}, states: []string{a1 + " " + b1, a2 + " " + b2}, commits: "2222222 and 4444444", suspects: [][]int{{0}, {1}},
		},
		"nothing before it": {
			sources: []gitopsv1.Source{a, b}, states: []string{a1 + " " + b1}, commits: "1111111", problem: "it is not known which commits of just these were synced before it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := rejectingOneOf(t, c.sources, c.states...)
			plan := Decide(w.observation())
			if health := plan.App.Status.Health; !strings.HasPrefix(health.Message, "Commit "+c.commits+" is held") {
				t.Errorf("the health says %q", health.Message)
			}
			if c.problem != "" {
				if text := told(plan.App, ConditionRevertError); len(plan.Reverts) != 0 || !strings.Contains(text, c.problem) {
					t.Errorf("asks for %+v and tells %q, want %q", plan.Reverts, text, c.problem)
				}
				return
			}
			if len(plan.Reverts) != 1 {
				t.Fatalf("asks for %+v and tells %q", plan.Reverts, told(plan.App, ConditionRevertError))
			}
			ask := plan.Reverts[0]
			var suspects [][]int
			for _, s := range ask.Suspects {
				suspects = append(suspects, s.Places)
			}
			if diff := cmp.Diff(c.change, ask.Change); diff != "" || !cmp.Equal(c.suspects, suspects) || ask.Held != c.states[len(c.states)-1] {
				t.Errorf("asks for %+v, suspects %v (-want +got):\n%s", ask, suspects, diff)
			}
			w.app = plan.App
			plan = w.decideAfter(Reverted{Held: ask.Held, Branch: ask.Branch, By: a1, At: w.now})
			if text := told(plan.App, ConditionRevertPushed); len(plan.Reverts) != 0 || !strings.Contains(text, "reverts "+c.commits+", which is held") {
				t.Errorf("then it asks for %+v and tells %q", plan.Reverts, text)
			}
		})
	}
}

func TestOfSeveralSuspectsTheOneWithoutWhichTheManifestIsAnotherIsReverted(t *testing.T) {
	a, b := Change{Places: []int{0}, Commit: goodCommit}, Change{Places: []int{1, 2}, Commit: badCommit}
	chart := Change{Source: gitopsv1.Source{Chart: "web"}, Places: []int{3}, Commit: "1.0.0"}
	for name, c := range map[string]struct {
		suspects, guilty []Change
		problem          string
	}{
		"one of two":     {[]Change{a, b}, []Change{b}, ""},
		"both":           {[]Change{a, b}, []Change{a, b}, "sources[0] and sources[1 2] changed at once, and not just one of them brought the manifest"},
		"none":           {[]Change{a, b}, nil, "not just one of them"},
		"a chart of two": {[]Change{a, chart}, []Change{chart}, "sources[3] brought it, and only a commit of a Git repository can be reverted"},
	} {
		t.Run(name, func(t *testing.T) {
			chosen, err := Revert{Suspects: c.suspects, Branch: "b"}.Choose(func(s Change) (bool, error) {
				return slices.ContainsFunc(c.guilty, func(g Change) bool { return g.Commit == s.Commit }), nil
			})
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("error %v, want %q", err, c.problem)
				}
				return
			}
			if diff := cmp.Diff(Revert{Change: c.guilty[0], Branch: "b"}, chosen); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	if got := b.At([]string{"w", "x", "y", "z"}, "n"); !slices.Equal(got, []string{"w", "n", "n", "z"}) {
		t.Errorf("the revisions are %v", got)
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
