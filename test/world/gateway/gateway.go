package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"
	gatewayinformers "sigs.k8s.io/gateway-api/pkg/client/informers/externalversions"
	gatewaylisters "sigs.k8s.io/gateway-api/pkg/client/listers/apis/v1"

	"github.com/sluice-delivery/sluice/test/world/httpserver"
)

const (
	statusWriters = 8
	// stopWithin bounds the wait for open requests when the gateway ends.
	stopWithin = 2 * time.Second
	byService  = "service"
)

// Options of a Gateway. Each zero value means its default.
type Options struct {
	// Name is the Gateway that routes name as their parent. Default sluice-system/world.
	Name types.NamespacedName
	// Port is the listener's on 127.0.0.1. Default: any that is free.
	Port int
	// Lag is the time from a change to its effect on requests. Default none.
	Lag time.Duration
	// Log takes the errors that the next attempt may well cure. Default slog.Default().
	Log *slog.Logger
}

// Gateway is one running data plane. URL is where it listens, as in http://127.0.0.1:1234.
type Gateway struct {
	URL string

	options  Options
	routes   gatewayclient.Interface
	changed  chan struct{}
	queue    workqueue.TypedRateLimitingInterface[routeKey]
	table    atomic.Pointer[table]
	counters sync.Map
	ended    chan struct{}
	err      error

	services   cache.Indexer
	slices     cache.Indexer
	httpRoutes gatewaylisters.HTTPRouteLister
	grpcRoutes gatewaylisters.GRPCRouteLister
	gateways   gatewaylisters.GatewayLister
	classes    gatewaylisters.GatewayClassLister

	mu          sync.Mutex
	statusHeld  bool
	programHeld bool
}

// Start serves requests as soon as it returns, with the routes that there are by then. It goes on until ctx ends.
func Start(ctx context.Context, core kubernetes.Interface, routes gatewayclient.Interface, options Options) (*Gateway, error) {
	if options.Name.Name == "" {
		options.Name = types.NamespacedName{Namespace: "sluice-system", Name: "world"}
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Port)))
	if err != nil {
		return nil, fmt.Errorf("listening for gateway %s: %w", options.Name, err)
	}
	g := &Gateway{
		URL: "http://" + listener.Addr().String(), options: options, routes: routes,
		changed: make(chan struct{}, 1), ended: make(chan struct{}),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[routeKey]()),
	}
	ctx, cancel := context.WithCancel(ctx)
	unwatch, err := g.watch(ctx, core)
	if err != nil {
		cancel()
		unwatch()
		return nil, errors.Join(err, listener.Close())
	}
	g.program()
	go func() {
		defer close(g.ended)
		g.err = g.run(ctx, listener)
		cancel()
		unwatch()
	}()
	return g, nil
}

// watch fills the caches and has each later change signalled. What it returns waits for the end of the watches.
func (g *Gateway) watch(ctx context.Context, core kubernetes.Interface) (unwatch func(), err error) {
	plain := informers.NewSharedInformerFactoryWithOptions(core, 0, informers.WithTransform(strip))
	ours := gatewayinformers.NewSharedInformerFactoryWithOptions(g.routes, 0, gatewayinformers.WithTransform(strip))
	unwatch = func() {
		plain.Shutdown()
		ours.Shutdown()
	}
	services, slices := plain.Core().V1().Services(), plain.Discovery().V1().EndpointSlices()
	v1 := ours.Gateway().V1()
	g.httpRoutes, g.grpcRoutes = v1.HTTPRoutes().Lister(), v1.GRPCRoutes().Lister()
	g.gateways, g.classes = v1.Gateways().Lister(), v1.GatewayClasses().Lister()
	err = slices.Informer().AddIndexers(cache.Indexers{byService: func(obj any) ([]string, error) {
		slice := obj.(*discoveryv1.EndpointSlice)
		return []string{slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]}, nil
	}})
	if err != nil {
		return unwatch, fmt.Errorf("indexing endpoint slices: %w", err)
	}
	g.services, g.slices = services.Informer().GetIndexer(), slices.Informer().GetIndexer()
	var synced []cache.InformerSynced
	for _, informer := range []cache.SharedIndexInformer{
		services.Informer(), slices.Informer(), v1.HTTPRoutes().Informer(), v1.GRPCRoutes().Informer(),
		v1.Gateways().Informer(), v1.GatewayClasses().Informer(),
	} {
		handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { g.signal() }, UpdateFunc: func(_, _ any) { g.signal() }, DeleteFunc: func(any) { g.signal() },
		})
		if err != nil {
			return unwatch, fmt.Errorf("watching for gateway %s: %w", g.options.Name, err)
		}
		synced = append(synced, handler.HasSynced)
	}
	plain.StartWithContext(ctx)
	ours.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return unwatch, fmt.Errorf("listing what gateway %s serves: %w", g.options.Name, context.Cause(ctx))
	}
	return unwatch, nil
}

// strip drops what nobody here reads.
func strip(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	return obj, nil
}

func (g *Gateway) signal() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// run serves until ctx ends, and returns when nothing of it is left.
func (g *Gateway) run(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	proxy := newProxy(g)
	server := httpserver.New(proxy)
	var all sync.WaitGroup
	for range statusWriters {
		all.Go(func() { g.writeStatuses(ctx) })
	}
	all.Go(func() { g.follow(ctx) })
	served := make(chan struct{})
	var err error
	go func() {
		defer close(served)
		if ended := server.Serve(listener); !errors.Is(ended, http.ErrServerClosed) {
			err = fmt.Errorf("serving at %s: %w", g.URL, ended)
		}
	}()
	select {
	case <-served:
	case <-ctx.Done():
		last, done := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer done()
		stopped := server.Shutdown(last)
		if stopped != nil {
			stopped = errors.Join(fmt.Errorf("ending the requests of %s: %w", g.URL, stopped), server.Close())
		}
		<-served
		err = errors.Join(err, stopped)
	}
	cancel()
	g.queue.ShutDown()
	all.Wait()
	proxy.close()
	return err
}

// follow programs each change as it comes.
func (g *Gateway) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.changed:
		}
		if g.options.Lag > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(g.options.Lag):
			}
		}
		if !g.held(&g.programHeld) {
			g.program()
		}
		if err := g.writeGateway(ctx); err != nil && ctx.Err() == nil {
			g.options.Log.Warn("The gateway's own status could not be written.", "error", err)
		}
	}
}

// program replaces the table, and has the status of each route looked at that is not as it was.
func (g *Gateway) program() {
	before := g.table.Load()
	if before == nil {
		before = &table{}
	}
	// A lister of a synced cache has no error to return.
	routes, _ := g.httpRoutes.List(labels.Everything())
	grpc, _ := g.grpcRoutes.List(labels.Everything())
	c := &compiler{
		gateway: g.options.Name, counter: g.counter, service: g.service, slices: g.slicesOf, previous: before.balancers,
	}
	after := c.compile(routes, grpc)
	g.table.Store(after)
	for key, v := range after.verdicts {
		if old, ok := before.verdicts[key]; !ok || !old.same(v) {
			g.queue.Add(key)
		}
	}
}

// same compares what the status is made of: the very object in the cache, and what was wrong with it.
func (v verdict) same(w verdict) bool {
	return (v.route == w.route || v.grpc != nil && v.grpc == w.grpc) && slices.Equal(v.problems, w.problems)
}

func (g *Gateway) writeStatuses(ctx context.Context) {
	for {
		key, over := g.queue.Get()
		if over {
			return
		}
		if err := g.writeStatus(ctx, key); err != nil && ctx.Err() == nil {
			g.options.Log.Warn("A route's status could not be written and is tried again.", "error", err)
			g.queue.AddRateLimited(key)
		} else {
			g.queue.Forget(key)
		}
		g.queue.Done(key)
	}
}

func (g *Gateway) service(name types.NamespacedName) *corev1.Service {
	obj, _, _ := g.services.GetByKey(name.String())
	service, _ := obj.(*corev1.Service)
	return service
}

func (g *Gateway) slicesOf(service types.NamespacedName) []*discoveryv1.EndpointSlice {
	objs, _ := g.slices.ByIndex(byService, service.String())
	var out []*discoveryv1.EndpointSlice
	for _, obj := range objs {
		out = append(out, obj.(*discoveryv1.EndpointSlice))
	}
	return out
}

func (g *Gateway) counter(service types.NamespacedName) *counter {
	if c, ok := g.counters.Load(service); ok {
		return c.(*counter)
	}
	c, _ := g.counters.LoadOrStore(service, newCounter())
	return c.(*counter)
}

// Count says what a Service got. The empty name counts what no route and no backend took.
func (g *Gateway) Count(service types.NamespacedName) Count { return g.counter(service).read() }

// Programmed is the generation of an HTTPRoute by which requests are served now; 0 where it is not served.
func (g *Gateway) Programmed(route types.NamespacedName) int64 {
	v := g.table.Load().verdicts[routeKey{"HTTPRoute", route.Namespace, route.Name}]
	if len(v.parents) == 0 {
		return 0
	}
	return v.route.Generation
}

// HoldStatus keeps the statuses of routes as they are, while requests go on by what the routes say; or ends that.
func (g *Gateway) HoldStatus(hold bool) {
	g.hold(&g.statusHeld, hold)
	for key := range g.table.Load().verdicts {
		g.queue.Add(key)
	}
}

// HoldProgram freezes the data plane: requests go on by what was programmed last. Or it ends that.
func (g *Gateway) HoldProgram(hold bool) {
	g.hold(&g.programHeld, hold)
	g.signal()
}

func (g *Gateway) hold(which *bool, hold bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*which = hold
}

func (g *Gateway) held(which *bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return *which
}

// Wait returns when the context of Start has ended and every request and watch has, too.
func (g *Gateway) Wait() error {
	<-g.ended
	return g.err
}
