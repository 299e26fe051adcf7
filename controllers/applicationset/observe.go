package applicationset

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// seen is what a pass rests on.
type seen struct {
	set *gitopsv1.ApplicationSet
	now time.Time
	// fresh is true if somebody asked for a look at everything anew.
	fresh bool
	// current are all Applications of the set's namespace, own those that the set made.
	current, own []gitopsv1.Application
	projects     []string
	clusters     []generate.Cluster
}

// paths evaluates jq expressions, which is bounded where ignoreDifferences are.
func (s *seen) paths(expression string, object map[string]any) ([][]any, error) {
	return gitsync.Paths(expression, object)
}

// unwinds reports whether the set is deleted by us and not by the garbage collector.
func (s *seen) unwinds() bool {
	return slices.Contains(s.set.Finalizers, gitopsv1.FinalizerResources) || gitopsv1.DeletesInReverse(s.set.Spec) && len(s.set.Finalizers) > 0
}

func without(list []string, text string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == text })
}

// observe gathers everything that a decision rests on. It only reads.
func (c *Controller) observe(ctx context.Context, set *gitopsv1.ApplicationSet) (*seen, error) {
	s := &seen{set: set, now: c.now(), fresh: set.Annotations[gitopsv1.AnnotationApplicationSetRefresh] == "true"}
	var apps gitopsv1.ApplicationList
	if err := c.Client.List(ctx, &apps, client.InNamespace(set.Namespace)); err != nil {
		return nil, fmt.Errorf("listing Applications: %w", err)
	}
	s.current = apps.Items
	slices.SortFunc(s.current, func(a, b gitopsv1.Application) int { return strings.Compare(a.Name, b.Name) })
	for _, app := range s.current {
		if metav1.IsControlledBy(&app, set) {
			s.own = append(s.own, app)
		}
	}
	var projects gitopsv1.AppProjectList
	if err := c.Client.List(ctx, &projects, client.InNamespace(c.Namespace)); err != nil {
		return nil, fmt.Errorf("listing AppProjects: %w", err)
	}
	for _, p := range projects.Items {
		if set.Namespace == c.Namespace || gitsync.PermitsNamespace(p.Spec, set.Namespace) {
			s.projects = append(s.projects, p.Name)
		}
	}
	slices.Sort(s.projects)
	var secrets corev1.SecretList
	if err := c.Secrets.List(ctx, &secrets, client.InNamespace(c.Namespace), client.MatchingLabels{gitopsv1.LabelSecretType: gitopsv1.SecretTypeCluster}); err != nil {
		return nil, fmt.Errorf("listing cluster Secrets: %w", err)
	}
	for _, secret := range secrets.Items {
		s.clusters = append(s.clusters, generate.Cluster{
			Name: string(secret.Data["name"]), Server: string(secret.Data["server"]), Project: string(secret.Data["project"]),
			Labels: secret.Labels, Annotations: secret.Annotations,
		})
	}
	slices.SortFunc(s.clusters, func(a, b generate.Cluster) int { return strings.Compare(a.Name+" "+a.Server, b.Name+" "+b.Server) })
	return s, nil
}
