package integration

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/world/load"
)

// ask sends one request through the gateway and gives the version that answered; empty if none did.
func ask(t *testing.T, namespace string, header http.Header) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, suite.world.Gateway.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = namespace + ".example.com"
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.Header.Get("X-Version")
}

// answers waits until a version answers through the gateway.
func answers(t *testing.T, namespace, version string, header http.Header) {
	t.Helper()
	for deadline := time.Now().Add(patience); ask(t, namespace, header) != version; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("version %s does not answer", version)
		}
	}
}

// underLoad sends requests until the test ends, and fails it if one of them is lost.
func underLoad(t *testing.T, namespace string) {
	t.Helper()
	d, err := load.Start(t.Context(), load.Options{URL: suite.world.Gateway.URL, Host: namespace + ".example.com", Rate: 40})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Stop()
		sum := d.Between(time.Time{}, time.Time{})
		t.Logf("requests: %+v", sum)
		if sum.Lost > 0 || sum.Failed > 0 || sum.Sent == 0 {
			t.Errorf("of %d requests %d were lost and %d failed: %v", sum.Sent, sum.Lost, sum.Failed, sum.Errs)
		}
	})
}

// blueGreen makes a Rollout with an active and a preview Service that waits for a promote, and a route to the active one.
func blueGreen(namespace string) (*v1alpha1.Rollout, []client.Object) {
	r, around := routed(namespace, 2)
	around[0].SetName("web-active")
	around[1].SetName("web-preview")
	route := around[2].(*gatewayv1.HTTPRoute)
	route.Spec.Rules[0].BackendRefs = route.Spec.Rules[0].BackendRefs[:1]
	route.Spec.Rules[0].BackendRefs[0].Name = "web-active"
	r.Spec.Strategy = v1alpha1.RolloutStrategy{BlueGreen: &v1alpha1.BlueGreenStrategy{
		ActiveService: "web-active", PreviewService: "web-preview", AutoPromotionEnabled: ptr.To(false), AbortScaleDownDelaySeconds: ptr.To[int32](1),
		PreviewMetadata: &v1alpha1.PodTemplateMetadata{Labels: map[string]string{"role": "preview"}},
		ActiveMetadata:  &v1alpha1.PodTemplateMetadata{Labels: map[string]string{"role": "active"}},
	}}
	return r, around
}

// rolesOf lists the roles of the live pods of a revision, by how many have each.
func rolesOf(t *testing.T, namespace, hash string) map[string]int {
	t.Helper()
	var list corev1.PodList
	if err := suite.admin.List(t.Context(), &list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelPodTemplateHash: hash}); err != nil {
		t.Fatal(err)
	}
	roles := map[string]int{}
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			roles[p.Labels["role"]]++
		}
	}
	return roles
}

func awaitRoles(t *testing.T, namespace, hash, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		roles := rolesOf(t, namespace, hash)
		if len(roles) == 1 && roles[want] > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pods of %s have the roles %v, want %q alone", hash, roles, want)
		}
	}
}

func selects(hash string) func(*corev1.Service) bool {
	return func(s *corev1.Service) bool { return s.Spec.Selector[v1alpha1.LabelPodTemplateHash] == hash }
}

func TestABlueGreenReleaseIsPromotedTakenBackAndAbortedWithoutALostRequest(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := blueGreen(namespace)
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	blue, active, preview := r.Status.StableRS, service(namespace, "web-active"), service(namespace, "web-preview")
	answers(t, namespace, "v1", nil)
	underLoad(t, namespace)

	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it waits for a promote", paused)
	green := r.Status.CurrentPodHash
	await(t, preview, "the preview Service selects version 2", selects(green))
	await(t, active, "the active Service still selects version 1", selects(blue))
	awaitRoles(t, namespace, green, "preview")
	awaitRoles(t, namespace, blue, "active")
	command(t, r, `{"status":{"pauseConditions":null}}`)
	await(t, r, "version 2 is promoted", func(r *v1alpha1.Rollout) bool { return healthy(r) && r.Status.StableRS == green })
	await(t, active, "the active Service selects version 2", selects(green))
	awaitRoles(t, namespace, green, "active")
	answers(t, namespace, "v2", nil)

	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v1") })
	await(t, r, "it is back at version 1 without a pause", func(r *v1alpha1.Rollout) bool {
		return healthy(r) && r.Status.StableRS == blue && !paused(r)
	})
	answers(t, namespace, "v1", nil)

	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v3") })
	await(t, r, "version 3 waits for a promote", paused)
	third := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-" + r.Status.CurrentPodHash}}
	command(t, r, `{"status":{"abort":true}}`)
	await(t, r, "it is aborted", func(r *v1alpha1.Rollout) bool { return r.Status.Phase == v1alpha1.RolloutPhaseDegraded })
	await(t, third, "version 3 has no pods", func(s *appsv1.ReplicaSet) bool { return *s.Spec.Replicas == 0 && s.Status.Replicas == 0 })
	await(t, active, "the active Service still selects version 1", selects(blue))
	answers(t, namespace, "v1", nil)
}

func TestRequestsAreMirroredToTheCanaryWhileOnlyTheStableRevisionAnswers(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 1, v1alpha1.CanaryStep{SetCanaryScale: &v1alpha1.SetCanaryScale{Replicas: ptr.To[int32](1)}},
		v1alpha1.CanaryStep{SetMirrorRoute: &v1alpha1.SetMirrorRoute{Name: "copy", Match: []v1alpha1.RouteMatch{{Path: &v1alpha1.StringMatch{Prefix: "/"}}}}}, hold)
	r.Spec.Strategy.Canary.TrafficRouting.ManagedRoutes = []v1alpha1.ManagedRoute{{Name: "copy"}}
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	answers(t, namespace, "v1", nil)
	underLoad(t, namespace)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it waits with the mirror", paused)
	canary := types.NamespacedName{Namespace: namespace, Name: "web-canary"}
	await(t, r, "the canary gets copies", func(*v1alpha1.Rollout) bool { return suite.world.Gateway.Count(canary).Mirrored > 0 })
	if version := ask(t, namespace, nil); version != "v1" {
		t.Errorf("a request was answered by %s", version)
	}
	command(t, r, `{"status":{"abort":true}}`)
	await(t, around[2].(*gatewayv1.HTTPRoute), "only the rule of the author is left", func(r *gatewayv1.HTTPRoute) bool { return len(r.Spec.Rules) == 1 })
}

// legacy is a Deployment that serves before there is any Rollout.
func legacy(t *testing.T, namespace string) *appsv1.Deployment {
	t.Helper()
	pods, err := v1alpha1.PodTemplate(template("app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy"},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](3), Selector: &metav1.LabelSelector{MatchLabels: pods.Labels}, Template: pods},
	}
}

func TestALiveDeploymentIsTakenOverWithoutALostRequest(t *testing.T) {
	for _, scaleDown := range []string{"onsuccess", "progressively"} {
		t.Run(scaleDown, func(t *testing.T) {
			t.Parallel()
			namespace := newNamespace(t)
			d := legacy(t, namespace)
			r, around := routed(namespace, 3, append(weights(50), hold)...)
			create(t, append(around, d)...)
			await(t, d, "the Deployment serves", func(d *appsv1.Deployment) bool { return d.Status.AvailableReplicas == 3 })
			answers(t, namespace, "v1", nil)
			underLoad(t, namespace)

			r.Spec.Template, r.Spec.Selector = runtime.RawExtension{}, nil
			r.Spec.WorkloadRef = &v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "legacy", ScaleDown: scaleDown}
			create(t, r)
			await(t, r, "the Rollout is healthy", healthy)
			await(t, d, "the Deployment has no pods any more", func(d *appsv1.Deployment) bool { return *d.Spec.Replicas == 0 && d.Status.Replicas == 0 })
			if len(r.Spec.Template.Raw) > 0 || r.Spec.Selector != nil {
				t.Errorf("the spec holds what belongs to the Deployment: %s, %v", r.Spec.Template.Raw, r.Spec.Selector)
			}

			before := d.DeepCopy()
			d.Spec.Template.Spec.Containers[0].Image = "app:v2"
			if err := suite.admin.Patch(t.Context(), d, client.MergeFrom(before)); err != nil {
				t.Fatal(err)
			}
			await(t, r, "version 2 of the Deployment's template waits at 50 %", paused)
			if r.Status.WorkloadObservedGeneration != fmt.Sprint(d.Generation) {
				t.Errorf("it speaks of generation %s, not %d", r.Status.WorkloadObservedGeneration, d.Generation)
			}
			command(t, r, `{"status":{"promoteFull":true}}`)
			await(t, r, "version 2 is healthy", healthy)
			answers(t, namespace, "v2", nil)
		})
	}
}

func TestATemplateThatIsNotYetThereIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r := basic(namespace, "web", 1)
	r.Spec.Template = runtime.RawExtension{}
	r.Spec.WorkloadRef = &v1alpha1.ObjectRef{APIVersion: "v1", Kind: "PodTemplate", Name: "web"}
	create(t, r)
	await(t, r, "it says what is missing", func(r *v1alpha1.Rollout) bool { return is(r, v1alpha1.ConditionInvalidSpec, corev1.ConditionTrue) })
	pods, err := v1alpha1.PodTemplate(template("app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	held := &corev1.PodTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}, Template: pods}
	create(t, held)
	await(t, r, "it is healthy", healthy)
	held.Template.Spec.Containers[0].Image = "app:v2"
	if err := suite.admin.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	first := r.Status.CurrentPodHash
	await(t, r, "the new template is released", func(r *v1alpha1.Rollout) bool { return healthy(r) && r.Status.StableRS != first })
}

func TestAReplicaSetMayHoldTheTemplate(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	d := legacy(t, namespace)
	set := &appsv1.ReplicaSet{ObjectMeta: d.ObjectMeta, Spec: appsv1.ReplicaSetSpec{Replicas: d.Spec.Replicas, Selector: d.Spec.Selector, Template: d.Spec.Template}}
	create(t, set)
	await(t, set, "the ReplicaSet serves", func(s *appsv1.ReplicaSet) bool { return s.Status.AvailableReplicas == 3 })
	r := basic(namespace, "web", 2)
	r.Spec.Template = runtime.RawExtension{}
	r.Spec.WorkloadRef = &v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "legacy", ScaleDown: "onsuccess"}
	create(t, r)
	await(t, r, "it is healthy", healthy)
	await(t, set, "the ReplicaSet has no pods any more", func(s *appsv1.ReplicaSet) bool { return *s.Spec.Replicas == 0 && s.Status.Replicas == 0 })
}

func TestARequestWithTheHeaderReachesTheCanaryAndNoOther(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 2, v1alpha1.CanaryStep{SetCanaryScale: &v1alpha1.SetCanaryScale{Replicas: ptr.To[int32](1)}},
		v1alpha1.CanaryStep{SetHeaderRoute: &v1alpha1.SetHeaderRoute{Name: "beta", Match: []v1alpha1.HeaderRoutingMatch{
			{HeaderName: "X-Beta", HeaderValue: &v1alpha1.StringMatch{Exact: "yes"}}}}}, hold)
	r.Spec.Strategy.Canary.TrafficRouting.ManagedRoutes = []v1alpha1.ManagedRoute{{Name: "beta"}}
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	answers(t, namespace, "v1", nil)
	underLoad(t, namespace)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it waits with the header route", paused)
	beta := http.Header{"X-Beta": {"yes"}}
	answers(t, namespace, "v2", beta)
	for range 20 {
		if version := ask(t, namespace, nil); version != "v1" {
			t.Fatalf("a request without the header was answered by %s", version)
		}
	}
	route := around[2].(*gatewayv1.HTTPRoute)
	await(t, route, "the route of the header is there", func(r *gatewayv1.HTTPRoute) bool { return len(r.Spec.Rules) == 2 })
	before := route.DeepCopy()
	for i, rule := range route.Spec.Rules {
		if rule.Name != nil {
			route.Spec.Rules = append(route.Spec.Rules[:i:i], route.Spec.Rules[i+1:]...)
		}
	}
	if err := suite.admin.Patch(t.Context(), route, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	await(t, route, "the route that somebody removed is there again", func(r *gatewayv1.HTTPRoute) bool { return len(r.Spec.Rules) == 2 })
	command(t, r, `{"status":{"pauseConditions":null}}`)
	await(t, r, "version 2 is healthy", healthy)
	await(t, route, "only the rule of the author is left", func(r *gatewayv1.HTTPRoute) bool { return len(r.Spec.Rules) == 1 })
	answers(t, namespace, "v2", nil)
}

func TestAStableRevisionThatShrankIsBackBeforeItsTrafficReturns(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 4, append(weights(50, 75), hold)...)
	r.Spec.Strategy.Canary.ScaleDownDelaySeconds, r.Spec.Strategy.Canary.DynamicStableScale = nil, true
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	stable := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-" + r.Status.StableRS}}
	answers(t, namespace, "v1", nil)
	underLoad(t, namespace)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it waits at 75 %", paused)
	canary := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-" + r.Status.CurrentPodHash}}
	await(t, stable, "the stable revision has shrunk", func(s *appsv1.ReplicaSet) bool { return *s.Spec.Replicas == 1 })
	await(t, canary, "the canary has the rest", func(s *appsv1.ReplicaSet) bool { return s.Status.AvailableReplicas == 3 })
	command(t, r, `{"status":{"abort":true}}`)
	await(t, stable, "the stable revision is whole", func(s *appsv1.ReplicaSet) bool { return s.Status.AvailableReplicas == 4 })
	await(t, canary, "the canary is gone", func(s *appsv1.ReplicaSet) bool { return *s.Spec.Replicas == 0 })
	await(t, around[2].(*gatewayv1.HTTPRoute), "it gives the canary nothing", func(r *gatewayv1.HTTPRoute) bool { return weightOf(r) == 0 })
	await(t, r, "it is aborted", func(r *v1alpha1.Rollout) bool { return r.Status.Phase == v1alpha1.RolloutPhaseDegraded })
	answers(t, namespace, "v1", nil)
}

func TestLivePodsCarryTheMetadataOfTheirRoleUntilItEnds(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 2, append(weights(50), hold)...)
	r.Spec.Strategy.Canary.CanaryMetadata = &v1alpha1.PodTemplateMetadata{Labels: map[string]string{"role": "canary"}}
	r.Spec.Strategy.Canary.AntiAffinity = &v1alpha1.AntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: &v1alpha1.PreferredDuringSchedulingIgnoredDuringExecution{Weight: 50}}
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses at 50 %", paused)
	hash, old := r.Status.CurrentPodHash, r.Status.StableRS
	awaitRoles(t, namespace, hash, "canary")
	awaitRoles(t, namespace, old, "")
	before := podsOf(t, namespace)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.CanaryMetadata.Labels["role"] = "trial" })
	awaitRoles(t, namespace, hash, "trial")
	if after := podsOf(t, namespace); len(after) != len(before) {
		t.Errorf("there were %d pods, now there are %d", len(before), len(after))
	}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-" + hash}}
	await(t, set, "its template avoids the stable revision", func(s *appsv1.ReplicaSet) bool {
		a := s.Spec.Template.Spec.Affinity
		return a != nil && a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm.LabelSelector.MatchExpressions[0].Values[0] == old
	})
	command(t, r, `{"status":{"pauseConditions":null}}`)
	await(t, r, "version 2 is healthy", healthy)
	awaitRoles(t, namespace, hash, "")
	for uid, image := range before {
		if now, left := podsOf(t, namespace)[uid]; image == "app:v2" && !left {
			t.Errorf("a pod of %s was replaced for its metadata: %s", image, now)
		}
	}
}
