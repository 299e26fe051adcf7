package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/sluice-delivery/sluice/test/world/discovery"
	"github.com/sluice-delivery/sluice/test/world/gateway"
	"github.com/sluice-delivery/sluice/test/world/httpserver"
	"github.com/sluice-delivery/sluice/test/world/kubelet"
)

// userAgent is the name of the world in the audit log.
const userAgent = "sluice-world"

// Options of the parts of a World.
type Options struct {
	Kubelet kubelet.Options
	Gateway gateway.Options
}

// World is everything around the controller.
type World struct {
	Kubelet *kubelet.Kubelet
	Gateway *gateway.Gateway
	// TargetsURL answers Prometheus' HTTP service discovery.
	TargetsURL string

	wait sync.WaitGroup
	mu   sync.Mutex
	err  error
}

// Start returns when nodes are ready and requests are served. The definitions of the Gateway API are installed before.
// The World lives until ctx ends; where Start fails, nothing of it is left.
func Start(ctx context.Context, config *rest.Config, options Options) (*World, error) {
	config = rest.CopyConfig(config)
	config.UserAgent, config.QPS, config.RateLimiter = userAgent, -1, nil
	routes, err := gatewayclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for routes: %w", err)
	}
	config.ContentType = runtime.ContentTypeProtobuf
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for pods: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &World{}
	if err := w.start(ctx, core, routes, options); err != nil {
		cancel()
		return nil, errors.Join(err, w.Wait())
	}
	context.AfterFunc(ctx, cancel) // ends with its parent, and lets go of it
	return w, nil
}

func (w *World) start(ctx context.Context, core kubernetes.Interface, routes gatewayclient.Interface, options Options) error {
	var err error
	if w.Kubelet, err = kubelet.Start(ctx, core, options.Kubelet); err != nil {
		return err
	}
	w.wait.Go(func() { w.note(w.Kubelet.Wait()) })
	if w.Gateway, err = gateway.Start(ctx, core, routes, options.Gateway); err != nil {
		return err
	}
	w.wait.Go(func() { w.note(w.Gateway.Wait()) })
	return w.serveTargets(ctx)
}

func (w *World) serveTargets(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for Prometheus: %w", err)
	}
	w.TargetsURL = "http://" + listener.Addr().String() + "/targets"
	server := httpserver.New(discovery.Handler(w.Kubelet.Targets))
	w.wait.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			w.note(fmt.Errorf("serving the targets of Prometheus: %w", err))
		}
	})
	w.wait.Go(func() {
		<-ctx.Done()
		w.note(server.Close())
	})
	return nil
}

func (w *World) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(w.err, err)
}

// Wait returns when the context of Start has ended and nothing of the world is left, with what went wrong at the end.
func (w *World) Wait() error {
	w.wait.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
