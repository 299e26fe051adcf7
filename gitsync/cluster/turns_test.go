package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/gitsync"
)

// rack is a cache that takes each kind in once, until it is taken out.
type rack struct {
	cache.Cache
	cache.Informer
	mu    sync.Mutex
	holds map[string]bool
}

func (r *rack) IndexField(_ context.Context, o client.Object, _ string, _ client.IndexerFunc) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := o.GetObjectKind().GroupVersionKind().Kind
	if r.holds[kind] {
		return errors.New("indexer conflict")
	}
	r.holds[kind] = true
	return nil
}

func (r *rack) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return r, nil
}

func (r *rack) RemoveInformer(_ context.Context, o client.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.holds, o.GetObjectKind().GroupVersionKind().Kind)
	return nil
}

func (r *rack) AddEventHandler(toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return nil, nil
}

// racked is a destination whose cache is a rack.
func racked() (*Cluster, *rack) {
	c, r := newCluster(gitsync.Cluster{}, nil, nil, func(string, string) {}), &rack{holds: map[string]bool{}}
	c.cache = r
	return c, r
}

func TestAKindThatOneLeavesIsThereForTheOneWhoComes(t *testing.T) {
	c, r := racked()
	kinds := []schema.GroupVersionKind{configMap}
	c.Use(t.Context(), "first", kinds)
	if err := c.watch(t.Context(), configMap); err != nil {
		t.Fatal(err)
	}
	left := c.watched[configMap]
	delete(c.watched, configMap) // the first one has left, and what it watched is not removed yet
	c.Use(t.Context(), "second", kinds)
	if err := c.watch(t.Context(), configMap); err != nil {
		t.Errorf("it cannot be watched again: %v", err)
	}
	c.forget(t.Context(), configMap, left)
	if !r.holds["ConfigMap"] {
		t.Error("the end of the earlier watch has ended the later one")
	}
	c.Use(t.Context(), "second", nil)
	if r.holds["ConfigMap"] {
		t.Error("a kind that nobody names is watched")
	}
}

func TestAKindIsWatchedHoweverManyComeAndGo(t *testing.T) {
	c, r := racked()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			user := fmt.Sprint(i)
			for range 200 {
				c.Use(t.Context(), user, []schema.GroupVersionKind{configMap})
				if err := c.watch(t.Context(), configMap); err != nil {
					t.Error(err)
				}
				c.Use(t.Context(), user, nil)
			}
		})
	}
	all.Wait()
	if r.holds["ConfigMap"] {
		t.Error("a kind that nobody names is watched")
	}
}
