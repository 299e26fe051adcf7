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

func TestARejectedCommitIsRevertedOnTheBranchThatTheApplicationNames(t *testing.T) {
	shop, err := shared.forge.Create(t.Context(), "reverted")
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: "push", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepositoryWrite}},
		StringData: map[string]string{"url": shop.URL},
	}
	if err := shared.admin.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	push(t, shop, map[string]string{"web.yaml": fmt.Sprintf(web, 1)})
	a := app(t, "reverted", fmt.Sprintf("source: {repoURL: %q, path: .}\n", shop.URL))
	image := func() string {
		r := webIn("reverted")
		if err := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(r), r); err != nil {
			return err.Error()
		}
		return fmt.Sprint(r.Object["spec"])
	}
	suite.Eventually(t, "the first commit is applied", func() bool { return strings.Contains(image(), "web:1") })
	name := fmt.Sprintf(`{"metadata":{"annotations":{%q:"revert/web"}}}`, gitsync.AnnotationRevertBranch)
	if err := shared.admin.Patch(t.Context(), a.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(name))); err != nil {
		t.Fatal(err)
	}
	bad := push(t, shop, map[string]string{"web.yaml": fmt.Sprintf(web, 2)})
	suite.Eventually(t, "the second commit is applied", func() bool { return strings.Contains(image(), "web:2") })
	abort(t, "reverted", true)
	told := func() string {
		for _, c := range read(t, a).Status.Conditions {
			if c.Type == gitsync.ConditionRevertPushed || c.Type == gitsync.ConditionRevertError {
				return c.Message
			}
		}
		return ""
	}
	suite.Eventually(t, "it is told what came of the revert", func() bool { return told() != "" })
	if text := told(); !strings.Contains(text, "on the branch revert/web reverts "+bad[:7]) {
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
