package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/gitsync"
)

// trackingField is the cache index by tracking name.
const trackingField = "trackingName"

// annotationSlim marks an object in the cache of which only the name is kept.
const annotationSlim = "sluice-delivery.github.io/slim"

// watch is one watched kind and the Applications that name it.
type watch struct {
	once  sync.Once
	err   error
	tried time.Time
	users map[string]bool
}

// Use says which kinds an Application names now. A kind that nobody names any more is watched no longer.
func (c *Cluster) Use(ctx context.Context, user string, kinds []schema.GroupVersionKind) {
	if c.once != nil {
		return
	}
	named := map[schema.GroupVersionKind]bool{}
	for _, k := range kinds {
		named[k] = true
	}
	var unused []schema.GroupVersionKind
	c.mu.Lock()
	for k := range named {
		if c.watched[k] == nil {
			c.watched[k] = &watch{users: map[string]bool{}}
		}
		c.watched[k].users[user] = true
	}
	for k, w := range c.watched {
		if !named[k] && w.users[user] {
			delete(w.users, user)
			if len(w.users) == 0 {
				delete(c.watched, k)
				unused = append(unused, k)
			}
		}
	}
	c.mu.Unlock()
	for _, k := range unused {
		c.forget(ctx, k)
	}
}

// forget ends the watch of a kind. The only error is that there was none.
func (c *Cluster) forget(ctx context.Context, gvk schema.GroupVersionKind) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	_ = c.cache.RemoveInformer(ctx, o)
}

// watch starts to watch a kind unless that was done, and waits until it has been listed.
func (c *Cluster) watch(ctx context.Context, gvk schema.GroupVersionKind) error {
	c.mu.Lock()
	w := c.watched[gvk]
	if w == nil {
		w = &watch{users: map[string]bool{}}
		c.watched[gvk] = w
	}
	c.mu.Unlock()
	w.once.Do(func() {
		if w.err, w.tried = c.begin(ctx, gvk), time.Now(); w.err != nil {
			c.forget(ctx, gvk)
		}
	})
	if w.err == nil || time.Since(w.tried) < shunFor {
		return w.err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watched[gvk] == w { // the next one tries again
		c.watched[gvk] = &watch{users: w.users}
	}
	return w.err
}

func (c *Cluster) begin(ctx context.Context, gvk schema.GroupVersionKind) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	err := c.cache.IndexField(ctx, o, trackingField, func(o client.Object) []string {
		u, ok := o.(*unstructured.Unstructured)
		if !ok {
			return nil
		}
		if name := gitsync.TrackedBy(u); name != "" {
			return []string{name}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing all objects of kind %s, which watching them begins with: %w", gvk.Kind, err)
	}
	informer, err := c.cache.GetInformer(ctx, o)
	if err != nil {
		return fmt.Errorf("watching objects of kind %s: %w", gvk.Kind, err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    c.tell,
		UpdateFunc: func(before, after any) { c.told(before, after) },
		DeleteFunc: c.tell,
	})
	return err
}

// tell says whose object changed.
func (c *Cluster) tell(o any) {
	if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return
	}
	c.count(u)
	c.tellHolder(u)
}

func (c *Cluster) tellHolder(u *unstructured.Unstructured) {
	if name := gitsync.TrackedBy(u); name != "" {
		c.changed(c.Identity.Server, name)
	}
}

// told says whose object changed and whose it was; a repetition of what is known is no change.
func (c *Cluster) told(before, after any) {
	b, ok := before.(*unstructured.Unstructured)
	a, ok2 := after.(*unstructured.Unstructured)
	if !ok || !ok2 || a.GetResourceVersion() == b.GetResourceVersion() {
		return
	}
	c.tell(a)
	if gitsync.TrackedBy(a) != gitsync.TrackedBy(b) {
		c.tellHolder(b)
	}
}

// slim reduces what enters the cache: of an object that no Application holds only the name stays, of others what others did to their status goes.
func slim(o any) (any, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	if kind := u.GetKind(); gitsync.TrackedBy(u) == "" && kind != "CustomResourceDefinition" && kind != "Namespace" && kind != "Rollout" {
		small := &unstructured.Unstructured{}
		small.SetGroupVersionKind(u.GroupVersionKind())
		small.SetNamespace(u.GetNamespace())
		small.SetName(u.GetName())
		small.SetUID(u.GetUID())
		small.SetResourceVersion(u.GetResourceVersion())
		small.SetAnnotations(map[string]string{annotationSlim: "true"})
		return small, nil
	}
	var kept []metav1.ManagedFieldsEntry
	for _, entry := range u.GetManagedFields() {
		if entry.Subresource != "status" {
			kept = append(kept, entry)
		}
	}
	u.SetManagedFields(kept)
	return u, nil
}

func isSlim(o *unstructured.Unstructured) bool { return o.GetAnnotations()[annotationSlim] == "true" }

// recent remembers what was written a moment ago until the cache shows it, so that no decision rests on an older state than the one that we made.
type recent struct {
	mu     sync.Mutex
	writes map[recentKey]written
}

type recentKey struct {
	gvk schema.GroupVersionKind
	key gitsync.Key
}

type written struct {
	object *unstructured.Unstructured
	at     time.Time
}

const (
	// unseenFor is how long an object that we made counts as existing though the cache does not show it.
	unseenFor = 2 * time.Second
	// keptFor is how long a write is remembered that nobody reads back.
	keptFor = time.Minute
)

func (r *recent) remember(o *unstructured.Unstructured, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writes == nil {
		r.writes = map[recentKey]written{}
	}
	for k, w := range r.writes {
		if now.Sub(w.at) > keptFor {
			delete(r.writes, k)
		}
	}
	r.writes[recentKey{o.GroupVersionKind(), gitsync.KeyOf(o)}] = written{o.DeepCopy(), now}
}

func (r *recent) forget(o *unstructured.Unstructured) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.writes, recentKey{o.GroupVersionKind(), gitsync.KeyOf(o)})
}

// newest is the newer one of what the cache shows and what we wrote.
func (r *recent) newest(gvk schema.GroupVersionKind, key gitsync.Key, cached *unstructured.Unstructured, now time.Time) *unstructured.Unstructured {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := recentKey{gvk, key}
	w, ok := r.writes[k]
	if !ok {
		return cached
	}
	ahead := cached == nil && now.Sub(w.at) <= unseenFor
	if cached != nil {
		order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), w.object.GetResourceVersion())
		ahead = err == nil && order < 0
	}
	if !ahead {
		delete(r.writes, k)
		return cached
	}
	return w.object
}
