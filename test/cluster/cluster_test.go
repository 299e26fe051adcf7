package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const namespace = "shop"

var shopLabels = map[string]string{"app": "shop"}

func TestAControlPlaneReconcilesSchedulesAndLeavesNothingBehind(t *testing.T) {
	begin := time.Now()
	c, err := Start(t.Context(), Options{AuditLog: filepath.Join(t.TempDir(), "audit.log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("ready after %s; resident: %s", time.Since(begin).Round(100*time.Millisecond), c.resident(t))
	admin := clientFor(t, c)
	create(t, admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})

	t.Run("a deployment gets a pod, which is scheduled", func(t *testing.T) { deployment(t, admin) })
	t.Run("a service gets the ready pod's address", func(t *testing.T) { service(t, admin) })
	t.Run("a service account has no rights that nobody gave it", func(t *testing.T) { leastPrivilege(t, c) })
	t.Run("requests are in the audit log under their user agent", func(t *testing.T) { audit(t, c) })
	t.Run("the definitions of the Gateway API are served, also when installed twice", func(t *testing.T) { definitions(t, c) })
	t.Run("what etcd has compacted is gone", func(t *testing.T) { compacted(t, c) })
	t.Run("a cluster that is there already is used, and left alone", func(t *testing.T) { alreadyThere(t, c) })
	t.Run("stopping leaves no process and no file", func(t *testing.T) { stopped(t, c) })
}

func deployment(t *testing.T, admin client.Client) {
	create(t, admin, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node-1"},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10")},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	})
	create(t, admin, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: namespace},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: shopLabels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: shopLabels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop:v1"}}},
			},
		},
	})
	until(t, "one replica set exists", func(ctx context.Context) (bool, error) {
		var sets appsv1.ReplicaSetList
		err := admin.List(ctx, &sets, client.InNamespace(namespace))
		return len(sets.Items) == 1, err
	})
	until(t, "one pod exists on the node", func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		err := admin.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(shopLabels))
		return len(pods.Items) == 1 && pods.Items[0].Spec.NodeName == "node-1", err
	})
}

func service(t *testing.T, admin client.Client) {
	const address = "10.244.0.5"
	create(t, admin, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: namespace},
		Spec:       corev1.ServiceSpec{Selector: shopLabels, Ports: []corev1.ServicePort{{Port: 80}}},
	})
	var pods corev1.PodList
	if err := admin.List(t.Context(), &pods, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	pod := &pods.Items[0]
	before := client.MergeFrom(pod.DeepCopy())
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	if err := admin.Status().Patch(t.Context(), pod, before); err != nil {
		t.Fatal(err)
	}
	until(t, "the endpoint slice holds "+address, func(ctx context.Context) (bool, error) {
		var slices discoveryv1.EndpointSliceList
		err := admin.List(ctx, &slices, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: "shop"})
		for _, slice := range slices.Items {
			for _, endpoint := range slice.Endpoints {
				if endpoint.Addresses[0] == address && *endpoint.Conditions.Ready {
					return true, err
				}
			}
		}
		return false, err
	})
}

func leastPrivilege(t *testing.T, c *Cluster) {
	limited, err := kubernetes.NewForConfig(c.ConfigFor("system:serviceaccount:shop:default", "limited-client"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = limited.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("listing pods gave %v", err)
	}
	// Every authenticated user may ask for this, and a service account is one.
	if _, err := limited.Discovery().ServerGroups(); err != nil {
		t.Errorf("asking for the groups of the API: %v", err)
	}
}

func audit(t *testing.T, c *Cluster) {
	for _, agent := range []string{"limited-client", "deployment-controller"} {
		until(t, "the audit log has a request of "+agent, func(context.Context) (bool, error) {
			log, err := os.ReadFile(c.AuditLog)
			return strings.Contains(string(log), agent), err
		})
	}
}

func alreadyThere(t *testing.T, c *Cluster) {
	t.Setenv("USE_EXISTING_CLUSTER", "true")
	t.Setenv("KUBECONFIG", c.Kubeconfig)
	if _, err := Start(t.Context(), Options{AuditLog: "audit.log"}); err == nil {
		t.Error("the audit log of an existing cluster was promised")
	}
	found, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Stop(); err != nil {
		t.Fatal(err)
	}
	var spaces corev1.NamespaceList
	if err := clientFor(t, found).List(t.Context(), &spaces); err != nil {
		t.Errorf("the cluster does not answer any more: %v", err)
	}
}

func definitions(t *testing.T, c *Cluster) {
	folder, err := GatewayCRDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.InstallCRDs(folder); err != nil {
			t.Fatal(err)
		}
	}
	clients, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.RESTClient().Get().AbsPath("/apis/gateway.networking.k8s.io/v1/httproutes").DoRaw(t.Context()); err != nil {
		t.Errorf("listing routes: %v", err)
	}
}

func stopped(t *testing.T, c *Cluster) {
	processes, begin := c.processes, time.Now()
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped after %s", time.Since(begin).Round(100*time.Millisecond))
	if len(processes) != 4 {
		t.Errorf("%d processes were started, not 4", len(processes))
	}
	for _, p := range processes {
		if alive(p.PID()) {
			t.Errorf("%s still runs", p.Name())
		}
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("the folder %s is still there (%v)", c.dir, err)
	}
}

func clientFor(t *testing.T, c *Cluster) client.Client {
	t.Helper()
	made, err := client.New(c.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func create(t *testing.T, admin client.Client, object client.Object) {
	t.Helper()
	if err := admin.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func until(t *testing.T, what string, condition wait.ConditionWithContextFunc) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, condition); err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

// resident reads the memory of each server from the kernel.
func (c *Cluster) resident(t *testing.T) string {
	t.Helper()
	var all []string
	for _, p := range c.processes {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		size, _, _ := strings.Cut(rest, "\n")
		all = append(all, p.Name()+" "+strings.TrimSpace(size))
	}
	return strings.Join(all, ", ")
}

// compacted asks etcd for what was before, since the API server remembers a little of it by itself.
func compacted(t *testing.T, c *Cluster) {
	before, err := c.etcdRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	create(t, clientFor(t, c), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "newer"}})
	past := map[string]any{"key": "AA==", "revision": before}
	if err := c.askEtcd(t.Context(), "range", past, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.askEtcd(t.Context(), "range", past, &struct{}{}); err == nil || !strings.Contains(err.Error(), "compacted") {
		t.Errorf("what was compacted gave %v", err)
	}
}
