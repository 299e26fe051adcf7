package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/gitsync"
)

// trackingField is the cache index by tracking name.
const trackingField = "trackingName"

// annotationSlim marks an object in the cache of which only the name is kept.
const annotationSlim = "sluice-delivery.github.io/slim"

// refusedWithin is how soon a server must refuse again what it has refused before it is believed; and no sooner than firstRest, because one kind is
// listed in several namespaces at once.
const refusedWithin = time.Minute

// watch is one watched kind and the Applications that name it. All but once is guarded by the cluster.
type watch struct {
	once  sync.Once
	users map[string]bool
	// cancel ends the first list, with the reason.
	cancel context.CancelCauseFunc
	// refused is when the server first refused to list or watch in the last minute, err why the kind is not watched, since tried.
	refused, tried time.Time
	err            error
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
	unused := map[schema.GroupVersionKind]*watch{}
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
				unused[k] = w
			}
		}
	}
	c.mu.Unlock()
	for k, w := range unused {
		c.forget(ctx, k, w)
	}
}

// forget ends a watch of a kind, unless another one has taken its place.
func (c *Cluster) forget(ctx context.Context, gvk schema.GroupVersionKind, w *watch) {
	defer c.turn(gvk).Unlock()
	c.mu.Lock()
	now := c.watched[gvk]
	c.mu.Unlock()
	if now == nil || now == w {
		c.remove(ctx, gvk)
	}
}

// turn waits until no watch of a kind begins or ends, and gives what is to be unlocked then.
func (c *Cluster) turn(gvk schema.GroupVersionKind) *sync.Mutex {
	c.mu.Lock()
	turn := c.turns[gvk]
	if turn == nil {
		turn = &sync.Mutex{}
		c.turns[gvk] = turn
	}
	c.mu.Unlock()
	turn.Lock()
	return turn
}

// remove takes a kind out of the cache, in its turn. The only error is that it is not there.
func (c *Cluster) remove(ctx context.Context, gvk schema.GroupVersionKind) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	_ = c.cache.RemoveInformer(ctx, o)
}

// Check begins to watch a kind, and completes what is known of it: it may be served no more, and there may be no right to read its objects.
func (c *Cluster) Check(ctx context.Context, gvk schema.GroupVersionKind, known gitsync.Kind) (gitsync.Kind, error) {
	if c.once != nil {
		return known, nil
	}
	err := c.watch(ctx, gvk)
	switch {
	case apierrors.IsNotFound(err):
		known.Known = false
	case apierrors.IsForbidden(err):
		known.Unread = fmt.Sprintf("reading objects of kind %s in cluster %s: %s", gvk.Kind, c.Identity.Server, err)
	case err != nil:
		return known, err
	}
	return known, nil
}

// watch starts to watch a kind unless that was done, and waits until it has been listed. The error is that of the server if it refuses.
func (c *Cluster) watch(ctx context.Context, gvk schema.GroupVersionKind) error {
	c.mu.Lock()
	w := c.watched[gvk]
	switch {
	case w == nil:
		w = &watch{users: map[string]bool{}}
	case w.err != nil && time.Since(w.tried) >= shunFor:
		w = &watch{users: w.users}
	}
	c.watched[gvk] = w
	c.mu.Unlock()
	w.once.Do(func() {
		defer c.turn(gvk).Unlock()
		c.remove(ctx, gvk) // what an earlier watch has left
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		c.mu.Lock()
		w.cancel = cancel
		c.mu.Unlock()
		err := c.begin(ctx, gvk)
		if err != nil {
			c.remove(ctx, gvk)
			if why := context.Cause(ctx); isRefusal(why) {
				err = why
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fail(gvk, w, err)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	return w.err
}

// fail notes why a kind is not watched, nil if it is. Of what the server refuses the Applications are told when it is worth another try.
func (c *Cluster) fail(gvk schema.GroupVersionKind, w *watch, err error) {
	w.err, w.tried = err, time.Now()
	if isRefusal(err) {
		time.AfterFunc(shunFor, func() { c.tellUsers(gvk) })
	}
}

// isRefusal reports whether a server has said that a kind may not be read, or that it serves none such.
func isRefusal(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) }

// lost is told why a kind could not be listed or watched. The watch goes on trying by itself, but what the server has refused twice within a minute
// counts as refused: a server that has just started may refuse, for a moment, what it permits.
func (c *Cluster) lost(ctx context.Context, r *toolscache.Reflector, err error) {
	toolscache.DefaultWatchErrorHandler(ctx, r, err)
	if !isRefusal(err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for gvk, w := range c.watched {
		if gvk.String() != r.TypeDescription() {
			continue
		}
		since := time.Since(w.refused)
		if since >= refusedWithin {
			w.refused = time.Now()
		}
		switch {
		case since < firstRest || since >= refusedWithin || w.err != nil || w.cancel == nil: // nobody has begun to watch, if this is of an earlier watch
		case w.tried.IsZero():
			w.cancel(err)
		default:
			c.fail(gvk, w, err)
			go func() {
				c.forget(ctx, gvk, w)
				c.tellUsers(gvk)
			}()
		}
		return
	}
}

// tellUsers says that what is known of a kind has changed.
func (c *Cluster) tellUsers(gvk schema.GroupVersionKind) {
	c.mu.Lock()
	var users []string
	if w := c.watched[gvk]; w != nil {
		users = slices.Collect(maps.Keys(w.users))
	}
	c.mu.Unlock()
	for _, name := range users {
		c.changed(c.Identity.Server, name)
	}
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
		if name := gitsync.NamedBy(u); name != "" {
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
		DeleteFunc: c.tellGone,
	})
	return err
}

// tellGone says whose object has gone.
func (c *Cluster) tellGone(o any) {
	if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	if u, ok := o.(*unstructured.Unstructured); ok {
		c.recent.gone(u)
		c.tellOfDefinition(u)
	}
	c.tell(o)
}

// tellOfDefinition says that a definition of a kind has changed, of which nothing tells who holds it, to all who name definitions.
func (c *Cluster) tellOfDefinition(u *unstructured.Unstructured) {
	if u.GetKind() == "CustomResourceDefinition" {
		c.tellUsers(u.GroupVersionKind())
	}
}

// tell says whose object changed.
func (c *Cluster) tell(o any) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return
	}
	c.count(u)
	c.tellHolder(u)
}

func (c *Cluster) tellHolder(u *unstructured.Unstructured) {
	if name := gitsync.NamedBy(u); name != "" {
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
	if a.GetGeneration() != b.GetGeneration() {
		c.tellOfDefinition(a)
	}
	if gitsync.NamedBy(a) != gitsync.NamedBy(b) {
		c.tellHolder(b)
	}
}

// slim reduces what enters the cache: of an object that no Application holds only the name stays, of others what others did to their status goes.
func slim(o any) (any, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	if kind := u.GetKind(); gitsync.NamedBy(u) == "" && kind != "CustomResourceDefinition" && kind != "Namespace" && kind != "Rollout" {
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
