package rollout

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// Indexes of Rollouts by what they name.
const (
	fieldServices  = "spec.services"
	fieldRoutes    = "spec.routes"
	fieldTemplates = "spec.templates"
	fieldWorkloads = "spec.workloadRef"
)

const (
	// passLimit ends a pass whose requests hang.
	passLimit = time.Minute
	// routesRetry is how soon a Rollout is looked at again that names a kind of route which the cluster does not serve.
	routesRetry = 10 * time.Second
)

// Register adds the loop to a manager, with the indexes and watches that it needs, and its metrics to a registry.
// The cache of workloads has to be one of its own: that of the manager leaves out whatever carries no pod template hash.
func (c *Controller) Register(mgr ctrl.Manager, workloads cache.Cache, registry prometheus.Registerer) error {
	c.Workloads = workloads
	c.passes, c.told = kube.NewPasses("rollout", "a Rollout"), countEvents()
	for _, metrics := range []prometheus.Collector{c.passes, c.told, newCensus(mgr.GetCache())} {
		if err := registry.Register(metrics); err != nil {
			return fmt.Errorf("registering the metrics of rollouts: %w", err)
		}
	}
	for _, index := range []struct {
		kind  client.Object
		field string
		read  client.IndexerFunc
	}{
		{&appsv1.ReplicaSet{}, kube.OwnerField, kube.Owner},
		{&v1alpha1.AnalysisRun{}, kube.OwnerField, kube.Owner},
		{&v1alpha1.Experiment{}, kube.OwnerField, kube.Owner},
		{&v1alpha1.Rollout{}, fieldServices, servicesOf},
		{&v1alpha1.Rollout{}, fieldRoutes, c.routesOf},
		{&v1alpha1.Rollout{}, fieldTemplates, usesTemplates},
		{&v1alpha1.Rollout{}, fieldWorkloads, workloadsOf},
	} {
		if err := mgr.GetFieldIndexer().IndexField(context.Background(), index.kind, index.field, index.read); err != nil {
			return fmt.Errorf("indexing %T by %s: %w", index.kind, index.field, err)
		}
	}
	loop, err := ctrl.NewControllerManagedBy(mgr).Named("rollout").
		For(&v1alpha1.Rollout{}).
		Owns(&appsv1.ReplicaSet{}).
		Owns(&v1alpha1.AnalysisRun{}).
		Owns(&v1alpha1.Experiment{}).
		Watches(&corev1.Service{}, c.naming(fieldServices, nameOf)).
		Watches(&v1alpha1.AnalysisTemplate{}, c.naming(fieldTemplates, anyTemplate)).
		Watches(&v1alpha1.ClusterAnalysisTemplate{}, c.naming(fieldTemplates, anyTemplate)).
		WithOptions(kube.LoopOptions(mgr, "rollout", c.Concurrency, passLimit)).
		Build(c)
	if err != nil {
		return fmt.Errorf("building the loop of rollouts: %w", err)
	}
	c.routes.start = func(ctx context.Context, kind client.Object) error {
		if _, err := mgr.GetCache().GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return err
		}
		return loop.Watch(source.Kind(mgr.GetCache(), kind, c.naming(fieldRoutes, c.Routes.KeysOf)))
	}
	c.workloads.start = func(ctx context.Context, kind client.Object) error {
		if _, err := workloads.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return err
		}
		return loop.Watch(source.Kind(workloads, kind, c.naming(fieldWorkloads, workloadKey), predicate.GenerationChangedPredicate{}))
	}
	return nil
}

// naming wakes the Rollouts whose index field holds one of the keys of an object that changed.
func (c *Controller) naming(field string, keys func(client.Object) []string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		var requests []reconcile.Request
		for _, key := range keys(o) {
			var list v1alpha1.RolloutList
			if err := c.Client.List(ctx, &list, client.MatchingFields{field: key}, client.UnsafeDisableDeepCopy); err != nil {
				return nil // the cache is stopping; whoever starts next looks at everything
			}
			for i := range list.Items {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
			}
		}
		return requests
	})
}

func (c *Controller) routesOf(o client.Object) []string {
	r, ok := o.(*v1alpha1.Rollout)
	if !ok {
		return nil
	}
	return c.Routes.Of(r)
}

func nameOf(o client.Object) []string { return []string{o.GetNamespace() + "/" + o.GetName()} }

// anyTemplate wakes all Rollouts that may use a template, for it may be named by another one; edits of templates are rare.
func anyTemplate(o client.Object) []string { return []string{o.GetNamespace()} }

// usesTemplates gives the namespace of a Rollout that uses templates, and the empty one for those of the cluster.
func usesTemplates(o client.Object) []string {
	r, ok := o.(*v1alpha1.Rollout)
	if !ok || len(templateRefs(r)) == 0 {
		return nil
	}
	return []string{r.Namespace, ""}
}

func servicesOf(o client.Object) []string {
	r, ok := o.(*v1alpha1.Rollout)
	if !ok {
		return nil
	}
	stable, canary := servicesNamed(r)
	return []string{r.Namespace + "/" + stable, r.Namespace + "/" + canary}
}

// RouteKinds tells which objects a router reads.
type RouteKinds struct {
	// Of gives the index keys of the routes that a Rollout names, each beginning with the kind and a slash.
	Of func(*v1alpha1.Rollout) []string
	// KeysOf gives the keys under which the Rollouts are indexed that a change of this route may concern.
	KeysOf func(client.Object) []string
	// Served gives an empty object for each kind that the cluster serves.
	Served func(meta.RESTMapper) ([]client.Object, error)
}

// kindWatches starts the watch of a kind when the first Rollout names one, so that a kind that nobody uses costs nothing,
// and one whose CRD comes later needs no restart.
type kindWatches struct {
	// start does not wait for the objects of the kind; that is the business of the Rollouts that read them. Nil starts nothing.
	start func(ctx context.Context, kind client.Object) error

	started  sync.Map // by name
	starting sync.Mutex
}

func (w *kindWatches) has(name string) bool {
	_, ok := w.started.Load(name)
	return ok || w.start == nil
}

// begin starts the watch of a kind unless it has been started under this name.
func (w *kindWatches) begin(ctx context.Context, name string, kind client.Object) error {
	if w.has(name) {
		return nil
	}
	w.starting.Lock()
	defer w.starting.Unlock()
	if w.has(name) {
		return nil
	}
	if err := w.start(ctx, kind); err != nil {
		return err
	}
	w.started.Store(name, true)
	return nil
}

// watchRoutes sees that the kinds of route that a Rollout names are watched. It reports false if the cluster does not serve one of them.
func (c *Controller) watchRoutes(ctx context.Context, r *v1alpha1.Rollout) (bool, error) {
	missing := map[string]bool{}
	for _, key := range c.Routes.Of(r) {
		if kind, _, _ := strings.Cut(key, "/"); !c.routes.has(kind) {
			missing[kind] = true
		}
	}
	if len(missing) == 0 {
		return true, nil
	}
	served, err := c.Routes.Served(c.Client.RESTMapper())
	if err != nil {
		return false, fmt.Errorf("looking for the kinds of route that the cluster serves: %w", err)
	}
	for _, o := range served {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		if !missing[kind] {
			continue
		}
		if err := c.routes.begin(ctx, kind, o); err != nil {
			return false, fmt.Errorf("watching kind %s: %w", kind, err)
		}
		delete(missing, kind)
	}
	return len(missing) == 0, nil
}
