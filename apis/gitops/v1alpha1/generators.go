package v1alpha1

import (
	"errors"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/json"
)

// GeneratorKind is the field of a Generator that says how parameters are found.
type GeneratorKind string

// Kinds of generators.
const (
	GeneratorList                    GeneratorKind = "list"
	GeneratorClusters                GeneratorKind = "clusters"
	GeneratorGit                     GeneratorKind = "git"
	GeneratorSCMProvider             GeneratorKind = "scmProvider"
	GeneratorClusterDecisionResource GeneratorKind = "clusterDecisionResource"
	GeneratorPullRequest             GeneratorKind = "pullRequest"
	GeneratorMatrix                  GeneratorKind = "matrix"
	GeneratorMerge                   GeneratorKind = "merge"
	GeneratorPlugin                  GeneratorKind = "plugin"
)

// KindsOf lists the kinds that are set, in the order of the fields; one is usual.
func KindsOf(g Generator) []GeneratorKind {
	var kinds []GeneratorKind
	for _, k := range []struct {
		kind GeneratorKind
		set  bool
	}{
		{GeneratorList, g.List != nil},
		{GeneratorClusters, g.Clusters != nil},
		{GeneratorGit, g.Git != nil},
		{GeneratorSCMProvider, g.SCMProvider != nil},
		{GeneratorClusterDecisionResource, g.ClusterDecisionResource != nil},
		{GeneratorPullRequest, g.PullRequest != nil},
		{GeneratorMatrix, g.Matrix != nil},
		{GeneratorMerge, g.Merge != nil},
		{GeneratorPlugin, g.Plugin != nil},
	} {
		if k.set {
			kinds = append(kinds, k.kind)
		}
	}
	return kinds
}

// NestedGenerator reads a generator inside a matrix or a merge. The schema does not look into it, so a field that does not exist is an
// error here; left out, it would change which Applications there are.
func NestedGenerator(raw apiextensionsv1.JSON) (Generator, error) {
	var g Generator
	unknown, err := json.UnmarshalStrict(raw.Raw, &g)
	if err := errors.Join(append([]error{err}, unknown...)...); err != nil {
		return Generator{}, fmt.Errorf("reading a nested generator: %w", err)
	}
	return g, nil
}
