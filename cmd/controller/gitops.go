package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/controllers/applicationset"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/gitsync/render"
	"github.com/sluice-delivery/sluice/gitsync/scm"
	"github.com/sluice-delivery/sluice/gitsync/source"
	"github.com/sluice-delivery/sluice/internal/kube"
)

const (
	// gitTimeout bounds each question to a repository, and renderTimeout each rendering.
	gitTimeout    = 90 * time.Second
	renderTimeout = 60 * time.Second
	// renderMemory bounds each rendering, in bytes.
	renderMemory = 256 << 20
	// lookAgain is how often it is looked whether what Git-sync needs has come.
	lookAgain = 30 * time.Second
)

// gitops runs Git-sync beside the rest once the cluster has what it needs, so that whoever has no use for it need not install that.
// It has caches of its own, because those of the rest cannot be made for kinds that are not there.
type gitops struct {
	options
	config *rest.Config
	mapper meta.RESTMapper
	live   client.Reader
	events record.EventBroadcaster
	scheme *kruntime.Scheme
}

func newGitops(mgr ctrl.Manager, o options, events record.EventBroadcaster) (*gitops, error) {
	g := &gitops{options: o, config: mgr.GetConfig(), mapper: mgr.GetRESTMapper(), events: events, scheme: kruntime.NewScheme()}
	for _, add := range []func(*kruntime.Scheme) error{clientgoscheme.AddToScheme, gitopsv1.AddToScheme} {
		if err := add(g.scheme); err != nil {
			return nil, err
		}
	}
	var err error
	g.live, err = client.New(mgr.GetConfig(), client.Options{Scheme: g.scheme, HTTPClient: mgr.GetHTTPClient(), Mapper: g.mapper})
	if err != nil {
		return nil, err
	}
	return g, g.addWebhooks(mgr)
}

// Start waits for what Git-sync needs, says once what is missing, and works until ctx ends.
func (g *gitops) Start(ctx context.Context) error {
	told := ""
	for {
		missing, err := g.missing(ctx)
		if err != nil {
			missing = err.Error()
		}
		if missing == "" {
			return g.run(ctx)
		}
		if missing != told {
			ctrl.Log.WithName("gitops").Info("Git-sync waits, everything else works: "+missing, "namespace", g.gitopsNamespace)
			told = missing
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return nil
		}
	}
}

// missing says what Git-sync needs and does not have, and what to do about it; empty if there is nothing of the kind.
func (g *gitops) missing(ctx context.Context) (string, error) {
	const instead = ", or switch Git-sync off with --gitops-namespace="
	for _, kind := range []struct {
		name string
		list client.ObjectList
		in   []client.ListOption
	}{
		{gitopsv1.AppProjectKind.Kind, &gitopsv1.AppProjectList{}, []client.ListOption{client.InNamespace(g.gitopsNamespace)}},
		{gitopsv1.ApplicationKind.Kind, &gitopsv1.ApplicationList{}, nil},
		{gitopsv1.ApplicationSetKind.Kind, &gitopsv1.ApplicationSetList{}, nil},
	} {
		if len(g.namespaces) > 0 {
			kind.in = []client.ListOption{client.InNamespace(g.gitopsNamespace)}
		}
		switch err := g.live.List(ctx, kind.list, append(kind.in, client.Limit(1))...); {
		case meta.IsNoMatchError(err):
			return "the cluster does not know the kind " + kind.name + ": apply config/crd" + instead, nil
		case apierrors.IsForbidden(err):
			return "there is no right to read objects of the kind " + kind.name + ": apply config/gitops" + instead, nil
		case err != nil:
			return "", fmt.Errorf("looking for objects of the kind %s: %w", kind.name, err)
		}
	}
	err := g.live.Get(ctx, client.ObjectKey{Name: g.gitopsNamespace}, &corev1.Namespace{})
	switch {
	case apierrors.IsNotFound(err):
		return "the namespace " + g.gitopsNamespace + " does not exist: create it" + instead, nil
	case apierrors.IsForbidden(err):
		return "there is no right to read the namespace " + g.gitopsNamespace + ": apply config/gitops" + instead, nil
	case err != nil:
		return "", fmt.Errorf("looking for the namespace %s: %w", g.gitopsNamespace, err)
	}
	return "", nil
}

// run puts the loops together and works until ctx ends.
func (g *gitops) run(ctx context.Context) error {
	dir, err := g.workspace()
	if err != nil {
		return fmt.Errorf("making the folder of the clones (set TMPDIR to where one can be made): %w", err)
	}
	defer os.RemoveAll(dir)
	mgr, err := ctrl.NewManager(g.config, ctrl.Options{
		Scheme: g.scheme,
		Cache:  gitopsCache(g.options),
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		// The manager that this one runs in serves metrics and has the lease.
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{},
	})
	if err != nil {
		return err
	}
	if err := g.addLoops(ctx, mgr, dir); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// workspace is a folder that is private to this process. What an earlier process of the same number left in it is removed.
func (g *gitops) workspace() (string, error) {
	dir := filepath.Join(os.TempDir(), "sluice-controller-"+strconv.Itoa(os.Getpid()))
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

func (g *gitops) addLoops(ctx context.Context, mgr ctrl.Manager, dir string) error {
	if _, err := mgr.GetCache().GetInformer(ctx, &corev1.ConfigMap{}, cache.BlockUntilSynced(false)); err != nil {
		return fmt.Errorf("watching the settings: %w", err)
	}
	c := kube.NewRecent(mgr.GetClient())
	recorder := kube.NewRecorder(g.events, g.scheme)
	repositories := &source.Repositories{
		Dir: dir, Keys: source.KeysIn(mgr.GetCache(), g.gitopsNamespace), Poll: g.gitopsPoll, Timeout: gitTimeout, Schemes: slices.Clone(g.gitSchemes),
	}
	settings := &application.Settings{Reader: mgr.GetCache(), Namespace: g.gitopsNamespace, Events: recorder}
	applications := &application.Controller{
		Client: c, Source: repositories, Reverter: repositories, Renderer: &render.Renderer{Timeout: renderTimeout, Memory: renderMemory},
		Health: settings.Assess, Settings: settings.Load,
		Events: recorder, Namespace: g.gitopsNamespace, Concurrency: g.concurrency, Poll: gitsync.Interval{Every: g.gitopsPoll, Jitter: g.gitopsPoll / 2},
		MetricLabels: g.metricLabels,
	}
	clusters := &cluster.Set{
		Local: g.config, Secrets: mgr.GetCache(), Namespace: g.gitopsNamespace, Changed: applications.Changed, Context: ctx,
	}
	applications.Clusters = clusters
	sets := &applicationset.Controller{
		Client: c, Secrets: mgr.GetCache(), Events: recorder, Namespace: g.gitopsNamespace, Concurrency: g.concurrency, MetricLabels: g.setMetricLabels,
		Policy: gitopsv1.ApplicationsSync(g.setPolicy), MayOverride: g.setPolicyOverride,
		Library: library{repositories, &scm.Asker{Reader: g.live, Namespace: g.gitopsNamespace, Allowed: g.scmProviders}, mgr.GetCache(), g.gitopsNamespace, settings.Load},
	}
	if err := errors.Join(applications.Measure(metrics.Registry), sets.Measure(metrics.Registry), repositories.Measure(metrics.Registry), clusters.Measure(metrics.Registry)); err != nil {
		return fmt.Errorf("registering the metrics of Git-sync: %w", err)
	}
	if err := mgr.Add(repositories); err != nil {
		return fmt.Errorf("adding the sweeper of clones: %w", err)
	}
	if err := applications.Register(mgr); err != nil {
		return err
	}
	return sets.Register(mgr, &corev1.Secret{})
}
