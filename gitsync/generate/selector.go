package generate

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// checkSelector says what is wrong with a selector, before anything is compared with it.
func checkSelector(s *gitopsv1.ParameterSelector) error {
	if s == nil {
		return nil
	}
	for i, e := range s.MatchExpressions {
		switch e.Operator {
		case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
			if len(e.Values) == 0 {
				return fmt.Errorf("matchExpressions[%d] has no values; %s needs some", i, e.Operator)
			}
		case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
			if len(e.Values) > 0 {
				return fmt.Errorf("matchExpressions[%d] has values; %s takes none", i, e.Operator)
			}
		default:
			return fmt.Errorf("matchExpressions[%d] has the operator %q; use In, NotIn, Exists or DoesNotExist", i, e.Operator)
		}
	}
	return nil
}

// isEmptySelector reports whether a selector, which may be absent, chooses everything.
func isEmptySelector(s *gitopsv1.ParameterSelector) bool {
	return s == nil || len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

// matches compares a selector with texts by key. As with labels, NotIn and DoesNotExist hold for a key that is absent.
func matches(s *gitopsv1.ParameterSelector, texts map[string]string) bool {
	if s == nil {
		return true
	}
	for key, want := range s.MatchLabels {
		if got, ok := texts[key]; !ok || got != want {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		if got, ok := texts[e.Key]; !holds(e, got, ok) {
			return false
		}
	}
	return true
}

func holds(e metav1.LabelSelectorRequirement, got string, ok bool) bool {
	switch e.Operator {
	case metav1.LabelSelectorOpIn:
		return ok && slices.Contains(e.Values, got)
	case metav1.LabelSelectorOpNotIn:
		return !ok || !slices.Contains(e.Values, got)
	case metav1.LabelSelectorOpExists:
		return ok
	}
	return !ok
}

// selected keeps the sets that a selector over parameters lets through.
func selected(s *gitopsv1.ParameterSelector, sets []Params) []Params {
	if isEmptySelector(s) {
		return sets
	}
	var kept []Params
	for _, set := range sets {
		flat := Params{}
		flatten(flat, "", set)
		texts := map[string]string{}
		for key, value := range flat {
			texts[key] = fmt.Sprint(value)
		}
		if matches(s, texts) {
			kept = append(kept, set)
		}
	}
	return kept
}
