package applicationset

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// passLimit ends a pass that hangs; askLimit, which is most of it, comes first.
const passLimit = 15 * time.Minute

// Register adds the loop to a manager. Clusters is an object of the kind Secret whose informer shows cluster Secrets.
func (c *Controller) Register(mgr ctrl.Manager, clusters client.Object) error {
	return ctrl.NewControllerManagedBy(mgr).Named("applicationset").
		For(&gitopsv1.ApplicationSet{}).
		Owns(&gitopsv1.Application{}).
		Watches(&gitopsv1.AppProject{}, handler.EnqueueRequestsFromMapFunc(c.all)).
		Watches(clusters, handler.EnqueueRequestsFromMapFunc(c.ofClusters)).
		WithOptions(kube.LoopOptions(mgr, "applicationset", c.Concurrency, passLimit)).
		Complete(c)
}

// all lists all sets.
func (c *Controller) all(ctx context.Context, _ client.Object) (requests []reconcile.Request) {
	var list gitopsv1.ApplicationSetList
	if c.Client.List(ctx, &list) != nil {
		return nil // the cache of sets only fails before it is filled, and then each is looked at anyway
	}
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// ofClusters lists the sets that a cluster Secret may concern.
func (c *Controller) ofClusters(ctx context.Context, secret client.Object) []reconcile.Request {
	if secret.GetNamespace() != c.Namespace || secret.GetLabels()[gitopsv1.LabelSecretType] != gitopsv1.SecretTypeCluster {
		return nil
	}
	return c.all(ctx, secret)
}
