package kubetest

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Lasting is all that lives, by path, without what tells when something happened; drop says what else does not count. It is asked for each field by
// its place, such as status.health, and for each member of a list by the place of the list. Lists are sorted, so that only what is in them counts.
func (s *Server) Lasting(drop func(place string, value any) bool) map[string]any {
	all := map[string]any{}
	for path, o := range s.Objects() {
		for _, field := range []string{"uid", "creationTimestamp", "resourceVersion", "generation"} {
			unstructured.RemoveNestedField(o.Object, "metadata", field)
		}
		all[path] = lasting(o.Object, "", drop)
	}
	return all
}

func lasting(v any, place string, drop func(place string, value any) bool) any {
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for k, inner := range v {
			at := strings.TrimPrefix(place+"."+k, ".")
			if !strings.HasSuffix(k, "At") && k != "lastTransitionTime" && k != "uid" && !drop(at, inner) {
				kept[k] = lasting(inner, at, drop)
			}
		}
		return kept
	case []any:
		var kept []any
		for _, inner := range v {
			if !drop(place, inner) {
				kept = append(kept, lasting(inner, place, drop))
			}
		}
		slices.SortStableFunc(kept, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return kept
	}
	return v
}
