package generate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/generate/sandbox"
)

// PathFinder lists the paths, of keys and indices, that a jq expression such as .spec.source.targetRevision points at in an object.
type PathFinder func(expression string, object map[string]any) ([][]any, error)

// brought is an Application as it should be written: what the set wants, and what it leaves to others as it was found.
func (s State) brought(found, wanted gitopsv1.Application) (gitopsv1.Application, error) {
	next := *found.DeepCopy()
	next.Spec = wanted.Spec
	var fields gitopsv1.PreservedFields
	if s.Set.Spec.PreservedFields != nil {
		fields = *s.Set.Spec.PreservedFields
	}
	next.Labels = kept(wanted.Labels, found.Labels, func(key string) bool { return slices.Contains(fields.Labels, key) })
	next.Annotations = kept(wanted.Annotations, found.Annotations, func(key string) bool {
		return slices.Contains(fields.Annotations, key) || isMail(key)
	})
	next.Finalizers = keptFinalizers(wanted.Finalizers, found.Finalizers)
	next.OwnerReferences = owned(found.OwnerReferences, ownerOf(s.Set))
	return s.withIgnored(found, next)
}

// isMail reports whether an annotation is an order to the controller, or the memory of a notifier or of the sync, and no part of what is wanted.
func isMail(key string) bool {
	return key == gitopsv1.AnnotationRefresh || key == gitopsv1.AnnotationHydrate || key == gitopsv1.AnnotationDeletionApproved ||
		key == gitsync.AnnotationRollouts || strings.HasPrefix(key, gitopsv1.AnnotationNotifiedPrefix)
}

func kept(wanted, found map[string]string, keep func(string) bool) map[string]string {
	all := maps.Clone(wanted)
	for key, value := range found {
		if !keep(key) {
			continue
		}
		if all == nil {
			all = map[string]string{}
		}
		all[key] = value
	}
	return all
}

func keptFinalizers(wanted, found []string) []string {
	all := slices.Clone(wanted)
	for _, f := range found {
		hook := strings.HasPrefix(f, gitopsv1.FinalizerPreDelete) || strings.HasPrefix(f, gitopsv1.FinalizerPostDelete)
		if hook && !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	return all
}

func owned(found []metav1.OwnerReference, owner metav1.OwnerReference) []metav1.OwnerReference {
	if slices.ContainsFunc(found, func(o metav1.OwnerReference) bool { return o.UID == owner.UID }) {
		return found
	}
	return append(slices.Clone(found), owner)
}

// writtenPart is the part of an Application that a set writes.
func writtenPart(app gitopsv1.Application) (map[string]any, error) {
	owners := slices.Clone(app.OwnerReferences)
	return tree(map[string]any{
		"metadata": map[string]any{
			"labels": anyMap(app.Labels), "annotations": anyMap(app.Annotations),
			"finalizers": slices.Sorted(slices.Values(app.Finalizers)), "ownerReferences": owners,
		},
		"spec": app.Spec,
	})
}

// withIgnored takes the fields that users may change from the Application as it was found.
func (s State) withIgnored(found, next gitopsv1.Application) (gitopsv1.Application, error) {
	live, err := writtenPart(found)
	if err != nil {
		return next, err
	}
	object, err := writtenPart(next)
	if err != nil {
		return next, err
	}
	used := false
	for _, rule := range s.Set.Spec.IgnoreApplicationDifferences {
		if rule.Name != "" && rule.Name != found.Name {
			continue
		}
		paths, err := s.ignoredPaths(rule, live, object)
		if err != nil {
			return next, err
		}
		for _, path := range paths {
			copyPath(object, live, path)
			used = true
		}
	}
	if !used {
		return next, nil
	}
	text, err := json.Marshal(object)
	if err != nil {
		return next, err
	}
	var parts struct {
		Metadata struct {
			Labels, Annotations map[string]string
			Finalizers          []string
		}
		Spec gitopsv1.ApplicationSpec
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return next, fmt.Errorf("keeping what ignoreApplicationDifferences names: %w", err)
	}
	next.Labels, next.Annotations, next.Finalizers = parts.Metadata.Labels, parts.Metadata.Annotations, parts.Metadata.Finalizers
	next.Spec = parts.Spec
	return next, nil
}

// ignoredPaths lists what a rule points at, in the Application as it is or in the one that is wanted; the last of a list come first, so
// that taking one out moves no other.
func (s State) ignoredPaths(rule gitopsv1.IgnoreApplicationDifference, live, wanted map[string]any) ([][]any, error) {
	var paths [][]any
	for _, pointer := range rule.JSONPointers {
		path, err := pointerPath(pointer)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	for _, expression := range rule.JQPathExpressions {
		if s.Paths == nil {
			return nil, fmt.Errorf("ignoreApplicationDifferences: jqPathExpressions cannot be evaluated here; use jsonPointers")
		}
		for _, object := range []map[string]any{live, wanted} {
			found, err := s.Paths(expression, object)
			if err != nil {
				return nil, fmt.Errorf("ignoreApplicationDifferences: evaluating %q: %w", expression, err)
			}
			paths = append(paths, found...)
		}
	}
	slices.SortStableFunc(paths, func(a, b []any) int { return comparePaths(b, a) })
	return slices.CompactFunc(paths, func(a, b []any) bool { return comparePaths(a, b) == 0 }), nil
}

// comparePaths orders paths step by step: indices by number, keys by text.
func comparePaths(a, b []any) int {
	return slices.CompareFunc(a, b, func(x, y any) int {
		if i, j := place(x), place(y); i >= 0 && j >= 0 {
			return i - j
		}
		return strings.Compare(fmt.Sprint(x), fmt.Sprint(y))
	})
}

// pointerPath reads an RFC 6901 pointer; a step that is a number may be an index or a key.
func pointerPath(pointer string) ([]any, error) {
	if !strings.HasPrefix(pointer, "/") {
		return nil, fmt.Errorf("ignoreApplicationDifferences: the pointer %q does not start with a slash", pointer)
	}
	var path []any
	for _, step := range strings.Split(pointer[1:], "/") {
		path = append(path, strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
	}
	return path, nil
}

// copyPath makes object hold at a path what live holds there, or nothing if it holds nothing. It makes no parents.
func copyPath(object, live any, path []any) {
	if len(path) == 0 {
		return
	}
	value, found := child(live, path[0])
	if len(path) > 1 {
		if next, ok := child(object, path[0]); ok && found {
			copyPath(next, value, path[1:])
		}
		return
	}
	switch o := object.(type) {
	case map[string]any:
		key := fmt.Sprint(path[0])
		if delete(o, key); found {
			o[key] = sandbox.Clone(value)
		}
	case []any:
		if i, ok := index(path[0], len(o)); ok && found {
			o[i] = sandbox.Clone(value)
		}
	}
}

func child(of any, step any) (any, bool) {
	switch v := of.(type) {
	case map[string]any:
		value, ok := v[fmt.Sprint(step)]
		return value, ok
	case []any:
		if i, ok := index(step, len(v)); ok {
			return v[i], true
		}
	}
	return nil, false
}

func index(step any, length int) (int, bool) {
	i := place(step)
	return i, i >= 0 && i < length
}

// place is the number of a step; -1 if it is none. Steps come as numbers from jq and as texts from pointers.
func place(step any) int {
	switch s := step.(type) {
	case int:
		return s
	case float64:
		return int(s)
	case string:
		if n, err := strconv.Atoi(s); err == nil && n >= 0 {
			return n
		}
	}
	return -1
}
