package generate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate/sandbox"
)

func (r *run) clusters(at string, g *gitopsv1.ClusterGenerator) ([]Params, error) {
	if err := checkSelector(g.Selector); err != nil {
		return nil, fmt.Errorf("reading %s.selector: %w", at, err)
	}
	var sets []Params
	for _, c := range r.chosen(g.Selector) {
		set := r.clusterParams(c)
		if err := r.addValues(at, g.Values, set); err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	if !g.FlatList {
		return sets, nil
	}
	list := make([]any, len(sets))
	for i, set := range sets {
		list[i] = set
	}
	return []Params{{"clusters": list}}, nil
}

// chosen lists the clusters that a selector lets through, sorted by name and each name once. Without a selector the local cluster belongs
// to them, also if no Secret speaks of it.
func (r *run) chosen(s *gitopsv1.ParameterSelector) []Cluster {
	var all []Cluster
	local := false
	for _, c := range r.Clusters {
		labels := maps.Clone(c.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels[gitopsv1.LabelSecretType] = gitopsv1.SecretTypeCluster
		if !matches(s, labels) {
			continue
		}
		c.Labels = labels
		local = local || c.Server == gitopsv1.InClusterServer
		all = append(all, c)
	}
	if isEmptySelector(s) && !local {
		all = append(all, Cluster{Name: gitopsv1.InClusterName, Server: gitopsv1.InClusterServer})
	}
	slices.SortStableFunc(all, func(a, b Cluster) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b Cluster) bool { return a.Name == b.Name })
}

func (r *run) clusterParams(c Cluster) Params {
	set := Params{"name": c.Name, "nameNormalized": sandbox.Normalize(c.Name), "server": c.Server, "project": c.Project}
	metadata := map[string]any{}
	if len(c.Labels) > 0 {
		metadata["labels"] = anyMap(c.Labels)
	}
	// What kubectl keeps here holds the credentials of the Secret.
	annotations := anyMap(c.Annotations)
	delete(annotations, gitopsv1.AnnotationLastApplied)
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	switch {
	case len(metadata) == 0:
	case r.Set.Spec.GoTemplate:
		set["metadata"] = metadata
	default:
		flatten(set, "metadata", metadata)
	}
	return set
}

func anyMap(texts map[string]string) map[string]any {
	all := make(map[string]any, len(texts))
	for key, text := range texts {
		all[key] = text
	}
	return all
}
