package integration

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// messageOf is the message of a condition; empty if there is none.
func messageOf(r *v1alpha1.Rollout, kind v1alpha1.RolloutConditionType) string {
	for _, c := range r.Status.Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

func pause(duration string) v1alpha1.CanaryStep {
	return v1alpha1.CanaryStep{Pause: &v1alpha1.RolloutPause{Duration: ptr.To(intstr.FromString(duration))}}
}

// TestSpecsThatMakeNoSenseAreRefusedByNameAndHarmNobody sends what group 26 of the hostile inputs lists.
func TestSpecsThatMakeNoSenseAreRefusedByNameAndHarmNobody(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	create(t, service(namespace, "taken"))
	owner := basic(namespace, "owner", 1)
	owner.Spec.Strategy.Canary.StableService = "taken"
	create(t, owner)
	await(t, owner, "it is healthy", healthy)
	for name, c := range map[string]struct {
		change func(*v1alpha1.Rollout)
		says   string
	}{
		"weight below zero":    {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.Steps = weights(-1) }, "setWeight"},
		"weight above all":     {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.Steps = weights(101) }, "setWeight"},
		"the largest weight":   {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.Steps = weights(2147483647) }, "setWeight"},
		"an endless number":    {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.Steps = []v1alpha1.CanaryStep{pause("1e999h")} }, "duration"},
		"a negative pause":     {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.Steps = []v1alpha1.CanaryStep{pause("-5s")} }, "duration"},
		"an empty step":        {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.Steps = []v1alpha1.CanaryStep{{}} }, "steps[0]"},
		"no strategy":          {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary = nil }, "strategy"},
		"a selector of others": {func(r *v1alpha1.Rollout) { r.Spec.Selector.MatchLabels["app"] = "other" }, "selector"},
		"one service in two roles": {func(r *v1alpha1.Rollout) {
			c := r.Spec.Strategy.Canary
			c.StableService, c.CanaryService = "taken", "taken"
		}, "canaryService"},
		"a service of another":      {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.StableService = "taken" }, "taken"},
		"a service that is missing": {func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.StableService = "nowhere" }, "nowhere"},
		"a template that is empty":  {func(r *v1alpha1.Rollout) { r.Spec.Template.Raw = []byte(`{"metadata":{"labels":{"app":"web"}}}`) }, "template"},
	} {
		t.Run(name, func(t *testing.T) {
			r := basic(namespace, strings.ReplaceAll(name, " ", "-"), 1)
			c.change(r)
			err := suite.admin.Create(t.Context(), r)
			if err != nil {
				if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("the refusal does not name %s: %v", c.says, err)
				}
				return
			}
			await(t, r, "the condition InvalidSpec names "+c.says, func(r *v1alpha1.Rollout) bool {
				return strings.Contains(messageOf(r, v1alpha1.ConditionInvalidSpec), c.says)
			})
			if r.Status.Phase != v1alpha1.RolloutPhaseDegraded {
				t.Errorf("the phase is %s, want Degraded", r.Status.Phase)
			}
		})
	}
	good := basic(namespace, "good", 1)
	create(t, good)
	await(t, good, "the one that makes sense is healthy beside them", healthy)
}

func TestLargeAndSmallSpecsWork(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	many, some := basic(namespace, "many", 1), basic(namespace, "some", 1)
	for range 10_000 {
		many.Spec.Strategy.Canary.Steps = append(many.Spec.Strategy.Canary.Steps, v1alpha1.CanaryStep{SetWeight: ptr.To[int32](100)})
	}
	some.Spec.Strategy.Canary.Steps = many.Spec.Strategy.Canary.Steps[:500]
	none := basic(namespace, "none", 0)
	long := basic(namespace, "long", 1)
	long.Annotations = map[string]string{"example.com/long": strings.Repeat("x", 250_000)}
	create(t, many, some, none, long)
	await(t, many, "10,000 steps are no obstacle to the first deploy", healthy)
	await(t, none, "no replicas are healthy at once", healthy)
	await(t, long, "an annotation of almost the greatest length is no obstacle", healthy)
	await(t, some, "it is healthy", healthy)
	edit(t, some, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, some, "500 steps are gone through", healthy)
}

func TestARolloutThatIsMadeAnewUnderItsNameStartsAnew(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r := basic(namespace, "web", 1)
	create(t, r)
	await(t, r, "it is healthy", healthy)
	old := podsOf(t, namespace)
	if err := suite.admin.Delete(t.Context(), r, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	again := basic(namespace, "web", 1)
	create(t, again)
	await(t, again, "the new one of the name is healthy", healthy)
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-" + again.Status.CurrentPodHash}}
	await(t, set, "its ReplicaSet is its own", func(s *appsv1.ReplicaSet) bool { return metav1.IsControlledBy(s, again) })
	await(t, again, "the old pods are gone", func(*v1alpha1.Rollout) bool {
		for uid := range podsOf(t, namespace) {
			if _, left := old[uid]; left {
				return false
			}
		}
		return true
	})
}

func TestAQuotaThatForbidsPodsIsNamedAndWaitedFor(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "few"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")}}}
	create(t, quota)
	await(t, quota, "the quota is counted", func(q *corev1.ResourceQuota) bool { return len(q.Status.Hard) > 0 })
	r := basic(namespace, "web", 3)
	create(t, r)
	await(t, r, "it says that the quota is in the way", func(r *v1alpha1.Rollout) bool {
		return strings.Contains(messageOf(r, v1alpha1.ConditionReplicaFailure), "quota")
	})
	if err := suite.admin.Patch(t.Context(), quota, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"hard":{"pods":"10"}}}`))); err != nil {
		t.Fatal(err)
	}
	await(t, r, "it is healthy once there is room", healthy)
}

func TestAnImageThatCannotBePulledGetsNoTrafficAndCanBeAborted(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, others := routed(namespace, 2, append(weights(50), hold)...)
	create(t, others...)
	create(t, r)
	await(t, r, "it is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:broken-image") })
	await(t, r, "the canary has a pod that does not start", func(r *v1alpha1.Rollout) bool { return observed(r) && r.Status.UpdatedReplicas == 1 })
	if w := r.Status.Canary.Weights; w == nil || w.Canary.Weight != 0 {
		t.Errorf("the canary has the weights %+v before any of its pods is available", w)
	}
	command(t, r, `{"status":{"abort":true}}`)
	await(t, r, "it is aborted", func(r *v1alpha1.Rollout) bool { return r.Status.Phase == v1alpha1.RolloutPhaseDegraded })
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v1") })
	await(t, r, "the old version is healthy again", healthy)
}

func TestADisruptionBudgetIsNotBrokenByARestart(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r := basic(namespace, "web", 2)
	create(t, r)
	await(t, r, "it is healthy", healthy)
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "all"}, Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: ptr.To(intstr.FromInt32(2)), Selector: r.Spec.Selector}}
	create(t, budget)
	await(t, budget, "the budget knows its pods", func(b *policyv1.PodDisruptionBudget) bool {
		return b.Status.CurrentHealthy == 2 && b.Status.ObservedGeneration == b.Generation
	})
	before := podsOf(t, namespace)
	due := metav1.NewTime(time.Now().Add(2 * time.Second)) // times of creation have whole seconds, and each pod must be older
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.RestartAt = &due })
	await(t, r, "the restart is under way and was tried", func(r *v1alpha1.Rollout) bool {
		return observed(r) && strings.Contains(r.Status.Message, "restarting") && time.Now().After(due.Add(time.Second))
	})
	for uid := range before {
		if _, left := podsOf(t, namespace)[uid]; !left {
			t.Errorf("pod %s was evicted against the budget", uid)
		}
	}
}

func TestANamespaceThatIsDeletedInMidReleaseHarmsNobody(t *testing.T) {
	t.Parallel()
	doomed := newNamespace(t)
	r, others := routed(doomed, 2, append(weights(50), hold)...)
	create(t, others...)
	create(t, r)
	await(t, r, "it is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses at 50 %", paused)
	if err := suite.admin.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: doomed}}); err != nil {
		t.Fatal(err)
	}
	good := basic(newNamespace(t), "good", 1)
	create(t, good)
	await(t, good, "another namespace goes on", healthy)
	if log := suite.controller.output(); strings.Contains(log, "recovered from a panic") || strings.Contains(log, "Observed a panic") {
		t.Errorf("the controller panicked:\n%s", log)
	}
}

func TestReadinessThatFlapsCostsFewWrites(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r := basic(namespace, "web", 3)
	create(t, r)
	await(t, r, "it is healthy", healthy)
	var pods corev1.PodList
	if err := suite.admin.List(t.Context(), &pods, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	before := r.ResourceVersion
	for i := range 60 {
		if err := suite.world.Kubelet.SetReady(namespace, pods.Items[0].Name, i%2 == 1); err != nil {
			t.Fatal(err)
		}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pods.Items[0].Name}}
		await(t, pod, "its readiness is written", func(p *corev1.Pod) bool {
			for _, c := range p.Status.Conditions {
				if c.Type == corev1.PodReady {
					return (c.Status == corev1.ConditionTrue) == (i%2 == 1)
				}
			}
			return false
		})
	}
	await(t, r, "it is healthy when the flapping is over", healthy)
	if before == r.ResourceVersion {
		t.Log("the flapping was over before anybody looked")
	}
}
