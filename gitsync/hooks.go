package gitsync

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// deleteHooksOf gives the moments of the deletion of an Application at which a manifest runs; none for most.
func deleteHooksOf(o *unstructured.Unstructured) (runs []gitopsv1.HookType) {
	for _, name := range listed(annotation(o, gitopsv1.AnnotationHook)) {
		if t := gitopsv1.HookType(name); t == gitopsv1.HookPreDelete || t == gitopsv1.HookPostDelete {
			runs = append(runs, t)
		}
	}
	if len(runs) > 0 {
		return runs
	}
	for _, name := range listed(annotation(o, gitopsv1.AnnotationHelmHook)) {
		switch name {
		case "pre-delete":
			runs = append(runs, gitopsv1.HookPreDelete)
		case "post-delete":
			runs = append(runs, gitopsv1.HookPostDelete)
		}
	}
	return runs
}

var helmPolicies = map[string]gitopsv1.HookDeletePolicy{
	"hook-succeeded": gitopsv1.HookSucceeded, "hook-failed": gitopsv1.HookFailed, "before-hook-creation": gitopsv1.HookBeforeHookCreation,
}

// deletedOn reports whether a hook object is deleted on an occasion; before a new one of its name is created, unless it says otherwise.
func deletedOn(o *unstructured.Unstructured, occasion gitopsv1.HookDeletePolicy) bool {
	var policies []gitopsv1.HookDeletePolicy
	for _, name := range listed(annotation(o, gitopsv1.AnnotationHookDeletePolicy)) {
		switch p := gitopsv1.HookDeletePolicy(name); p {
		case gitopsv1.HookSucceeded, gitopsv1.HookFailed, gitopsv1.HookBeforeHookCreation:
			policies = append(policies, p)
		}
	}
	for _, name := range listed(annotation(o, gitopsv1.AnnotationHelmHookDeletePolicy)) {
		if p, known := helmPolicies[name]; known {
			policies = append(policies, p)
		}
	}
	if len(policies) == 0 {
		policies = []gitopsv1.HookDeletePolicy{gitopsv1.HookBeforeHookCreation}
	}
	return slices.Contains(policies, occasion)
}

// held reports whether our finalizer keeps a hook object until its outcome is recorded.
func held(o *unstructured.Unstructured) bool {
	return slices.Contains(o.GetFinalizers(), gitopsv1.FinalizerHook)
}

// withHold gives a copy of a hook's manifest with our finalizer.
func withHold(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	o.SetFinalizers(append(slices.Clone(o.GetFinalizers()), gitopsv1.FinalizerHook))
	return o
}
