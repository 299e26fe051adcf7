package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// atHalf releases version 2 in a new namespace up to a pause at 50 %.
func atHalf(t *testing.T) (*v1alpha1.Rollout, *gatewayv1.HTTPRoute) {
	t.Helper()
	namespace := newNamespace(t)
	r, around := routed(namespace, 2, append(weights(50), hold)...)
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses at 50 %", paused)
	route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}}
	awaitWeight(t, route, 50)
	return r, route
}

func awaitWeight(t *testing.T, route *gatewayv1.HTTPRoute, weight int32) {
	t.Helper()
	await(t, route, fmt.Sprintf("the canary has the weight %d", weight), func(r *gatewayv1.HTTPRoute) bool { return weightOf(r) == weight })
}

// until waits for something that no single object tells.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// denyReplicaSets has a policy refuse new ReplicaSets in a namespace, trials included, until the returned function is called.
func denyReplicaSets(t *testing.T, namespace, words string) (allow func()) {
	t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: namespace}, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"replicasets"}},
			}}},
		},
		Validations: []admissionv1.Validation{{Expression: "false", Message: words, Reason: ptr.To(metav1.StatusReasonForbidden)}},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: namespace}, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
	}}
	create(t, policy, binding)
	try := func() error {
		labels := map[string]string{"app": "probe"}
		return suite.admin.Create(t.Context(), &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "probe-"},
			Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "app:v1"}}},
			}},
		}, client.DryRunAll)
	}
	until(t, "the policy is in force", func() bool { return apierrors.IsForbidden(try()) })
	return func() {
		t.Helper()
		for _, o := range []client.Object{binding, policy} {
			if err := suite.admin.Delete(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		until(t, "the policy is no longer in force", func() bool { return try() == nil })
	}
}

func TestAPolicyThatRefusesReplicaSetsKeepsNoTrafficWithTheCanary(t *testing.T) {
	t.Parallel()
	r, route := atHalf(t)
	hash := r.Status.CurrentPodHash
	denied.Store(r.Namespace, true)
	allow := denyReplicaSets(t, r.Namespace, "no new ReplicaSets today")
	edit(t, r, func(r *v1alpha1.Rollout) { // version 2 with a default written out, so that only a trial can tell that it is the same
		r.Spec.Template = runtime.RawExtension{Raw: []byte(strings.Replace(string(template("app:v2").Raw), `"spec":{`, `"spec":{"restartPolicy":"Always",`, 1))}
	})
	await(t, r, "it says what is refused", func(r *v1alpha1.Rollout) bool {
		return strings.Contains(messageOf(r, v1alpha1.ConditionProgressing), "no new ReplicaSets today")
	})
	command(t, r, `{"status":{"abort":true}}`)
	awaitWeight(t, route, 0)
	await(t, r, "it is aborted", func(r *v1alpha1.Rollout) bool { return r.Status.Phase == v1alpha1.RolloutPhaseDegraded })
	allow()
	command(t, r, `{"status":{"abort":false}}`)
	await(t, r, "the revision is found again that was there", func(r *v1alpha1.Rollout) bool { return paused(r) && r.Status.CurrentPodHash == hash })
	awaitWeight(t, route, 50)
}

// mayPatchRoutes gives or takes the right to patch HTTPRoutes, and waits until that is in force.
func mayPatchRoutes(t *testing.T, allowed bool) {
	t.Helper()
	role := &rbacv1.ClusterRole{}
	if err := suite.admin.Get(t.Context(), types.NamespacedName{Name: "sluice-controller"}, role); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(role.Rules, func(rule rbacv1.PolicyRule) bool { return slices.Contains(rule.Resources, "httproutes") })
	verbs := slices.DeleteFunc(slices.Clone(role.Rules[i].Verbs), func(verb string) bool { return verb == "patch" })
	if allowed {
		verbs = append(verbs, "patch")
	}
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": fmt.Sprintf("/rules/%d/verbs", i), "value": verbs}})
	if err != nil {
		t.Fatal(err)
	}
	if err := suite.admin.Patch(t.Context(), role, client.RawPatch(types.JSONPatchType, patch)); err != nil {
		t.Fatal(err)
	}
	until(t, "the right is as it should be", func() bool {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               "system:serviceaccount:" + home + ":sluice-controller",
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: gatewayv1.GroupName, Resource: "httproutes", Verb: "patch", Namespace: "shop"},
		}}
		create(t, review)
		return review.Status.Allowed == allowed
	})
}

// TestARightThatWasTakenAwayIsNamedAndTheTrafficFollowsOnceItIsBack changes what all controllers may do, so it runs beside no other test.
func TestARightThatWasTakenAwayIsNamedAndTheTrafficFollowsOnceItIsBack(t *testing.T) {
	r, route := atHalf(t)
	denied.Store(r.Namespace, true)
	mayPatchRoutes(t, false)
	command(t, r, `{"status":{"abort":true}}`)
	until(t, "an event names the right", func() bool {
		var events corev1.EventList
		if err := suite.admin.List(t.Context(), &events, client.InNamespace(r.Namespace)); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.Reason == v1alpha1.ReasonTrafficRoutingError && strings.Contains(e.Message, `cannot patch resource "httproutes"`)
		})
	})
	mayPatchRoutes(t, true)
	awaitWeight(t, route, 0)
	await(t, r, "it is aborted", func(r *v1alpha1.Rollout) bool { return r.Status.Phase == v1alpha1.RolloutPhaseDegraded })
}
