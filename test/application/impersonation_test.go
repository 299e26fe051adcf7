package application

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := shared.admin.Create(t.Context(), o); err != nil {
			t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// exists reports whether an object lives, and reads it.
func exists(t *testing.T, o client.Object) bool {
	t.Helper()
	err := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(o), o)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil
}

func patch(t *testing.T, o client.Object, text string) {
	t.Helper()
	if err := shared.admin.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, []byte(text))); err != nil {
		t.Fatal(err)
	}
}

// ended waits until the sync of a revision is over, and gives what became of each object, by kind/name.
func ended(t *testing.T, a *gitopsv1.Application, revision string, want gitopsv1.OperationPhase) map[string]gitopsv1.ResourceResult {
	t.Helper()
	suite.Eventually(t, fmt.Sprintf("the sync to %s is over: %s", revision, want), func() bool {
		s := read(t, a).(*gitopsv1.Application).Status.OperationState
		return s != nil && s.Phase == want && a.Operation == nil && s.SyncResult != nil && s.SyncResult.Revision == revision
	})
	results := map[string]gitopsv1.ResourceResult{}
	for _, r := range a.Status.OperationState.SyncResult.Resources {
		results[r.Kind+"/"+r.Name] = r
	}
	return results
}

// limited makes a project whose Applications are brought to one namespace by a service account that may do some things there.
func limited(t *testing.T, name string) {
	t.Helper()
	to := metav1.ObjectMeta{Namespace: name, Name: "deployer"}
	rule := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	create(t, namespace(name), namespace(name+"-beside"),
		&corev1.ServiceAccount{ObjectMeta: to},
		&rbacv1.Role{ObjectMeta: to, Rules: []rbacv1.PolicyRule{
			rule("", "configmaps", "get", "create", "patch", "delete"), rule("", "services", "get", "create", "patch"), rule("batch", "jobs", "get", "create", "patch", "delete"),
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: to, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: to.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: name, Name: to.Name}},
		},
		&gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: name}, Spec: gitopsv1.AppProjectSpec{
			SourceRepos: []string{"*"}, Destinations: []gitopsv1.ProjectDestination{{Server: "*", Namespace: name + "*"}},
			ClusterResourceWhitelist: []gitopsv1.ClusterResource{{Group: "*", Kind: "*"}},
			DestinationServiceAccounts: []gitopsv1.DestinationServiceAccount{
				{Server: gitopsv1.InClusterServer, Namespace: name, DefaultServiceAccount: to.Name},
			},
		}},
	)
}

const (
	service = "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}], selector: {app: web}}"
	// beyond is what the service account of a limited project may not make; PHASE makes it a hook.
	beyond = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: beyond, annotations: {argocd.argoproj.io/hook: PHASE}}"
)

// refusedAloud checks that an object was not written because the service account of the project limited may not.
func refusedAloud(t *testing.T, r gitopsv1.ResourceResult) {
	t.Helper()
	if r.Status != gitopsv1.ResultSyncFailed || !strings.Contains(r.Message, "system:serviceaccount:limited:deployer") || !strings.Contains(r.Message, "cannot") {
		t.Errorf("%s %s: %s, %q", r.Kind, r.Name, r.Status, r.Message)
	}
}

func TestAProjectActsAsItsServiceAccount(t *testing.T) {
	limited(t, "limited")
	commit := func(revision, more string) { shared.repo.pushTo("limited", revision, hooked+more) }
	commit("limited-1", service)
	a := app(t, "limited", "project: limited\nsyncPolicy: {automated: {prune: true}, retry: {}}\n")
	tellOnFailure(t, a)
	ended(t, a, "limited-1", gitopsv1.OperationSucceeded)
	web := object("v1", "Service", "limited", "web")
	if !exists(t, web) {
		t.Fatal("the Service was not made")
	}

	commit("limited-2", strings.ReplaceAll(service, "port: 80", "port: 81")+strings.ReplaceAll(beyond, ", annotations: {argocd.argoproj.io/hook: PHASE}", ""))
	refusedAloud(t, ended(t, a, "limited-2", gitopsv1.OperationFailed)["Secret/beyond"])
	commit("limited-3", strings.ReplaceAll(service, "port: 80", "port: 81")+strings.ReplaceAll(beyond, "PHASE", "PreSync"))
	refusedAloud(t, ended(t, a, "limited-3", gitopsv1.OperationFailed)["Secret/beyond"])
	if version := web.GetResourceVersion(); read(t, web).GetResourceVersion() != version {
		t.Error("a part of what was refused was applied")
	}
	commit("limited-4", "")
	refusedAloud(t, ended(t, a, "limited-4", gitopsv1.OperationFailed)["Service/web"])
	if !exists(t, web) {
		t.Error("the Service was pruned without the right to")
	}
	commit("limited-5", service+strings.ReplaceAll(beyond, "PHASE", "PostSync"))
	read(t, a)
	patch(t, a, `{"operation":{"sync":{"dryRun":true,"revision":"limited-5"}}}`)
	refusedAloud(t, ended(t, a, "limited-5", gitopsv1.OperationFailed)["Secret/beyond"])
}

func TestAProjectWithServiceAccountsLendsNoOtherRights(t *testing.T) {
	limited(t, "lent")
	shared.repo.pushTo("lent-beside", "lent-1", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}")
	a := app(t, "lent-beside", "project: lent\nsyncPolicy: {automated: {}}\n")
	tellOnFailure(t, a)
	says := func(kind gitopsv1.ApplicationConditionType) func() bool {
		return func() bool {
			for _, c := range read(t, a).(*gitopsv1.Application).Status.Conditions {
				if c.Type == kind && strings.Contains(c.Message, `none for namespace "lent-beside"`) {
					return true
				}
			}
			return false
		}
	}
	suite.Eventually(t, "the Application says that nobody may act for it", says(gitopsv1.ConditionInvalidSpecError))
	settings := object("v1", "ConfigMap", "lent-beside", "settings")
	if exists(t, settings) {
		t.Error("it was synced")
	}
	// The right comes, and goes again.
	project := &gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: "lent"}}
	patch(t, project, `{"spec":{"destinationServiceAccounts":null}}`)
	ended(t, a, "lent-1", gitopsv1.OperationSucceeded)
	patch(t, project, fmt.Sprintf(`{"spec":{"destinationServiceAccounts":[{"server":%q,"namespace":"lent","defaultServiceAccount":"deployer"}]}}`, gitopsv1.InClusterServer))
	suite.Eventually(t, "the Application says that nobody may act for it any more", says(gitopsv1.ConditionInvalidSpecError))
	if err := shared.admin.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, "the Application says that nobody may delete for it", says(gitopsv1.ConditionDeletionError))
	if !exists(t, settings) {
		t.Error("it was deleted with other rights")
	}
	patch(t, project, `{"spec":{"destinationServiceAccounts":null}}`)
	suite.Eventually(t, "the Application goes with what it made", func() bool {
		return apierrors.IsNotFound(shared.admin.Get(t.Context(), client.ObjectKeyFromObject(a), a)) && !exists(t, settings)
	})
}
