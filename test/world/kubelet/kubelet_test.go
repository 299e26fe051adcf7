package kubelet

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

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/sluice-delivery/sluice/test/world/podnet"
)

const patience = 20 * time.Second

// begin plays a kubelet with one node until the test ends, and fails the test where that leaves a goroutine.
func begin(t *testing.T, options Options) (*Kubelet, kubernetes.Interface) {
	t.Helper()
	options.Nodes = 1
	before := runtime.NumGoroutine()
	client := fake.NewClientset()
	ctx, cancel := context.WithCancel(t.Context())
	k, err := Start(ctx, client, options)
	if err != nil {
		t.Fatal(err)
	}
	// The fake forgets what happens between a list and the watch that follows it.
	eventually(t, "pods are watched", func() bool {
		return slices.ContainsFunc(client.Actions(), func(a clienttesting.Action) bool { return a.Matches("watch", "pods") })
	})
	t.Cleanup(func() {
		cancel()
		if err := k.Wait(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	})
	return k, client
}

// bound is a pod that the scheduler has just put on the node.
func bound(name string, edit ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": "shop"}},
		Spec: corev1.PodSpec{
			NodeName: "world-0", RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{Name: "web", Image: "shop:v1", Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}},
		},
	}
	for _, e := range edit {
		e(pod)
	}
	return pod
}

func create(t *testing.T, client kubernetes.Interface, pod *corev1.Pod) {
	t.Helper()
	if _, err := client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// until watches a pod until it is as wanted; a nil pod is one that is gone.
func until(t *testing.T, client kubernetes.Interface, name string, wanted func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	eventually(t, "pod "+name+" is as wanted", func() bool {
		var err error
		pod, err = client.CoreV1().Pods("shop").Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			pod, err = nil, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		return wanted(pod)
	})
	return pod
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(context.Background(), 2*time.Millisecond, patience, true,
		func(context.Context) (bool, error) { return holds(), nil })
	if err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

func is(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	if pod == nil {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func ready(pod *corev1.Pod) bool { return is(pod, corev1.PodReady) }
func gone(pod *corev1.Pod) bool  { return pod == nil }

func waitingFor(reason string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		s := pod.Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == reason
	}
}

func ask(t *testing.T, pod *corev1.Pod, path string) (string, error) {
	t.Helper()
	addr, err := podnet.Loopback(pod.Status.PodIP, 8080)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(body))), nil
}

func writesOf(client kubernetes.Interface, resource string) map[string]int {
	got := map[string]int{}
	for _, a := range client.(*fake.Clientset).Actions() {
		if a.GetResource().Resource == resource && (a.GetVerb() == "patch" || a.GetVerb() == "update" || a.GetVerb() == "delete") {
			got[a.GetVerb()]++
		}
	}
	return got
}

func TestAPodRunsThenIsReadyAndServesWithTwoWritesInAll(t *testing.T) {
	k, client := begin(t, Options{ReadyAfter: 50 * time.Millisecond})
	create(t, client, bound("a"))
	pod := until(t, client, "a", ready)
	got, err := ask(t, pod, "/")
	if want := `200 {"pod":"a","version":"v1"}`; got != want || err != nil {
		t.Errorf("answer %q, %v; want %q", got, err, want)
	}
	var story []string
	for _, action := range client.(*fake.Clientset).Actions() {
		if patch, ok := action.(clienttesting.PatchAction); ok && action.GetResource().Resource == "pods" {
			var written corev1.Pod
			if err := json.Unmarshal(patch.GetPatch(), &written); err != nil {
				t.Fatal(err)
			}
			story = append(story, fmt.Sprintf("%s, ready: %v", written.Status.Phase, ready(&written)))
		}
	}
	if diff := cmp.Diff([]string{"Running, ready: false", "Running, ready: true"}, story); diff != "" {
		t.Errorf("writes differ (-want +got):\n%s", diff)
	}
	if got := k.Targets(); len(got) != 1 || got[0].Pod != "a" || got[0].Labels["app"] != "shop" {
		t.Errorf("targets %+v, want the pod with its labels", got)
	}
}

func TestAPodThatIsReadyAtOnceNeedsOneWrite(t *testing.T) {
	_, client := begin(t, Options{ReadyAfter: -1})
	create(t, client, bound("a"))
	until(t, client, "a", ready)
	if diff := cmp.Diff(map[string]int{"patch": 1}, writesOf(client, "pods")); diff != "" {
		t.Errorf("writes differ (-want +got):\n%s", diff)
	}
}

func TestPodsThatNeverBecomeReadySayWhy(t *testing.T) {
	cases := []struct {
		name   string
		edit   func(*corev1.Pod)
		reason string
		phase  corev1.PodPhase
	}{
		{"a broken image is not pulled", func(p *corev1.Pod) { p.Spec.Containers[0].Image = "shop:v2-broken-image" }, "ImagePullBackOff", corev1.PodPending},
		{"a crashing container is in its loop", func(p *corev1.Pod) {
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "CRASH", Value: "true"}}
		}, "CrashLoopBackOff", corev1.PodRunning},
		{"an environment that cannot be read is named", func(p *corev1.Pod) {
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "ERROR_RATE", Value: "often"}}
		}, "CreateContainerError", corev1.PodPending},
	}
	_, client := begin(t, Options{ReadyAfter: -1})
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			name := fmt.Sprint("p", i)
			create(t, client, bound(name, c.edit))
			if pod := until(t, client, name, waitingFor(c.reason)); ready(pod) || pod.Status.Phase != c.phase {
				t.Errorf("ready %v in phase %s, want unready in phase %s", ready(pod), pod.Status.Phase, c.phase)
			}
		})
	}
}

func TestReadinessWaitsForTheScaledInitialDelay(t *testing.T) {
	_, client := begin(t, Options{ReadyAfter: -1, ProbeScale: 0.001})
	probe := &corev1.Probe{InitialDelaySeconds: 100}
	create(t, client, bound("a", func(p *corev1.Pod) { p.Spec.Containers[0].ReadinessProbe = probe }))
	began := time.Now()
	until(t, client, "a", ready)
	if took := time.Since(began); took < 90*time.Millisecond || took > time.Minute {
		t.Errorf("ready after %s, want a thousandth of 100 s", took)
	}
}

func TestReadinessWaitsForTheGates(t *testing.T) {
	_, client := begin(t, Options{ReadyAfter: -1})
	create(t, client, bound("a", func(p *corev1.Pod) {
		p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "example.com/open"}}
	}))
	pod := until(t, client, "a", func(p *corev1.Pod) bool { return is(p, corev1.ContainersReady) })
	if ready(pod) {
		t.Error("the pod was ready before its gate was open")
	}
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: "example.com/open", Status: corev1.ConditionTrue})
	if _, err := client.CoreV1().Pods("shop").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if pod := until(t, client, "a", ready); !is(pod, "example.com/open") {
		t.Error("the kubelet wiped the condition of the gate")
	}
}

func remove(t *testing.T, client kubernetes.Interface, pod *corev1.Pod, graceSeconds int64) {
	t.Helper()
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &metav1.Time{Time: time.Now()}, &graceSeconds
	if _, err := client.CoreV1().Pods("shop").Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestADeletedPodServesThroughItsDrainAndIsThenRemoved(t *testing.T) {
	k, client := begin(t, Options{ReadyAfter: -1, Drain: 300 * time.Millisecond})
	create(t, client, bound("a"))
	pod := until(t, client, "a", ready)
	began := time.Now()
	remove(t, client, pod.DeepCopy(), 30)
	if _, err := ask(t, pod, "/"); err != nil {
		t.Errorf("the app was gone before the drain: %v", err)
	}
	until(t, client, "a", gone)
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("removed after %s, want the drain of 300 ms", took)
	}
	if answer, err := ask(t, pod, "/"); err == nil {
		t.Errorf("the app outlived its pod and said %s", answer)
	}
	if got := k.Targets(); len(got) != 0 {
		t.Errorf("targets %+v are left", got)
	}
}

func TestAGracePeriodThatIsShorterThanTheDrainWins(t *testing.T) {
	_, client := begin(t, Options{ReadyAfter: -1, Drain: time.Hour})
	create(t, client, bound("a"))
	remove(t, client, until(t, client, "a", ready), 0)
	until(t, client, "a", gone)
}

func TestAPodWhoseObjectIsRemovedByForceStopsAtOnce(t *testing.T) {
	k, client := begin(t, Options{ReadyAfter: -1, Drain: time.Hour})
	create(t, client, bound("a"))
	until(t, client, "a", ready)
	if err := client.CoreV1().Pods("shop").Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the app is gone", func() bool { return len(k.Targets()) == 0 })
}

func TestATestCanMakeAPodUnreadyAndReadyAgain(t *testing.T) {
	k, client := begin(t, Options{ReadyAfter: -1})
	create(t, client, bound("a"))
	until(t, client, "a", ready)
	if err := k.SetReady("shop", "a", false); err != nil {
		t.Fatal(err)
	}
	pod := until(t, client, "a", func(p *corev1.Pod) bool { return !ready(p) })
	if got, err := ask(t, pod, "/readyz"); err != nil || !strings.HasPrefix(got, "503") {
		t.Errorf("/readyz says %q, %v", got, err)
	}
	if err := k.SetReady("shop", "a", true); err != nil {
		t.Fatal(err)
	}
	until(t, client, "a", ready)
}

func TestATestCanCrashAPod(t *testing.T) {
	k, client := begin(t, Options{ReadyAfter: -1})
	create(t, client, bound("a"))
	until(t, client, "a", ready)
	if err := k.Crash("shop", "a"); err != nil {
		t.Fatal(err)
	}
	pod := until(t, client, "a", waitingFor("CrashLoopBackOff"))
	if got := pod.Status.ContainerStatuses[0].RestartCount; ready(pod) || got != 1 {
		t.Errorf("ready %v with %d restarts, want unready with 1", ready(pod), got)
	}
	if answer, err := ask(t, pod, "/"); err == nil {
		t.Errorf("the crashed app said %s", answer)
	}
}

func TestAnOrderForAPodThatDoesNotRunIsAnError(t *testing.T) {
	k, _ := begin(t, Options{})
	if err := k.Crash("shop", "nobody"); err == nil || !strings.Contains(err.Error(), "shop/nobody") {
		t.Errorf("error %v does not name the pod", err)
	}
}

func TestJobPodsEndAsTheirProcessesDo(t *testing.T) {
	cases := []struct {
		name    string
		command []string
		phase   corev1.PodPhase
		code    int32
		message string
	}{
		{"exit 0 is success", []string{"sh", "-c", "echo fine"}, corev1.PodSucceeded, 0, "fine\n"},
		{"another exit code is failure", []string{"sh", "-c", "echo bad >&2; exit 3"}, corev1.PodFailed, 3, "bad\n"},
		{"the environment reaches the process", []string{"sh", "-c", "echo $GREETING"}, corev1.PodSucceeded, 0, "hello\n"},
		{"only the end of the output is kept", []string{"sh", "-c", "yes ab | head -c 100000; printf end"}, corev1.PodSucceeded, 0, "end"},
		{"a job is over though its command left something running", []string{"sh", "-c", "sleep 600 & echo left"}, corev1.PodSucceeded, 0, "left\n"},
		{"a signal is 128 and its number", []string{"sh", "-c", "kill -9 $$"}, corev1.PodFailed, 137, ""},
		{"a command that is not there cannot start", []string{"/no/such/command"}, corev1.PodFailed, 128, "no such file"},
		{"a container without a command cannot start", nil, corev1.PodFailed, 128, "no command"},
	}
	_, client := begin(t, Options{Drain: 10 * time.Millisecond})
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			name := fmt.Sprint("job", i)
			create(t, client, bound(name, func(p *corev1.Pod) {
				p.Spec.RestartPolicy = corev1.RestartPolicyNever
				p.Spec.Containers = []corev1.Container{{Name: "main", Image: "tools", Command: c.command, Env: []corev1.EnvVar{{Name: "GREETING", Value: "hello"}}}}
			}))
			pod := until(t, client, name, func(p *corev1.Pod) bool {
				return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
			})
			end := pod.Status.ContainerStatuses[0].State.Terminated
			if pod.Status.Phase != c.phase || end.ExitCode != c.code || !strings.Contains(end.Message, c.message) || len(end.Message) > outputKept {
				t.Errorf("phase %s, end %+v; want %s, code %d, a message with %q", pod.Status.Phase, end, c.phase, c.code, c.message)
			}
		})
	}
}

func TestAJobPodThatIsDeletedTakesItsProcessAlong(t *testing.T) {
	_, client := begin(t, Options{Drain: 50 * time.Millisecond})
	create(t, client, bound("a", func(p *corev1.Pod) {
		p.Spec.RestartPolicy = corev1.RestartPolicyNever
		p.Spec.Containers = []corev1.Container{{Name: "main", Image: "tools", Command: []string{"sleep", "600"}}}
	}))
	remove(t, client, until(t, client, "a", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }), 30)
	until(t, client, "a", gone)
}

func TestAHundredPodsBecomeReadyWithTwoWritesEach(t *testing.T) {
	const many = 100
	_, client := begin(t, Options{ReadyAfter: 100 * time.Millisecond, Drain: -1})
	for i := range many {
		create(t, client, bound(fmt.Sprint("p", i)))
	}
	for i := range many {
		until(t, client, fmt.Sprint("p", i), ready)
	}
	if got := writesOf(client, "pods")["patch"]; got > 2*many {
		t.Errorf("%d writes for %d pods", got, many)
	}
}

func TestNodesAreReadyAndUntaintedAndHoldTheirLeaseUntilTheEnd(t *testing.T) {
	client := fake.NewClientset()
	ctx, cancel := context.WithCancel(t.Context())
	k, err := Start(ctx, client, Options{Nodes: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		name := fmt.Sprint("world-", i)
		node, err := client.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || node.Status.Conditions[0].Status != corev1.ConditionTrue || len(node.Spec.Taints) > 0 {
			t.Errorf("node %s is not fit for pods: %v, %+v", name, err, node)
		}
		if _, err := client.CoordinationV1().Leases(leaseNamespace).Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			t.Errorf("node %s holds no lease: %v", name, err)
		}
	}
	cancel()
	if err := k.Wait(); err != nil {
		t.Error(err)
	}
	left, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) != 0 {
		t.Errorf("nodes %+v are left, %v", left.Items, err)
	}
}

func TestANodeThatWasGivenUpIsReportedReadyAtTheNextBeat(t *testing.T) {
	k, client := begin(t, Options{})
	node, err := client.CoreV1().Nodes().Get(t.Context(), "world-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node.Status.Conditions[0].Status = corev1.ConditionUnknown
	if _, err := client.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := k.beat(t.Context(), "world-0"); err != nil {
		t.Fatal(err)
	}
	node, err = client.CoreV1().Nodes().Get(t.Context(), "world-0", metav1.GetOptions{})
	if err != nil || node.Status.Conditions[0].Status != corev1.ConditionTrue {
		t.Errorf("conditions %+v, %v", node.Status.Conditions, err)
	}
}
