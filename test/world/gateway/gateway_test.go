package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayfake "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned/fake"

	"github.com/sluice-delivery/sluice/test/world/app"
	"github.com/sluice-delivery/sluice/test/world/podnet"
)

const patience = 20 * time.Second

var pool = podnet.New()

// scene is a gateway with Services that real apps stand behind.
type scene struct {
	t      *testing.T
	core   *fake.Clientset
	routes *gatewayfake.Clientset
	*Gateway
}

// begin runs a gateway until the test ends, and fails the test where that leaves a goroutine.
func begin(t *testing.T, options Options) *scene {
	t.Helper()
	before := runtime.NumGoroutine()
	// The other fake of the Gateway API guesses that the plural of Gateway is gatewaies.
	s := &scene{t: t, core: fake.NewClientset(), routes: gatewayfake.NewSimpleClientset()}
	options.Name = ourGateway
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	s.Gateway, err = Start(ctx, s.core, s.routes, options)
	if err != nil {
		t.Fatal(err)
	}
	// The fakes forget what happens between a list and the watch that follows it.
	eventually(t, "all six kinds are watched", func() bool {
		watches := 0
		for _, a := range slices.Concat(s.core.Actions(), s.routes.Actions()) {
			if a.GetVerb() == "watch" {
				watches++
			}
		}
		return watches == 6
	})
	t.Cleanup(func() {
		cancel()
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	})
	return s
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(context.Background(), time.Millisecond, patience, true,
		func(context.Context) (bool, error) { return holds(), nil })
	if err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

// service is a Service with as many apps of a version behind it.
func (s *scene) service(name, version string, pods int) []*app.Server {
	s.t.Helper()
	var servers []*app.Server
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		Ports:      []discoveryv1.EndpointPort{{Name: ptr.To(""), Port: ptr.To(int32(8080))}},
	}
	for i := range pods {
		ip := pool.Next()
		at, err := podnet.Loopback(ip, 8080)
		if err != nil {
			s.t.Fatal(err)
		}
		server, err := app.Start(at, app.Config{Pod: fmt.Sprint(name, i), Version: version})
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = server.Stop(context.Background()) })
		servers = append(servers, server)
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}})
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if _, err := s.core.CoreV1().Services("shop").Create(s.t.Context(), service, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.core.DiscoveryV1().EndpointSlices("shop").Create(s.t.Context(), slice, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	return servers
}

// apply creates the route or gives it a new generation, and waits until requests are served by it.
func (s *scene) apply(r *gatewayv1.HTTPRoute) {
	s.t.Helper()
	s.write(r)
	eventually(s.t, "the route is programmed", func() bool { return s.Programmed(named(r.Name)) == r.Generation })
}

func (s *scene) write(r *gatewayv1.HTTPRoute) {
	s.t.Helper()
	client := s.routes.GatewayV1().HTTPRoutes("shop")
	var err error
	if r.Generation == 1 {
		_, err = client.Create(s.t.Context(), r.DeepCopy(), metav1.CreateOptions{})
	} else {
		_, err = client.Update(s.t.Context(), r.DeepCopy(), metav1.UpdateOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

// split is a route over two Services by weight.
func split(generation int64, stable, canary int32) *gatewayv1.HTTPRoute {
	r := route("web", 0, gatewayv1.HTTPRouteRule{BackendRefs: []gatewayv1.HTTPBackendRef{ref("stable", stable), ref("canary", canary)}})
	r.Generation = generation
	return r
}

// get returns an answer whose body was read.
func (s *scene) get() *http.Response {
	s.t.Helper()
	resp, err := http.Get(s.URL + "/")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		s.t.Fatal(err)
	}
	return resp
}

func (s *scene) versions(requests int) map[string]int {
	got := map[string]int{}
	for range requests {
		resp := s.get()
		got[resp.Header.Get("X-Version")]++
	}
	return got
}

func TestRequestsAreDividedByWeightAndInTurnAmongThePods(t *testing.T) {
	s := begin(t, Options{})
	stable, _ := s.service("stable", "v1", 3), s.service("canary", "v2", 1)
	s.apply(split(1, 90, 10))
	if diff := cmp.Diff(map[string]int{"v1": 90, "v2": 10}, s.versions(100)); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
	for i, server := range stable {
		if got := server.Requests(); got != 30 {
			t.Errorf("pod %d got %d of 90 requests", i, got)
		}
	}
	want := Count{Requests: 10, Statuses: map[int]int64{200: 10}, Versions: map[string]int64{"v2": 10}}
	if diff := cmp.Diff(want, s.Count(named("canary"))); diff != "" {
		t.Errorf("count differs (-want +got):\n%s", diff)
	}
}

func TestAChangedWeightIsFollowedWithinMilliseconds(t *testing.T) {
	s := begin(t, Options{})
	s.service("stable", "v1", 1)
	s.service("canary", "v2", 1)
	// The fake has no conflicts: the status of the generation before would bring back its weights.
	s.HoldStatus(true)
	s.apply(split(1, 90, 10))
	worst := time.Duration(0)
	for generation := int64(2); generation < 22; generation++ {
		began := time.Now()
		s.apply(split(generation, 100, 0))
		worst = max(worst, time.Since(began))
	}
	if diff := cmp.Diff(map[string]int{"v1": 50}, s.versions(50)); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
	if worst > time.Second {
		t.Errorf("the slowest of 20 changes took %s", worst)
	}
	t.Logf("the slowest of 20 changes took %s", worst)
}

func TestARequestThatReachesNoAppIsLostAndSaysWhy(t *testing.T) {
	cases := []struct {
		name   string
		set    func(*scene)
		status int
		why    string
		counts types.NamespacedName
	}{
		{"no route", func(*scene) {}, 404, "no route", types.NamespacedName{}},
		{"no endpoint", func(s *scene) {
			s.service("stable", "v1", 0)
			s.apply(split(1, 100, 0))
		}, 503, "no ready endpoint", named("stable")},
		{"no Service", func(s *scene) { s.apply(split(1, 100, 0)) }, 500, "not found", named("stable")},
		{"no weight", func(s *scene) { s.apply(split(1, 0, 0)) }, 500, "no backend", types.NamespacedName{}},
		{"an app that is gone", func(s *scene) {
			for _, server := range s.service("stable", "v1", 1) {
				if err := server.Stop(s.t.Context()); err != nil {
					s.t.Fatal(err)
				}
			}
			s.apply(split(1, 100, 0))
		}, 502, "refused", named("stable")},
		{"a filter that is not known", func(s *scene) {
			s.service("stable", "v1", 1)
			r := split(1, 100, 0)
			r.Spec.Rules[0].Filters = []gatewayv1.HTTPRouteFilter{{Type: gatewayv1.HTTPRouteFilterURLRewrite, URLRewrite: &gatewayv1.HTTPURLRewriteFilter{}}}
			s.apply(r)
		}, 500, "URLRewrite", types.NamespacedName{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, Options{})
			c.set(s)
			resp := s.get()
			if why := resp.Header.Get(LostHeader); resp.StatusCode != c.status || !strings.Contains(why, c.why) {
				t.Errorf("status %d because of %q, want %d because of %q", resp.StatusCode, why, c.status, c.why)
			}
			if got := s.Count(c.counts); got.Lost != 1 || got.Requests != 1 {
				t.Errorf("count %+v of %s, want one request and one lost", got, c.counts)
			}
		})
	}
}

func TestAnEndpointThatIsNoLongerReadyGetsNothing(t *testing.T) {
	s := begin(t, Options{})
	servers := s.service("stable", "v1", 2)
	s.apply(split(1, 100, 0))
	slices := s.core.DiscoveryV1().EndpointSlices("shop")
	slice, err := slices.Get(t.Context(), "stable-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	slice.Endpoints[0].Conditions.Ready = ptr.To(false)
	if _, err := slices.Update(t.Context(), slice, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one of two endpoints is used", func() bool {
		before := servers[0].Requests()
		s.versions(4)
		return servers[0].Requests() == before
	})
	if got := s.Count(named("stable")).Lost; got != 0 {
		t.Errorf("%d requests were lost", got)
	}
}

func TestHeadersAreEditedOnTheWayInAndOut(t *testing.T) {
	s := begin(t, Options{})
	s.service("stable", "v1", 1)
	r := split(1, 100, 0)
	r.Spec.Rules[0].Filters = []gatewayv1.HTTPRouteFilter{
		{Type: gatewayv1.HTTPRouteFilterResponseHeaderModifier, ResponseHeaderModifier: &gatewayv1.HTTPHeaderFilter{
			Set: []gatewayv1.HTTPHeader{{Name: "X-Set", Value: "1"}}, Add: []gatewayv1.HTTPHeader{{Name: "X-Add", Value: "2"}}, Remove: []string{"X-Version"},
		}},
	}
	s.apply(r)
	resp := s.get()
	got := fmt.Sprint(resp.Header.Get("X-Set"), resp.Header.Get("X-Add"), resp.Header.Get("X-Version"))
	if got != "12" {
		t.Errorf("set, added and removed headers say %q, want 12", got)
	}
	in := http.Header{"X-User": {"eve"}}
	edit(in, []*gatewayv1.HTTPHeaderFilter{{Set: []gatewayv1.HTTPHeader{{Name: "x-user", Value: "adam"}}}})
	if in.Get("X-User") != "adam" {
		t.Errorf("header %v", in)
	}
}

func TestAMirrorGetsCopiesAndTheClientNeverNotices(t *testing.T) {
	s := begin(t, Options{})
	s.service("stable", "v1", 1)
	shadow := s.service("shadow", "v2", 1)[0]
	r := split(1, 100, 0)
	r.Spec.Rules[0].Filters = []gatewayv1.HTTPRouteFilter{{Type: gatewayv1.HTTPRouteFilterRequestMirror, RequestMirror: &gatewayv1.HTTPRequestMirrorFilter{
		BackendRef: ref("shadow", 1).BackendObjectReference, Percent: ptr.To(int32(50)),
	}}}
	s.apply(r)
	if diff := cmp.Diff(map[string]int{"v1": 20}, s.versions(20)); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
	eventually(t, "half of the requests were copied", func() bool { return shadow.Requests() == 10 })
	if got := s.Count(named("shadow")); got.Mirrored != 10 || got.Requests != 0 {
		t.Errorf("count %+v, want 10 mirrored and no request", got)
	}
}

// parents returns the route's status, for comparison without times.
func (s *scene) parents() []string {
	s.t.Helper()
	r, err := s.routes.GatewayV1().HTTPRoutes("shop").Get(s.t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, p := range r.Status.Parents {
		for _, c := range p.Conditions {
			out = append(out, fmt.Sprintf("%s %s=%s %s at %d", p.ControllerName, c.Type, c.Status, c.Reason, c.ObservedGeneration))
		}
	}
	return out
}

func (s *scene) reports(want ...string) {
	s.t.Helper()
	eventually(s.t, "the status is "+strings.Join(want, ", "), func() bool { return cmp.Equal(want, s.parents()) })
}

func TestTheStatusSaysWhatIsWrongAndKeepsWhatOthersSay(t *testing.T) {
	s := begin(t, Options{})
	s.service("stable", "v1", 1)
	r := split(1, 100, 0)
	foreign := gatewayv1.RouteParentStatus{ControllerName: "other.example/mesh", Conditions: []metav1.Condition{{Type: "Seen", Status: "True", Reason: "Yes"}}}
	r.Status.Parents = []gatewayv1.RouteParentStatus{foreign}
	s.apply(r)
	s.reports("other.example/mesh Seen=True Yes at 0",
		"sluice.example/gateway Accepted=True Accepted at 1", "sluice.example/gateway ResolvedRefs=False BackendNotFound at 1")

	s.service("canary", "v2", 1)
	s.reports("other.example/mesh Seen=True Yes at 0",
		"sluice.example/gateway Accepted=True Accepted at 1", "sluice.example/gateway ResolvedRefs=True ResolvedRefs at 1")

	r = split(2, 100, 0)
	r.Spec.ParentRefs[0].Name = "foreign"
	current, err := s.routes.GatewayV1().HTTPRoutes("shop").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.Status = current.Status
	s.write(r)
	eventually(t, "a route that left is not served", func() bool { return s.Programmed(named("web")) == 0 })
}

func TestAGRPCRouteIsReportedToo(t *testing.T) {
	s := begin(t, Options{})
	s.service("stable", "v1", 1)
	g := &gatewayv1.GRPCRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "calls", Generation: 7}}
	g.Spec.ParentRefs = route("", 0).Spec.ParentRefs
	g.Spec.Rules = []gatewayv1.GRPCRouteRule{{BackendRefs: []gatewayv1.GRPCBackendRef{{BackendRef: ref("stable", 1).BackendRef}}}}
	client := s.routes.GatewayV1().GRPCRoutes("shop")
	if _, err := client.Create(t.Context(), g, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the route has its two conditions for its generation", func() bool {
		got, err := client.Get(t.Context(), "calls", metav1.GetOptions{})
		return err == nil && len(got.Status.Parents) == 1 && len(got.Status.Parents[0].Conditions) == 2 &&
			got.Status.Parents[0].Conditions[1].ObservedGeneration == 7
	})
}

func TestATestCanHoldTheStatusBackWhileRequestsFollow(t *testing.T) {
	s := begin(t, Options{})
	s.service("stable", "v1", 1)
	s.service("canary", "v2", 1)
	s.HoldStatus(true)
	s.apply(split(1, 0, 100))
	if diff := cmp.Diff(map[string]int{"v2": 5}, s.versions(5)); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
	if got := s.parents(); got != nil {
		t.Errorf("a status that is held back says %v", got)
	}
	s.HoldStatus(false)
	s.reports("sluice.example/gateway Accepted=True Accepted at 1", "sluice.example/gateway ResolvedRefs=True ResolvedRefs at 1")
}

func TestATestCanFreezeTheDataPlane(t *testing.T) {
	s := begin(t, Options{})
	s.service("stable", "v1", 1)
	s.service("canary", "v2", 1)
	s.apply(split(1, 100, 0))
	s.reports("sluice.example/gateway Accepted=True Accepted at 1", "sluice.example/gateway ResolvedRefs=True ResolvedRefs at 1")
	s.HoldProgram(true)
	s.write(split(2, 0, 100))
	eventually(t, "the change is in the cache", func() bool {
		r, err := s.httpRoutes.HTTPRoutes("shop").Get("web")
		return err == nil && r.Generation == 2
	})
	if diff := cmp.Diff(map[string]int{"v1": 20}, s.versions(20)); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
	s.HoldProgram(false)
	eventually(t, "the change is programmed", func() bool { return s.Programmed(named("web")) == 2 })
	if diff := cmp.Diff(map[string]int{"v2": 5}, s.versions(5)); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
	s.reports("sluice.example/gateway Accepted=True Accepted at 2", "sluice.example/gateway ResolvedRefs=True ResolvedRefs at 2")
}

func TestALagDelaysTheEffectOfAChange(t *testing.T) {
	s := begin(t, Options{Lag: 150 * time.Millisecond})
	s.service("stable", "v1", 1)
	began := time.Now()
	s.apply(split(1, 100, 0))
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("the change took effect after %s", took)
	}
}

func TestTheGatewayObjectSaysWhereItListens(t *testing.T) {
	s := begin(t, Options{})
	client := s.routes.GatewayV1().Gateways("infra")
	object := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "edge"}}
	if _, err := client.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is programmed", func() bool {
		got, err := client.Get(t.Context(), "edge", metav1.GetOptions{})
		return err == nil && len(got.Status.Conditions) == 2 && len(got.Status.Addresses) == 1 &&
			strings.Contains(got.Status.Conditions[1].Message, s.URL)
	})
}

func TestTheClassOfTheGatewayIsAccepted(t *testing.T) {
	object := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "edge"}, Spec: gatewayv1.GatewaySpec{GatewayClassName: "ours"}}
	ours, other := &gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "ours"}}, &gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	s := begin(t, Options{})
	if _, err := s.routes.GatewayV1().Gateways("infra").Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, class := range []*gatewayv1.GatewayClass{other, ours} {
		if _, err := s.routes.GatewayV1().GatewayClasses().Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	accepted := func(name string) bool {
		got, err := s.routes.GatewayV1().GatewayClasses().Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && meta.IsStatusConditionTrue(got.Status.Conditions, "Accepted")
	}
	eventually(t, "our class is accepted", func() bool { return accepted("ours") })
	if accepted("other") {
		t.Error("the class of others is accepted")
	}
}
