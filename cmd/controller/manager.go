package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/analysisrun"
	"github.com/sluice-delivery/sluice/controllers/experiment"
	"github.com/sluice-delivery/sluice/controllers/notification"
	"github.com/sluice-delivery/sluice/controllers/rollout"
	"github.com/sluice-delivery/sluice/internal/build"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/notify/service"
	"github.com/sluice-delivery/sluice/trafficrouting"
	"github.com/sluice-delivery/sluice/trafficrouting/gatewayapi"
)

// newManager puts everything together but starts nothing.
func newManager(ctx context.Context, o options) (ctrl.Manager, error) {
	scheme := kruntime.NewScheme()
	for _, add := range []func(*kruntime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	cfg, err := restConfig(o)
	if err != nil {
		return nil, err
	}
	settings := ctrl.Options{
		Scheme: scheme,
		Cache:  cacheOptions(o),
		Client: client.Options{Cache: &client.CacheOptions{
			Unstructured: true, // routes are read untyped
			DisableFor:   []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Pod{}},
		}},
		Metrics:                metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress: o.healthAddress,
		PprofBindAddress:       o.pprofAddress,
		Controller:             config.Controller{EnableWarmup: new(true)},
	}
	requests, err := kube.NewRequests(metrics.Registry)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics of requests: %w", err)
	}
	cfg.Wrap(requests.Wrap)
	if o.leaderElect {
		if cfg, err = lead(cfg, o, &settings); err != nil {
			return nil, err
		}
	}
	mgr, err := ctrl.NewManager(cfg, settings)
	if err != nil {
		return nil, err
	}
	if err := addProbes(mgr); err != nil {
		return nil, err
	}
	return mgr, addLoops(ctx, mgr, o)
}

// addLoops registers the controllers. A new kind of router, provider or loop is added here.
func addLoops(ctx context.Context, mgr ctrl.Manager, o options) error {
	if err := metrics.Registry.Register(buildInfo()); err != nil {
		return fmt.Errorf("registering the version: %w", err)
	}
	core, err := typedcorev1.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("making the client of events: %w", err)
	}
	events := kube.NewBroadcaster(ctx, core)
	c := kube.NewRecent(mgr.GetClient())
	outbox := &notification.Outbox{
		Client: c, Live: mgr.GetAPIReader(), Namespace: ownNamespace(o), Senders: service.New, Events: kube.NewRecorder(events, mgr.GetScheme()),
	}
	if err := outbox.Register(mgr, metrics.Registry); err != nil {
		return fmt.Errorf("preparing notifications: %w", err)
	}
	rollouts := &rollout.Controller{
		Client: c, Live: mgr.GetAPIReader(), Concurrency: o.concurrency, Outbox: outbox,
		Router: trafficrouting.Routers{gatewayapi.Router{Client: c}},
		Routes: rollout.RouteKinds{Of: gatewayapi.RoutesOf, KeysOf: gatewayapi.KeysOf, Served: gatewayapi.Watches},
		Events: kube.NewRecorder(events, mgr.GetScheme()),
	}
	runs := &analysisrun.Controller{
		Client: c, Live: mgr.GetAPIReader(), Providers: providers(c, mgr.GetAPIReader(), ownNamespace(o)),
		Events: kube.NewRecorder(events, mgr.GetScheme()),
	}
	experiments := &experiment.Controller{
		Client: c, Live: mgr.GetAPIReader(), Concurrency: o.concurrency, Events: kube.NewRecorder(events, mgr.GetScheme()),
	}
	workloads, err := workloadCache(mgr, o)
	if err != nil {
		return fmt.Errorf("making the cache of workloads: %w", err)
	}
	err = errors.Join(rollouts.Register(mgr, workloads, metrics.Registry), runs.Register(mgr, metrics.Registry), experiments.Register(mgr, metrics.Registry))
	if err != nil || o.gitopsNamespace == "" {
		return err
	}
	git, err := newGitops(mgr, o, events)
	if err != nil {
		return fmt.Errorf("preparing Git-sync: %w", err)
	}
	return mgr.Add(git)
}

func restConfig(o options) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	cfg.QPS, cfg.Burst = o.limit()
	cfg.UserAgent = "sluice-controller/" + build.Version()
	return cfg, nil
}

// addProbes answers /healthz while the process lives and /readyz once it knows the cluster.
func addProbes(mgr ctrl.Manager) error {
	alive := func(*http.Request) error { return nil }
	ready := func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("the caches are still being filled")
		}
		return nil
	}
	return errors.Join(mgr.AddHealthzCheck("alive", alive), mgr.AddReadyzCheck("caches", ready))
}
