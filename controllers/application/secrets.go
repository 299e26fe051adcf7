package application

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// otherContent passes changes of Secrets that are more than a new time stamp.
var otherContent = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, is := e.ObjectOld.(*corev1.Secret)
	after, too := e.ObjectNew.(*corev1.Secret)
	frozen := func(s *corev1.Secret) string { return s.Annotations[gitopsv1.AnnotationSkipReconcile] }
	return is && too && (!equality.Semantic.DeepEqual(before.Data, after.Data) || !equality.Semantic.DeepEqual(before.Labels, after.Labels) || frozen(before) != frozen(after))
}}

// ofSecret lists the Applications that go to the cluster, or come from the repositories, that a Secret is about.
func (c *Controller) ofSecret(ctx context.Context, o client.Object) (requests []reconcile.Request) {
	secret, is := o.(*corev1.Secret)
	if !is || secret.Namespace != c.Namespace {
		return nil
	}
	var list gitopsv1.ApplicationList
	if c.Client.List(ctx, &list) != nil {
		return nil // as in ofProject
	}
	for i := range list.Items {
		if app := &list.Items[i]; concerns(secret, app) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(app)})
		}
	}
	return requests
}

// concerns reports whether a Secret is about the cluster, or a repository, of an Application.
func concerns(secret *corev1.Secret, app *gitopsv1.Application) bool {
	switch secret.Labels[gitopsv1.LabelSecretType] {
	case gitopsv1.SecretTypeCluster:
		d, server, name := app.Spec.Destination, strings.TrimSuffix(string(secret.Data["server"]), "/"), string(secret.Data["name"])
		return d.Server != "" && strings.TrimSuffix(d.Server, "/") == server || d.Name != "" && d.Name == name
	case gitopsv1.SecretTypeRepository, gitopsv1.SecretTypeRepoCreds:
		prefix := gitsync.NormalURL(string(secret.Data["url"]))
		return slices.ContainsFunc(gitopsv1.SourcesOf(app.Spec), func(s gitopsv1.Source) bool { return strings.HasPrefix(gitsync.NormalURL(s.RepoURL), prefix) })
	}
	return false
}
