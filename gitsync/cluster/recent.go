package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/gitsync"
)

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
	// unseenFor is how long an object that we made counts as existing though the cache does not show it; after that the server is asked.
	unseenFor = 2 * time.Second
	// keptFor is how long a write is remembered that nobody reads back: longer than a watch takes to come back once its server does.
	keptFor = 5 * time.Minute
)

// newest is the newest state of an object that is known. What we made and the cache does not show has either gone since, or the watch has lost its
// server for a while.
func (c *Cluster) newest(ctx context.Context, gvk schema.GroupVersionKind, key gitsync.Key, cached *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	o, unsure := c.recent.newest(gvk, key, cached, time.Now())
	if !unsure {
		return o, nil
	}
	fresh := &unstructured.Unstructured{}
	fresh.SetGroupVersionKind(gvk)
	name := client.ObjectKey{Namespace: key.Namespace, Name: key.Name}
	switch err := c.direct.Get(ctx, name, fresh); {
	case apierrors.IsNotFound(err):
		c.recent.forget(o)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s: %w", gvk.Kind, name, err)
	}
	c.recent.remember(fresh, time.Now())
	return fresh, nil
}

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

// gone forgets what was written to an object that has gone since, unless another one has its name by now.
func (r *recent) gone(o *unstructured.Unstructured) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := recentKey{o.GroupVersionKind(), gitsync.KeyOf(o)}
	if w, ok := r.writes[k]; ok && w.object.GetUID() == o.GetUID() {
		delete(r.writes, k)
	}
}

// newest is the newer one of what the cache shows and what we wrote; unsure is true if that is not shown though it should be by now.
func (r *recent) newest(gvk schema.GroupVersionKind, key gitsync.Key, cached *unstructured.Unstructured, now time.Time) (o *unstructured.Unstructured, unsure bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := recentKey{gvk, key}
	w, ok := r.writes[k]
	if !ok {
		return cached, false
	}
	if cached == nil {
		return w.object, now.Sub(w.at) > unseenFor
	}
	if order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), w.object.GetResourceVersion()); err == nil && order < 0 {
		return w.object, false
	}
	delete(r.writes, k)
	return cached, false
}
