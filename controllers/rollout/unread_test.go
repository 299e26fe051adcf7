package rollout

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// halfway is a world whose canary rests with half of the traffic.
func halfway(t *testing.T) *world {
	t.Helper()
	return rests(t, newWorld(t, append(around(), resting(canary()))...), func(w *world) {
		w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	})
}

// halfwayFromWorkload is the same with the pod template in a Deployment.
func halfwayFromWorkload(t *testing.T) *world {
	t.Helper()
	return rests(t, newWorld(t, append(around(), resting(referring("never")), deployment())...), func(w *world) { w.editDeployment("app:v2") })
}

func resting(r *v1alpha1.Rollout) *v1alpha1.Rollout {
	r.Spec.Strategy.Canary.Steps = []v1alpha1.CanaryStep{{SetWeight: ptr.To[int32](50)}, {Pause: &v1alpha1.RolloutPause{}}}
	return r
}

func rests(t *testing.T, w *world, release func(*world)) *world {
	t.Helper()
	w.settle()
	release(w)
	w.settle()
	if weight := w.weight(); weight != 50 {
		t.Fatalf("the canary has weight %d", weight)
	}
	return w
}

func (w *world) editDeployment(image string) {
	w.t.Helper()
	d := &appsv1.Deployment{}
	w.get(d, "legacy")
	d.Spec.Template.Spec.Containers[0].Image = image
	d.Generation++
	if err := w.server.Update(w.ctx(), d); err != nil {
		w.t.Fatal(err)
	}
}

// unreadable makes live reads of a kind fail until the controller is restarted.
func (w *world) unreadable(kind string) {
	broken := func(o runtime.Object) error {
		if strings.TrimSuffix(reflect.Indirect(reflect.ValueOf(o)).Type().Name(), "List") == kind || strings.TrimSuffix(o.GetObjectKind().GroupVersionKind().Kind, "List") == kind {
			return apierrors.NewInternalError(errors.New("out of order"))
		}
		return nil
	}
	w.loop.Live = interceptor.NewClient(w.server, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			return cmp.Or(broken(o), c.Get(ctx, key, o, opts...))
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			return cmp.Or(broken(l), c.List(ctx, l, opts...))
		},
	})
}

// sameWithout is the template of app:v2 with one field less, so that only a trial tells whether it means the same.
func sameWithout() runtime.RawExtension {
	return runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"app:v2"}]}}`)}
}

// abort asks for the abort and gives the controller a few passes, whatever errors they end with.
func (w *world) abort() {
	w.t.Helper()
	r := w.rollout()
	r.Status.Abort = true
	if err := w.server.Status().Update(w.ctx(), r); err != nil {
		w.t.Fatal(err)
	}
	for range 5 {
		_, _ = w.pass()
		w.playPods()
	}
}

func TestAnAbortTakesTheTrafficBackThoughReplicaSetsMayNotBeMade(t *testing.T) {
	w := halfway(t)
	w.refusing("app:v2", apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "replicasets"}, "web", errors.New("denied by policy")))
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = sameWithout() })
	if _, err := w.pass(); err == nil || !strings.Contains(err.Error(), "denied by policy") {
		t.Errorf("error %v", err)
	}
	if c := w.condition(v1alpha1.ConditionProgressing); c.Reason != v1alpha1.ReasonReplicaSetCreateError || !strings.Contains(c.Message, "denied by policy") {
		t.Errorf("condition %+v", c)
	}
	if w.abort(); w.weight() != 0 {
		t.Errorf("the canary still has weight %d", w.weight())
	}
}

func TestAnAbortTakesTheTrafficBackThoughPartOfTheWorldCannotBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		begin  func(*testing.T) *world
		broken string
		edit   func(*world)
	}{
		"pods, with a restart due": {halfway, "Pod", func(w *world) {
			w.edit(func(r *v1alpha1.Rollout) { r.Spec.RestartAt = ptr.To(metav1.NewTime(w.at.Add(-time.Second))) })
		}},
		"ReplicaSets, with a template to compare": {halfway, "ReplicaSet", func(w *world) {
			w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = sameWithout() })
		}},
		"ReplicaSets, with an Experiment to make": {halfway, "ReplicaSet", func(w *world) {
			w.edit(func(r *v1alpha1.Rollout) {
				r.Spec.Strategy.Canary.Steps = append([]v1alpha1.CanaryStep{{Experiment: &v1alpha1.RolloutExperimentStep{
					Duration: "1m", Templates: []v1alpha1.RolloutExperimentTemplate{{Name: "old", SpecRef: v1alpha1.SpecRefStable}},
				}}}, r.Spec.Strategy.Canary.Steps...)
			})
		}},
		"the workload, with a new template": {halfwayFromWorkload, "Deployment", func(w *world) { w.editDeployment("app:v3") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := test.begin(t)
			w.unreadable(test.broken)
			test.edit(w)
			_, err := w.pass()
			if err == nil {
				_, err = w.pass() // the first one only goes back to the step that needs it
			}
			if err == nil || !strings.Contains(err.Error(), "out of order") {
				t.Errorf("error %v", err)
			}
			if w.abort(); w.weight() != 0 {
				t.Errorf("the canary still has weight %d", w.weight())
			}
		})
	}
}

func TestAnUpdateWaitsUntilItsTemplateCanBeComparedAndTheStatusDoesNotClaimIt(t *testing.T) {
	w := halfway(t)
	before := w.rollout()
	w.unreadable("ReplicaSet")
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = sameWithout() })
	for range 3 {
		if _, err := w.pass(); err == nil {
			t.Error("no error")
		}
	}
	r := w.rollout()
	if r.Status.ObservedGeneration != before.Status.ObservedGeneration || r.Status.CurrentPodHash != before.Status.CurrentPodHash || len(w.sets()) != 2 {
		t.Errorf("generation %s of %d, current %s, %d ReplicaSets", r.Status.ObservedGeneration, r.Generation, r.Status.CurrentPodHash, len(w.sets()))
	}
	told := slices.DeleteFunc(w.told(), func(line string) bool { return !strings.HasPrefix(line, corev1.EventTypeWarning) })
	if len(told) != 1 || !strings.Contains(told[0], "the update does not begin: ") || !strings.Contains(told[0], "out of order") {
		t.Errorf("told %q", told)
	}
	w.restart()
	w.settle()
	if r := w.rollout(); r.Status.ObservedGeneration == before.Status.ObservedGeneration {
		t.Errorf("the status still speaks of generation %s", r.Status.ObservedGeneration)
	}
}

func TestARestartIsNotOverWhileItsPodsCannotBeListed(t *testing.T) {
	w := halfway(t)
	w.unreadable("Pod")
	at := metav1.NewTime(w.at.Add(-time.Second).Truncate(time.Second))
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.RestartAt = &at })
	if _, err := w.pass(); err == nil {
		t.Error("no error")
	}
	if got := w.rollout().Status.RestartedAt; got != nil {
		t.Errorf("the status says that it was over at %s", got)
	}
	w.restart()
	w.settle()
	if got := w.rollout().Status.RestartedAt; !at.Equal(got) {
		t.Errorf("with its pods listed it was over at %s", got)
	}
}

func TestAWorkloadOfAVersionThatIsNotServedIsAnInvalidSpec(t *testing.T) {
	w := halfwayFromWorkload(t)
	w.loop.workloads.start = func(context.Context, client.Object) error {
		return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "apps", Kind: "Deployment"}, SearchedVersions: []string{"v1beta1"}}
	}
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.WorkloadRef.APIVersion = "apps/v1beta1" })
	if w.abort(); w.weight() != 0 {
		t.Errorf("the canary still has weight %d", w.weight())
	}
	want := `spec.workloadRef.apiVersion: Invalid value: "apps/v1beta1": the cluster serves no Deployment of this version`
	if c := w.condition(v1alpha1.ConditionInvalidSpec); !strings.Contains(c.Message, want) {
		t.Errorf("condition %+v", c)
	}
}
