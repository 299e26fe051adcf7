package gitsync

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// abroad is an Application that has one of a Rollout and its workload, while somebody else has the other.
func abroad(t *testing.T, ours, theirs string) *world {
	t.Helper()
	w := newWorld(automated)
	w.holders["other"] = true
	foreign := parse(theirs)[0]
	track(foreign, "other", "prod")
	w.put(foreign, nil)
	w.push("1111111111111111111111111111111111111111", ours)
	w.settle(t)
	return w
}

// judges has the Rollout say of the workload, as that is now or as it was some generations ago, that its canary was aborted.
func (w *world) judges(t *testing.T, generationsAgo int64) {
	t.Helper()
	generation := w.objects[key("apps", "Deployment", "web")].GetGeneration() - generationsAgo
	w.objects[rolloutKey].Object["status"] = map[string]any{
		"phase": "Degraded", "abort": true, "message": "error rate", "observedGeneration": "1", "workloadObservedGeneration": fmt.Sprint(generation),
	}
	w.settle(t)
}

func TestAWorkloadIsHeldThatARolloutOfAnotherApplicationRejected(t *testing.T) {
	w := abroad(t, workload, referring)
	second := strings.ReplaceAll(workload, "web:1", "web:2")
	w.push("2222222222222222222222222222222222222222", second)
	w.settle(t)
	w.judges(t, 1)
	if said := w.told(); said != "" {
		t.Errorf("of the commit before it says %s", said)
	}
	w.judges(t, 0)
	if said := w.told(); !strings.HasPrefix(said, "SyncError: Commit 2222222 is held: Rollout prod/web was aborted: error rate.") {
		t.Errorf("it says %s", said)
	}
	if h := w.app.Status.Health; h.Status != gitopsv1.HealthDegraded {
		t.Errorf("it is %s", h.Status)
	}
	// Somebody undoes the Rollout, and with it the Deployment.
	k := key("apps", "Deployment", "web")
	undone := parse(workload)[0]
	undone.SetAnnotations(w.objects[k].GetAnnotations())
	w.put(undone, w.objects[k])
	delete(w.objects[rolloutKey].Object, "status")
	w.story = nil
	for range 3 {
		w.settle(t)
		w.now = w.now.Add(time.Hour)
	}
	wantStory(t, w)
	w.push("3333333333333333333333333333333333333333", strings.ReplaceAll(workload, "web:1", "web:3"))
	w.settle(t)
	wantStory(t, w, "apply Deployment prod/web")
	if said := w.told(); said != "" {
		t.Errorf("it still says %s", said)
	}
}

func TestACommitIsNotBlamedForAWorkloadOfAnotherApplication(t *testing.T) {
	w := abroad(t, referring, workload)
	w.abort("error rate")
	w.settle(t)
	if said := w.told(); said != "" || w.app.Annotations[AnnotationRollouts] != "" {
		t.Errorf("it says %q and remembers %s", said, w.app.Annotations[AnnotationRollouts])
	}
	if h := w.app.Status.Health; h.Status != gitopsv1.HealthDegraded {
		t.Errorf("it is %s", h.Status)
	}
}

func TestARolloutOfAnotherApplicationIsLookedAtUntilItRests(t *testing.T) {
	w := abroad(t, workload, referring)
	for phase, want := range map[string]time.Duration{"Paused": abroadLook, "Progressing": abroadLook, "Healthy": 0, "Degraded": 0} {
		w.objects[rolloutKey].Object["status"] = map[string]any{"phase": phase, "observedGeneration": "1", "workloadObservedGeneration": "1"}
		if after := Decide(w.observation()).After; after != want {
			t.Errorf("%s is looked at after %s", phase, after)
		}
	}
}
