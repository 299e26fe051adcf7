package gitsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/cluster"
)

// abroad is a cluster of its own. It has no nodes: what pods show is what a test says.
type abroad struct {
	*cluster.Cluster
	client.Client
}

// goAbroad starts a cluster with a namespace for service accounts.
func goAbroad(ctx context.Context) (*abroad, error) {
	c, err := cluster.Start(ctx, cluster.Options{Progress: io.Discard})
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	admin, err := client.New(c.Config(), client.Options{Scheme: scheme})
	if err == nil {
		err = admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: accounts}})
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return &abroad{c, admin}, nil
}

const accounts = "accounts"

// everything is the right of an administrator.
var everything = rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}

// account makes a service account with a token of it. Its rights hold in some namespaces, or everywhere if none is named.
func (a *abroad) account(t *testing.T, name string, rights []rbacv1.PolicyRule, namespaces ...string) (token string) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: accounts, Name: name}}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: accounts, Name: name}}
	role := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
	objects := []client.Object{account, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rights}}
	for _, namespace := range namespaces {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
			&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, RoleRef: role, Subjects: subjects})
	}
	if len(namespaces) == 0 {
		objects = append(objects, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: role, Subjects: subjects})
	}
	for _, o := range objects {
		if err := a.Create(t.Context(), o); err != nil {
			t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
	request := &authenticationv1.TokenRequest{}
	if err := a.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// access is the key config of a cluster Secret.
func (a *abroad) access(t *testing.T, token string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"bearerToken": token, "tlsClientConfig": map[string]any{"caData": a.Config().CAData}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// known makes the cluster known under a name until the test is over.
func (a *abroad) known(t *testing.T, name, token string, more map[string]string) *corev1.Secret {
	t.Helper()
	data := map[string]string{"name": name, "server": a.Config().Host, "config": a.access(t, token)}
	maps.Copy(data, more)
	secret := labelledSecret("cluster-"+name, gitopsv1.SecretTypeCluster, data)
	secret.Labels["place"] = name
	create(t, secret)
	return secret
}

func (a *abroad) read(t *testing.T, o client.Object) bool {
	t.Helper()
	err := a.Get(t.Context(), client.ObjectKeyFromObject(o), o)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil
}

func (a *abroad) patch(t *testing.T, o client.Object, text string) {
	t.Helper()
	if err := a.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, []byte(text))); err != nil {
		t.Fatal(err)
	}
}

// say has every pod of a namespace be in a state, as a kubelet would.
func (a *abroad) say(t *testing.T, namespace, status string) {
	t.Helper()
	var pods corev1.PodList
	if err := a.List(t.Context(), &pods, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range pods.Items {
		err := a.Status().Patch(t.Context(), &pods.Items[i], client.RawPatch(types.MergePatchType, []byte(status)))
		if client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
}

// abroad names a ConfigMap that goes abroad.
func (s *site) abroad(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: name}}
}

// newFarSite is a site whose Application goes abroad, and prunes and heals there.
func newFarSite(t *testing.T, name string, files map[string]string) (*site, string) {
	t.Helper()
	return newSite(t, name, "destination: {name: far, server: \"\", namespace: "+name+"}\nsyncPolicy: {automated: {prune: true, selfHeal: true}, syncOptions: [CreateNamespace=true]}\n", files)
}

// waved is a sync that a hook and the first of two waves hold up.
const waved = `
apiVersion: v1
kind: Pod
metadata: {name: migrate, annotations: {argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded}}
spec: {restartPolicy: Never, containers: [{name: m, image: "m:1"}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: last, annotations: {argocd.argoproj.io/sync-wave: "1"}}
`

// waits reports whether an operation waits for something.
func (s *site) waits(what string) func() bool {
	return func() bool {
		state := s.read(s.app()).(*gitopsv1.Application).Status.OperationState
		return state != nil && state.Phase == gitopsv1.OperationRunning && state.Message == "waiting for "+what
	}
}

// endHook has the hook of waved end, and returns when the first wave is waited for.
func (s *site) endHook() {
	s.t.Helper()
	s.await("the first wave is waited for", func() bool {
		far.say(s.t, s.name, `{"status":{"phase":"Succeeded"}}`)
		return s.waits("healthy state of apps/Deployment/web")()
	})
}

// endWave has the first wave of waved be healthy, and returns when the second has come.
func (s *site) endWave() {
	s.t.Helper()
	s.await("the second wave comes", func() bool {
		far.say(s.t, s.name, `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`)
		return far.read(s.t, s.abroad("last"))
	})
}

// connected is what the metrics say of the connection to the cluster abroad; empty if nothing.
func connected(t *testing.T) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^argocd_cluster_connection_status{[^}]*server="` + regexp.QuoteMeta(far.Config().Host) + `"} (.)$`)
	if found := line.FindStringSubmatch((&listener{t: t}).fetch(http.MethodGet, up.MetricsURL, nil)); found != nil {
		return found[1]
	}
	return ""
}

func TestARemoteClusterIsServedLikeTheLocalOne(t *testing.T) {
	far.known(t, "far", far.account(t, "served", []rbacv1.PolicyRule{everything}), nil)
	s, first := newFarSite(t, "served", map[string]string{"waved.yaml": waved, "settings.yaml": settings})
	app, last, settled := s.app(), s.abroad("last"), s.abroad("settings")
	s.await("the hook is waited for", s.waits("completion of hook /Pod/migrate"))
	if far.read(t, settled) {
		t.Error("something was applied before the hook had run")
	}
	s.endHook()
	if far.read(t, last) {
		t.Error("the second wave came before the first was healthy")
	}
	s.endWave()
	status := s.synced(first, gitopsv1.HealthHealthy)
	if r := status.Resources; len(r) != 3 || len(status.History) != 1 {
		t.Errorf("resources %+v, history %+v", r, status.History)
	}
	far.patch(t, settled, `{"data":{"a":"of somebody"}}`)
	begun := time.Now()
	s.await("the drift is healed", func() bool { return far.read(t, settled) && settled.Data["a"] == "1" })
	t.Logf("healed after %s", time.Since(begun))
	if err := far.Delete(t.Context(), settled); err != nil {
		t.Fatal(err)
	}
	s.await("what was deleted is back", func() bool { return far.read(t, settled) })
	s.synced(first, gitopsv1.HealthHealthy)

	second := s.push(map[string]string{"waved.yaml": strings.Split(waved, "\n---\n")[1]})
	s.synced(second, gitopsv1.HealthHealthy)
	if far.read(t, last) {
		t.Error("what left Git was not pruned")
	}
	patch := fmt.Sprintf(`{"metadata":{"finalizers":[%q]},"spec":{"destination":{"name":null,"server":%q}}}`, gitopsv1.FinalizerResources, far.Config().Host)
	if err := up.Client.Patch(t.Context(), app, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
	third := s.push(map[string]string{"settings.yaml": strings.ReplaceAll(settings, `"1"`, `"2"`)})
	s.synced(third, gitopsv1.HealthHealthy)
	if far.read(t, settled); settled.Data["a"] != "2" {
		t.Errorf("named by its server, the cluster got %v", settled.Data)
	}
	gone(t, app)
	web := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "web"}}
	if far.read(t, settled) || far.read(t, web) {
		t.Error("an object outlived its Application")
	}
}

func TestAnApplicationMovesToAnotherClusterAndLeavesWhatItMade(t *testing.T) {
	far.known(t, "far", far.account(t, "left", []rbacv1.PolicyRule{everything}), nil)
	s, first := newFarSite(t, "moved", map[string]string{"settings.yaml": settings})
	s.synced(first, gitopsv1.HealthHealthy)
	app, settled, here := s.app(), s.abroad("settings"), s.abroad("settings")
	patch := fmt.Sprintf(`{"spec":{"destination":{"name":null,"server":%q}}}`, gitopsv1.InClusterServer)
	if err := up.Client.Patch(t.Context(), app, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
	s.await("it is synced here", func() bool { return there(t, here) })
	s.synced(first, gitopsv1.HealthHealthy)
	far.patch(t, settled, `{"data":{"a":"of somebody"}}`)
	second := s.push(map[string]string{"settings.yaml": strings.ReplaceAll(settings, `"1"`, `"2"`)})
	s.synced(second, gitopsv1.HealthHealthy)
	if far.read(t, settled); settled.Data["a"] != "of somebody" {
		t.Errorf("the cluster that it has left still gets %v", settled.Data)
	}
	gone(t, app)
}

func TestAClusterThatStopsInTheMiddleOfASyncHoldsUpNoOtherAndTheSyncGoesOn(t *testing.T) {
	far.known(t, "far", far.account(t, "stops", []rbacv1.PolicyRule{everything}), nil)
	s, first := newFarSite(t, "stops", map[string]string{"waved.yaml": waved, "settings.yaml": settings})
	near, begun := newSite(t, "goes-on", automated, map[string]string{"settings.yaml": settings})
	near.synced(begun, gitopsv1.HealthHealthy)
	s.await("the hook is waited for", s.waits("completion of hook /Pod/migrate"))
	if err := far.Interrupt(); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"2", "3"} {
		commit := near.push(map[string]string{"settings.yaml": strings.ReplaceAll(settings, `"1"`, strconv.Quote(value))})
		near.synced(commit, gitopsv1.HealthHealthy)
	}
	s.await("it is known that the cluster does not answer", func() bool { return connected(t) == "0" })
	if !s.waits("completion of hook /Pod/migrate")() {
		t.Error("the sync has gone on without its cluster")
	}
	if err := far.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.endHook()
	s.endWave()
	s.synced(first, gitopsv1.HealthHealthy)
	gone(t, s.app())
	gone(t, near.app())
}

const everywhere = `
goTemplate: true
generators:
  - clusters: {selector: {matchExpressions: [{key: place, operator: Exists}]}}
template:
  metadata: {name: "generated-{{.name}}"}
  spec:
    project: default
    source: {repoURL: "FORGE", targetRevision: main, path: all}
    destination: {server: "{{.server}}", namespace: generated}
    syncPolicy: {automated: {}, syncOptions: [CreateNamespace=true]}
`

func TestASetGivesEachClusterAnApplicationAndTakesItFromOneThatIsNotChosenAnyMore(t *testing.T) {
	work, err := up.Forge.Create(t.Context(), "generated-far")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, "generated-far", work}
	commit := s.push(map[string]string{"settings.yaml": settings})
	set := &gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: s.name}}
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(everywhere, "FORGE", work.URL)), &set.Spec); err != nil {
		t.Fatal(err)
	}
	create(t, set)
	awaitApplications(t, "no cluster is chosen", set)
	near := up.Cluster.Config()
	config, err := json.Marshal(map[string]any{"tlsClientConfig": map[string]any{"caData": near.CAData, "certData": near.CertData, "keyData": near.KeyData}})
	if err != nil {
		t.Fatal(err)
	}
	far.known(t, "near", "", map[string]string{"server": near.Host, "config": string(config)})
	secret := far.known(t, "far", far.account(t, "generated", []rbacv1.PolicyRule{everything}), nil)
	awaitApplications(t, "two clusters have come", set, "generated-far", "generated-near")
	s.synced(commit, gitopsv1.HealthHealthy)
	(&site{t, "generated-near", nil}).synced(commit, gitopsv1.HealthHealthy)
	settled := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "generated", Name: "settings"}}
	if !far.read(t, settled) || !there(t, settled) {
		t.Error("a cluster has got nothing")
	}
	if err := up.Client.Patch(t.Context(), secret, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"place":null}}}`))); err != nil {
		t.Fatal(err)
	}
	awaitApplications(t, "one cluster is not chosen any more", set, "generated-near")
	if far.read(t, settled) || !there(t, settled) {
		t.Error("the Application has left its objects, or the other one has lost them")
	}
}

// writing is the right to do everything with kinds of the core group.
func writing(resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: resources, Verbs: []string{"*"}}
}

// told waits until an Application complains, and gives the states of its objects, by kind/name.
func (s *site) told(what string) map[string]gitopsv1.SyncStatusCode {
	s.t.Helper()
	app := s.app()
	s.await("the Application says: "+what, func() bool {
		return slices.ContainsFunc(s.read(app).(*gitopsv1.Application).Status.Conditions, func(c gitopsv1.ApplicationCondition) bool { return strings.Contains(c.Message, what) })
	})
	states := map[string]gitopsv1.SyncStatusCode{}
	for _, r := range app.Status.Resources {
		states[r.Kind+"/"+r.Name] = r.Status
	}
	return states
}

func TestAClusterThatIsConfinedToNamespacesNeedsNoOtherRight(t *testing.T) {
	token := far.account(t, "confined", []rbacv1.PolicyRule{writing("configmaps")}, "confined", "confined-too")
	far.known(t, "far", token, map[string]string{"namespaces": "confined, confined-too"})
	const beside = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside, namespace: confined-too}\n"
	s, first := newFarSite(t, "confined", map[string]string{"settings.yaml": settings, "beside.yaml": beside})
	s.synced(first, gitopsv1.HealthHealthy)
	settled := s.abroad("settings")
	far.patch(t, settled, `{"data":{"a":"of somebody"}}`)
	s.await("the drift is healed", func() bool { return far.read(t, settled) && settled.Data["a"] == "1" })

	s.push(map[string]string{"beside.yaml": strings.ReplaceAll(beside, "confined-too", "elsewhere"), "all.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: one-more}\n"})
	states := s.told("Namespace one-more is out of reach")
	s.told("ConfigMap elsewhere/beside is out of reach")
	want := map[string]gitopsv1.SyncStatusCode{
		"ConfigMap/settings": gitopsv1.SyncSynced, "ConfigMap/beside": gitopsv1.SyncUnknown, "Namespace/one-more": gitopsv1.SyncUnknown,
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
	gone(t, s.app())
}

func TestARightThatIsMissingIsToldOfTheObjectThatNeedsItUntilAnotherTokenHasIt(t *testing.T) {
	known := far.known(t, "far", far.account(t, "limited", []rbacv1.PolicyRule{writing("configmaps", "namespaces")}), nil)
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: password}\n"
	s, first := newFarSite(t, "limited", map[string]string{"settings.yaml": settings})
	s.synced(first, gitopsv1.HealthHealthy)
	if c := connected(t); c != "1" {
		t.Errorf("the connection is measured as %q", c)
	}
	second := s.push(map[string]string{"secret.yaml": secret, "settings.yaml": strings.ReplaceAll(settings, `"1"`, `"2"`)})
	states := s.told(`secrets is forbidden: User "system:serviceaccount:accounts:limited" cannot list resource "secrets"`)
	if states["Secret/password"] != gitopsv1.SyncUnknown || states["ConfigMap/settings"] != gitopsv1.SyncOutOfSync {
		t.Errorf("states %v", states)
	}
	text, err := json.Marshal(map[string]any{"stringData": map[string]string{"config": far.access(t, far.account(t, "unlimited", []rbacv1.PolicyRule{everything}))}})
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Client.Patch(t.Context(), known, client.RawPatch(types.MergePatchType, text)); err != nil {
		t.Fatal(err)
	}
	s.synced(second, gitopsv1.HealthHealthy)
	gone(t, s.app())
}
