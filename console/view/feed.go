package view

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// feed keeps the objects of one kind up to date. It implements cache.ListerWatcherWithContext over the stage's client.
type feed struct {
	client client.WithWatch
	// kind is the plural name for people.
	kind     string
	list     client.ObjectList
	options  []client.ListOption
	informer cache.Controller
	store    cache.Store
	signal   func()

	mu      sync.Mutex
	trouble error
}

// objects is a feed whose kind is known.
type objects[T any] struct{ *feed }

// follow adds a feed to the stage; kind is its plural name for people, and T the element type of list.
func follow[T any, P interface {
	*T
	client.Object
}](s *stage, kind string, list client.ObjectList, options ...client.ListOption) objects[T] {
	f := &feed{client: s.client, kind: kind, list: list, options: options, signal: s.signal}
	f.store, f.informer = cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: f,
		ObjectType:    P(new(T)),
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { s.signal() },
			UpdateFunc: func(any, any) { s.signal() },
			DeleteFunc: func(any) { s.signal() },
		},
	})
	s.feeds = append(s.feeds, f)
	return objects[T]{f}
}

// all returns the objects as they are now, in no order.
func (o objects[T]) all() []T {
	var all []T
	for _, item := range o.store.List() {
		if t, ok := item.(*T); ok {
			all = append(all, *t)
		}
	}
	return all
}

// note remembers what came of the last request, because the library retries in silence.
func (f *feed) note(doing string, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.trouble
	f.trouble = nil
	if err != nil {
		f.trouble = fmt.Errorf("%s %s: %w", doing, f.kind, err)
	}
	if before != nil || err != nil {
		f.signal()
	}
	return err
}

func (f *feed) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trouble
}

// ListWithContext lists the objects; a kind that the server does not serve has none.
func (f *feed) ListWithContext(ctx context.Context, raw metav1.ListOptions) (runtime.Object, error) {
	list, ok := f.list.DeepCopyObject().(client.ObjectList)
	if !ok {
		return nil, fmt.Errorf("listing %s: %T is no list", f.kind, f.list)
	}
	err := f.client.List(ctx, list, f.with(raw)...)
	if meta.IsNoMatchError(err) {
		err = nil
	}
	return list, f.note("listing", err)
}

// WatchWithContext watches the objects; a kind that the server does not serve stays silent.
func (f *feed) WatchWithContext(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
	w, err := f.client.Watch(ctx, f.list, f.with(raw)...)
	if meta.IsNoMatchError(err) {
		return watch.NewFake(), nil
	}
	return w, f.note("watching", err)
}

func (f *feed) with(raw metav1.ListOptions) []client.ListOption {
	return append(append([]client.ListOption{}, f.options...), &client.ListOptions{Raw: &raw})
}

// List implements cache.Lister for callers without a context; the informer never is one.
func (f *feed) List(raw metav1.ListOptions) (runtime.Object, error) {
	return f.ListWithContext(context.Background(), raw)
}

// Watch implements cache.Watcher likewise.
func (f *feed) Watch(raw metav1.ListOptions) (watch.Interface, error) {
	return f.WatchWithContext(context.Background(), raw)
}

// IsWatchListSemanticsUnSupported keeps the informer at list and watch, which every server and every fake one understands.
func (f *feed) IsWatchListSemanticsUnSupported() bool { return true }
