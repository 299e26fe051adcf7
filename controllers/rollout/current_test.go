package rollout

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestCoversIsGenerousButNotBlind(t *testing.T) {
	for name, test := range map[string]struct {
		written, stored string
		want            bool
	}{
		"the same":                          {`{"a":{"b":[1,"x"]}}`, `{"a":{"b":[1,"x"]}}`, true},
		"defaults were added":               {`{"a":1}`, `{"a":1,"b":{"c":2}}`, true},
		"a field is missing":                {`{"a":1,"b":2}`, `{"a":1}`, false},
		"a field that says nothing":         {`{"a":1,"b":false,"c":[],"d":{"e":""},"f":null}`, `{"a":1}`, true},
		"another value":                     {`{"a":1}`, `{"a":2}`, false},
		"a quantity written otherwise":      {`{"cpu":"1000m","memory":"1Gi","n":2}`, `{"cpu":"1","memory":"1024Mi","n":"2"}`, true},
		"another quantity":                  {`{"cpu":"1000m"}`, `{"cpu":"100m"}`, false},
		"a number as text":                  {`{"port":"80"}`, `{"port":80}`, true},
		"a list with more items":            {`{"a":[1]}`, `{"a":[1,2]}`, false},
		"a list in another order":           {`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		"an object where a list was stored": {`{"a":{"b":1}}`, `{"a":[1]}`, false},
		"a list where an object was stored": {`{"a":[1]}`, `{"a":{"b":1}}`, false},
		"a list where nothing was stored":   {`{"a":[1]}`, `{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			var written, stored map[string]any
			for text, to := range map[string]*map[string]any{test.written: &written, test.stored: &stored} {
				if err := json.Unmarshal([]byte(text), to); err != nil {
					t.Fatal(err)
				}
			}
			if test.written == test.stored {
				stored = written
			}
			if got := covers(written, stored); got != test.want {
				t.Errorf("covers(%s, %s) = %t", test.written, test.stored, got)
			}
		})
	}
}

func TestTemplatesAreTheSameOnlyIfEveryValueIs(t *testing.T) {
	base := map[string]any{"env": []any{map[string]any{"name": "A", "value": "1"}}, "creationTimestamp": nil}
	for name, test := range map[string]struct {
		other map[string]any
		want  bool
	}{
		"null or absent":                  {map[string]any{"env": []any{map[string]any{"name": "A", "value": "1"}}}, true},
		"a text that is an equal number":  {map[string]any{"env": []any{map[string]any{"name": "A", "value": "1.0"}}}, false},
		"an explicit false is no absence": {map[string]any{"env": []any{map[string]any{"name": "A", "value": "1"}}, "automountServiceAccountToken": false}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sameTemplate(base, test.other); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// defaulting makes the server fill in defaults in dry runs, as the real one does, and counts them.
func (w *world) defaulting() *int {
	trials := 0
	w.server = interceptor.NewClient(w.server, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if len((&client.CreateOptions{}).ApplyOptions(opts).DryRun) == 0 {
				return c.Create(ctx, o, opts...)
			}
			trials++
			return unstructured.SetNestedField(o.(*unstructured.Unstructured).Object, "Always", "spec", "template", "spec", "restartPolicy")
		},
	})
	w.restart()
	return &trials
}

// foreignSet is a ReplicaSet of the Rollout as another controller left it behind: with its own hash, and with defaults.
func foreignSet(image string) *appsv1.ReplicaSet {
	labels := map[string]string{"app": "web", v1alpha1.LabelPodTemplateHash: "6f8d9"}
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "web-6f8d9", UID: "set-uid", Labels: labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(canary(), v1alpha1.RolloutKind)},
			Annotations: map[string]string{
				v1alpha1.AnnotationRevision: "7", v1alpha1.AnnotationDesiredReplicas: "4",
				v1alpha1.AnnotationEphemeralMetadata: `{"labels":{"role":"stable"}}`,
			},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](4), Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web", "role": "stable", v1alpha1.LabelPodTemplateHash: "6f8d9"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: image}}, RestartPolicy: corev1.RestartPolicyAlways},
		}},
		Status: appsv1.ReplicaSetStatus{Replicas: 4, ReadyReplicas: 4, AvailableReplicas: 4},
	}
}

// inherited is a Rollout that another controller has released as revision 7.
func inherited() *v1alpha1.Rollout {
	r := canary()
	r.Annotations[v1alpha1.AnnotationRevision] = "7"
	r.Spec.Template.Raw = []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"app:v1","resources":{}}]}}`)
	r.Status = v1alpha1.RolloutStatus{CurrentPodHash: "6f8d9", StableRS: "6f8d9", CurrentStepIndex: ptr.To[int32](2), CurrentStepHash: v1alpha1.StepHash(r), ObservedGeneration: "1"}
	return r
}

func TestAReplicaSetOfAnotherControllerIsAdoptedWithoutTouchingAPod(t *testing.T) {
	w := newWorld(t, append(around(), inherited(), foreignSet("app:v1"))...)
	trials := w.defaulting()
	w.settle()
	sets := w.sets()
	if len(sets) != 1 || *sets[0].Spec.Replicas != 4 || sets[0].Annotations[annotationDigest] == "" {
		t.Errorf("ReplicaSets: %+v", sets)
	}
	if r := w.rollout(); r.Status.StableRS != "6f8d9" || r.Annotations[v1alpha1.AnnotationRevision] != "7" || r.Status.Phase != v1alpha1.RolloutPhaseHealthy {
		t.Errorf("stable %s, revision %s, phase %s", r.Status.StableRS, r.Annotations[v1alpha1.AnnotationRevision], r.Status.Phase)
	}
	if *trials != 1 {
		t.Errorf("asked the API server %d times", *trials)
	}
	w.restart()
	w.settle()
	if *trials != 1 {
		t.Errorf("a restart asked the API server again")
	}
}

func TestAReplicaSetOfAnotherTemplateIsNotAdopted(t *testing.T) {
	w := newWorld(t, append(around(), inherited(), foreignSet("app:v0"))...)
	trials := w.defaulting()
	w.settle()
	if n := len(w.sets()); n != 2 {
		t.Errorf("there are %d ReplicaSets", n)
	}
	if *trials != 0 {
		t.Errorf("asked the API server %d times about a template that obviously differs", *trials)
	}
}

func TestTheSameTemplateInOtherWordsStartsNoRelease(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.settle()
	set := &w.sets()[0]
	set.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyAlways // the default, as the API server stores it
	if err := w.server.Update(w.ctx(), set); err != nil {
		t.Fatal(err)
	}
	trials := w.defaulting()
	w.edit(func(r *v1alpha1.Rollout) {
		r.Spec.Template.Raw = []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"restartPolicy":"Always","containers":[{"name":"web","image":"app:v1","resources":{}}]}}`)
	})
	w.settle()
	if n := len(w.sets()); n != 1 || *trials != 1 {
		t.Errorf("there are %d ReplicaSets after %d trials", n, *trials)
	}
}

func TestANameThatIsTakenByAForeignReplicaSetIsAvoided(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	r := canary()
	hash, err := v1alpha1.PodTemplateHash(r.Spec.Template, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign := foreignSet("app:v1")
	foreign.Name, foreign.OwnerReferences = "web-"+hash, nil
	if err := w.server.Create(w.ctx(), foreign); err != nil {
		t.Fatal(err)
	}
	w.settle()
	r = w.rollout()
	if ptr.Deref(r.Status.CollisionCount, 0) != 1 || r.Status.CurrentPodHash == hash || r.Status.Phase != v1alpha1.RolloutPhaseHealthy {
		t.Errorf("collisions %v, hash %s, phase %s", r.Status.CollisionCount, r.Status.CurrentPodHash, r.Status.Phase)
	}
	after := &appsv1.ReplicaSet{}
	w.get(after, foreign.Name)
	if diff := cmp.Diff(foreign.Spec, after.Spec); diff != "" {
		t.Errorf("the foreign ReplicaSet was changed: %s", diff)
	}
	if n := len(slices.DeleteFunc(w.sets(), func(s appsv1.ReplicaSet) bool { return s.Name == foreign.Name })); n != 1 {
		t.Errorf("there are %d ReplicaSets of our own", n)
	}
}
