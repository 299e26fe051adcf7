package rollout

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
	"github.com/sluice-delivery/sluice/trafficrouting"
	"github.com/sluice-delivery/sluice/trafficrouting/gatewayapi"
)

const namespace = "shop"

var webKey = types.NamespacedName{Namespace: namespace, Name: "web"}

// world is an API server in memory, pods that become available as soon as they are asked for, and a controller.
type world struct {
	t      *testing.T
	server client.WithWatch
	loop   *Controller
	at     time.Time
	events *record.FakeRecorder

	// Calls are the writes of the controller.
	kubetest.Calls
	// before is called before each pass.
	before func()
	// patient is how many passes without a change count as rest; 3 if 0.
	patient int
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := newScheme(t)
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{schema.GroupVersion(gatewayv1.GroupVersion)})
	mapper.Add(schema.GroupVersion(gatewayv1.GroupVersion).WithKind("HTTPRoute"), meta.RESTScopeNamespace)
	for _, gvk := range []string{"Rollout", "AnalysisRun", "AnalysisTemplate", "Experiment"} {
		mapper.Add(v1alpha1.GroupVersion.WithKind(gvk), meta.RESTScopeNamespace)
	}
	mapper.Add(v1alpha1.GroupVersion.WithKind("ClusterAnalysisTemplate"), meta.RESTScopeRoot)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), meta.RESTScopeNamespace)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Service"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	w := &world{t: t, at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.server = fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.Rollout{}, &appsv1.ReplicaSet{}).
		WithIndex(&appsv1.ReplicaSet{}, kube.OwnerField, kube.Owner).
		WithIndex(&v1alpha1.AnalysisRun{}, kube.OwnerField, kube.Owner).
		WithIndex(&v1alpha1.Experiment{}, kube.OwnerField, kube.Owner).
		WithInterceptorFuncs(w.Writes()).Build()
	w.restart()
	return w
}

// newScheme holds just what is used, because the client in memory walks through all of it at each patch.
func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(appsv1.SchemeGroupVersion, &appsv1.ReplicaSet{}, &appsv1.ReplicaSetList{}, &appsv1.Deployment{}, &appsv1.DeploymentList{})
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Service{}, &corev1.ServiceList{}, &corev1.Pod{}, &corev1.PodList{})
	scheme.AddKnownTypes(schema.GroupVersion(gatewayv1.GroupVersion), &gatewayv1.HTTPRoute{}, &gatewayv1.HTTPRouteList{})
	scheme.AddKnownTypes(policyv1.SchemeGroupVersion, &policyv1.Eviction{})
	for _, version := range []schema.GroupVersion{appsv1.SchemeGroupVersion, corev1.SchemeGroupVersion, schema.GroupVersion(gatewayv1.GroupVersion), policyv1.SchemeGroupVersion} {
		metav1.AddToGroupVersion(scheme, version)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

// restart puts a new controller in place of the old one, which forgets everything.
func (w *world) restart() {
	w.events = record.NewFakeRecorder(1000)
	c := kube.NewRecent(w.server)
	w.loop = &Controller{
		Client: c, Live: w.server, Workloads: w.server, Router: trafficrouting.Routers{gatewayapi.Router{Client: c}}, Events: w.events,
		Routes: RouteKinds{Of: gatewayapi.RoutesOf, KeysOf: gatewayapi.KeysOf, Served: gatewayapi.Watches},
		clock:  func() time.Time { return w.at },
	}
}

func (w *world) ctx() context.Context { return kubetest.Outside(w.t.Context()) }

// pass lets the controller look once.
func (w *world) pass() (ctrl.Result, error) {
	w.t.Helper()
	return w.loop.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: webKey})
}

// settle lets the controller and the pods work, and time pass where somebody waits for it, until nothing changes any more.
// It fails the test if that takes too long.
func (w *world) settle() {
	w.t.Helper()
	pass := func() (ctrl.Result, error) {
		if w.before != nil {
			w.before()
		}
		return w.pass()
	}
	w.Settle(w.t, &w.at, kubetest.Rest{Passes: max(3, w.patient), Longest: 2 * time.Minute}, pass, w.playPods)
}

// playPods plays the ReplicaSet controller and the kubelets; it reports whether anything changed.
func (w *world) playPods() bool {
	w.t.Helper()
	return kubetest.Run(w.ctx(), w.t, w.server, w.sets())
}

func (w *world) sets() []appsv1.ReplicaSet {
	w.t.Helper()
	var list appsv1.ReplicaSetList
	if err := w.server.List(w.ctx(), &list, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

func (w *world) get(o client.Object, name string) {
	w.t.Helper()
	if err := w.server.Get(w.ctx(), types.NamespacedName{Namespace: namespace, Name: name}, o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rollout() *v1alpha1.Rollout {
	w.t.Helper()
	r := &v1alpha1.Rollout{}
	w.get(r, "web")
	return r
}

// edit changes the Rollout as a user does.
func (w *world) edit(change func(*v1alpha1.Rollout)) {
	w.t.Helper()
	r := w.rollout()
	change(r)
	r.Generation++
	if err := w.server.Update(w.ctx(), r); err != nil {
		w.t.Fatal(err)
	}
}

// weight is the canary's in the route.
func (w *world) weight() int32 {
	w.t.Helper()
	route := &gatewayv1.HTTPRoute{}
	w.get(route, "web")
	for _, b := range route.Spec.Rules[0].BackendRefs {
		if b.Name == "web-canary" {
			return *b.Weight
		}
	}
	w.t.Fatal("the route has lost its canary")
	return 0
}

func (w *world) selector(service string) string {
	w.t.Helper()
	s := &corev1.Service{}
	w.get(s, service)
	return s.Spec.Selector[v1alpha1.LabelPodTemplateHash]
}

// told lists the events so far.
func (w *world) told() []string { return kubetest.Told(w.events) }

func template(image string) runtime.RawExtension {
	return runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"` + image + `","futureField":{"a":1}}]}}`)}
}

func canary() *v1alpha1.Rollout {
	steps := []v1alpha1.CanaryStep{{SetWeight: ptr.To[int32](10)}, {SetWeight: ptr.To[int32](50)}}
	return &v1alpha1.Rollout{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web", UID: "web-uid", Generation: 1, Annotations: map[string]string{
			"team": "blue", corev1.LastAppliedConfigAnnotation: "{}",
		}},
		Spec: v1alpha1.RolloutSpec{
			Replicas: ptr.To[int32](4), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: template("app:v1"),
			Strategy: v1alpha1.RolloutStrategy{Canary: &v1alpha1.CanaryStrategy{
				StableService: "web-stable", CanaryService: "web-canary", Steps: steps,
				TrafficRouting: &v1alpha1.RolloutTrafficRouting{GatewayAPI: &v1alpha1.GatewayAPITrafficRouting{HTTPRoute: "web"}},
			}},
		},
	}
}

// basic is a canary by pod counts alone.
func basic() *v1alpha1.Rollout {
	r := canary()
	r.Spec.Strategy.Canary.TrafficRouting = nil
	return r
}

func around() []client.Object {
	service := func(name string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}}
	}
	backend := func(name string, weight int32) gatewayv1.HTTPBackendRef {
		return gatewayv1.HTTPBackendRef{BackendRef: gatewayv1.BackendRef{
			BackendObjectReference: gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(name)}, Weight: ptr.To(weight),
		}}
	}
	return []client.Object{service("web-stable"), service("web-canary"), &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec:       gatewayv1.HTTPRouteSpec{Rules: []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{backend("web-stable", 100), backend("web-canary", 0)}}}},
	}}
}
