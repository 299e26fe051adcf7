package kube

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// OwnerField is the name of the cache index by the UID of the controlling owner; Owner is its function.
const OwnerField = "metadata.controller"

// Owner gives the UID of the controlling owner for the index OwnerField.
func Owner(o client.Object) []string {
	owner := metav1.GetControllerOfNoCopy(o)
	if owner == nil {
		return nil
	}
	return []string{string(owner.UID)}
}

const (
	// unseenFor is how long an object that we made counts as existing though the cache does not show it.
	unseenFor = 2 * time.Second
	// keptFor is how long a write is remembered that nobody reads back; by then every cache has caught up.
	keptFor = time.Minute
)

// Recent is a client that reads from a cache and yet never sees an older version of an object than the one it wrote itself.
// It keeps what the API server answered to a write until the cache has caught up, so a decision never repeats a step
// that was taken a moment ago, and no read waits for that. The choice of controller-runtime for the same end blocks the reader,
// and lets each list wait for the writes of all others.
//
// It is safe for concurrent use. Apply and DeleteAllOf are passed on and not remembered.
type Recent struct {
	client.Client

	patience Patience

	now    func() time.Time
	mu     sync.Mutex
	writes map[schema.GroupKind]map[types.NamespacedName]written
	swept  time.Time
}

// written is the newest state of an object that we caused.
type written struct {
	object  client.Object // as the API server answered; for a deletion, what was deleted
	created bool          // the cache has not shown the object at all yet
	deleted bool
	at      time.Time
}

// NewRecent wraps a client whose reads come from a cache.
func NewRecent(c client.Client) *Recent {
	return &Recent{Client: c, now: time.Now, writes: map[schema.GroupKind]map[types.NamespacedName]written{}}
}

// Get reads one object.
func (r *Recent) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	kind, err := r.kindOf(o)
	if err != nil {
		return err
	}
	err = r.patience.Read(ctx, kind.Kind, func(ctx context.Context) error { return r.Client.Get(ctx, key, o, opts...) })
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	cached := o
	if err != nil {
		cached = nil
	}
	newest := r.newest(kind, key, cached)
	switch {
	case newest == nil && err == nil:
		return apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, key.Name)
	case newest == nil:
		return err
	case newest == cached:
		return nil
	}
	return copyObject(newest, o)
}

// List reads objects. Ones that the cache does not show yet are added where the namespace, the labels and OwnerField are all that is asked for.
func (r *Recent) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	kind, err := r.kindOf(list)
	if err != nil {
		return err
	}
	if err := r.patience.Read(ctx, kind.Kind, func(ctx context.Context) error { return r.Client.List(ctx, list, opts...) }); err != nil {
		return err
	}
	keys := r.pending(kind)
	if len(keys) == 0 {
		return nil
	}
	return r.overlay(kind, keys, list, (&client.ListOptions{}).ApplyOptions(opts))
}

func (r *Recent) overlay(kind schema.GroupKind, keys []types.NamespacedName, list client.ObjectList, opts *client.ListOptions) error {
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("reading a list of %s: %w", kind.Kind, err)
	}
	var kept []runtime.Object
	for _, item := range items {
		o, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("reading a list of %s: %T is no object", kind.Kind, item)
		}
		key := client.ObjectKeyFromObject(o)
		keys = slices.DeleteFunc(keys, func(k types.NamespacedName) bool { return k == key })
		newest := r.newest(kind, key, o)
		if newest == nil {
			continue
		}
		if newest != o {
			if err := copyObject(newest, o); err != nil {
				return err
			}
		}
		kept = append(kept, o)
	}
	for _, key := range keys {
		newest := r.newest(kind, key, nil)
		if newest == nil || !matches(newest, opts) {
			continue
		}
		o, err := r.emptyItem(kind, list)
		if err != nil {
			return err
		}
		if err := copyObject(newest, o); err != nil {
			return err
		}
		kept = append(kept, o)
	}
	return meta.SetList(list, kept)
}

// emptyItem makes an object of the type that the list holds.
func (r *Recent) emptyItem(kind schema.GroupKind, list client.ObjectList) (client.Object, error) {
	gvk, err := apiutil.GVKForObject(list, r.Scheme())
	if err != nil {
		return nil, err
	}
	if _, ok := list.(*unstructured.UnstructuredList); ok {
		return &unstructured.Unstructured{}, nil
	}
	made, err := r.Scheme().New(gvk.GroupVersion().WithKind(kind.Kind))
	if err != nil {
		return nil, err
	}
	o, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("making a %s: %T is no object", kind.Kind, made)
	}
	return o, nil
}

func matches(o client.Object, opts *client.ListOptions) bool {
	if opts.Namespace != "" && o.GetNamespace() != opts.Namespace {
		return false
	}
	if opts.LabelSelector != nil && !opts.LabelSelector.Matches(labelsOf(o)) {
		return false
	}
	if opts.FieldSelector == nil || opts.FieldSelector.Empty() {
		return true
	}
	owner, asked := opts.FieldSelector.RequiresExactMatch(OwnerField)
	return asked && len(opts.FieldSelector.Requirements()) == 1 && slices.Contains(Owner(o), owner)
}

// newest returns the newer one of what the cache shows and what we wrote; nil if the object does not exist.
// A write that the cache has caught up with is forgotten.
func (r *Recent) newest(kind schema.GroupKind, key types.NamespacedName, cached client.Object) client.Object {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.writes[kind][key]
	if !ok {
		return cached
	}
	if !r.ahead(w, cached) {
		delete(r.writes[kind], key)
		return cached
	}
	if w.deleted {
		return nil
	}
	return w.object
}

// ahead reports whether a write tells more than the cache.
func (r *Recent) ahead(w written, cached client.Object) bool {
	age := r.now().Sub(w.at)
	switch {
	case age > keptFor:
		return false
	case cached == nil:
		return w.created && age <= unseenFor
	case w.deleted:
		return cached.GetUID() == w.object.GetUID() && cached.GetDeletionTimestamp() == nil && age <= unseenFor
	}
	order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), w.object.GetResourceVersion())
	return err == nil && order < 0
}

func (r *Recent) pending(kind schema.GroupKind) []types.NamespacedName {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := make([]types.NamespacedName, 0, len(r.writes[kind]))
	for key := range r.writes[kind] {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b types.NamespacedName) int { return compareNames(a, b) })
	return keys
}

// remember keeps the answer to a write. An object of which only the metadata came back cannot stand in for the whole one.
func (r *Recent) remember(o client.Object, created, deleted bool) error {
	if _, partial := o.(*metav1.PartialObjectMetadata); partial {
		return nil
	}
	kind, err := r.kindOf(o)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	if r.writes[kind] == nil {
		r.writes[kind] = map[types.NamespacedName]written{}
	}
	key := client.ObjectKeyFromObject(o)
	if before, ok := r.writes[kind][key]; ok && !deleted {
		created = created || before.created
	}
	r.writes[kind][key] = written{object: o.DeepCopyObject().(client.Object), created: created, deleted: deleted, at: r.now()}
	return nil
}

// sweep forgets writes that nobody reads back, such as those to objects that are gone.
func (r *Recent) sweep() {
	now := r.now()
	if now.Sub(r.swept) < keptFor {
		return
	}
	r.swept = now
	for _, ofKind := range r.writes {
		for key, w := range ofKind {
			if now.Sub(w.at) > keptFor {
				delete(ofKind, key)
			}
		}
	}
}

func (r *Recent) kindOf(o runtime.Object) (schema.GroupKind, error) {
	gvk, err := apiutil.GVKForObject(o, r.Scheme())
	if err != nil {
		return schema.GroupKind{}, err
	}
	kind := gvk.GroupKind()
	if meta.IsListType(o) {
		kind.Kind = kind.Kind[:len(kind.Kind)-len("List")]
	}
	return kind, nil
}
