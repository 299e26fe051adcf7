package integration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/soak"
	"github.com/sluice-delivery/sluice/test/world/load"
)

// victim is a Rollout under load, to which everything happens.
type victim struct {
	rollout *v1alpha1.Rollout
	route   *gatewayv1.HTTPRoute
	driver  *load.Driver
	line    soak.Timeline
	judged  int
	// version is the one that was released last, before the one before it, and newest the highest number given.
	version, before, newest int
	// size is what the load is for; wanted is larger while the pods for it are still on their way.
	size, wanted int32
}

// newVictim puts up a Rollout of its kind and waits for its first version.
func newVictim(t *testing.T, kind func(namespace string) (*v1alpha1.Rollout, []client.Object), instance string) *victim {
	t.Helper()
	r, around := kind(newNamespace(t))
	r.Labels = map[string]string{v1alpha1.LabelInstanceID: instance}
	create(t, append(around, r)...)
	v := &victim{rollout: r, route: around[2].(*gatewayv1.HTTPRoute), version: 1, before: 1, newest: 1, size: soak.Smallest, wanted: soak.Smallest}
	await(t, r, "version 1 is healthy", healthy)
	return v
}

func (v *victim) name() string {
	s := v.rollout.Spec.Strategy
	switch {
	case s.BlueGreen != nil:
		return "the blue-green Rollout " + v.rollout.Namespace
	case s.Canary.DynamicStableScale:
		return "the canary with dynamicStableScale " + v.rollout.Namespace
	}
	return "the canary " + v.rollout.Namespace
}

// suffer does one operation to the Rollout.
func (v *victim) suffer(t *testing.T, o soak.Operation) {
	t.Helper()
	switch o.Kind {
	case soak.Release:
		v.newest++
		v.before, v.version = v.version, v.newest
		edit(t, v.rollout, func(r *v1alpha1.Rollout) { r.Spec.Template = soakTemplate(v.version) })
	case soak.Return:
		v.before, v.version = v.version, v.before
		edit(t, v.rollout, func(r *v1alpha1.Rollout) { r.Spec.Template = soakTemplate(v.version) })
	case soak.Promote:
		command(t, v.rollout, `{"status":{"pauseConditions":null}}`)
	case soak.PromoteFull:
		command(t, v.rollout, `{"status":{"promoteFull":true}}`)
	case soak.Abort:
		command(t, v.rollout, `{"status":{"abort":true}}`)
	case soak.Retry:
		command(t, v.rollout, `{"status":{"abort":false}}`)
	case soak.Scale:
		v.scale(t, o.Size)
	case soak.KillPod:
		v.killPod(t, o.Pick)
	case soak.EditRoute:
		v.editRoute(t, o.Pick)
	}
}

// scale asks for another size. The load shrinks before the pods do, and grows once they have.
func (v *victim) scale(t *testing.T, size int32) {
	t.Helper()
	if size < v.size {
		v.setLoad(t, size)
	}
	v.wanted = size
	edit(t, v.rollout, func(r *v1alpha1.Rollout) { r.Spec.Replicas = ptr.To(size) })
}

func (v *victim) setLoad(t *testing.T, size int32) {
	t.Helper()
	v.size = size
	if err := v.driver.SetRate(loadOf(size)); err != nil {
		t.Fatal(err)
	}
}

// grow raises the load to that of the wanted size as soon as there are pods for it.
func (v *victim) grow(t *testing.T) {
	t.Helper()
	if v.wanted > v.size && v.hasRoom(t) {
		v.setLoad(t, v.wanted)
	}
}

// hasRoom says whether behind each Service stand as many available pods as its share of the load of the wanted size needs.
func (v *victim) hasRoom(t *testing.T) bool {
	t.Helper()
	w := v.look(t)
	need := map[string]int32{}
	for hash, weight := range w.weights {
		need[hash] = (v.wanted*weight + w.total - 1) / w.total
	}
	for _, set := range w.sets {
		if hash := set.Labels[v1alpha1.LabelPodTemplateHash]; set.Status.AvailableReplicas >= need[hash] && *set.Spec.Replicas >= need[hash] {
			delete(need, hash)
		}
	}
	return len(need) == 0
}

// killPod deletes a pod of a revision that is complete and large enough to spare one, once there is any.
func (v *victim) killPod(t *testing.T, pick int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if pods := v.spare(t); len(pods) > 0 {
			if err := suite.admin.Delete(t.Context(), &pods[pick%len(pods)]); client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has had no complete revision for %s", v.name(), patience)
		}
	}
}

// spare lists the pods that may be killed now, in the order of their revisions and names.
func (v *victim) spare(t *testing.T) []corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	if err := suite.admin.List(t.Context(), &pods, client.InNamespace(v.rollout.Namespace)); err != nil {
		t.Fatal(err)
	}
	ready := map[string][]corev1.Pod{}
	for _, p := range pods.Items {
		if hash := p.Labels[v1alpha1.LabelPodTemplateHash]; isReady(&p) {
			ready[hash] = append(ready[hash], p)
		}
	}
	var spare []corev1.Pod
	for _, set := range v.look(t).sets {
		of := ready[set.Labels[v1alpha1.LabelPodTemplateHash]]
		if len(of) > leastLeft && len(of) == int(*set.Spec.Replicas) && len(of) == int(set.Status.AvailableReplicas) {
			spare = append(spare, of...)
		}
	}
	slices.SortFunc(spare, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return spare
}

// editRoute changes a part of the route that belongs to others, or takes the canary's weight away where the stable revision can do without.
func (v *victim) editRoute(t *testing.T, pick int) {
	t.Helper()
	changes := []func(*gatewayv1.HTTPRoute){noted, filtered, extended}
	if c := v.rollout.Spec.Strategy.Canary; c != nil && !c.DynamicStableScale {
		changes = append(changes, drained)
	}
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := suite.admin.Get(t.Context(), client.ObjectKeyFromObject(v.route), v.route); err != nil {
			return err
		}
		changes[pick%len(changes)](v.route)
		return suite.admin.Update(t.Context(), v.route)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func noted(r *gatewayv1.HTTPRoute) {
	r.Annotations = map[string]string{"example.com/note": r.ResourceVersion}
}

func filtered(r *gatewayv1.HTTPRoute) {
	r.Spec.Rules[0].Filters = []gatewayv1.HTTPRouteFilter{{Type: gatewayv1.HTTPRouteFilterRequestHeaderModifier,
		RequestHeaderModifier: &gatewayv1.HTTPHeaderFilter{Set: []gatewayv1.HTTPHeader{{Name: "X-Edit", Value: r.ResourceVersion}}}}}
}

// extended adds a rule for a path that nobody asks for.
func extended(r *gatewayv1.HTTPRoute) {
	if len(r.Spec.Rules) > 1 {
		r.Spec.Rules = r.Spec.Rules[:1]
		return
	}
	r.Spec.Rules = append(r.Spec.Rules, gatewayv1.HTTPRouteRule{
		Matches:     []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Type: ptr.To(gatewayv1.PathMatchExact), Value: ptr.To("/other")}}},
		BackendRefs: r.Spec.Rules[0].BackendRefs[:1],
	})
}

func drained(r *gatewayv1.HTTPRoute) {
	refs := r.Spec.Rules[0].BackendRefs
	refs[0].Weight, refs[1].Weight = ptr.To[int32](100), ptr.To[int32](0)
}

// calm waits until the Rollout is healthy, or paused, or aborted with all requests going to the stable revision.
func (v *victim) calm(t *testing.T) {
	t.Helper()
	await(t, v.rollout, "it comes to rest", func(r *v1alpha1.Rollout) bool {
		switch {
		case !observed(r):
			return false
		case r.Status.AbortedAt != nil:
			w := v.look(t)
			return len(w.weights) == 1 && w.weights[r.Status.StableRS] > 0
		}
		return r.Status.Phase == v1alpha1.RolloutPhaseHealthy || r.Status.Phase == v1alpha1.RolloutPhasePaused
	})
}

// judge looks at every request that has been answered since.
func (v *victim) judge(t *testing.T) {
	t.Helper()
	if faults := v.faults(); len(faults) > 0 {
		t.Fatalf("%s, %d faults:\n%s\nwhat was named:\n%s", v.name(), len(faults), strings.Join(faults[:min(20, len(faults))], "\n"), &v.line)
	}
}

// faults judges the requests that have been answered since it was called last.
func (v *victim) faults() []string {
	records := v.driver.After(v.judged)
	v.judged += len(records)
	var faults []string
	for _, r := range records {
		if fault := v.line.Fault(r); fault != "" {
			faults = append(faults, fault)
		}
	}
	return faults
}

// watched is what the API server says about a Rollout's traffic: the weight of each revision that requests may go to.
type watched struct {
	sets    []appsv1.ReplicaSet
	weights map[string]int32
	total   int32
}

// look reads the state of the traffic.
func (v *victim) look(t *testing.T) watched {
	t.Helper()
	w, err := readTraffic(t.Context(), suite.admin, v.rollout.Namespace, v.route.Name)
	if err != nil {
		t.Fatal(fmt.Errorf("looking at the traffic of %s: %w", v.name(), err))
	}
	return w
}
