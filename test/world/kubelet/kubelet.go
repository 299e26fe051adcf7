package kubelet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/sluice-delivery/sluice/test/world/discovery"
	"github.com/sluice-delivery/sluice/test/world/podnet"
)

// writers bounds the requests that are under way at once, well below what one HTTP/2 connection carries.
const writers = 64

// Options of a Kubelet. Each zero value means its default.
type Options struct {
	// Nodes is how many nodes there are, named NodePrefix-0 and on. Default 2, with the prefix "world".
	Nodes      int
	NodePrefix string
	// ReadyAfter is the time from start to readiness. Default 200 ms; below zero means at once.
	ReadyAfter time.Duration
	// ProbeScale multiplies readinessProbe.initialDelaySeconds. Default 1.
	ProbeScale float64
	// Drain is how long a pod serves after its deletion began, at most. Default 2 s; below zero means not at all.
	Drain time.Duration
	// Log takes the errors that the next attempt may well cure. Default slog.Default().
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Nodes == 0 {
		o.Nodes = 2
	}
	if o.NodePrefix == "" {
		o.NodePrefix = "world"
	}
	if o.ReadyAfter == 0 {
		o.ReadyAfter = 200 * time.Millisecond
	}
	if o.ProbeScale == 0 {
		o.ProbeScale = 1
	}
	if o.Drain == 0 {
		o.Drain = 2 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Kubelet plays all nodes of one world.
type Kubelet struct {
	client  kubernetes.Interface
	options Options
	nodes   map[string]string // name to address
	pool    *podnet.Pool
	slots   chan struct{}
	ended   chan struct{}
	err     error
	lives   sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	residents map[types.UID]*resident
	targets   map[types.UID][]discovery.Target
}

// Start registers the nodes and begins to serve their pods. It plays on until ctx ends; Wait then returns.
func Start(ctx context.Context, client kubernetes.Interface, options Options) (*Kubelet, error) {
	k := &Kubelet{
		client: client, options: options.withDefaults(), nodes: map[string]string{}, pool: podnet.New(),
		slots: make(chan struct{}, writers), ended: make(chan struct{}),
		residents: map[types.UID]*resident{}, targets: map[types.UID][]discovery.Target{},
	}
	for i := range k.options.Nodes {
		k.nodes[fmt.Sprintf("%s-%d", k.options.NodePrefix, i)] = fmt.Sprintf("10.243.%d.%d", i/250, i%250+1)
	}
	ctx, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTransform(strip),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
		}))
	stop := func() {
		cancel()
		factory.Shutdown()
		k.close()
	}
	if err := k.watch(ctx, factory); err != nil {
		stop()
		return nil, err
	}
	if err := k.eachNode(ctx, k.register); err != nil {
		stop()
		return nil, errors.Join(err, k.removeNodes(ctx))
	}
	go func() {
		defer close(k.ended)
		k.keepAlive(ctx)
		stop()
		k.err = k.removeNodes(ctx)
	}()
	return k, nil
}

// strip drops what nobody here reads and what makes up a third of a pod.
func strip(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	return obj, nil
}

func (k *Kubelet) watch(ctx context.Context, factory informers.SharedInformerFactory) error {
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { k.observe(ctx, obj) },
		UpdateFunc: func(_, obj any) { k.observe(ctx, obj) },
		DeleteFunc: k.gone,
	})
	if err != nil {
		return fmt.Errorf("watching pods: %w", err)
	}
	factory.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("listing pods: %w", context.Cause(ctx))
	}
	return nil
}

// Wait returns when the context of Start has ended and every pod, process and connection has, too.
// The error says which nodes could not be removed.
func (k *Kubelet) Wait() error {
	<-k.ended
	return k.err
}

// close waits for all lives, and lets none begin afterwards.
func (k *Kubelet) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.lives.Wait()
}

func (k *Kubelet) observe(ctx context.Context, obj any) {
	pod, ok := obj.(*corev1.Pod)
	if !ok || k.nodes[pod.Spec.NodeName] == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.residents[pod.UID]; r != nil {
		r.tell(func() { r.pod = pod })
		return
	}
	if over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed; over || k.closed {
		return
	}
	r := &resident{kubelet: k, pod: pod, name: types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}, inbox: make(chan struct{}, 1)}
	k.residents[pod.UID] = r
	k.lives.Go(func() { r.live(ctx) })
}

func (k *Kubelet) gone(obj any) {
	if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = unknown.Obj
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.residents[pod.UID]; r != nil {
		r.tell(func() { r.removed = true })
		delete(k.residents, pod.UID)
	}
}

// Targets lists the addresses at which the app's pods can be scraped now, by address, with the labels that they carry
// now.
func (k *Kubelet) Targets() []discovery.Target {
	k.mu.Lock()
	all := slices.Concat(slices.Collect(maps.Values(k.targets))...)
	k.mu.Unlock()
	slices.SortFunc(all, func(a, b discovery.Target) int { return strings.Compare(a.Address, b.Address) })
	return all
}

func (k *Kubelet) publish(uid types.UID, targets []discovery.Target) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(targets) == 0 {
		delete(k.targets, uid)
		return
	}
	k.targets[uid] = targets
}

// SetReady makes a pod unready, or ready at once, whatever its probes would say. It returns before the pod's status
// says so, and is an error where no such pod runs.
func (k *Kubelet) SetReady(namespace, name string, ready bool) error {
	return k.order(namespace, name, func(r *resident) { r.forced = &ready })
}

// Crash ends the containers of a pod at once, with their open requests; they are never started again.
func (k *Kubelet) Crash(namespace, name string) error {
	return k.order(namespace, name, (*resident).crash)
}

func (k *Kubelet) order(namespace, name string, do func(*resident)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.residents {
		if r.name.Namespace == namespace && r.name.Name == name && r.tell(func() { do(r) }) {
			return nil
		}
	}
	return fmt.Errorf("no pod %s/%s runs on a node of this world", namespace, name)
}

// write runs one request to the API server as soon as one of the slots is free.
func (k *Kubelet) write(ctx context.Context, request func() error) error {
	select {
	case k.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-k.slots }()
	return request()
}
