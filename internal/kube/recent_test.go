package kube

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// lagging is a client that writes to a server and reads from a cache which only catch up moves on.
type lagging struct {
	client.Client
	cache client.Reader
}

func (l lagging) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return l.cache.Get(ctx, key, o, opts...)
}

func (l lagging) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return l.cache.List(ctx, list, opts...)
}

// rig is a Recent between a server and a cache that both hold the given objects.
type rig struct {
	*Recent
	server client.Client
	at     time.Time
}

func newRig(t *testing.T, objects ...client.Object) *rig {
	t.Helper()
	build := func() client.Client {
		return fake.NewClientBuilder().WithScheme(testScheme(t)).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Rollout{}).
			WithIndex(&appsv1.ReplicaSet{}, OwnerField, Owner).Build()
	}
	g := &rig{server: build(), at: time.Unix(1000, 0)}
	g.Recent = NewRecent(lagging{Client: g.server, cache: build()})
	g.now = func() time.Time { return g.at }
	return g
}

// catchUp shows the cache what the server holds.
func (g *rig) catchUp() { g.Client = lagging{Client: g.server, cache: g.server} }

func testScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func replicaSet(name string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": "web"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Rollout", Name: "web", UID: "web", Controller: ptr.To(true)}},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](1)},
	}
}

// sizes lists the ReplicaSets that a reader of the owner's sees, by name.
func (g *rig) sizes(t *testing.T, opts ...client.ListOption) map[string]int32 {
	t.Helper()
	var list appsv1.ReplicaSetList
	if err := g.List(t.Context(), &list, append(opts, client.InNamespace("shop"), client.MatchingFields{OwnerField: "web"})...); err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int32{}
	for _, s := range list.Items {
		sizes[s.Name] = *s.Spec.Replicas
	}
	return sizes
}

func (g *rig) resizeTo5(t *testing.T, name string) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":5}}`))
	if err := g.Patch(t.Context(), replicaSet(name), patch); err != nil {
		t.Fatal(err)
	}
}

func TestAReadSeesAPatchBeforeTheCacheDoes(t *testing.T) {
	g := newRig(t, replicaSet("web-1"), replicaSet("web-2"))
	g.resizeTo5(t, "web-1")
	if diff := cmp.Diff(map[string]int32{"web-1": 5, "web-2": 1}, g.sizes(t)); diff != "" {
		t.Error("list:", diff)
	}
	var got appsv1.ReplicaSet
	if err := g.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web-1"}, &got); err != nil || *got.Spec.Replicas != 5 {
		t.Error("get:", *got.Spec.Replicas, err)
	}
}

func TestAReadSeesTheCacheOnceItIsNewer(t *testing.T) {
	g := newRig(t, replicaSet("web-1"))
	g.resizeTo5(t, "web-1")
	other := replicaSet("web-1")
	if err := g.server.Patch(t.Context(), other, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":7}}`))); err != nil {
		t.Fatal(err)
	}
	g.catchUp()
	if diff := cmp.Diff(map[string]int32{"web-1": 7}, g.sizes(t)); diff != "" {
		t.Error(diff)
	}
	if n := len(g.pending(appsv1.SchemeGroupVersion.WithKind("ReplicaSet").GroupKind())); n != 0 {
		t.Errorf("%d writes are still remembered", n)
	}
}

func TestAReadSeesAnObjectThatWasJustMade(t *testing.T) {
	g := newRig(t)
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(replicaSet("web-1"))
	if err != nil {
		t.Fatal(err)
	}
	made := &unstructured.Unstructured{Object: tree}
	made.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))
	if err := g.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]map[string]int32{"web": {"web-1": 1}, "api": {}} {
		if diff := cmp.Diff(want, g.sizes(t, client.MatchingLabels{"app": name})); diff != "" {
			t.Errorf("label %s: %s", name, diff)
		}
	}
	g.at = g.at.Add(unseenFor + 1)
	if diff := cmp.Diff(map[string]int32{}, g.sizes(t)); diff != "" {
		t.Error("one that the cache never shows is believed for ever:", diff)
	}
}

func TestAReadDoesNotSeeWhatWasJustDeleted(t *testing.T) {
	g := newRig(t, replicaSet("web-1"), replicaSet("web-2"))
	if err := g.Delete(t.Context(), replicaSet("web-1")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int32{"web-2": 1}, g.sizes(t)); diff != "" {
		t.Error("list:", diff)
	}
	err := g.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web-1"}, &appsv1.ReplicaSet{})
	if !apierrors.IsNotFound(err) {
		t.Error("get:", err)
	}
}

func TestADryRunIsNotRemembered(t *testing.T) {
	g := newRig(t)
	if err := g.Create(t.Context(), replicaSet("web-1"), client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int32{}, g.sizes(t)); diff != "" {
		t.Error(diff)
	}
}

func TestAStatusIsSeenBeforeTheCacheShowsIt(t *testing.T) {
	g := newRig(t, &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}})
	key := types.NamespacedName{Namespace: "shop", Name: "web"}
	r := &v1alpha1.Rollout{}
	if err := g.Get(t.Context(), key, r); err != nil {
		t.Fatal(err)
	}
	settled := r.DeepCopy()
	settled.Status.StableRS = "abc"
	if err := g.Status().Patch(t.Context(), settled, client.MergeFrom(r)); err != nil {
		t.Fatal(err)
	}
	if err := g.Get(t.Context(), key, r); err != nil || r.Status.StableRS != "abc" {
		t.Errorf("stableRS is %q, %v", r.Status.StableRS, err)
	}
}

func TestOldWritesAreForgottenEvenIfNobodyReads(t *testing.T) {
	g := newRig(t, replicaSet("web-1"), replicaSet("web-2"))
	g.resizeTo5(t, "web-1")
	g.at = g.at.Add(keptFor + 1)
	g.resizeTo5(t, "web-2")
	kind := appsv1.SchemeGroupVersion.WithKind("ReplicaSet").GroupKind()
	if diff := cmp.Diff([]types.NamespacedName{{Namespace: "shop", Name: "web-2"}}, g.pending(kind)); diff != "" {
		t.Error(diff)
	}
}
