package integration

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestAControllerAtRestSendsNothingButItsLease(t *testing.T) {
	begun := time.Now()
	namespace := newNamespace(t)
	r, around := routed(namespace, 2, weights(50)...)
	create(t, append(around, r)...)
	await(t, r, "it is healthy", healthy)
	var rest time.Time // two renewals of the lease with nothing between them begin it
	awaitRequests(t, "the controller comes to rest", func(all []request) bool {
		rest = restSince(all, begun)
		return !rest.IsZero()
	})
	var all []request
	awaitRequests(t, "the lease is renewed three times more", func(sent []request) bool {
		all = sent
		return len(renewals(sent, rest)) >= 3
	})
	for _, sent := range all {
		if sent.At.After(rest) && sent.ObjectRef.Resource != "leases" {
			t.Errorf("sent %s %s", sent, sent.ObjectRef.Name)
		}
	}
}

// renewals lists the renewals of leases after some time.
func renewals(all []request, after time.Time) []request {
	return slices.DeleteFunc(slices.Clone(all), func(r request) bool {
		return r.ObjectRef.Resource != "leases" || r.isRead() || !r.At.After(after)
	})
}

// restSince gives the second of the first two renewals after some time with nothing between them; zero if there are none.
func restSince(all []request, after time.Time) time.Time {
	before := false
	for _, r := range all {
		renewal := r.ObjectRef.Resource == "leases" && !r.isRead() && r.At.After(after)
		if renewal && before {
			return r.At
		}
		before = renewal
	}
	return time.Time{}
}

func TestManifestsThatTeamsAlreadyHaveWorkUnchanged(t *testing.T) {
	t.Parallel()
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "production"}})
	for _, name := range []string{"my-api-stable", "my-api-canary"} {
		s := service("production", name)
		s.Spec.Selector = map[string]string{"app": "my-api"}
		create(t, s)
	}
	objects, err := readObjects("testdata/acceptance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		create(t, o)
	}
	r := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Namespace: "production", Name: "my-api"}}
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) {
		r.Spec.Template.Raw = []byte(strings.Replace(string(r.Spec.Template.Raw), "v1.4.2", "v1.5.0", 1))
	})
	await(t, r, "the first pause begins", paused)
	if i := ptr.Deref(r.Status.CurrentStepIndex, -1); i != 1 {
		t.Errorf("it pauses at step %d", i)
	}
	run := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{Namespace: "production", Name: "my-api-" + r.Status.CurrentPodHash + "-2"}}
	awaitExists(t, run)
	command(t, r, `{"status":{"abort":true}}`)
	await(t, r, "all pods are of version 1 again", func(r *v1alpha1.Rollout) bool {
		return r.Status.Phase == v1alpha1.RolloutPhaseDegraded && r.Status.UpdatedReplicas == 0 && r.Status.AvailableReplicas == 5
	})
}

// awaitExists waits until an object is there.
func awaitExists(t *testing.T, o client.Object) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := suite.admin.Get(t.Context(), client.ObjectKeyFromObject(o), o)
		if err == nil {
			return
		}
		if client.IgnoreNotFound(err) != nil || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestTheScaleSubresourceResizesInMidCanary(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 2, append(weights(50), hold)...)
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses at 50 %", paused)
	scale := &autoscalingv1.Scale{}
	if err := suite.admin.SubResource("scale").Get(t.Context(), r, scale); err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 2 || scale.Status.Selector != "app=web" {
		t.Errorf("the scale is %+v, %+v", scale.Spec, scale.Status)
	}
	scale.Spec.Replicas = 6
	if err := suite.admin.SubResource("scale").Update(t.Context(), r, client.WithSubResourceBody(scale)); err != nil {
		t.Fatal(err)
	}
	await(t, r, "both revisions have grown", func(r *v1alpha1.Rollout) bool {
		return r.Status.AvailableReplicas == 9 && r.Status.UpdatedReplicas == 3 && r.Status.HPAReplicas == 9
	})
	route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}}
	await(t, route, "it still gives the canary 50 %", func(r *gatewayv1.HTTPRoute) bool { return weightOf(r) == 50 })
}

func TestARouteThatSomebodyEditsIsPutRightAtOnce(t *testing.T) {
	t.Parallel()
	_, route := atHalf(t)
	edited := time.Now()
	even := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/rules/0/backendRefs/0/weight","value":1},{"op":"replace","path":"/spec/rules/0/backendRefs/1/weight","value":1}]`))
	if err := suite.admin.Patch(t.Context(), route, even); err != nil {
		t.Fatal(err)
	}
	await(t, route, "it is put right", func(r *gatewayv1.HTTPRoute) bool { return weightOf(r) == 50 })
	if took := time.Since(edited); took > promptly {
		t.Errorf("it took %s", took)
	}
}

func TestBadObjectsDoNotKeepAGoodOneFromItsRelease(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	bad := map[string]*v1alpha1.Rollout{}
	spoil := func(name string, how func(*v1alpha1.Rollout)) {
		bad[name] = basic(namespace, name, 1)
		how(bad[name])
		create(t, bad[name])
	}
	spoil("nonsense-in-the-template", func(r *v1alpha1.Rollout) {
		r.Spec.Template.Raw = []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"a","volumeMounts":[{"name":"none","mountPath":"/x"}]}]}}`)
	})
	spoil("wrong-types", func(r *v1alpha1.Rollout) {
		r.Spec.Template.Raw = []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"a","env":"PATH"}]}}`)
	})
	spoil("selector-of-others", func(r *v1alpha1.Rollout) { r.Spec.Selector.MatchLabels = map[string]string{"app": "other"} })
	spoil("missing-service", func(r *v1alpha1.Rollout) { r.Spec.Strategy.Canary.StableService = "missing" })
	spoil("missing-template", func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.Steps = []v1alpha1.CanaryStep{{Analysis: &v1alpha1.RolloutAnalysis{Templates: []v1alpha1.AnalysisTemplateRef{{TemplateName: "missing"}}}}}
	})
	spoil("many-steps", func(r *v1alpha1.Rollout) {
		for range 10_000 {
			r.Spec.Strategy.Canary.Steps = append(r.Spec.Strategy.Canary.Steps, v1alpha1.CanaryStep{Pause: &v1alpha1.RolloutPause{}})
		}
		r.Spec.Strategy.Canary.StableService = "missing"
	})
	for name, r := range bad {
		await(t, r, name+" is called invalid", func(r *v1alpha1.Rollout) bool { return is(r, v1alpha1.ConditionInvalidSpec, corev1.ConditionTrue) })
	}
	good, around := routed(namespace, 2, weights(50)...)
	create(t, append(around, good)...)
	await(t, good, "version 1 is healthy", healthy)
	edit(t, good, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, good, "version 2 is healthy", healthy)
}

func TestWhatSomebodyBreaksInMidStepIsMended(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r, around := routed(namespace, 4, append(weights(50), hold)...)
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	stable := r.Status.StableRS
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses at 50 %", paused)
	hash := r.Status.CurrentPodHash
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-" + hash}}
	whole := func(t *testing.T) {
		t.Helper()
		await(t, set, "the canary has its pods", func(s *appsv1.ReplicaSet) bool { return s.Status.AvailableReplicas == 2 && *s.Spec.Replicas == 2 })
		await(t, service(namespace, "web-canary"), "the canary Service selects it", func(s *corev1.Service) bool {
			return s.Spec.Selector[v1alpha1.LabelPodTemplateHash] == hash
		})
		route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}}
		await(t, route, "it gives the canary 50 %", func(r *gatewayv1.HTTPRoute) bool { return weightOf(r) == 50 })
	}
	whole(t)
	for _, broken := range []struct {
		what string
		by   func() error
	}{
		{"the canary ReplicaSet is scaled by hand", func() error {
			return suite.admin.Patch(t.Context(), set, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":1}}`)))
		}},
		{"the canary Service is pointed elsewhere", func() error {
			patch := `{"spec":{"selector":{"rollouts-pod-template-hash":"` + stable + `"}}}`
			return suite.admin.Patch(t.Context(), service(namespace, "web-canary"), client.RawPatch(types.MergePatchType, []byte(patch)))
		}},
		{"the canary ReplicaSet is deleted", func() error {
			return suite.admin.Delete(t.Context(), set, client.PropagationPolicy(metav1.DeletePropagationBackground))
		}},
	} {
		t.Run(broken.what, func(t *testing.T) {
			if err := broken.by(); err != nil {
				t.Fatal(err)
			}
			if broken.what == "the canary ReplicaSet is deleted" {
				awaitExists(t, set)
			}
			whole(t)
		})
	}
	command(t, r, `{"status":{"promoteFull":true}}`)
	await(t, r, "version 2 is healthy", healthy)
}

func TestARestartReplacesEveryPod(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	r := basic(namespace, "web", 2)
	create(t, r)
	await(t, r, "it is healthy", healthy)
	old := podsOf(t, namespace)
	due := metav1.NewTime(time.Now().Add(time.Second)) // times of creation have whole seconds, and each pod must be older
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.RestartAt = &due })
	await(t, r, "the restart is done", func(r *v1alpha1.Rollout) bool { return r.Status.RestartedAt.Equal(r.Spec.RestartAt) && healthy(r) })
	for uid := range podsOf(t, namespace) {
		if _, kept := old[uid]; kept {
			t.Errorf("pod %s was not replaced", uid)
		}
	}
}

func TestMetricsHaveTheNamesOfTheWireContract(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	measured, metrics, err := startController(t.Context(), "measured", "measured")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := measured.Stop(); err != nil {
			t.Error(err)
		}
	})
	r := basic(namespace, "web", 1)
	r.Labels = map[string]string{v1alpha1.LabelInstanceID: "measured"}
	create(t, r)
	await(t, r, "it is healthy", healthy)
	response, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	labels := `{name="web",namespace="` + namespace + `"`
	for _, name := range []string{
		"rollout_info" + labels, "rollout_phase" + labels, "rollout_info_replicas_desired" + labels, "rollout_reconcile_count" + labels,
		"rollout_events_total" + labels, "argo_rollouts_controller_info{", "build_info{", "controller_clientset_k8s_request_total{",
		"workqueue_depth{", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(string(body), "\n"+name) {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestALeaderThatSleptPastItsLeaseWritesNothingMore(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t)
	first, _, err := startController(t.Context(), "first", "fence")
	if err != nil {
		t.Fatal(err)
	}
	r, around := routed(namespace, 2, weights(50)...)
	r.Labels = map[string]string{v1alpha1.LabelInstanceID: "fence"}
	create(t, append(around, r)...)
	await(t, r, "version 1 is healthy", healthy)
	second, _, err := startController(t.Context(), "second", "fence")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := second.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Kill(first.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "the second controller has released version 2", healthy)
	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v3") })
	woken := time.Now()
	if err := syscall.Kill(first.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	await(t, r, "the second controller has released version 3", healthy)
	select {
	case <-first.Ended():
	case <-time.After(patience):
		t.Error("the first controller does not end")
	}
	if err := first.Stop(); err == nil {
		t.Error("the first controller ended as if all were well")
	}
	all, err := requests()
	if err != nil {
		t.Fatal(err)
	}
	for _, sent := range all {
		if sent.process() == "first" && sent.At.After(woken) && sent.isWrite() {
			t.Errorf("the first controller sent %s %s", sent, types.NamespacedName{Namespace: sent.ObjectRef.Namespace, Name: sent.ObjectRef.Name})
		}
	}
}
