package world

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/world/load"
)

const (
	namespace = "shop"
	patience  = time.Minute
)

// stage is a real control plane with the world around it.
type stage struct {
	*World
	core   kubernetes.Interface
	routes gatewayclient.Interface
}

func TestTheWorldAroundARealControlPlane(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	crds, err := cluster.GatewayCRDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.InstallCRDs(crds); err != nil {
		t.Fatal(err)
	}
	s := &stage{}
	if s.core, err = kubernetes.NewForConfig(c.Config()); err != nil {
		t.Fatal(err)
	}
	if s.routes, err = gatewayclient.NewForConfig(c.Config()); err != nil {
		t.Fatal(err)
	}
	_, err = s.core.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// From here on the connection of the test's own clients is there.
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	if s.World, err = Start(ctx, c.Config(), Options{}); err != nil {
		t.Fatal(err)
	}
	t.Run("four pods of a deployment become ready", s.deploy)
	t.Run("a bad version becomes ready and fails at its rate", s.deployBad)
	t.Run("requests are divided 90 to 10 by an HTTPRoute", s.divide)
	t.Run("no request is lost when all of it goes elsewhere and the pods end", s.shift)
	t.Run("Prometheus is told where the pods are", s.discover)
	t.Run("a Job fails and succeeds by the exit codes of its processes", s.jobs)
	t.Run("an evicted pod is replaced", s.evict)
	t.Run("hundreds of pods become ready at once", s.many)

	cancel()
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	s.eventually(t, "nothing of the world is left", func(context.Context) (bool, error) {
		return runtime.NumGoroutine() <= before, nil
	})
	nodes, err := s.core.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) > 0 {
		t.Errorf("nodes %v are left, %v", nodes.Items, err)
	}
}

func TestAWorldThatCannotReachItsClusterSaysSoAndLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, &rest.Config{Host: "http://127.0.0.1:1"}, Options{}); err == nil || !strings.Contains(err.Error(), "listing pods") {
		t.Errorf("error %v does not say what could not be done", err)
	}
	(&stage{}).eventually(t, "nothing is left", func(context.Context) (bool, error) { return runtime.NumGoroutine() <= before, nil })
}

func (s *stage) eventually(t *testing.T, what string, holds func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, holds); err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

// release runs a version behind a Service of the same name.
func (s *stage) release(t *testing.T, name, version string, replicas int32) {
	t.Helper()
	labels := map[string]string{"app": "shop", "release": name}
	_, err := s.core.AppsV1().Deployments(namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "web", Image: "sluice.example/shop:" + version, Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
				}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.core.CoreV1().Services(namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.available(t, name, replicas)
}

func (s *stage) available(t *testing.T, name string, replicas int32) {
	t.Helper()
	s.eventually(t, fmt.Sprintf("%d replicas of %s are available", replicas, name), func(ctx context.Context) (bool, error) {
		d, err := s.core.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && d.Status.AvailableReplicas == replicas && d.Status.ObservedGeneration == d.Generation, err
	})
}

func (s *stage) deploy(t *testing.T) { s.release(t, "stable", "v1", 4) }

func (s *stage) deployBad(t *testing.T) { s.release(t, "canary", "v2-bad", 2) }

// split writes the route with these weights, and waits until its status says that it is so.
func (s *stage) split(t *testing.T, stable, canary int32) {
	t.Helper()
	port, parent, client := gatewayv1.PortNumber(80), gatewayv1.Namespace("sluice-system"), s.routes.GatewayV1().HTTPRoutes(namespace)
	backend := func(name gatewayv1.ObjectName, weight int32) gatewayv1.HTTPBackendRef {
		return gatewayv1.HTTPBackendRef{BackendRef: gatewayv1.BackendRef{
			BackendObjectReference: gatewayv1.BackendObjectReference{Name: name, Port: &port}, Weight: &weight,
		}}
	}
	route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: namespace}}
	route.Spec.ParentRefs = []gatewayv1.ParentReference{{Name: "world", Namespace: &parent}}
	route.Spec.Rules = []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{backend("stable", stable), backend("canary", canary)}}}
	written, err := client.Create(t.Context(), route, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/rules/0/backendRefs/0/weight","value":%d},{"op":"replace","path":"/spec/rules/0/backendRefs/1/weight","value":%d}]`, stable, canary)
		written, err = client.Patch(t.Context(), "shop", types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "the route is accepted and resolved", func(ctx context.Context) (bool, error) {
		got, err := client.Get(ctx, "shop", metav1.GetOptions{})
		if err != nil || len(got.Status.Parents) != 1 {
			return false, err
		}
		return !slices.ContainsFunc(got.Status.Parents[0].Conditions, func(c metav1.Condition) bool {
			return c.Status != metav1.ConditionTrue || c.ObservedGeneration != written.Generation
		}), nil
	})
}

func (s *stage) load(t *testing.T, requests int) *load.Driver {
	t.Helper()
	d, err := load.Start(t.Context(), load.Options{URL: s.Gateway.URL, Rate: 500, Requests: requests})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *stage) divide(t *testing.T) {
	s.eventually(t, "both Services have their endpoints", func(ctx context.Context) (bool, error) {
		slices, err := s.core.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{})
		ready := 0
		for i := range slices.Items {
			for _, e := range slices.Items[i].Endpoints {
				if e.Conditions.Ready != nil && *e.Conditions.Ready {
					ready++
				}
			}
		}
		return ready == 6, err
	})
	s.split(t, 90, 10)
	d := s.load(t, 1000)
	d.Wait()
	// A machine that is busy with other tests may not send every request; those that are sent are divided all the same.
	got := d.Between(time.Time{}, time.Time{})
	canary, failures := got.Versions["v2-bad"], got.Failures["v2-bad"]
	near := func(a, b int) bool { return a-b <= 1 && b-a <= 1 }
	if got.Sent < 100 || got.Lost > 0 || len(got.Errs) > 0 || got.Versions["v1"]+canary != got.Sent || !near(canary, got.Sent/10) || !near(failures, canary/2) {
		t.Errorf("requests are not divided 90 to 10 with half of the 10 failing: %+v", got)
	}
}

// shift moves all requests to one version, while they come, and then ends the pods of the other.
func (s *stage) shift(t *testing.T) {
	d := s.load(t, 100_000)
	s.split(t, 100, 0)
	shifted := time.Now()
	zero := []byte(`{"spec":{"replicas":0}}`)
	if _, err := s.core.AppsV1().Deployments(namespace).Patch(t.Context(), "canary", types.MergePatchType, zero, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	two := []byte(`{"spec":{"replicas":2}}`)
	if _, err := s.core.AppsV1().Deployments(namespace).Patch(t.Context(), "stable", types.MergePatchType, two, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "only the two pods are left", func(ctx context.Context) (bool, error) {
		pods, err := s.core.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=shop"})
		return err == nil && len(pods.Items) == 2, err
	})
	d.Stop()
	after := d.Between(shifted, time.Time{})
	if after.Lost > 0 || after.Failed > 0 || after.Share("v1") != 1 || after.Sent < 100 {
		t.Errorf("after the shift: %+v, want many requests, all of them answered well by v1", after)
	}
	if all := d.Between(time.Time{}, time.Time{}); all.Lost > 0 {
		t.Errorf("in all: %+v, want none lost", all)
	}
}

func (s *stage) discover(t *testing.T) {
	resp, err := http.Get(s.TargetsURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var groups []struct {
		Targets []string
		Labels  map[string]string
	}
	if err := json.NewDecoder(resp.Body).Decode(&groups); err != nil {
		t.Fatal(err)
	}
	if len(groups) != 2 || groups[0].Labels["release"] != "stable" || groups[0].Labels["namespace"] != namespace {
		t.Fatalf("targets %+v, want the two pods that are left", groups)
	}
	metrics, err := http.Get("http://" + groups[0].Targets[0] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Body.Close()
	text, err := io.ReadAll(metrics.Body)
	if err != nil || !strings.Contains(string(text), `http_requests_total{`) {
		t.Errorf("%v, metrics:\n%s", err, text)
	}
}

func (s *stage) jobs(t *testing.T) {
	none := int32(0)
	for name, code := range map[string]int{"good": 0, "bad": 3} {
		_, err := s.core.BatchV1().Jobs(namespace).Create(t.Context(), &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: batchv1.JobSpec{BackoffLimit: &none, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers:    []corev1.Container{{Name: "main", Image: "tools", Command: []string{"sh", "-c", fmt.Sprintf("echo %s; exit %d", name, code)}}},
			}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]batchv1.JobConditionType{"good": batchv1.JobComplete, "bad": batchv1.JobFailed} {
		s.eventually(t, fmt.Sprintf("job %s is %s", name, want), func(ctx context.Context) (bool, error) {
			job, err := s.core.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
			return err == nil && slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
				return c.Type == want && c.Status == corev1.ConditionTrue
			}), err
		})
	}
}

func (s *stage) evict(t *testing.T) {
	list := func(ctx context.Context) ([]corev1.Pod, error) {
		pods, err := s.core.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "release=stable"})
		return pods.Items, err
	}
	pods, err := list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	evicted := pods[0].Name
	err = s.core.CoreV1().Pods(namespace).EvictV1(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: evicted}})
	if err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "the pod is gone and another one there", func(ctx context.Context) (bool, error) {
		pods, err := list(ctx)
		return len(pods) == 2 && !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Name == evicted }), err
	})
	s.available(t, "stable", 2)
}

func (s *stage) many(t *testing.T) {
	began := time.Now()
	s.release(t, "many", "v1", 300)
	t.Logf("300 pods were available after %s", time.Since(began).Round(10*time.Millisecond))
	began = time.Now()
	if err := s.core.AppsV1().Deployments(namespace).Delete(t.Context(), "many", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "they are gone", func(ctx context.Context) (bool, error) {
		pods, err := s.core.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "release=many"})
		return len(pods.Items) == 0, err
	})
	t.Logf("they were gone after %s", time.Since(began).Round(10*time.Millisecond))
}
