package application

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

// What another controller of the same API has brought to a cluster by client-side applies, and the Application as that one has left it.
const (
	inherited = `
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {argocd.argoproj.io/hook: PreSync}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: "m:1"}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1", b: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: labelled}
data: {a: "1", b: "1"}`
	leftBehind = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: taken, namespace: argocd}
spec:
  project: default
  source: {repoURL: "https://git.example.com/org/repo.git", path: taken, targetRevision: HEAD}
  destination: {server: "https://kubernetes.default.svc", namespace: taken}
  syncPolicy: {automated: {prune: true, selfHeal: true}}
status:
  controllerNamespace: argocd
  health: {status: Healthy, lastTransitionTime: "2026-11-01T10:00:02Z"}
  history:
  - {id: 0, revision: taken-1, deployedAt: "2026-11-01T10:00:02Z", deployStartedAt: "2026-11-01T10:00:00Z", initiatedBy: {automated: true},
     source: {repoURL: "https://git.example.com/org/repo.git", path: taken, targetRevision: HEAD}}
  operationState:
    phase: Succeeded
    message: successfully synced (all tasks run)
    startedAt: "2026-11-01T10:00:00Z"
    finishedAt: "2026-11-01T10:00:02Z"
    operation: {initiatedBy: {automated: true}, retry: {limit: 5}, sync: {prune: true, revision: taken-1}}
    syncResult:
      revision: taken-1
      source: {repoURL: "https://git.example.com/org/repo.git", path: taken, targetRevision: HEAD}
      resources:
      - {group: "", version: v1, kind: ConfigMap, namespace: taken, name: settings, status: Synced, hookPhase: Running, syncPhase: Sync, message: configmap/settings created}
  reconciledAt: "2026-11-01T10:00:03Z"
  resourceHealthSource: appTree
  resources:
  - {version: v1, kind: ConfigMap, namespace: taken, name: labelled, status: Synced}
  - {version: v1, kind: ConfigMap, namespace: taken, name: settings, status: Synced}
  sourceHydrator: {}
  sourceType: Directory
  summary: {}
  sync:
    revision: taken-1
    status: Synced
    comparedTo:
      source: {repoURL: "https://git.example.com/org/repo.git", path: taken, targetRevision: HEAD}
      destination: {server: "https://kubernetes.default.svc", namespace: taken}`
)

// applyAsThey makes a ConfigMap as a client-side apply of the other controller does.
func applyAsThey(t *testing.T, name string, metadata map[string]any) *unstructured.Unstructured {
	t.Helper()
	o := object("v1", "ConfigMap", "taken", name)
	o.Object["data"] = map[string]any{"a": "1", "b": "1"}
	for field, value := range metadata {
		o.Object["metadata"].(map[string]any)[field] = value
	}
	text, err := json.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[gitopsv1.AnnotationLastApplied] = string(text) + "\n"
	o.SetAnnotations(annotations)
	if err := shared.admin.Create(t.Context(), o, client.FieldOwner("argocd-controller")); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAnApplicationOfAnotherControllerIsTakenOverAsItStands(t *testing.T) {
	shared.repo.pushTo("taken", "taken-1", inherited)
	create(t, namespace("taken"))
	settings := applyAsThey(t, "settings", map[string]any{"annotations": map[string]any{gitopsv1.AnnotationTrackingID: "taken:/ConfigMap:taken/settings"}})
	labelled := applyAsThey(t, "labelled", map[string]any{"labels": map[string]any{gitopsv1.LabelInstance: "taken"}})
	versions := settings.GetResourceVersion() + " " + labelled.GetResourceVersion()
	a := &gitopsv1.Application{}
	if err := yaml.UnmarshalStrict([]byte(leftBehind), a); err != nil {
		t.Fatal(err)
	}
	create(t, a)
	tellOnFailure(t, a)
	refreshed := func() bool { return read(t, a).GetAnnotations()[gitopsv1.AnnotationRefresh] == "" }
	patch(t, a, `{"metadata":{"annotations":{"`+gitopsv1.AnnotationRefresh+`":"normal"}}}`)
	suite.Eventually(t, "it is looked at", refreshed)
	s := read(t, a).(*gitopsv1.Application).Status
	if s.Sync.Status != gitopsv1.SyncSynced || s.Health.Status != gitopsv1.HealthHealthy || a.Operation != nil || len(s.History) != 1 ||
		!s.OperationState.StartedAt.Equal(&metav1.Time{Time: s.History[0].DeployStartedAt.Time}) {
		t.Errorf("it does not stand as it stood: %+v, operation %+v", s, a.Operation)
	}
	if now := read(t, settings).GetResourceVersion() + " " + read(t, labelled).GetResourceVersion(); now != versions {
		t.Errorf("objects that are as Git says were written: versions %s, then %s", versions, now)
	}
	if exists(t, object("batch/v1", "Job", "taken", "migrate")) {
		t.Error("a hook ran again")
	}
	// Somebody else's field is no business of the next commit; what that one drops goes, though it was applied by the other controller.
	for _, o := range []*unstructured.Unstructured{settings, labelled} {
		if err := shared.admin.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, []byte(`{"data":{"c":"theirs"}}`)), client.FieldOwner("somebody")); err != nil {
			t.Fatal(err)
		}
	}
	shared.repo.pushTo("taken", "taken-2", strings.ReplaceAll(inherited[strings.Index(inherited, "---")+4:], `, b: "1"`, ""))
	ended(t, a, "taken-2", gitopsv1.OperationSucceeded)
	for _, o := range []*unstructured.Unstructured{settings, labelled} {
		if a, b, c := field(t, o, "data", "a"), field(t, o, "data", "b"), field(t, o, "data", "c"); a != "1" || b != nil || c != "theirs" {
			t.Errorf("%s has a %v, b %v and c %v", o.GetName(), a, b, c)
		}
	}
}
