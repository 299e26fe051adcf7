package rollout

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
	"github.com/sluice-delivery/sluice/strategy"
)

// rolesAs gives pods metadata for their role.
func rolesAs(r *v1alpha1.Rollout) {
	r.Spec.Strategy.Canary.CanaryMetadata = &v1alpha1.PodTemplateMetadata{
		Labels: map[string]string{"role": "canary", "app": "nobody"}, Annotations: map[string]string{"watch": "closely"},
	}
	r.Spec.Strategy.Canary.StableMetadata = &v1alpha1.PodTemplateMetadata{Labels: map[string]string{"role": "stable"}}
}

// podOf makes a live pod of a ReplicaSet.
func (w *world) podOf(set *appsv1.ReplicaSet, name string) {
	w.t.Helper()
	pod := &corev1.Pod{ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy()}
	pod.Namespace, pod.Name, pod.UID = namespace, name, types.UID(name)
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	if err := w.server.Create(w.ctx(), pod); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) setWith(image string) *appsv1.ReplicaSet {
	w.t.Helper()
	for _, set := range w.sets() {
		if set.Spec.Template.Spec.Containers[0].Image == image {
			return &set
		}
	}
	w.t.Fatalf("no ReplicaSet has the image %s", image)
	return nil
}

// withPods gives each ReplicaSet a UID, as the server in memory does not, and a pod once it exists.
func (w *world) withPods() {
	known := map[string]bool{}
	w.before = func() {
		for _, set := range w.sets() {
			if known[set.Name] {
				continue
			}
			known[set.Name] = true
			set.UID = types.UID(set.Name)
			if err := w.server.Update(w.ctx(), &set); err != nil {
				w.t.Fatal(err)
			}
			w.podOf(&set, "pod-of-"+set.Name)
		}
	}
}

func TestPodsCarryTheMetadataOfTheirRole(t *testing.T) {
	r := basic()
	r.Spec.Strategy.Canary.Steps = []v1alpha1.CanaryStep{{SetWeight: ptr.To[int32](50)}, {Pause: &v1alpha1.RolloutPause{}}}
	rolesAs(r)
	w := newWorld(t, append(around(), r)...)
	w.withPods()
	w.settle()
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	w.settle()
	role := func(o metav1.Object) string {
		return o.GetLabels()["app"] + " " + o.GetLabels()["role"] + o.GetAnnotations()["watch"]
	}
	roles := func() map[string]string {
		t.Helper()
		all := map[string]string{}
		for _, set := range w.sets() {
			image, pod := set.Spec.Template.Spec.Containers[0].Image, &corev1.Pod{}
			w.get(pod, "pod-of-"+set.Name)
			all[image+" template"], all[image+" pod"] = role(&set.Spec.Template), role(pod)
		}
		return all
	}
	want := map[string]string{
		"app:v1 template": "web stable", "app:v1 pod": "web stable",
		"app:v2 template": "web canaryclosely", "app:v2 pod": "web canaryclosely",
	}
	if diff := cmp.Diff(want, roles()); diff != "" {
		t.Errorf("in mid-release: %s", diff)
	}
	old := w.setWith("app:v1").Labels[v1alpha1.LabelPodTemplateHash]
	r = w.rollout()
	r.Status.PromoteFull = true
	if err := w.server.Status().Update(w.ctx(), r); err != nil {
		t.Fatal(err)
	}
	w.settle()
	got := roles()
	if got["app:v2 template"] != "web stable" || got["app:v2 pod"] != "web stable" {
		t.Errorf("after the promotion: %v", got)
	}
	if w.rollout().Status.StableRS == old {
		t.Error("it was not promoted")
	}
	var kept v1alpha1.PodTemplateMetadata
	if err := json.Unmarshal([]byte(w.setWith("app:v2").Annotations[v1alpha1.AnnotationEphemeralMetadata]), &kept); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v1alpha1.PodTemplateMetadata{Labels: map[string]string{"role": "stable"}}, kept); diff != "" {
		t.Errorf("the annotation tells: %s", diff)
	}
}

func TestAPodThatCannotBeChangedKeepsNoOtherFromItAndIsTriedAgain(t *testing.T) {
	r := basic()
	w := newWorld(t, append(around(), r)...)
	w.settle()
	set := w.setWith("app:v1")
	set.UID = "set"
	if err := w.server.Update(w.ctx(), set); err != nil {
		t.Fatal(err)
	}
	w.podOf(set, "a")
	w.podOf(set, "b")
	w.Broken, w.Fault = len(w.Made), kubetest.Fault{Err: errors.New("the webhook says no")}
	w.edit(rolesAs)
	if _, err := w.pass(); err == nil || !strings.Contains(err.Error(), "pod a: the webhook says no") {
		t.Errorf("the error is %v", err)
	}
	pod := &corev1.Pod{}
	if w.get(pod, "b"); pod.Labels["role"] != "stable" {
		t.Error("pod b was not changed")
	}
	if w.setWith("app:v1").Annotations[v1alpha1.AnnotationEphemeralMetadata] != "" {
		t.Error("the ReplicaSet tells of a role that pod a does not carry")
	}
	w.settle()
	if w.get(pod, "a"); pod.Labels["role"] != "stable" {
		t.Error("pod a was not changed in the end")
	}
}

func TestPodsOfARevisionAvoidTheNodesOfTheOther(t *testing.T) {
	for name, test := range map[string]struct {
		rule v1alpha1.AntiAffinity
		want string
	}{
		"by demand": {v1alpha1.AntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1alpha1.RequiredDuringSchedulingIgnoredDuringExecution{}},
			`{"requiredDuringSchedulingIgnoredDuringExecution":[{"labelSelector":{"matchExpressions":[{"key":"rollouts-pod-template-hash","operator":"In","values":["OLD"]}]},"topologyKey":"kubernetes.io/hostname"}]}`},
		"by wish": {v1alpha1.AntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: &v1alpha1.PreferredDuringSchedulingIgnoredDuringExecution{Weight: 7}},
			`{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":7,"podAffinityTerm":{"labelSelector":{"matchExpressions":[{"key":"rollouts-pod-template-hash","operator":"In","values":["OLD"]}]},"topologyKey":"kubernetes.io/hostname"}}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := basic()
			r.Spec.Strategy.Canary.AntiAffinity = &test.rule
			w := newWorld(t, append(around(), r)...)
			w.release()
			if first := w.setWith("app:v1"); first.Spec.Template.Spec.Affinity != nil {
				t.Error("the first revision has a rule against nobody")
			}
			set := w.setWith("app:v2")
			got, err := json.Marshal(set.Spec.Template.Spec.Affinity.PodAntiAffinity)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Replace(test.want, "OLD", w.setWith("app:v1").Labels[v1alpha1.LabelPodTemplateHash], 1), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAReturnToARevisionWithTheRuleThatKeptItApartIsTheSameRevision(t *testing.T) {
	r := canary()
	r.Spec.Strategy.Canary.Steps = nil
	r.Spec.Strategy.Canary.AntiAffinity = &v1alpha1.AntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1alpha1.RequiredDuringSchedulingIgnoredDuringExecution{}}
	w := newWorld(t, append(around(), r)...)
	w.settle()
	for _, image := range []string{"app:v2", "app:v3"} {
		w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template(image) })
		w.settle()
	}
	set := &unstructured.Unstructured{}
	set.SetGroupVersionKind(replicaSetKind)
	second := w.setWith("app:v2")
	w.get(set, second.Name)
	copied, _, err := unstructured.NestedMap(set.Object, "spec", "template")
	if err != nil {
		t.Fatal(err)
	}
	unstructured.RemoveNestedField(copied, "metadata", "labels", v1alpha1.LabelPodTemplateHash) // all that the reference's plugin takes out
	raw, err := jsonOf(copied)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(raw, "podAntiAffinity") {
		t.Fatal("there is no rule to bring back")
	}
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template.Raw = []byte(raw) })
	w.settle()
	if n, current := len(w.sets()), w.rollout().Status.CurrentPodHash; n != 3 || current != second.Labels[v1alpha1.LabelPodTemplateHash] {
		t.Errorf("%d ReplicaSets, the current hash is %s, that of revision 2 is %v", n, current, second.Labels)
	}
}

// deployment is a workload to take over from.
func deployment() *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy", UID: "legacy-uid", Generation: 3},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](4), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "app:v1"}}},
		}},
	}
}

func referring(scaleDown string) *v1alpha1.Rollout {
	r := canary()
	r.Spec.Template, r.Spec.Selector = runtime.RawExtension{}, nil
	r.Spec.WorkloadRef = &v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "legacy", ScaleDown: scaleDown}
	return r
}

func TestAWorkloadGivesTheTemplateAndIsScaledDownAsAsked(t *testing.T) {
	for scaleDown, left := range map[string]int32{"": 4, "never": 4, "onsuccess": 0, scaleDownProgressively: 0} {
		t.Run("scaleDown "+scaleDown, func(t *testing.T) {
			w := newWorld(t, append(around(), referring(scaleDown), deployment())...)
			w.settle()
			d := &appsv1.Deployment{}
			w.get(d, "legacy")
			if *d.Spec.Replicas != left {
				t.Errorf("the Deployment has %d replicas", *d.Spec.Replicas)
			}
			if set := w.setWith("app:v1"); *set.Spec.Replicas != 4 || set.Spec.Selector.MatchLabels["app"] != "web" {
				t.Errorf("the ReplicaSet is %+v", set.Spec)
			}
			r := w.rollout()
			if r.Status.Phase != v1alpha1.RolloutPhaseHealthy || r.Status.WorkloadObservedGeneration != "3" || r.Annotations[v1alpha1.AnnotationWorkloadGeneration] != "3" {
				t.Errorf("phase %s, generation %s, annotation %s", r.Status.Phase, r.Status.WorkloadObservedGeneration, r.Annotations[v1alpha1.AnnotationWorkloadGeneration])
			}
			if len(r.Spec.Template.Raw) > 0 || r.Spec.Selector != nil {
				t.Errorf("the spec holds what belongs to the Deployment: %s, %v", r.Spec.Template.Raw, r.Spec.Selector)
			}
		})
	}
}

func TestANewTemplateInTheWorkloadIsReleased(t *testing.T) {
	w := newWorld(t, append(around(), referring("never"), deployment())...)
	w.settle()
	d := &appsv1.Deployment{}
	w.get(d, "legacy")
	d.Spec.Template.Spec.Containers[0].Image, d.Generation = "app:v2", 4
	if err := w.server.Update(w.ctx(), d); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if diff := cmp.Diff(released, w.outcome()); diff != "" {
		t.Error(diff)
	}
	if r := w.rollout(); r.Status.WorkloadObservedGeneration != "4" {
		t.Errorf("generation %s", r.Status.WorkloadObservedGeneration)
	}
}

func TestAWorkloadThatIsGoneIsToldAndLeavesTheRestAsItIs(t *testing.T) {
	w := newWorld(t, append(around(), referring("never"), deployment())...)
	w.settle()
	before := w.outcome()
	if err := w.server.Delete(w.ctx(), deployment()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	r := w.rollout()
	if want := `spec.workloadRef.name: Invalid value: "legacy": no such Deployment in this namespace; create it`; !strings.HasSuffix(r.Status.Message, want) {
		t.Errorf("the message is %s", r.Status.Message)
	}
	before.Phase = v1alpha1.RolloutPhaseDegraded
	if diff := cmp.Diff(before, w.outcome()); diff != "" {
		t.Error(diff)
	}
}

func TestAWorkloadThatSomebodyScaledMeanwhileIsNotOverwritten(t *testing.T) {
	w := newWorld(t, append(around(), referring("onsuccess"), deployment())...)
	s := &seen{memory: &memory{workload: workload{uid: "legacy-uid", generation: 3, replicas: ptr.To[int32](9)}}}
	s.Rollout = referring("onsuccess")
	if err := w.loop.scaleWorkload(t.Context(), s, strategy.WorkloadIntent{Replicas: 0}); err == nil {
		t.Error("there is no error")
	}
	d := &appsv1.Deployment{}
	if w.get(d, "legacy"); *d.Spec.Replicas != 4 {
		t.Errorf("it was scaled to %d", *d.Spec.Replicas)
	}
}

// surfaces are releases beyond the plain canary that end in the same outcome.
func surfaces() map[string]func(t *testing.T) *world {
	return map[string]func(t *testing.T) *world{
		"blue-green with roles": func(t *testing.T) *world {
			r := basic()
			r.Spec.Strategy = v1alpha1.RolloutStrategy{BlueGreen: &v1alpha1.BlueGreenStrategy{
				ActiveService: "web-stable", PreviewService: "web-canary",
				PreviewMetadata: &v1alpha1.PodTemplateMetadata{Labels: map[string]string{"role": "canary"}},
				ActiveMetadata:  &v1alpha1.PodTemplateMetadata{Labels: map[string]string{"role": "stable"}},
			}}
			return newWorld(t, append(around(), r)...)
		},
		"a canary with roles, from a workload": func(t *testing.T) *world {
			r := referring(scaleDownProgressively)
			rolesAs(r)
			return newWorld(t, append(around(), r, deployment())...)
		},
	}
}

const scaleDownProgressively = "progressively"

// releaseSurface releases version 2, in the workload where there is one.
func (w *world) releaseSurface(settle func()) {
	w.t.Helper()
	w.withPods()
	settle()
	if w.rollout().Spec.WorkloadRef == nil {
		w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	} else {
		d := &appsv1.Deployment{}
		w.get(d, "legacy")
		d.Spec.Template.Spec.Containers[0].Image, d.Generation = "app:v2", d.Generation+1
		if err := w.server.Update(w.ctx(), d); err != nil {
			w.t.Fatal(err)
		}
	}
	settle()
}

// ends compares what a release came to with what it should.
func (w *world) ends(after string) {
	w.t.Helper()
	if diff := cmp.Diff(released, w.outcome()); diff != "" {
		w.t.Fatalf("%s: %s", after, diff)
	}
	r := w.rollout()
	if n := len(w.sets()); n != 2 {
		w.t.Fatalf("%s there are %d ReplicaSets", after, n)
	}
	if r.Spec.WorkloadRef != nil {
		d := &appsv1.Deployment{}
		if w.get(d, "legacy"); *d.Spec.Replicas != 0 {
			w.t.Fatalf("%s the Deployment has %d replicas", after, *d.Spec.Replicas)
		}
	}
	pod, set := &corev1.Pod{}, w.setWith("app:v2")
	if w.get(pod, "pod-of-"+set.Name); pod.Labels["role"] != "stable" || set.Spec.Template.Labels["role"] != "stable" {
		w.t.Fatalf("%s the pod is %q and the template %q", after, pod.Labels["role"], set.Spec.Template.Labels["role"])
	}
}

func TestEverySurfaceConvergesWhateverCallFailsAndWhereverItCrashes(t *testing.T) {
	for name, begin := range surfaces() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			w.releaseSurface(w.settle)
			w.ends("without a fault")
			calls := len(w.Made)
			for i := range calls {
				f := kubetest.Faults[i%len(kubetest.Faults)] // each in turn, because every one at every write takes minutes
				w := begin(t)
				w.Broken, w.Fault = i, f
				w.releaseSurface(w.settle)
				w.ends("after " + w.Made[i] + " failed by " + f.Name)
				w = begin(t)
				done := false
				w.After = func() {
					if len(w.Made) == i+1 && !done {
						done = true
						panic(crashed{})
					}
				}
				w.releaseSurface(func() { until(w, w.settle) })
				w.ends("after a crash behind " + w.Made[i])
			}
			t.Logf("%d faults injected", 2*calls)
		})
	}
}
