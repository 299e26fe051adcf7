package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	demands = "requiredDuringSchedulingIgnoredDuringExecution"
	wishes  = "preferredDuringSchedulingIgnoredDuringExecution"
)

// KeepApart puts a rule into a template by which its pods do not share a node with those of another revision.
func KeepApart(template map[string]any, a *v1alpha1.AntiAffinity, avoid string) error {
	term := map[string]any{
		"topologyKey": corev1.LabelHostname,
		"labelSelector": map[string]any{"matchExpressions": []any{map[string]any{
			"key": v1alpha1.LabelPodTemplateHash, "operator": "In", "values": []any{avoid},
		}}},
	}
	if a.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		return addRule(template, demands, term)
	}
	if p := a.PreferredDuringSchedulingIgnoredDuringExecution; p != nil {
		return addRule(template, wishes, map[string]any{"weight": int64(p.Weight), "podAffinityTerm": term})
	}
	return nil
}

func addRule(template map[string]any, kind string, rule map[string]any) error {
	at := []string{"spec", "affinity", "podAntiAffinity", kind}
	rules, _, err := unstructured.NestedSlice(template, at...)
	if err != nil {
		return err
	}
	return unstructured.SetNestedSlice(template, append(rules, rule), at...)
}

// withoutApart takes the rules of KeepApart out of a template, and reports whether there were any.
func withoutApart(template map[string]any) (found bool) {
	for _, kind := range []string{demands, wishes} {
		at := []string{"spec", "affinity", "podAntiAffinity", kind}
		rules, there, err := unstructured.NestedSlice(template, at...)
		if err != nil || !there {
			continue // a template of another shape holds no rule of ours
		}
		own := slices.DeleteFunc(slices.Clone(rules), isApart)
		if len(own) == len(rules) {
			continue
		}
		found = true
		if len(own) > 0 {
			_ = unstructured.SetNestedSlice(template, own, at...) // it was read from there
			continue
		}
		for i := len(at); i > 1; i-- {
			if left, _, _ := unstructured.NestedMap(template, at[:i]...); len(left) > 0 {
				break
			}
			unstructured.RemoveNestedField(template, at[:i]...)
		}
	}
	return found
}

// isApart recognises a rule by its selector, which asks for nothing but a pod template hash.
func isApart(rule any) bool {
	r, ok := rule.(map[string]any)
	if !ok {
		return false
	}
	if term, ok := r["podAffinityTerm"].(map[string]any); ok {
		r = term
	}
	selector, ok := r["labelSelector"].(map[string]any)
	if !ok || len(selector) != 1 {
		return false
	}
	expressions, ok := selector["matchExpressions"].([]any)
	if !ok || len(expressions) != 1 {
		return false
	}
	e, ok := expressions[0].(map[string]any)
	return ok && e["key"] == v1alpha1.LabelPodTemplateHash && e["operator"] == "In"
}
