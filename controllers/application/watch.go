package application

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// gather is how long changes of objects are gathered before the Application that holds them is looked at.
const gather = 20 * time.Millisecond

// passLimit ends a pass that hangs. What it asks of repositories, renderers and destinations has limits of its own.
const passLimit = 15 * time.Minute

// Register adds the loop to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	if err := mgr.Add(manager.RunnableFunc(c.makeDefaultProject)); err != nil {
		return fmt.Errorf("registering the project %s: %w", gitopsv1.DefaultProject, err)
	}
	if err := c.registerProjects(mgr); err != nil {
		return fmt.Errorf("registering the loop of projects: %w", err)
	}
	loop := ctrl.NewControllerManagedBy(mgr).Named("application")
	if c.Settings != nil {
		loop = loop.Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(c.ofSettings))
	}
	return loop.For(&gitopsv1.Application{}, builder.WithPredicates(predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { c.memories.saw(e.Object, nil, time.Now()); return true },
		UpdateFunc: func(e event.UpdateEvent) bool { c.memories.saw(e.ObjectNew, e.ObjectOld, time.Now()); return true },
	})).
		Watches(&gitopsv1.AppProject{}, handler.EnqueueRequestsFromMapFunc(c.ofProject)).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(c.ofSecret), builder.WithPredicates(otherContent)).
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.queue = queue
			return nil
		})).
		WithOptions(kube.LoopOptions(mgr, "application", c.Concurrency, passLimit)).
		Complete(c)
}

// Changed asks for a pass over the Application of a tracking name, because one of its objects changed.
func (c *Controller) Changed(_, trackingName string) {
	c.mu.Lock()
	queue := c.queue
	c.mu.Unlock()
	if queue != nil {
		queue.AddAfter(ctrl.Request{NamespacedName: c.keyOf(trackingName)}, gather)
	}
}

// ofProject lists the Applications to which the rules of a project apply.
func (c *Controller) ofProject(ctx context.Context, project client.Object) (requests []reconcile.Request) {
	var list gitopsv1.ApplicationList
	if project.GetNamespace() != c.Namespace || c.Client.List(ctx, &list) != nil {
		return nil // the cache of Applications only fails before it is filled, and then each is looked at anyway
	}
	for i := range list.Items {
		if app := &list.Items[i]; gitopsv1.ProjectName(app.Spec) == project.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(app)})
		}
	}
	return requests
}

// ofSettings lists all Applications when what holds for all has changed.
func (c *Controller) ofSettings(ctx context.Context, m client.Object) (requests []reconcile.Request) {
	var list gitopsv1.ApplicationList
	if m.GetNamespace() != c.Namespace || m.GetName() != gitopsv1.ConfigMapSettings || c.Client.List(ctx, &list) != nil {
		return nil // as in ofProject
	}
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// interval is how often repositories are asked.
func (c *Controller) interval(s gitsync.Settings) gitsync.Interval {
	if s.Poll != nil {
		return *s.Poll
	}
	return c.Poll
}

// poll is when to ask the repositories again: spread, so that Applications that came together do not ask together for ever. Zero is never.
func poll(i gitsync.Interval) time.Duration {
	if i.Every <= 0 || i.Jitter <= 0 {
		return i.Every
	}
	return i.Every + rand.N(i.Jitter) //nolint:gosec // nobody gains anything by guessing it
}

// forget drops what is remembered of an Application that is gone, and its watches.
func (c *Controller) forget(ctx context.Context, key types.NamespacedName) {
	c.measures.forget(key)
	app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if used := c.memories.forget(key); used != nil {
		used.Use(ctx, gitsync.TrackingName(app, c.Namespace), nil)
	}
}

// makeDefaultProject makes the project that permits everything, in which Applications are that name none. One that is there stays as it is.
func (c *Controller) makeDefaultProject(ctx context.Context) error {
	project := &gitopsv1.AppProject{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: gitopsv1.DefaultProject},
		Spec: gitopsv1.AppProjectSpec{
			SourceRepos:              []string{"*"},
			Destinations:             []gitopsv1.ProjectDestination{{Server: "*", Namespace: "*"}},
			ClusterResourceWhitelist: []gitopsv1.ClusterResource{{Group: "*", Kind: "*"}},
		},
	}
	err := c.Client.Create(ctx, project)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making the project %s in namespace %s, which must exist: %w", gitopsv1.DefaultProject, c.Namespace, err)
	}
	return nil
}
