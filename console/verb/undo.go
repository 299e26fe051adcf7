package verb

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// Undo puts the pod template of an earlier revision back into the spec; 0 means the one before the current.
func Undo(ctx context.Context, c client.Client, key client.ObjectKey, revision int64) (string, error) {
	r, err := load(ctx, c, key)
	if err != nil {
		return "", err
	}
	h, err := loadHolder(ctx, c, r)
	if IsRefused(err) {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("undoing %s: %w", named(key), err)
	}
	past, err := loadHistory(ctx, c, r, h)
	if err != nil {
		return "", fmt.Errorf("undoing %s: %w", named(key), err)
	}
	to, err := past.find(key, revision)
	if err != nil {
		return "", err
	}
	template, err := kube.BareTemplate(to.Unstructured)
	if err != nil {
		return "", fmt.Errorf("undoing %s: %w", named(key), err)
	}
	if err := h.patch(ctx, c, []operation{{"replace", h.pointer, template}}); err != nil {
		return "", fmt.Errorf("undoing %s: writing the pod template of revision %d into %s: %w", named(key), to.number, h.words, err)
	}
	return said(key, "return to the pod template of revision %d asked for", to.number), nil
}

// ancestor is one earlier revision: a ReplicaSet, read without Go types, so that no field of its template is lost.
type ancestor struct {
	*unstructured.Unstructured
	number int64
	hash   string
}

// history is the revisions that can be returned to, the newest first, and the hash of the one that the spec asks for.
type history struct {
	revisions []ancestor
	current   string
}

func loadHistory(ctx context.Context, c client.Client, r *v1alpha1.Rollout, h holder) (history, error) {
	sets := &unstructured.UnstructuredList{}
	sets.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSetList"})
	err := c.List(ctx, sets, client.InNamespace(r.Namespace), client.HasLabels{v1alpha1.LabelPodTemplateHash})
	if err != nil {
		return history{}, fmt.Errorf("listing its revisions: %w", err)
	}
	var all history
	for i := range sets.Items {
		set := &sets.Items[i]
		number, err := strconv.ParseInt(set.GetAnnotations()[v1alpha1.AnnotationRevision], 10, 64)
		if err != nil || !metav1.IsControlledBy(set, r) {
			continue // a ReplicaSet without a number is not a revision of this Rollout
		}
		all.revisions = append(all.revisions, ancestor{set, number, set.GetLabels()[v1alpha1.LabelPodTemplateHash]})
	}
	slices.SortFunc(all.revisions, func(a, b ancestor) int { return cmp.Compare(b.number, a.number) })
	all.current, err = all.currentHash(r, h)
	return all, err
}

// currentHash is the revision that the spec asks for; empty while the controller has not made it.
// The spec itself is asked first, because right after an apply the status still speaks of the revision before.
func (p history) currentHash(r *v1alpha1.Rollout, h holder) (string, error) {
	raw, err := json.Marshal(h.template())
	if err != nil {
		return "", fmt.Errorf("reading the pod template of %s: %w", h.words, err)
	}
	hash, err := v1alpha1.PodTemplateHash(runtime.RawExtension{Raw: raw}, r.Status.CollisionCount)
	if err == nil && slices.ContainsFunc(p.revisions, func(a ancestor) bool { return a.hash == hash }) {
		return hash, nil
	}
	if observed(r) && (r.Spec.WorkloadRef == nil || reached(r.Status.WorkloadObservedGeneration, h.GetGeneration())) {
		return r.Status.CurrentPodHash, nil
	}
	return "", nil
}

func (p history) find(key client.ObjectKey, revision int64) (ancestor, error) {
	if revision == 0 {
		i := slices.IndexFunc(p.revisions, func(a ancestor) bool { return a.hash != p.current })
		if i < 0 {
			return ancestor{}, refuse(key, "nothing to undo: there is no earlier revision")
		}
		return p.revisions[i], nil
	}
	i := slices.IndexFunc(p.revisions, func(a ancestor) bool { return a.number == revision })
	if i < 0 {
		return ancestor{}, refuse(key, "there is no revision %d: %s", revision, p.words())
	}
	if p.revisions[i].hash == p.current {
		return ancestor{}, refuse(key, "nothing to undo: revision %d is what the spec asks for", revision)
	}
	return p.revisions[i], nil
}

func (p history) words() string {
	if len(p.revisions) == 0 {
		return "there is none yet"
	}
	var numbers []string
	for _, a := range p.revisions {
		n := strconv.FormatInt(a.number, 10)
		if a.hash == p.current {
			n += " (current)"
		}
		numbers = append(numbers, n)
	}
	return "there are " + strings.Join(numbers, ", ")
}
