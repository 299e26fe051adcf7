package application

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.FromAPIVersionAndKind(apiVersion, kind))
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func tellOnFailure(t *testing.T, a *gitopsv1.Application) {
	t.Cleanup(func() {
		if t.Failed() {
			text, err := yaml.Marshal(a)
			t.Logf("%s%v", text, err)
		}
	})
}

func phase(t *testing.T, a *gitopsv1.Application, want gitopsv1.OperationPhase) func() bool {
	return func() bool {
		s := read(t, a).(*gitopsv1.Application).Status.OperationState
		return s != nil && s.Phase == want && a.Operation == nil
	}
}

const hooked = `
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: "m:1"}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}`

func TestAHookIsRunAndGoes(t *testing.T) {
	shared.repo.pushTo("hooks", "hooks-1", hooked)
	a := app(t, "hooks", "syncPolicy: {automated: {}, syncOptions: [CreateNamespace=true]}\n")
	tellOnFailure(t, a)
	suite.Eventually(t, "the sync is over", phase(t, a, gitopsv1.OperationSucceeded))
	settings := object("v1", "ConfigMap", "hooks", "settings")
	if err := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(settings), settings); err != nil {
		t.Error(err)
	}
	suite.Eventually(t, "the hook is gone", func() bool {
		job := object("batch/v1", "Job", "hooks", "migrate")
		return apierrors.IsNotFound(shared.admin.Get(t.Context(), client.ObjectKeyFromObject(job), job))
	})
}

func TestNothingIsAppliedIfTheServerRefusesAPart(t *testing.T) {
	shared.repo.pushTo("refused", "refused-1", `
apiVersion: v1
kind: ConfigMap
metadata: {name: good}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad}
spec: {replicaz: 3, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: w}]}}}`)
	if err := shared.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "refused"}}); err != nil {
		t.Fatal(err)
	}
	a := app(t, "refused", "syncPolicy: {automated: {}, retry: {limit: 0}}\n")
	tellOnFailure(t, a)
	suite.Eventually(t, "the sync has failed", phase(t, a, gitopsv1.OperationFailed))
	s := a.Status.OperationState
	if s.Message != "one or more objects failed to apply (dry run)" || len(s.SyncResult.Resources) != 1 || !strings.Contains(s.SyncResult.Resources[0].Message, "replicaz") {
		t.Error("the operation does not say what is wrong")
	}
	good := object("v1", "ConfigMap", "refused", "good")
	if err := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(good), good); !apierrors.IsNotFound(err) {
		t.Errorf("something was applied: %v", err)
	}
}

const canary = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}
  strategy:
    canary:
      stableService: web-stable
      canaryService: web-canary
      trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {httpRoute: web}}}
      steps: [{setWeight: 30}]
---
apiVersion: v1
kind: Service
metadata: {name: web-stable}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-canary}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [HOST]
  rules: [{backendRefs: [{name: web-stable, port: 80, weight: 100}, {name: web-canary, port: 80, weight: 0}]}]`

func TestASyncAt30PercentKeeps30PercentInARealCluster(t *testing.T) {
	shared.repo.pushTo("peace", "peace-1", strings.ReplaceAll(canary, "HOST", "one.example.com"))
	a := app(t, "peace", "syncPolicy: {automated: {selfHeal: true}, syncOptions: [CreateNamespace=true]}\n")
	tellOnFailure(t, a)
	synced := func(revision string) func() bool {
		return func() bool {
			s := read(t, a).(*gitopsv1.Application).Status
			return s.Sync.Revision == revision && s.Sync.Status == gitopsv1.SyncSynced && a.Operation == nil
		}
	}
	suite.Eventually(t, "the first commit is synced", synced("peace-1"))
	patch := func(o *unstructured.Unstructured, kind types.PatchType, text string) {
		t.Helper()
		if err := shared.admin.Patch(t.Context(), o, client.RawPatch(kind, []byte(text)), client.FieldOwner("sluice-controller")); err != nil {
			t.Fatal(err)
		}
	}
	route := object("gateway.networking.k8s.io/v1", "HTTPRoute", "peace", "web")
	patch(route, types.JSONPatchType, `[{"op":"replace","path":"/spec/rules/0/backendRefs/0/weight","value":70},{"op":"replace","path":"/spec/rules/0/backendRefs/1/weight","value":30}]`)
	service := object("v1", "Service", "peace", "web-canary")
	patch(service, types.MergePatchType, `{"metadata":{"annotations":{"argo-rollouts.argoproj.io/managed-by-rollouts":"web"}},"spec":{"selector":{"rollouts-pod-template-hash":"abc"}}}`)
	shared.repo.pushTo("peace", "peace-2", strings.ReplaceAll(canary, "HOST", "two.example.com"))
	suite.Eventually(t, "the second commit is synced", synced("peace-2"))
	read(t, route)
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	text, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	hosts, _, _ := unstructured.NestedStringSlice(route.Object, "spec", "hostnames")
	if !strings.Contains(string(text), `"weight":70`) || !strings.Contains(string(text), `"weight":30`) || hosts[0] != "two.example.com" {
		t.Errorf("hosts %v, rules %s", hosts, text)
	}
	selector, _, _ := unstructured.NestedStringMap(read(t, service).(*unstructured.Unstructured).Object, "spec", "selector")
	if selector["rollouts-pod-template-hash"] != "abc" || selector["app"] != "web" {
		t.Errorf("selector %v", selector)
	}
	if len(a.Status.History) != 2 {
		t.Errorf("%d syncs, 2 were needed: the canary was taken for drift", len(a.Status.History))
	}
}

func TestAClusterThatIsGoneHarmsNoOther(t *testing.T) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: "gone", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeCluster}},
		StringData: map[string]string{"name": "gone", "server": "https://127.0.0.1:1", "config": `{"bearerToken":"tweety-the-canary"}`},
	}
	if err := shared.admin.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	shared.repo.pushTo("far", "far-1", hooked)
	shared.repo.pushTo("near", "near-1", strings.Split(hooked, "\n---\n")[1])
	far := app(t, "far", "destination: {name: gone, server: \"\"}\nsyncPolicy: {automated: {}}\n")
	near := app(t, "near", "syncPolicy: {automated: {}, syncOptions: [CreateNamespace=true]}\n")
	tellOnFailure(t, near)
	suite.Eventually(t, "the near one is synced", phase(t, near, gitopsv1.OperationSucceeded))
	tellOnFailure(t, far)
	suite.Eventually(t, "the far one says why it is not", func() bool {
		s := read(t, far).(*gitopsv1.Application).Status
		return s.Sync.Status == gitopsv1.SyncUnknown && len(s.Conditions) == 1
	})
	text, err := yaml.Marshal(far)
	if err != nil || strings.Contains(string(text), "tweety-the-canary") {
		t.Errorf("a credential, or no text: %v", err)
	}
}
