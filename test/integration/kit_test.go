package integration

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// patience is how long a test waits for something that must come true; on a busy machine everything takes its time.
const patience = 90 * time.Second

// promptly is when something that a watch tells is done even on a machine that is busy with other tests; make bench measures what it takes, which
// is milliseconds.
const promptly = 15 * time.Second

// newNamespace makes a namespace for one test.
func newNamespace(t *testing.T) string {
	t.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	create(t, n)
	return n.Name
}

func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := suite.admin.Create(t.Context(), o); err != nil {
			t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
}

func service(namespace, name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "web"},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}
}

func template(image string) runtime.RawExtension {
	return runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"` + image +
		`","ports":[{"containerPort":8080}],"resources":{"requests":{"cpu":"0.01"}}}]}}`)}
}

func weights(steps ...int32) []v1alpha1.CanaryStep {
	var all []v1alpha1.CanaryStep
	for _, w := range steps {
		all = append(all, v1alpha1.CanaryStep{SetWeight: ptr.To(w)})
	}
	return all
}

// hold is a step that waits for a promote.
var hold = v1alpha1.CanaryStep{Pause: &v1alpha1.RolloutPause{}}

// basic makes a Rollout that is a canary by pod counts.
func basic(namespace, name string, replicas int32, steps ...v1alpha1.CanaryStep) *v1alpha1.Rollout {
	return &v1alpha1.Rollout{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.RolloutSpec{
			Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: template("app:v1"), Strategy: v1alpha1.RolloutStrategy{Canary: &v1alpha1.CanaryStrategy{Steps: steps}},
		},
	}
}

// routed makes a Rollout that divides its traffic by an HTTPRoute, and the Services and the route.
func routed(namespace string, replicas int32, steps ...v1alpha1.CanaryStep) (*v1alpha1.Rollout, []client.Object) {
	r := basic(namespace, "web", replicas, steps...)
	canary := r.Spec.Strategy.Canary
	canary.StableService, canary.CanaryService = "web-stable", "web-canary"
	canary.TrafficRouting = &v1alpha1.RolloutTrafficRouting{GatewayAPI: &v1alpha1.GatewayAPITrafficRouting{HTTPRoute: "web"}}
	canary.ScaleDownDelaySeconds = ptr.To[int32](1)
	backend := func(name string, weight int32) gatewayv1.HTTPBackendRef {
		return gatewayv1.HTTPBackendRef{BackendRef: gatewayv1.BackendRef{
			BackendObjectReference: gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(name), Port: ptr.To(gatewayv1.PortNumber(80))},
			Weight:                 ptr.To(weight),
		}}
	}
	route := &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Namespace: ptr.To(gatewayv1.Namespace(home)), Name: "world"}}},
			Hostnames:       []gatewayv1.Hostname{gatewayv1.Hostname(namespace + ".example.com")},
			Rules:           []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{backend("web-stable", 100), backend("web-canary", 0)}}},
		},
	}
	return r, []client.Object{service(namespace, "web-stable"), service(namespace, "web-canary"), route}
}

// await reads o until done says so.
func await[T client.Object](t *testing.T, o T, what string, done func(T) bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if err := suite.admin.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatalf("reading %T %s: %v", o, o.GetName(), err)
		}
		if done(o) {
			return
		}
		if time.Now().After(deadline) {
			text, err := json.MarshalIndent(o, "", " ")
			t.Fatalf("waited in vain until %s; it is (%v):\n%s", what, err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// healthy reports whether the newest revision serves alone.
func healthy(r *v1alpha1.Rollout) bool {
	return observed(r) && is(r, v1alpha1.ConditionHealthy, corev1.ConditionTrue) && r.Status.Phase == v1alpha1.RolloutPhaseHealthy
}

func paused(r *v1alpha1.Rollout) bool { return observed(r) && len(r.Status.PauseConditions) > 0 }

func observed(r *v1alpha1.Rollout) bool {
	return r.Status.ObservedGeneration == strconv.FormatInt(r.Generation, 10)
}

func is(r *v1alpha1.Rollout, kind v1alpha1.RolloutConditionType, status corev1.ConditionStatus) bool {
	for _, c := range r.Status.Conditions {
		if c.Type == kind {
			return c.Status == status
		}
	}
	return false
}

// edit changes a Rollout as a user does.
func edit(t *testing.T, r *v1alpha1.Rollout, change func(*v1alpha1.Rollout)) {
	t.Helper()
	before := r.DeepCopy()
	change(r)
	if err := suite.admin.Patch(t.Context(), r, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// command changes the status of a Rollout as the clients of the wire contract do.
func command(t *testing.T, r *v1alpha1.Rollout, patch string) {
	t.Helper()
	if err := suite.admin.Status().Patch(t.Context(), r, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// weightOf is the canary's in a route.
func weightOf(route *gatewayv1.HTTPRoute) int32 {
	for _, b := range route.Spec.Rules[0].BackendRefs {
		if b.Name == "web-canary" {
			return *b.Weight
		}
	}
	return -1
}

// podsOf lists the pods of a namespace by UID.
func podsOf(t *testing.T, namespace string) map[string]string {
	t.Helper()
	var list corev1.PodList
	if err := suite.admin.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	pods := map[string]string{}
	for _, p := range list.Items {
		pods[string(p.UID)] = p.Spec.Containers[0].Image
	}
	return pods
}
