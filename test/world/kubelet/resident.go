package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-delivery/sluice/test/world/app"
	"github.com/sluice-delivery/sluice/test/world/discovery"
	"github.com/sluice-delivery/sluice/test/world/podnet"
)

const (
	// retryAfter is the pause after a write that failed.
	retryAfter = 200 * time.Millisecond
	// stopWithin bounds the wait for open requests once an app must end.
	stopWithin = time.Second
	crashLoop  = "CrashLoopBackOff"
	// forever is a sleep that only an order ends.
	forever = time.Duration(math.MaxInt64)
)

// resident is the life of one pod. The fields below orders belong to the goroutine of live.
type resident struct {
	kubelet *Kubelet
	name    types.NamespacedName
	inbox   chan struct{}
	mu      sync.Mutex
	over    bool
	orders  []func()

	pod     *corev1.Pod
	removed bool
	forced  *bool
	facts   facts
	written corev1.PodStatus
	servers []*app.Server
	targets []discovery.Target
	batch   *batch
}

// tell has do run by the goroutine of live; it is false where that life is over.
func (r *resident) tell(do func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	r.orders = append(r.orders, do)
	select {
	case r.inbox <- struct{}{}:
	default:
	}
	return true
}

func (r *resident) obey() {
	r.mu.Lock()
	orders := r.orders
	r.orders = nil
	r.mu.Unlock()
	for _, do := range orders {
		do()
	}
}

// live runs until the pod is over, its object is removed, or ctx ends.
func (r *resident) live(ctx context.Context) {
	defer r.rest()
	if r.pod.DeletionTimestamp == nil {
		r.start(ctx)
	}
	for r.pod.DeletionTimestamp == nil {
		over, wait := r.settle(ctx)
		if over || !r.sleep(ctx, wait) {
			r.halt()
			return
		}
	}
	for end := time.Now().Add(r.grace()); len(r.servers) > 0 && time.Now().Before(end); {
		r.publish()
		if !r.sleep(ctx, time.Until(end)) {
			break
		}
	}
	r.halt()
	if r.batch != nil {
		// The Job controller wants to see how a pod ended before it is gone.
		r.settle(ctx)
	}
	for !r.removed && ctx.Err() == nil && !r.remove(ctx) {
		r.sleep(ctx, retryAfter)
	}
}

// rest ends the life; the kubelet keeps the resident until the object is gone, so that it is not born again.
func (r *resident) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over, r.orders = true, nil
}

// sleep waits for an order, for d, or for the end of the processes. It is false where ctx or the object has ended.
func (r *resident) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-r.batch.news():
		r.facts.ended = r.batch.take()
	case <-timer.C:
	case <-r.inbox:
	}
	r.obey()
	return !r.removed
}

// start begins what the pod is made of, and notes what became of that.
func (r *resident) start(ctx context.Context) {
	r.facts = facts{started: time.Now(), ip: r.kubelet.pool.Next(), node: r.kubelet.nodes[r.pod.Spec.NodeName]}
	for i := range r.pod.Spec.Containers {
		c := &r.pod.Spec.Containers[i]
		if probe := c.ReadinessProbe; probe != nil {
			delay := time.Duration(float64(probe.InitialDelaySeconds) * r.kubelet.options.ProbeScale * float64(time.Second))
			r.facts.delay = max(r.facts.delay, delay)
		}
		if r.facts.waiting == nil {
			r.facts.waiting = flaw(c)
		}
	}
	if r.facts.waiting != nil && r.facts.waiting.Reason == crashLoop {
		r.facts.restarts = 1
	}
	r.facts.delay += max(r.kubelet.options.ReadyAfter, 0)
	switch {
	case r.facts.waiting != nil:
	case r.pod.Spec.RestartPolicy == corev1.RestartPolicyNever, r.pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure:
		r.facts.delay = 0
		r.batch = startBatch(ctx, r.pod, r.grace())
	default:
		r.startApps()
	}
}

// flaw says why a container cannot run, or nil.
func flaw(c *corev1.Container) *corev1.ContainerStateWaiting {
	if strings.Contains(app.Tag(c.Image), "broken-image") {
		return &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: fmt.Sprintf("image %q cannot be pulled", c.Image)}
	}
	for _, e := range c.Env {
		if e.Name == "CRASH" && e.Value == "true" {
			return crashed()
		}
	}
	return nil
}

func crashed() *corev1.ContainerStateWaiting {
	return &corev1.ContainerStateWaiting{Reason: crashLoop, Message: "the container ended and is not started again"}
}

// startApps serves every TCP port of the pod. An address that another world of this machine serves is left to it.
func (r *resident) startApps() {
	err := r.serveAll()
	for tries := 0; errors.Is(err, syscall.EADDRINUSE) && tries < 10; tries++ {
		r.facts.ip = r.kubelet.pool.Next()
		err = r.serveAll()
	}
	if err != nil {
		r.facts.waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: err.Error()}
	}
}

func (r *resident) serveAll() error {
	for i := range r.pod.Spec.Containers {
		c := &r.pod.Spec.Containers[i]
		config, err := app.Describe(r.pod, c)
		for _, port := range c.Ports {
			if err == nil && (port.Protocol == corev1.ProtocolTCP || port.Protocol == "") {
				err = r.serve(config, port.ContainerPort)
			}
		}
		if err != nil {
			r.stopApps(0)
			return err
		}
	}
	return nil
}

func (r *resident) serve(config app.Config, port int32) error {
	address, err := podnet.Loopback(r.facts.ip, port)
	if err != nil {
		return err
	}
	server, err := app.Start(address, config)
	if err != nil {
		return err
	}
	r.servers = append(r.servers, server)
	r.targets = append(r.targets, discovery.Target{Address: address, Namespace: r.name.Namespace, Pod: r.name.Name})
	return nil
}

// publish tells discovery where the pod is, with the labels that it has now.
func (r *resident) publish() {
	now := make([]discovery.Target, 0, len(r.targets))
	for _, t := range r.targets {
		t.Labels = r.pod.Labels
		now = append(now, t)
	}
	r.kubelet.publish(r.pod.UID, now)
}

// settle writes the pod's status where it is not yet what it should be. It says whether the pod is over, and when to
// look again at the latest.
func (r *resident) settle(ctx context.Context) (over bool, wait time.Duration) {
	now := time.Now()
	probed := r.facts.probed(now)
	if r.forced != nil {
		probed = *r.forced
	}
	for _, s := range r.servers {
		s.SetReady(probed)
	}
	r.publish()
	want := r.facts.status(r.pod, probed, metav1.NewTime(now), r.written)
	over = want.Phase == corev1.PodSucceeded || want.Phase == corev1.PodFailed
	if !equality.Semantic.DeepEqual(want, r.written) {
		err := r.patch(ctx, want)
		switch {
		case apierrors.IsNotFound(err), apierrors.IsConflict(err):
			// The object is gone or another pod's; the watch is about to say so.
			return true, forever
		case err != nil:
			if ctx.Err() == nil {
				r.kubelet.options.Log.Warn("Writing a pod's status failed and is tried again.", "pod", r.name.String(), "error", err)
			}
			return false, retryAfter
		}
		r.written = want
	}
	if r.facts.waiting == nil && !r.facts.probed(now) {
		return over, time.Until(r.facts.started.Add(r.facts.delay))
	}
	return over, forever
}

func (r *resident) patch(ctx context.Context, status corev1.PodStatus) error {
	// With the UID, a patch never reaches a later pod of the same name.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": r.pod.UID}, "status": status})
	if err != nil {
		return fmt.Errorf("writing down a status: %w", err)
	}
	return r.kubelet.write(ctx, func() error {
		_, err := r.kubelet.client.CoreV1().Pods(r.name.Namespace).
			Patch(ctx, r.name.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		return err
	})
}

// grace is how long the pod serves on after its deletion began.
func (r *resident) grace() time.Duration {
	grace := max(r.kubelet.options.Drain, 0)
	if own := r.pod.DeletionGracePeriodSeconds; own != nil {
		grace = min(grace, time.Duration(*own)*time.Second)
	}
	return grace
}

// crash ends the containers without any grace.
func (r *resident) crash() {
	if r.batch != nil {
		r.batch.kill()
		return
	}
	r.facts.restarts++
	r.facts.waiting = crashed()
	r.stopApps(0)
}

// halt ends the containers; what is under way may finish.
func (r *resident) halt() {
	r.stopApps(stopWithin)
	if r.batch != nil {
		r.batch.kill()
		r.facts.ended = r.batch.take()
	}
	r.kubelet.publish(r.pod.UID, nil)
}

func (r *resident) stopApps(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for _, s := range r.servers {
		if err := s.Stop(ctx); err != nil && within > 0 {
			r.kubelet.options.Log.Warn("An app had to be cut off.", "pod", r.name.String(), "error", err)
		}
	}
	r.servers, r.targets = nil, nil
}

// remove deletes the object for good; it is false where that has to be tried again.
func (r *resident) remove(ctx context.Context) bool {
	none := int64(0)
	err := r.kubelet.write(ctx, func() error {
		return r.kubelet.client.CoreV1().Pods(r.name.Namespace).Delete(ctx, r.name.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &none, Preconditions: &metav1.Preconditions{UID: &r.pod.UID},
		})
	})
	switch {
	case err == nil, apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return true
	case ctx.Err() == nil:
		r.kubelet.options.Log.Warn("Removing a pod failed and is tried again.", "pod", r.name.String(), "error", err)
	}
	return false
}
