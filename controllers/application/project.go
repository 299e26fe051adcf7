package application

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// registerProjects adds the loop that lets projects go.
func (c *Controller) registerProjects(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("appproject").
		For(&gitopsv1.AppProject{}).
		Watches(&gitopsv1.Application{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			app, ok := o.(*gitopsv1.Application)
			if !ok {
				return nil
			}
			return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: c.Namespace, Name: gitopsv1.ProjectName(app.Spec)}}}
		})).
		WithOptions(kube.LoopOptions(mgr, "appproject", 1, passLimit)).
		Complete(reconcile.Func(c.releaseProject))
}

// releaseProject takes the finalizer off a project that is being deleted once no Application uses it: without their project Applications could not even
// be deleted in order.
func (c *Controller) releaseProject(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	project := &gitopsv1.AppProject{}
	err := c.Client.Get(ctx, request.NamespacedName, project)
	if apierrors.IsNotFound(err) {
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading project %s: %w", request, err)
	}
	if project.DeletionTimestamp == nil || !slices.Contains(project.Finalizers, gitopsv1.FinalizerResources) {
		return ctrl.Result{}, nil
	}
	var list gitopsv1.ApplicationList
	if err := c.Client.List(ctx, &list); err != nil {
		return ctrl.Result{}, fmt.Errorf("looking for Applications of project %s: %w", request, err)
	}
	if slices.ContainsFunc(list.Items, func(app gitopsv1.Application) bool { return gitopsv1.ProjectName(app.Spec) == project.Name }) {
		return ctrl.Result{}, nil // the change of the last one asks for another pass
	}
	free := project.DeepCopy()
	free.Finalizers = slices.DeleteFunc(free.Finalizers, func(f string) bool { return f == gitopsv1.FinalizerResources })
	err = c.Client.Patch(ctx, free, client.MergeFromWithOptions(project, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("releasing project %s: %w", request, err)
	}
	return ctrl.Result{}, nil
}
