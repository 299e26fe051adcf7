package application

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

// field reads a field of an object as it lives.
func field(t *testing.T, o *unstructured.Unstructured, path ...string) any {
	t.Helper()
	value, _, err := unstructured.NestedFieldNoCopy(read(t, o).(*unstructured.Unstructured).Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestWhatCannotBeChangedInPlaceIsMadeAnewOnlyByForce(t *testing.T) {
	for name, test := range map[string]struct{ apiVersion, kind, manifest string }{
		"deployment": {"apps/v1", "Deployment", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {argocd.argoproj.io/sync-options: OPTIONS}}
spec:
  selector: {matchLabels: {app: VALUE}}
  template: {metadata: {labels: {app: VALUE}}, spec: {containers: [{name: web, image: "web:1"}]}}`},
		"job": {"batch/v1", "Job", `
apiVersion: batch/v1
kind: Job
metadata: {name: web, annotations: {argocd.argoproj.io/sync-options: OPTIONS}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: "web:VALUE"}]}}}`},
		"claim": {"v1", "PersistentVolumeClaim", `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: web, annotations: {argocd.argoproj.io/sync-options: OPTIONS}}
spec: {accessModes: [ReadWriteOnce], storageClassName: VALUE, resources: {requests: {storage: 1Gi}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			app := "force-" + name
			commit := func(revision, value, options string) {
				shared.repo.pushTo(app, app+revision, strings.NewReplacer("VALUE", value, "OPTIONS", options).Replace(test.manifest))
			}
			commit("1", "one", "Validate=true")
			a := automatic(t, app, "")
			ended(t, a, app+"1", gitopsv1.OperationSucceeded)
			o := object(test.apiVersion, test.kind, app, "web")
			first := read(t, o).GetUID()
			for _, options := range []string{"Validate=true", "Replace=true"} {
				commit("2-"+options, "two", options)
				r := ended(t, a, app+"2-"+options, gitopsv1.OperationFailed)[test.kind+"/web"]
				if r.Status != gitopsv1.ResultSyncFailed || !strings.Contains(r.Message, "immutable") {
					t.Errorf("%s: %s, %q", options, r.Status, r.Message)
				}
				if read(t, o).GetUID() != first {
					t.Fatalf("%s: it was made anew without Force", options)
				}
			}
			commit("bad", "'no name!'", "Force=true")
			if name == "claim" {
				ended(t, a, app+"bad", gitopsv1.OperationFailed)
				if read(t, o).GetUID() != first || o.GetDeletionTimestamp() != nil {
					t.Fatal("it was deleted though it cannot be made anew")
				}
			}
			for i, options := range []string{"Force=true", `"Force=true,Replace=true"`} {
				before := read(t, o).GetUID()
				commit("3-"+options, string(rune('c'+i)), options)
				ended(t, a, app+"3-"+options, gitopsv1.OperationSucceeded)
				if read(t, o).GetUID() == before {
					t.Errorf("%s: it was not made anew", options)
				}
			}
		})
	}
}

// automatic makes an Application that syncs by itself, tries once, and prunes.
func automatic(t *testing.T, name, more string) *gitopsv1.Application {
	t.Helper()
	a := app(t, name, "syncPolicy: {automated: {prune: true, selfHeal: true}, retry: {}, syncOptions: [CreateNamespace=true"+more+"]}\n")
	tellOnFailure(t, a)
	return a
}

func TestReplaceKeepsWhatTheServerGaveAndNothingElse(t *testing.T) {
	const manifests = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: PORT}], selector: {app: web}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "PORT"}`
	commit := func(revision, port string) {
		shared.repo.pushTo("replace", revision, strings.ReplaceAll(manifests, "PORT", port))
	}
	commit("replace-1", "80")
	a := automatic(t, "replace", ", Replace=true")
	ended(t, a, "replace-1", gitopsv1.OperationSucceeded)
	web, settings := object("v1", "Service", "replace", "web"), object("v1", "ConfigMap", "replace", "settings")
	address := field(t, web, "spec", "clusterIP")
	patch(t, settings, `{"data":{"b":"of somebody else"}}`)
	commit("replace-2", "81")
	results := ended(t, a, "replace-2", gitopsv1.OperationSucceeded)
	if m := results["Service/web"].Message; m != "service/web replaced" {
		t.Errorf("the result says %q", m)
	}
	if now := field(t, web, "spec", "clusterIP"); now != address || address == "" {
		t.Errorf("the address was %v and is %v", address, now)
	}
	if b := field(t, settings, "data", "b"); b != nil {
		t.Errorf("a replacement has left %v", b)
	}
}

func TestAFieldOfAnotherManagerIsTakenOver(t *testing.T) {
	shared.repo.pushTo("managers", "managers-1", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: \"1\"}")
	a := automatic(t, "managers", ", ServerSideApply=true")
	ended(t, a, "managers-1", gitopsv1.OperationSucceeded)
	theirs := func(opts ...client.ApplyOption) error {
		m := object("v1", "ConfigMap", "managers", "settings")
		m.Object["data"] = map[string]any{"a": "theirs", "b": "theirs"}
		return shared.admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(m), append(opts, client.FieldOwner("other"))...)
	}
	if err := theirs(client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	settings := object("v1", "ConfigMap", "managers", "settings")
	suite.Eventually(t, "what Git says is healed", func() bool { return field(t, settings, "data", "a") == "1" })
	if b := field(t, settings, "data", "b"); b != "theirs" {
		t.Errorf("what Git does not speak of is %v", b)
	}
	if err := theirs(); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), gitopsv1.FieldManager) {
		t.Errorf("the other manager is not told whose field it is: %v", err)
	}
}

func TestPruneLastWaitsForAllElse(t *testing.T) {
	const old = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}"
	shared.repo.pushTo("last", "last-1", old)
	// Without self-heal, because health is played by an annotation that Git says something else of.
	a := app(t, "last", "syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true, PruneLast=true]}\n")
	tellOnFailure(t, a)
	ended(t, a, "last-1", gitopsv1.OperationSucceeded)
	shared.repo.pushTo("last", "last-2", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new, annotations: {state: Progressing}}")
	suite.Eventually(t, "the new one is waited for", func() bool {
		s := read(t, a).(*gitopsv1.Application).Status.OperationState
		return s.SyncResult != nil && s.SyncResult.Revision == "last-2" && s.Message == "waiting for healthy state of /ConfigMap/new"
	})
	if !exists(t, object("v1", "ConfigMap", "last", "old")) {
		t.Error("the old one was pruned first")
	}
	patch(t, object("v1", "ConfigMap", "last", "new"), `{"metadata":{"annotations":{"state":"Healthy"}}}`)
	if r := ended(t, a, "last-2", gitopsv1.OperationSucceeded)["ConfigMap/old"]; r.Status != gitopsv1.ResultPruned {
		t.Errorf("%+v", r)
	}
	suite.Eventually(t, "the old one is gone", func() bool { return !exists(t, object("v1", "ConfigMap", "last", "old")) })
}

func TestObjectsStayThatAskForIt(t *testing.T) {
	const manifests = `
apiVersion: v1
kind: ConfigMap
metadata: {name: unpruned, annotations: {argocd.argoproj.io/sync-options: Prune=false}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: undeleted, annotations: {argocd.argoproj.io/sync-options: Delete=false}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: plain}`
	shared.repo.pushTo("stay", "stay-1", manifests)
	a := automatic(t, "stay", "")
	ended(t, a, "stay-1", gitopsv1.OperationSucceeded)
	shared.repo.pushTo("stay", "stay-2", strings.Join(strings.Split(manifests, "\n---\n")[1:], "\n---\n"))
	r := ended(t, a, "stay-2", gitopsv1.OperationSucceeded)["ConfigMap/unpruned"]
	if r.Status != gitopsv1.ResultPruneSkip || r.Message != "ignored (no prune)" {
		t.Errorf("%+v", r)
	}
	if err := shared.admin.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, "the Application is gone", func() bool { return !exists(t, a) })
	for name, want := range map[string]bool{"undeleted": true, "plain": false, "unpruned": false} {
		if got := exists(t, object("v1", "ConfigMap", "stay", name)); got != want {
			t.Errorf("%s lives: %t", name, got)
		}
	}
}

// gadget is a kind of which nothing but this test knows; NAME makes it one of its own.
const gadget = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: NAMEs.example.com}
spec:
  group: example.com
  names: {kind: NAME, plural: NAMEs, singular: NAME}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: example.com/v1
kind: NAME
metadata: {name: one}
spec: {a: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}`

func TestAKindThatTheSameSyncDefinesIsApplied(t *testing.T) {
	shared.repo.pushTo("defines", "defines-1", strings.ReplaceAll(gadget, "NAME", "gadget"))
	a := automatic(t, "defines", "")
	ended(t, a, "defines-1", gitopsv1.OperationSucceeded)
	one := object("example.com/v1", "gadget", "defines", "one")
	if !exists(t, one) {
		t.Error("it was not made")
	}
	patch(t, one, `{"spec":{"a":2}}`)
	suite.Eventually(t, "its drift is healed", func() bool { return field(t, one, "spec", "a") == int64(1) })
}

func TestAKindThatNobodyDefinesHoldsUpAllUnlessItMayBeMissing(t *testing.T) {
	manifests := strings.SplitAfterN(strings.ReplaceAll(gadget, "NAME", "widget"), "\n---\n", 2)
	shared.repo.pushTo("missing", "missing-1", manifests[1])
	a := automatic(t, "missing", "")
	if r := ended(t, a, "missing-1", gitopsv1.OperationFailed)["widget/one"]; !strings.Contains(r.Message, "does not know the kind widget") {
		t.Errorf("%+v", r)
	}
	settings := object("v1", "ConfigMap", "missing", "settings")
	if exists(t, settings) {
		t.Error("a part was applied")
	}
	may := strings.Replace(manifests[1], "{name: one}", "{name: one, annotations: {argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=true}}", 1)
	shared.repo.pushTo("missing", "missing-2", may)
	if r := ended(t, a, "missing-2", gitopsv1.OperationFailed)["widget/one"]; r.Status != gitopsv1.ResultSyncFailed {
		t.Errorf("%+v", r)
	}
	if !exists(t, settings) {
		t.Error("the rest was not applied")
	}
	shared.repo.pushTo("missing", "missing-3", manifests[0]+may)
	ended(t, a, "missing-3", gitopsv1.OperationSucceeded)
}

func TestIgnoredFieldsAreNotWrittenWhereTheyAreRespected(t *testing.T) {
	const manifest = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mine: "VALUE", theirs: from Git}`
	shared.repo.pushTo("respect", "respect-1", strings.ReplaceAll(manifest, "VALUE", "1"))
	a := app(t, "respect", `
ignoreDifferences: [{kind: ConfigMap, jsonPointers: [/data/theirs]}]
syncPolicy: {automated: {selfHeal: true}, retry: {}, syncOptions: [CreateNamespace=true, RespectIgnoreDifferences=true, ApplyOutOfSyncOnly=true]}
`)
	tellOnFailure(t, a)
	ended(t, a, "respect-1", gitopsv1.OperationSucceeded)
	settings := object("v1", "ConfigMap", "respect", "settings")
	patch(t, settings, `{"data":{"theirs":"of somebody else"}}`)
	shared.repo.pushTo("respect", "respect-2", strings.ReplaceAll(manifest, "VALUE", "2"))
	ended(t, a, "respect-2", gitopsv1.OperationSucceeded)
	if mine, theirs := field(t, settings, "data", "mine"), field(t, settings, "data", "theirs"); mine != "2" || theirs != "of somebody else" {
		t.Errorf("mine %v, theirs %v", mine, theirs)
	}
}

func TestOnlyWhatDiffersIsApplied(t *testing.T) {
	const manifests = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: same}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: VALUE}"
	shared.repo.pushTo("only", "only-1", strings.ReplaceAll(manifests, "VALUE", "one"))
	a := automatic(t, "only", ", ApplyOutOfSyncOnly=true")
	ended(t, a, "only-1", gitopsv1.OperationSucceeded)
	same := object("v1", "ConfigMap", "only", "same")
	before := read(t, same).GetResourceVersion()
	shared.repo.pushTo("only", "only-2", strings.ReplaceAll(manifests, "VALUE", "two"))
	ended(t, a, "only-2", gitopsv1.OperationSucceeded)
	if after := read(t, same).GetResourceVersion(); after != before {
		t.Error("what is the same was written")
	}
	if n := len(a.Status.History); n != 2 {
		t.Errorf("%d syncs are in the history", n)
	}
}

func TestTheNamespaceIsMadeWithItsLabels(t *testing.T) {
	shared.repo.pushTo("labelled", "labelled-1", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}")
	a := app(t, "labelled", `
syncPolicy:
  automated: {}
  syncOptions: [CreateNamespace=true]
  managedNamespaceMetadata: {labels: {team: a}, annotations: {contact: b}}
`)
	tellOnFailure(t, a)
	ended(t, a, "labelled-1", gitopsv1.OperationSucceeded)
	n := namespace("labelled")
	read(t, n)
	if n.Labels["team"] != "a" || n.Annotations["contact"] != "b" || n.Labels[corev1.LabelMetadataName] != "labelled" {
		t.Errorf("labels %v, annotations %v", n.Labels, n.Annotations)
	}
	patch(t, a, `{"spec":{"syncPolicy":{"managedNamespaceMetadata":{"labels":{"team":"c"}}}}}`)
	shared.repo.pushTo("labelled", "labelled-2", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}")
	ended(t, a, "labelled-2", gitopsv1.OperationSucceeded)
	if read(t, n); n.Labels["team"] != "c" {
		t.Errorf("labels %v", n.Labels)
	}
	if err := shared.admin.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, "the Application is gone", func() bool { return !exists(t, a) })
	if read(t, n); n.DeletionTimestamp != nil {
		t.Error("the namespace went with it, and with it what others have there")
	}
}

func TestAPodMayComeWithItsServiceAccount(t *testing.T) {
	const manifests = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, annotations: {argocd.argoproj.io/sync-wave: "-1"}}
---
apiVersion: v1
kind: Pod
metadata: {name: runs}
spec: {serviceAccountName: runner, containers: [{name: web, image: "web:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: hook, annotations: {argocd.argoproj.io/hook: PostSync}}
spec: {serviceAccountName: ACCOUNT, containers: [{name: web, image: "web:1"}]}`
	create(t, namespace("account"))
	shared.repo.pushTo("account", "account-1", strings.ReplaceAll(manifests, "ACCOUNT", "nobody"))
	a := automatic(t, "account", "")
	if r := ended(t, a, "account-1", gitopsv1.OperationFailed)["Pod/hook"]; !strings.Contains(r.Message, `serviceaccount "nobody" not found`) {
		t.Errorf("%+v", r)
	}
	if exists(t, object("v1", "ServiceAccount", "account", "runner")) {
		t.Error("a part was applied though a hook is bound to fail")
	}
	shared.repo.pushTo("account", "account-2", strings.ReplaceAll(manifests, "ACCOUNT", "runner"))
	ended(t, a, "account-2", gitopsv1.OperationSucceeded)
}
