package sources

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/test/suite"
)

const web = `apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:%d"}]}}
  strategy: {canary: {}}
`

// webIn names the Rollout of a namespace.
func webIn(namespace string) *unstructured.Unstructured {
	r := &unstructured.Unstructured{}
	r.SetAPIVersion("argoproj.io/v1alpha1")
	r.SetKind("Rollout")
	r.SetNamespace(namespace)
	r.SetName("web")
	return r
}

// abort writes into the status of the Rollout what its controller does, which does not run here.
func abort(t *testing.T, namespace string, aborted bool) {
	t.Helper()
	patch := fmt.Sprintf(`{"status":{"abort":%t,"message":"RolloutAborted: too many errors"}}`, aborted)
	if err := shared.admin.Status().Patch(t.Context(), webIn(namespace), client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// allowPushes makes the Secret that lets the controller push to a repository.
func allowPushes(t *testing.T, url string) {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: control, GenerateName: "push-", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepositoryWrite}},
		StringData: map[string]string{"url": url},
	}
	if err := shared.admin.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// nameBranch has an Application ask for reverts on revert/web.
func nameBranch(t *testing.T, a *gitopsv1.Application) {
	t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"revert/web"}}}`, gitsync.AnnotationRevertBranch)
	if err := shared.admin.Patch(t.Context(), a.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// specOf is what the Rollout of a namespace asks for, or why that cannot be told.
func specOf(t *testing.T, namespace string) string {
	t.Helper()
	r := webIn(namespace)
	if err := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(r), r); err != nil {
		return err.Error()
	}
	return fmt.Sprint(r.Object["spec"])
}

func toldOfRevert(t *testing.T, a *gitopsv1.Application) string {
	t.Helper()
	for _, c := range read(t, a).Status.Conditions {
		if c.Type == gitsync.ConditionRevertPushed || c.Type == gitsync.ConditionRevertError {
			return c.Message
		}
	}
	return ""
}

func TestARejectedCommitIsRevertedOnTheBranchThatTheApplicationNames(t *testing.T) {
	shop, err := shared.forge.Create(t.Context(), "reverted")
	if err != nil {
		t.Fatal(err)
	}
	allowPushes(t, shop.URL)
	push(t, shop, map[string]string{"web.yaml": fmt.Sprintf(web, 1)})
	a := app(t, "reverted", fmt.Sprintf("source: {repoURL: %q, path: .}\n", shop.URL))
	image := func() string { return specOf(t, "reverted") }
	suite.Eventually(t, "the first commit is applied", func() bool { return strings.Contains(image(), "web:1") })
	nameBranch(t, a)
	bad := push(t, shop, map[string]string{"web.yaml": fmt.Sprintf(web, 2)})
	suite.Eventually(t, "the second commit is applied", func() bool { return strings.Contains(image(), "web:2") })
	abort(t, "reverted", true)
	suite.Eventually(t, "it is told what came of the revert", func() bool { return toldOfRevert(t, a) != "" })
	if text := toldOfRevert(t, a); !strings.Contains(text, "on the branch revert/web reverts "+bad[:7]) {
		t.Fatal(text)
	}
	abort(t, "reverted", false)
	if err := shop.Merge(t.Context(), "revert/web"); err != nil {
		t.Fatal(err)
	}
	if err := shop.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, "the revert is applied and nothing is held", func() bool {
		s := read(t, a).Status
		return strings.Contains(image(), "web:1") && s.Sync.Status == gitopsv1.SyncSynced && len(s.Conditions) == 0 && s.Health.Status == gitopsv1.HealthHealthy
	})
}

func TestOfSeveralSourcesTheOneThatBroughtWhatWasRejectedIsReverted(t *testing.T) {
	base, err := shared.forge.Create(t.Context(), "reverted-base")
	if err != nil {
		t.Fatal(err)
	}
	shop, err := shared.forge.Create(t.Context(), "reverted-shop")
	if err != nil {
		t.Fatal(err)
	}
	allowPushes(t, base.URL)
	allowPushes(t, shop.URL)
	push(t, base, map[string]string{"settings.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}"})
	push(t, shop, map[string]string{"web.yaml": fmt.Sprintf(web, 1)})
	a := app(t, "reverted-several", fmt.Sprintf("sources:\n- {repoURL: %q, path: .}\n- {repoURL: %q, path: .}\n", base.URL, shop.URL))
	suite.Eventually(t, "the first commits are synced", func() bool {
		return strings.Contains(specOf(t, "reverted-several"), "web:1") && len(read(t, a).Status.History) == 1
	})
	nameBranch(t, a)
	// The other repository moves on, too, and nobody syncs that, because it changes no manifest.
	push(t, base, map[string]string{"README.md": "x"})
	bad := push(t, shop, map[string]string{"web.yaml": fmt.Sprintf(web, 2)})
	suite.Eventually(t, "the second commit is applied", func() bool { return strings.Contains(specOf(t, "reverted-several"), "web:2") })
	abort(t, "reverted-several", true)
	suite.Eventually(t, "it is told what came of the revert", func() bool { return toldOfRevert(t, a) != "" })
	if text := toldOfRevert(t, a); !strings.Contains(text, "on the branch revert/web reverts ") || !strings.Contains(text, bad[:7]) {
		t.Fatal(text)
	}
	if err := shop.Merge(t.Context(), "revert/web"); err != nil {
		t.Errorf("the branch is not in the repository that brought it: %v", err)
	}
	if err := base.Merge(t.Context(), "revert/web"); err == nil {
		t.Error("the branch is in the other repository, too")
	}
}
