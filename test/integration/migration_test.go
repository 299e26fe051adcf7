package integration

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Hashes that another controller gave to versions 1 and 2.
const (
	formerStable = "6f8d9c7b5"
	formerCanary = "5c4b7d9f8"
)

// inherit makes a Rollout that another controller runs, as that one leaves it: ours begins to look at it with takeOver.
func inherit(t *testing.T, r *v1alpha1.Rollout, around []client.Object) {
	t.Helper()
	r.Labels = map[string]string{v1alpha1.LabelInstanceID: "another-controller"}
	create(t, append(around, r)...)
}

func takeOver(t *testing.T, r *v1alpha1.Rollout) {
	t.Helper()
	edit(t, r, func(r *v1alpha1.Rollout) { r.Labels = nil })
	await(t, r, "our controller has looked at it", func(r *v1alpha1.Rollout) bool {
		return slices.ContainsFunc(r.Status.Conditions, func(c v1alpha1.RolloutCondition) bool { return c.Type == v1alpha1.ConditionReady })
	})
}

// formerSet makes a ReplicaSet with the hash, labels and annotations of another controller, and waits for its pods.
func formerSet(t *testing.T, r *v1alpha1.Rollout, hash, revision string, template runtime.RawExtension, size int32) {
	t.Helper()
	labels := map[string]string{"app": "web", v1alpha1.LabelPodTemplateHash: hash}
	decoded, err := v1alpha1.PodTemplate(template)
	if err != nil {
		t.Fatal(err)
	}
	decoded.Labels = labels
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.Namespace, Name: r.Name + "-" + hash, Labels: labels,
			Annotations:     map[string]string{v1alpha1.AnnotationRevision: revision, v1alpha1.AnnotationDesiredReplicas: fmt.Sprint(*r.Spec.Replicas)},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r, v1alpha1.RolloutKind)},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To(size), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: decoded},
	}
	create(t, set)
	await(t, set, "its pods are available", func(s *appsv1.ReplicaSet) bool { return s.Status.AvailableReplicas == size })
}

// formerly lets a Service select a hash as another controller does.
func formerly(r *v1alpha1.Rollout, o client.Object, hash string) {
	s := o.(*corev1.Service)
	s.Spec.Selector[v1alpha1.LabelPodTemplateHash] = hash
	s.Annotations = map[string]string{v1alpha1.AnnotationManagedByRollouts: r.Name}
}

// keepsPods fails if a pod of before is gone.
func keepsPods(t *testing.T, namespace string, before map[string]string) {
	t.Helper()
	now := podsOf(t, namespace)
	maps.DeleteFunc(now, func(uid, _ string) bool { return before[uid] == "" })
	if diff := cmp.Diff(before, now); diff != "" {
		t.Errorf("pods were replaced: %s", diff)
	}
}

func TestARolloutAtRestIsTakenOverFromAnotherControllerWithoutRestartingAPod(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 3, weights(50)...)
	r.Annotations = map[string]string{v1alpha1.AnnotationRevision: "4"}
	inherit(t, r, around)
	formerSet(t, r, formerStable, "4", r.Spec.Template, 3)
	pods := podsOf(t, namespace)
	command(t, r, `{"status":{"currentPodHash":"`+formerStable+`","stableRS":"`+formerStable+`","currentStepIndex":1,"observedGeneration":"1"}}`)

	takeOver(t, r)
	await(t, r, "it is healthy", healthy)
	if diff := cmp.Diff(pods, podsOf(t, namespace)); diff != "" {
		t.Errorf("pods were replaced: %s", diff)
	}
	if r.Status.StableRS != formerStable || r.Annotations[v1alpha1.AnnotationRevision] != "4" {
		t.Errorf("stable %s, revision %s", r.Status.StableRS, r.Annotations[v1alpha1.AnnotationRevision])
	}
	for _, name := range []string{"web-stable", "web-canary"} {
		await(t, service(namespace, name), "it selects the adopted revision", selects(formerStable))
	}
}

func TestACanaryInMidReleaseIsTakenOverFromAnotherControllerWhereItStands(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 4, append(weights(25), hold)...)
	r.Annotations = map[string]string{v1alpha1.AnnotationRevision: "5"}
	before := r.Spec.Template
	r.Spec.Template = template("app:v2")
	formerly(r, around[0], formerStable)
	formerly(r, around[1], formerCanary)
	route := around[2].(*gatewayv1.HTTPRoute)
	backends := route.Spec.Rules[0].BackendRefs
	*backends[0].Weight, *backends[1].Weight = 75, 25
	inherit(t, r, around)
	formerSet(t, r, formerStable, "4", before, 4)
	formerSet(t, r, formerCanary, "5", r.Spec.Template, 1)
	pods := podsOf(t, namespace)
	answers(t, namespace, "v1", nil)
	underLoad(t, namespace)
	command(t, r, `{"status":{"currentPodHash":"`+formerCanary+`","stableRS":"`+formerStable+`","currentStepIndex":1,"currentStepHash":"`+v1alpha1.StepHash(r)+`","observedGeneration":"1",
		"controllerPause":true,"pauseConditions":[{"reason":"CanaryPauseStep","startTime":"2024-05-01T10:00:00Z"}],
		"canary":{"weights":{"canary":{"weight":25,"serviceName":"web-canary","podTemplateHash":"`+formerCanary+`"},
		"stable":{"weight":75,"serviceName":"web-stable","podTemplateHash":"`+formerStable+`"}}}}}`)

	takeOver(t, r)
	if i := ptr.Deref(r.Status.CurrentStepIndex, -1); i != 1 || !paused(r) || r.Status.Abort {
		t.Errorf("it left the pause of step 1 for step %d", i)
	}
	if diff := cmp.Diff(pods, podsOf(t, namespace)); diff != "" {
		t.Errorf("pods were replaced: %s", diff)
	}
	await(t, route, "the weight is what it was", func(h *gatewayv1.HTTPRoute) bool { return weightOf(h) == 25 })
	command(t, r, `{"status":{"pauseConditions":null}}`)
	await(t, r, "version 2 is promoted", func(r *v1alpha1.Rollout) bool { return healthy(r) && r.Status.StableRS == formerCanary })
	maps.DeleteFunc(pods, func(_, image string) bool { return image == "app:v1" })
	keepsPods(t, namespace, pods)
}

func TestABlueGreenReleaseIsTakenOverFromAnotherControllerBeforeItsPromotion(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := blueGreen(namespace)
	r.Spec.Strategy.BlueGreen.ActiveMetadata, r.Spec.Strategy.BlueGreen.PreviewMetadata = nil, nil
	r.Annotations = map[string]string{v1alpha1.AnnotationRevision: "5"}
	before := r.Spec.Template
	r.Spec.Template = template("app:v2")
	formerly(r, around[0], formerStable)
	formerly(r, around[1], formerCanary)
	inherit(t, r, around)
	formerSet(t, r, formerStable, "4", before, 2)
	formerSet(t, r, formerCanary, "5", r.Spec.Template, 2)
	pods := podsOf(t, namespace)
	answers(t, namespace, "v1", nil)
	underLoad(t, namespace)
	command(t, r, `{"status":{"currentPodHash":"`+formerCanary+`","stableRS":"`+formerStable+`","observedGeneration":"1",
		"controllerPause":true,"pauseConditions":[{"reason":"BlueGreenPause","startTime":"2024-05-01T10:00:00Z"}],
		"blueGreen":{"activeSelector":"`+formerStable+`","previewSelector":"`+formerCanary+`"}}}`)

	takeOver(t, r)
	if !paused(r) {
		t.Error("it left the pause")
	}
	await(t, service(namespace, "web-active"), "it selects version 1", selects(formerStable))
	keepsPods(t, namespace, pods)
	command(t, r, `{"status":{"pauseConditions":null}}`)
	await(t, r, "version 2 is promoted", func(r *v1alpha1.Rollout) bool { return healthy(r) && r.Status.StableRS == formerCanary })
	await(t, service(namespace, "web-active"), "it selects version 2", selects(formerCanary))
	maps.DeleteFunc(pods, func(_, image string) bool { return image == "app:v1" })
	keepsPods(t, namespace, pods)
}
