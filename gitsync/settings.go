package gitsync

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Settings are what holds for all Applications.
type Settings struct {
	// Ignore are differences that count for no Application.
	Ignore []gitopsv1.IgnoreDifference
	// Unclear are kinds whose rules on differences cannot be read, so that nobody knows which of their differences count.
	Unclear []Unclear
	// Exclusions are the kinds that nobody looks at; if there are Inclusions, neither at any other.
	Exclusions, Inclusions []ResourceFilter
	// Poll is how often repositories are asked; nil for what the controller was started with.
	Poll *Interval
}

// Interval is a time between two questions, and by how much longer it may be, so that not all are asked together. Where Every is zero, nothing is asked
// because of the time alone.
type Interval struct{ Every, Jitter time.Duration }

// Unclear is kinds, as an IgnoreDifference names them, and Why their rules cannot be read.
type Unclear struct{ Group, Kind, Why string }

// unclear says why objects of a kind cannot be compared; empty if they can.
func (s Settings) unclear(k Key) string {
	for _, u := range s.Unclear {
		if matchesAny([]string{u.Group}, k.Group) && matchesAny([]string{u.Kind}, k.Kind) {
			return u.Why
		}
	}
	return ""
}

// ResourceFilter names kinds on some clusters. Each list holds globs, of which one must match; an empty list matches everything.
type ResourceFilter struct {
	APIGroups []string `json:"apiGroups,omitempty"`
	Kinds     []string `json:"kinds,omitempty"`
	Clusters  []string `json:"clusters,omitempty"`
}

// never are the kinds that come and go by themselves and never belong to an Application.
var never = []ResourceFilter{
	{APIGroups: []string{"events.k8s.io", "metrics.k8s.io"}},
	{APIGroups: []string{""}, Kinds: []string{"Event"}},
	{APIGroups: []string{"coordination.k8s.io"}, Kinds: []string{"Lease"}},
}

func (f ResourceFilter) matches(k GroupKind, c Cluster) bool {
	among := func(patterns []string, value string) bool {
		return len(patterns) == 0 || slices.Contains(patterns, value) || matchesAny(patterns, value)
	}
	return among(f.APIGroups, k.Group) && among(f.Kinds, k.Kind) && (among(f.Clusters, c.Server) || among(f.Clusters, c.Name))
}

// Excludes reports whether objects of a kind on a cluster are none of our business: they are neither applied nor compared nor pruned.
func (s Settings) Excludes(k GroupKind, c Cluster) bool {
	named := func(f ResourceFilter) bool { return f.matches(k, c) }
	return slices.ContainsFunc(never, named) || slices.ContainsFunc(s.Exclusions, named) || len(s.Inclusions) > 0 && !slices.ContainsFunc(s.Inclusions, named)
}

// excludes reports whether the settings exclude an object.
func (o Observation) excludes(object *unstructured.Unstructured) bool {
	k := KeyOf(object)
	return o.Settings.Excludes(GroupKind{k.Group, k.Kind}, o.Cluster)
}

// Ignored picks the rules on differences for an object, those of the Application and those of the settings.
func (o Observation) Ignored(object *unstructured.Unstructured) Ignored {
	return append(IgnoredFor(o.App.Spec.IgnoreDifferences, object), IgnoredFor(o.Settings.Ignore, object)...)
}

func excludedWarning(k Key) string {
	return fmt.Sprintf("Resource %s/%s %s is excluded in the settings", k.Group, k.Kind, k.Name)
}
