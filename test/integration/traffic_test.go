package integration

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/world/app"
)

// readTraffic says where a route sends requests that carry no header of a managed rule.
func readTraffic(ctx context.Context, from client.Reader, namespace, route string) (watched, error) {
	w := watched{weights: map[string]int32{}}
	r := &gatewayv1.HTTPRoute{}
	if err := from.Get(ctx, types.NamespacedName{Namespace: namespace, Name: route}, r); err != nil {
		return w, err
	}
	for _, ref := range plainRule(r).BackendRefs {
		weight := ptr.Deref(ref.Weight, 1)
		if weight == 0 {
			continue
		}
		s := &corev1.Service{}
		if err := from.Get(ctx, types.NamespacedName{Namespace: namespace, Name: string(ref.Name)}, s); err != nil {
			return w, err
		}
		w.weights[s.Spec.Selector[v1alpha1.LabelPodTemplateHash]] += weight
		w.total += weight
	}
	var sets appsv1.ReplicaSetList
	if err := from.List(ctx, &sets, client.InNamespace(namespace)); err != nil {
		return w, err
	}
	w.sets = sets.Items
	return w, nil
}

// plainRule is the first rule that asks for no header: managed rules stand before it.
func plainRule(r *gatewayv1.HTTPRoute) gatewayv1.HTTPRouteRule {
	for _, rule := range r.Spec.Rules {
		if !slices.ContainsFunc(rule.Matches, func(m gatewayv1.HTTPRouteMatch) bool { return len(m.Headers) > 0 }) {
			return rule
		}
	}
	return gatewayv1.HTTPRouteRule{}
}

// versions are the image tags of the revisions that requests may go to.
func (w watched) versions() []string {
	var all []string
	for hash := range w.weights {
		version := fmt.Sprintf("a revision %q without a ReplicaSet", hash)
		for _, set := range w.sets {
			if set.Labels[v1alpha1.LabelPodTemplateHash] == hash {
				version = app.Tag(set.Spec.Template.Spec.Containers[0].Image)
			}
		}
		all = append(all, version)
	}
	return all
}

// follow keeps, until the test ends, the timelines of what the routes and Services of Rollouts name.
func follow(t *testing.T, victims ...*victim) {
	t.Helper()
	namespaces, byNamespace := map[string]cache.Config{}, map[string]*victim{}
	for _, v := range victims {
		namespaces[v.rollout.Namespace], byNamespace[v.rollout.Namespace] = cache.Config{}, v
	}
	local, err := cache.New(suite.cluster.Config(), cache.Options{Scheme: suite.admin.Scheme(), DefaultNamespaces: namespaces})
	if err != nil {
		t.Fatal(err)
	}
	var one sync.Mutex // or else an older state could be noted after a newer one
	note := func(o any) {
		one.Lock()
		defer one.Unlock()
		if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		v := byNamespace[o.(client.Object).GetNamespace()]
		w, err := readTraffic(context.Background(), local, v.rollout.Namespace, v.route.Name)
		if err != nil {
			return // the caches are being filled one by one
		}
		v.line.Named(time.Now(), w.versions()...)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- local.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for _, kind := range []client.Object{&appsv1.ReplicaSet{}, &corev1.Service{}, &gatewayv1.HTTPRoute{}} {
		informer, err := local.GetInformer(t.Context(), kind)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: note, UpdateFunc: func(_, o any) { note(o) }, DeleteFunc: note,
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range victims {
		awaitNamed(t, v)
	}
}

// awaitNamed waits until the timeline of a Rollout has begun.
func awaitNamed(t *testing.T, v *victim) {
	t.Helper()
	for deadline := time.Now().Add(patience); v.line.String() == ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is known of %s", v.name())
		}
	}
}
