package gitsync

import (
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

const quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: bound}\nspec: {hard: {pods: \"10\"}}\n"

const settled = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: \"1\", theirs: from Git}\n"

// TestSettingsAreFollowedAsTheyChange runs with the rights of config/gitops and no others.
func TestSettingsAreFollowedAsTheyChange(t *testing.T) {
	settle(t, map[string]string{
		"resource.exclusions": "- {apiGroups: [\"\"], kinds: [ResourceQuota]}",
		"resource.customizations.ignoreDifferences.ConfigMap": "jsonPointers: [/data/theirs]",
		"resource.customizations.health.ConfigMap":            `return {status = obj.data.a == "1" and "Healthy" or "Degraded", message = "a is " .. obj.data.a}`,
	})
	unwell := strings.ReplaceAll(settled, `"1"`, `"0"`)
	s, first := newSite(t, "settled", automated, map[string]string{"settings.yaml": unwell})
	s.synced(first, gitopsv1.HealthDegraded) // so it has read the settings
	second := s.push(map[string]string{"settings.yaml": settled, "quota.yaml": quota})
	status := s.synced(second, gitopsv1.HealthHealthy)
	if len(status.Conditions) != 1 || status.Conditions[0].Type != gitopsv1.ConditionExcludedResourceWarning {
		t.Errorf("conditions %+v", status.Conditions)
	}
	bound := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "bound"}}
	missing := func() bool {
		return apierrors.IsNotFound(up.Client.Get(t.Context(), client.ObjectKeyFromObject(bound), bound))
	}
	if !missing() {
		t.Error("an excluded kind was applied")
	}
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "settings"}}
	change := func(text string) {
		t.Helper()
		if err := up.Client.Patch(t.Context(), m, client.RawPatch(types.MergePatchType, []byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	change(`{"data":{"theirs":"of somebody else"}}`)
	s.look()
	if s.synced(second, gitopsv1.HealthHealthy); s.read(m).(*corev1.ConfigMap).Data["theirs"] != "of somebody else" {
		t.Error("what differs and is ignored was healed")
	}

	settle(t, map[string]string{"resource.exclusions": "", "resource.customizations.ignoreDifferences.ConfigMap": "jsonPointers: [/data/others]"})
	s.await("a kind that is not excluded any more is applied", func() bool { return !missing() })
	s.await("what is not ignored any more is healed", func() bool { return s.read(m).(*corev1.ConfigMap).Data["theirs"] == "from Git" })
	settle(t, map[string]string{"resource.customizations.health.ConfigMap": `return {status = "Degraded", message = "never well"}`})
	s.synced(second, gitopsv1.HealthDegraded)
}

func TestTheControllerMayFollowEverySetting(t *testing.T) {
	for _, name := range []string{gitopsv1.ConfigMapSettings, gitopsv1.ConfigMapKnownHosts, gitopsv1.ConfigMapTLSCerts, gitopsv1.ConfigMapGPGKeys} {
		for _, verb := range []string{"get", "list", "watch"} {
			r := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:sluice-system:sluice-controller",
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: gitopsv1.DefaultControlNamespace, Verb: verb, Resource: "configmaps", Name: name},
			}}
			if err := up.Client.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if !r.Status.Allowed {
				t.Errorf("it may not %s the ConfigMap %s: %s", verb, name, r.Status.Reason)
			}
		}
	}
}
