package gitsync

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

const rollout = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: prod}
spec:
  replicas: 3
  template: {spec: {containers: [{name: web, image: "web:1"}]}}
  strategy:
    canary:
      stableService: web-stable
      canaryService: web-canary
      trafficRouting:
        managedRoutes: [{name: testers}]
        plugins: {argoproj-labs/gatewayAPI: {httpRoute: web}}
`

const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: prod}
spec:
  rules:
    - name: main
      backendRefs: [{name: web-stable, port: 80, weight: 100}, {name: web-canary, port: 80, weight: 0}]
`

const service = `
apiVersion: v1
kind: Service
metadata: {name: web-canary, namespace: prod}
spec: {selector: {app: web}}
`

func key(group, kind, name string) Key { return Key{group, kind, "prod", name} }

var rolloutKey = key("argoproj.io", "Rollout", "web")

// shift does what a Rollout does to its route and its Service at 30 %.
func (w *world) shift() {
	have := w.objects[key("gateway.networking.k8s.io", "HTTPRoute", "web")]
	have.Object["spec"] = parse(`
rules:
  - name: testers
    backendRefs: [{name: web-canary, port: 80}]
  - name: main
    backendRefs: [{name: web-stable, port: 80, weight: 70}, {name: web-canary, port: 80, weight: 30}]
`)[0].Object
	w.version++
	have.SetResourceVersion("shifted")
	canary := w.objects[key("", "Service", "web-canary")]
	canary.Object["spec"] = map[string]any{"selector": map[string]any{"app": "web", selectorHash: "abc"}}
	canary.SetAnnotations(map[string]string{annotationManaged: "web", gitopsv1.AnnotationTrackingID: canary.GetAnnotations()[gitopsv1.AnnotationTrackingID]})
}

func TestASyncAt30PercentKeeps30Percent(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", strings.Join([]string{rollout, route, service}, "\n---\n"))
	w.settle(t)
	w.shift()
	before := w.writes
	w.settle(t)
	if w.writes != before || w.app.Status.Sync.Status != gitopsv1.SyncSynced {
		t.Fatalf("weights of a canary are taken for drift: %s\n%s", w.app.Status.Sync.Status, strings.Join(w.story, "\n"))
	}
	// A commit that changes something else of the route.
	w.push("bbbb", strings.Join([]string{rollout, strings.ReplaceAll(route, "port: 80", "port: 81"), service}, "\n---\n"))
	w.settle(t)
	text, err := json.Marshal(w.objects[key("gateway.networking.k8s.io", "HTTPRoute", "web")].Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rules":[{"backendRefs":[{"name":"web-canary","port":80}],"name":"testers"},` +
		`{"backendRefs":[{"name":"web-stable","port":81,"weight":70},{"name":"web-canary","port":81,"weight":30}],"name":"main"}]}`
	if string(text) != want {
		t.Errorf("the route is\n%s\nwant\n%s", text, want)
	}
	if selector, _, _ := unstructured.NestedStringMap(w.objects[key("", "Service", "web-canary")].Object, "spec", "selector"); selector[selectorHash] != "abc" {
		t.Errorf("the selector is %v", selector)
	}
}

// abort does what a Rollout shows when its analysis failed.
func (w *world) abort(message string) {
	w.objects[rolloutKey].Object["status"] = map[string]any{"abort": true, "message": message, "observedGeneration": w.objects[rolloutKey].GetGeneration()}
	w.health[rolloutKey] = Health{Status: Degraded, Message: message}
}

func TestARejectedCommitIsHeldUntilTheNext(t *testing.T) {
	const good, bad, better = `"web:1"`, `"web:2"`, `"web:3"`
	w := newWorld(automated)
	w.push("1111111111111111111111111111111111111111", rollout)
	w.settle(t)
	w.push("2222222222222222222222222222222222222222", strings.ReplaceAll(rollout, good, bad))
	w.settle(t)
	w.abort("RolloutAborted: error rate")
	w.settle(t)
	w.push("3333333333333333333333333333333333333333", strings.ReplaceAll(rollout, good, bad)+"\n---\n"+config) // a commit elsewhere
	w.settle(t)
	// Somebody undoes the rollout in the cluster.
	undone := parse(rollout)[0]
	undone.SetAnnotations(w.objects[rolloutKey].GetAnnotations())
	w.put(undone, w.objects[rolloutKey])
	delete(w.objects[rolloutKey].Object, "status")
	w.health[rolloutKey] = Health{Status: Healthy}
	w.settle(t)
	w.now = w.now.Add(time.Hour)
	w.settle(t)
	image := func() string {
		containers, _, _ := unstructured.NestedSlice(w.objects[rolloutKey].Object, "spec", "template", "spec", "containers")
		return containers[0].(map[string]any)["image"].(string)
	}
	s := w.app.Status
	if image() != "web:1" || s.Health.Status != gitopsv1.HealthDegraded || s.Sync.Status != gitopsv1.SyncOutOfSync {
		t.Fatalf("the rejected manifest was applied again: image %s, %s, %s\n%s", image(), s.Health.Status, s.Sync.Status, strings.Join(w.story, "\n"))
	}
	if len(s.Conditions) != 1 || !strings.HasPrefix(s.Conditions[0].Message, "Commit 2222222 is held: Rollout prod/web was aborted: RolloutAborted: error rate.") {
		t.Errorf("conditions:\n%s", toYAML(s.Conditions))
	}
	w.push("4444444444444444444444444444444444444444", strings.ReplaceAll(rollout, good, better)+"\n---\n"+config)
	w.settle(t)
	if s := w.app.Status; image() != "web:3" || s.Health.Status != gitopsv1.HealthHealthy || len(s.Conditions) != 0 {
		t.Errorf("the next commit: image %s\n%s", image(), toYAML(s))
	}
}

func TestASyncByHandTriesARejectedCommitOnceMore(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", rollout)
	w.settle(t)
	w.abort("error rate")
	w.settle(t)
	undone := parse(strings.ReplaceAll(rollout, "web:1", "web:0"))[0]
	undone.SetAnnotations(w.objects[rolloutKey].GetAnnotations())
	w.put(undone, w.objects[rolloutKey])
	delete(w.objects[rolloutKey].Object, "status")
	delete(w.health, rolloutKey)
	w.settle(t)
	if w.app.Status.Sync.Status != gitopsv1.SyncOutOfSync {
		t.Fatal("not held")
	}
	w.app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}, InitiatedBy: gitopsv1.OperationInitiator{Username: "ada"}}
	w.settle(t)
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncSynced || s.Health.Status != gitopsv1.HealthHealthy {
		t.Errorf("%s", toYAML(s))
	}
}

func TestASyncByHandLetsAnAbortedRolloutBeginAgain(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", docs(rollout, manifest("Job", "report", "hook=PostSync")))
	w.settle(t)
	w.abort("error rate")
	w.settle(t)
	w.story = nil
	w.app.Operation = &gitopsv1.Operation{
		Sync: &gitopsv1.SyncOperation{}, InitiatedBy: gitopsv1.OperationInitiator{Username: "ada"}, Retry: gitopsv1.RetryStrategy{Limit: 3},
	}
	w.settle(t)
	retried := func() (times int) {
		for _, line := range w.story {
			if line == "retry Rollout prod/web" {
				times++
			}
		}
		return times
	}
	if said := w.told(); retried() != 1 || said != "" || w.app.Status.Health.Status != gitopsv1.HealthProgressing {
		t.Errorf("retried %d times, %s, it says %s", retried(), w.app.Status.Health.Status, said)
	}
	wantPhase(t, w, gitopsv1.OperationRunning, "waiting for healthy state of argoproj.io/Rollout/web")
	w.abort("error rate again")
	for range 10 {
		w.settle(t)
		w.now = w.now.Add(10 * time.Minute)
	}
	if said := w.told(); retried() != 1 || !strings.Contains(said, "error rate again") {
		t.Errorf("retried %d times, it says %s", retried(), said)
	}
}

func TestASyncByItselfDoesNotLetAnAbortedRolloutBeginAgain(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", rollout)
	w.settle(t)
	w.abort("error rate")
	w.settle(t)
	w.push("bbbb", docs(rollout, config))
	w.story = nil
	w.settle(t)
	if wantStory(t, w, "apply ConfigMap prod/settings"); strings.Contains(strings.Join(w.story, "\n"), "retry ") {
		t.Errorf("%s", strings.Join(w.story, "\n"))
	}
}

func TestACanaryUnderWayNeverBlocksANewerCommit(t *testing.T) {
	const postSync = `
apiVersion: batch/v1
kind: Job
metadata: {name: report, namespace: prod, annotations: {argocd.argoproj.io/hook: PostSync}}
`
	w := newWorld(automated)
	w.health[rolloutKey] = Health{Status: Suspended}
	w.push("aaaa", rollout+"\n---\n"+postSync)
	w.settle(t)
	state := w.app.Status.OperationState
	if state.Phase != gitopsv1.OperationRunning || state.Message != "waiting for healthy state of argoproj.io/Rollout/web" {
		t.Fatalf("%s", toYAML(state))
	}
	w.push("bbbb", strings.ReplaceAll(rollout, "web:1", "web:2")+"\n---\n"+postSync)
	w.settle(t)
	if r := w.app.Status.OperationState.SyncResult; r.Revision != "bbbb" {
		t.Fatalf("the operation is still of %s", r.Revision)
	}
	w.health[rolloutKey] = Health{Status: Healthy}
	w.settle(t)
	if s := w.app.Status.OperationState; s.Phase != gitopsv1.OperationSucceeded || len(w.app.Status.History) != 1 {
		t.Errorf("%s", toYAML(s))
	}
}

func TestHealthIsThatOfTheCommitAndNotOfTheOneBefore(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", rollout)
	w.settle(t)
	w.push("bbbb", strings.ReplaceAll(rollout, "web:1", "web:2"))
	for range 20 {
		w.pass()
		if s := w.app.Status; s.Sync.Revision == "bbbb" && s.Health.Status == gitopsv1.HealthHealthy && w.objects[rolloutKey].GetGeneration() < 2 {
			t.Fatalf("Healthy at bbbb before bbbb was applied:\n%s", toYAML(s))
		}
	}
}

func TestWhatARolloutSaysIsMaskedWhereItIsRemembered(t *testing.T) {
	const canary = "tweety-the-canary"
	w := newWorld(automated)
	w.push("aaaa", docs(rollout, "apiVersion: v1\nkind: Secret\nmetadata: {name: password, namespace: prod}\nstringData: {key: "+canary+"}\n"))
	w.settle(t)
	w.abort("web: header " + canary)
	w.settle(t)
	if memory := w.app.Annotations[AnnotationRollouts]; !strings.Contains(memory, "web: header ") || strings.Contains(memory, canary) {
		t.Errorf("it remembers %s", memory)
	}
}

func TestARejectedManifestStaysHeldInASyncThatGoesOnBesidesABrokenCommit(t *testing.T) {
	w := newWorld(automated)
	hook := key("batch", "Job", "migrate")
	w.push("aaaa", rollout)
	w.settle(t)
	w.push("bbbb", strings.ReplaceAll(rollout, "web:1", "web:2"))
	w.settle(t)
	w.abort("error rate")
	w.settle(t)
	undone := parse(rollout)[0]
	undone.SetAnnotations(w.objects[rolloutKey].GetAnnotations())
	w.put(undone, w.objects[rolloutKey])
	delete(w.objects[rolloutKey].Object, "status")
	delete(w.health, rolloutKey)
	w.health[hook] = Health{Status: Progressing}
	w.push("cccc", docs(strings.ReplaceAll(rollout, "web:1", "web:2"), config, manifest("Job", "migrate", "hook=PreSync")))
	w.settle(t)
	w.head, w.story = "broken", nil
	w.health[hook] = Health{Status: Healthy}
	w.settle(t)
	wantStory(t, w, "apply ConfigMap prod/settings")
}

const (
	referring = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: prod}
spec:
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  strategy: {canary: {}}
`
	workload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec: {template: {spec: {containers: [{name: web, image: "web:1"}]}}}
`
)

func TestARejectedCommitThatChangedTheWorkloadAloneIsHeldToo(t *testing.T) {
	w := newWorld(automated)
	k := key("apps", "Deployment", "web")
	w.push("1111111111111111111111111111111111111111", docs(referring, workload))
	w.settle(t)
	w.push("2222222222222222222222222222222222222222", docs(referring, strings.ReplaceAll(workload, "web:1", "web:2")))
	w.settle(t)
	w.abort("error rate")
	w.settle(t)
	if said := w.told(); !strings.HasPrefix(said, "SyncError: Commit 2222222 is held: Rollout prod/web was aborted: error rate.") {
		t.Errorf("it says %s", said)
	}
	undone := parse(workload)[0]
	undone.SetAnnotations(w.objects[k].GetAnnotations())
	w.put(undone, w.objects[k])
	delete(w.objects[rolloutKey].Object, "status")
	delete(w.health, rolloutKey)
	w.story = nil
	for range 3 {
		w.settle(t)
		w.now = w.now.Add(time.Hour)
	}
	wantStory(t, w)
	w.push("3333333333333333333333333333333333333333", docs(referring, strings.ReplaceAll(workload, "web:1", "web:3")))
	w.settle(t)
	wantStory(t, w, "apply Deployment prod/web")
	if said := w.told(); said != "" {
		t.Errorf("it still says %s", said)
	}
}

func TestASyncOfTheWorkloadByHandTriesARejectedCommitOnceMore(t *testing.T) {
	w := newWorld(automated)
	k := key("apps", "Deployment", "web")
	w.push("aaaa", docs(referring, workload))
	w.settle(t)
	w.abort("error rate")
	w.settle(t)
	undone := parse(strings.ReplaceAll(workload, "web:1", "web:0"))[0]
	undone.SetAnnotations(w.objects[k].GetAnnotations())
	w.put(undone, w.objects[k])
	delete(w.objects[rolloutKey].Object, "status")
	delete(w.health, rolloutKey)
	w.settle(t)
	w.story = nil
	w.sync(gitopsv1.SyncOperation{Resources: []gitopsv1.SyncResource{{Group: "apps", Kind: "Deployment", Name: "web"}}})
	w.settle(t)
	wantStory(t, w, "apply Deployment prod/web")
}

func TestARolloutIsOfACommitOnlyOnceItHasLookedAtItsWorkload(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", docs(referring, workload))
	w.settle(t)
	look := func() {
		generation := fmt.Sprint(w.objects[key("apps", "Deployment", "web")].GetGeneration())
		w.objects[rolloutKey].Object["status"] = map[string]any{"workloadObservedGeneration": generation}
		w.settle(t)
	}
	look()
	if h := w.app.Status.Health; h.Status != gitopsv1.HealthHealthy {
		t.Fatalf("%s at rest", h.Status)
	}
	w.push("bbbb", docs(referring, strings.ReplaceAll(workload, "web:1", "web:2")))
	w.settle(t)
	if s := w.app.Status; s.Sync.Status != gitopsv1.SyncSynced || s.Health.Status != gitopsv1.HealthProgressing {
		t.Errorf("%s and %s before the Rollout looked", s.Sync.Status, s.Health.Status)
	}
	look()
	if h := w.app.Status.Health; h.Status != gitopsv1.HealthHealthy {
		t.Errorf("%s after it did", h.Status)
	}
}
