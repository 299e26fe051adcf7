package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// Load reads the family of one Rollout, which Of turns into a model.
func Load(ctx context.Context, c client.Reader, key client.ObjectKey) (kube.Family, error) {
	return kube.Load(ctx, c, key)
}

// LoadAll reads the Rollouts of a namespace, or of all if it is empty, sorted by namespace and name, each without a tree.
func LoadAll(ctx context.Context, c client.Reader, namespace string) ([]kube.Family, error) {
	var list v1alpha1.RolloutList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing rollouts: %w", err)
	}
	all := make([]kube.Family, 0, len(list.Items))
	for i := range list.Items {
		all = append(all, kube.Family{Rollout: &list.Items[i]})
	}
	sortByKey(all)
	return all, nil
}

func sortByKey(all []kube.Family) {
	slices.SortFunc(all, func(a, b kube.Family) int {
		return cmp.Or(cmp.Compare(a.Rollout.Namespace, b.Rollout.Namespace), cmp.Compare(a.Rollout.Name, b.Rollout.Name))
	})
}
