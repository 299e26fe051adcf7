package rollout

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
	"github.com/sluice-delivery/sluice/trafficrouting"
	"github.com/sluice-delivery/sluice/trafficrouting/gatewayapi"
)

// outcome is what must be the same however a release went.
type outcome struct {
	Phase          v1alpha1.RolloutPhase
	Stable, Canary string // images behind the Services
	Weight         int32
	Pods           map[string]int32 // by image
	Revision       string
}

func (w *world) outcome() outcome {
	w.t.Helper()
	r := w.rollout()
	o := outcome{Phase: r.Status.Phase, Weight: w.weight(), Pods: map[string]int32{}, Revision: r.Annotations[v1alpha1.AnnotationRevision]}
	images := map[string]string{}
	for _, set := range w.sets() {
		image := set.Spec.Template.Spec.Containers[0].Image
		images[set.Labels[v1alpha1.LabelPodTemplateHash]] = image
		o.Pods[image] += *set.Spec.Replicas
	}
	o.Stable, o.Canary = images[w.selector("web-stable")], images[w.selector("web-canary")]
	if images[r.Status.StableRS] != o.Stable {
		w.t.Errorf("the stable Service points at %s, but stableRS is %s", o.Stable, images[r.Status.StableRS])
	}
	return o
}

func (w *world) release() {
	w.t.Helper()
	w.settle()
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	w.settle()
}

var released = outcome{
	Phase: v1alpha1.RolloutPhaseHealthy, Stable: "app:v2", Canary: "app:v2", Pods: map[string]int32{"app:v1": 0, "app:v2": 4}, Revision: "2",
}

func TestAReleaseEndsWithTheNewRevisionServingEverything(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.release()
	if diff := cmp.Diff(released, w.outcome()); diff != "" {
		t.Error(diff)
	}
}

func TestAfterAReleaseNothingIsWritten(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.release()
	before := len(w.Made)
	for range 5 {
		if next, err := w.pass(); err != nil || next.RequeueAfter != 0 {
			t.Errorf("a quiet Rollout is looked at again after %s, %v", next.RequeueAfter, err)
		}
	}
	w.restart()
	w.settle()
	if more := w.Made[before:]; len(more) > 0 {
		t.Errorf("wrote %v", more)
	}
}

func TestAReleaseConvergesWhateverCallFails(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.release()
	calls := len(w.Made)
	for _, f := range kubetest.Faults {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			for i := range calls {
				w := newWorld(t, append(around(), canary())...)
				w.Broken, w.Fault = i, f
				w.release()
				if diff := cmp.Diff(released, w.outcome()); diff != "" {
					t.Fatalf("after %q failed: %s", w.Made[i], diff)
				}
				if n := len(w.sets()); n != 2 {
					t.Fatalf("after %q failed there are %d ReplicaSets", w.Made[i], n)
				}
			}
		})
	}
	t.Logf("%d faults injected", calls*len(kubetest.Faults))
}

// crashed ends a pass in the middle, as the death of the process does.
type crashed struct{}

func TestAReleaseConvergesAfterACrashAtAnyWrite(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.release()
	calls := len(w.Made)
	for i := range calls {
		w := newWorld(t, append(around(), canary())...)
		done := false
		w.After = func() {
			if len(w.Made) == i+1 && !done {
				done = true
				panic(crashed{})
			}
		}
		until(w, w.settle)
		w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
		until(w, w.settle)
		if diff := cmp.Diff(released, w.outcome()); diff != "" {
			t.Fatalf("after a crash behind %q: %s", w.Made[i], diff)
		}
	}
	t.Logf("%d crashes", calls)
}

// until repeats what crashes, each time with a controller that knows nothing.
func until(w *world, do func()) {
	for again := true; again; {
		again = false
		func() {
			defer func() {
				switch p := recover(); p.(type) {
				case nil:
				case crashed:
					again = true
					w.restart()
				default:
					panic(p)
				}
			}()
			do()
		}()
	}
}

func TestEachDecisionIsToldOnce(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.release()
	told := w.told()
	for _, want := range []string{"RolloutCompleted Rollout completed update to revision 2", "Rollout step 1/2 completed (setWeight: 10)",
		"Traffic weight updated from 0 to 10", "Switched selector for service 'web-canary'"} {
		if !slices.ContainsFunc(told, func(e string) bool { return strings.Contains(e, want) }) {
			t.Errorf("nobody was told %q", want)
		}
	}
	slices.Sort(told)
	for i := 1; i < len(told); i++ {
		if told[i] == told[i-1] {
			t.Errorf("told twice: %s", told[i])
		}
	}
}

func TestAReplicaSetIsMadeAsTheWireContractSays(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.settle()
	set := &appsv1.ReplicaSet{}
	hash := w.rollout().Status.CurrentPodHash
	w.get(set, "web-"+hash)
	want := map[string]string{
		"team": "blue", v1alpha1.AnnotationRevision: "1", v1alpha1.AnnotationDesiredReplicas: "4",
	}
	digest := set.Annotations[annotationDigest]
	delete(set.Annotations, annotationDigest)
	if diff := cmp.Diff(want, set.Annotations); diff != "" || digest == "" {
		t.Errorf("annotations: %s, digest %q", diff, digest)
	}
	labels := map[string]string{"app": "web", v1alpha1.LabelPodTemplateHash: hash}
	for name, got := range map[string]map[string]string{
		"labels": set.Labels, "selector": set.Spec.Selector.MatchLabels, "labels of the template": set.Spec.Template.Labels,
	} {
		if diff := cmp.Diff(labels, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if owner := set.OwnerReferences; len(owner) != 1 || owner[0].Kind != "Rollout" || !*owner[0].Controller || !*owner[0].BlockOwnerDeletion {
		t.Errorf("owner: %+v", owner)
	}
}

// lagging reads from a copy of the server that is as old as the world lets it be, as a cache does.
type lagging struct {
	client.Client
	copied client.Client
}

func (l *lagging) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return l.copied.Get(ctx, key, o, opts...)
}

func (l *lagging) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return l.copied.List(ctx, list, opts...)
}

// copied makes a client of all that the server holds now.
func (w *world) copied() client.Client {
	w.t.Helper()
	var all []client.Object
	for _, list := range []client.ObjectList{&v1alpha1.RolloutList{}, &appsv1.ReplicaSetList{}, &corev1.ServiceList{}, &gatewayv1.HTTPRouteList{}} {
		if err := w.server.List(w.ctx(), list); err != nil {
			w.t.Fatal(err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, item := range items {
			all = append(all, item.(client.Object))
		}
	}
	return newWorld(w.t, all...).server
}

func TestNoStepIsTakenTwiceWhenTheCacheLags(t *testing.T) {
	for name, lag := range map[string]int{"for 2 passes": 2, "for 3 passes": 3, "for 7 passes": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, append(around(), canary())...)
			cache := &lagging{Client: w.server, copied: w.copied()}
			recent := kube.NewRecent(cache)
			w.loop.Client, w.loop.Router = recent, trafficrouting.Routers{gatewayapi.Router{Client: recent}}
			passes := 0
			w.before = func() {
				if passes++; passes%lag == 0 {
					cache.copied = w.copied()
				}
			}
			w.patient = 3 * lag
			w.release()
			if diff := cmp.Diff(released, w.outcome()); diff != "" {
				t.Error(diff)
			}
			if n := len(w.sets()); n != 2 {
				t.Errorf("there are %d ReplicaSets", n)
			}
			told := w.told()
			slices.Sort(told)
			for i := 1; i < len(told); i++ {
				if told[i] == told[i-1] {
					t.Errorf("done or told twice: %s", told[i])
				}
			}
		})
	}
}
