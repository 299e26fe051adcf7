package rollout

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// refusing makes the server answer err to the creation of a ReplicaSet whose image contains text.
func (w *world) refusing(text string, err error) {
	w.server = interceptor.NewClient(w.server, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if data, _ := jsonOf(o); strings.Contains(data, text) {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
	})
	w.restart()
}

func (w *world) condition(kind v1alpha1.RolloutConditionType) v1alpha1.RolloutCondition {
	w.t.Helper()
	for _, c := range w.rollout().Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return v1alpha1.RolloutCondition{}
}

var setKind = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}

func TestATemplateThatTheServerRejectsIsAnInvalidSpec(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.settle()
	stable := w.rollout().Status.StableRS
	w.refusing("app:v2", apierrors.NewInvalid(setKind, "web", nil))
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	w.settle()
	r := w.rollout()
	if c := w.condition(v1alpha1.ConditionInvalidSpec); c.Status != corev1.ConditionTrue || !strings.Contains(c.Message, `The Rollout "web" is invalid: spec.template`) {
		t.Errorf("condition %+v", c)
	}
	if r.Status.Phase != v1alpha1.RolloutPhaseDegraded || r.Status.StableRS != stable || r.Status.CurrentPodHash != stable {
		t.Errorf("phase %s, stable %s, current %s", r.Status.Phase, r.Status.StableRS, r.Status.CurrentPodHash)
	}

	before := len(w.Made)
	w.settle()
	if more := w.Made[before:]; len(more) > 0 {
		t.Errorf("a rejected template is tried again: %v", more)
	}

	t.Run("the running revision is still scaled", func(t *testing.T) {
		w.edit(func(r *v1alpha1.Rollout) { *r.Spec.Replicas = 6 })
		w.settle()
		if size := *w.sets()[0].Spec.Replicas; size != 6 {
			t.Errorf("it has %d pods", size)
		}
	})
	t.Run("a good template is released", func(t *testing.T) {
		w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v3") })
		w.settle()
		if r := w.rollout(); r.Status.Phase != v1alpha1.RolloutPhaseHealthy || r.Status.StableRS == stable {
			t.Errorf("phase %s, stable %s", r.Status.Phase, r.Status.StableRS)
		}
	})
}

func TestAFailedCreationIsToldAndDoesNotStopTheRest(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.settle()
	w.refusing("app:v2", apierrors.NewForbidden(schema.GroupResource{Resource: "replicasets"}, "web", errors.New("exceeded quota")))
	w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	for range 5 {
		if _, err := w.pass(); err == nil || !strings.Contains(err.Error(), "exceeded quota") {
			t.Fatalf("error %v", err)
		}
	}
	c := w.condition(v1alpha1.ConditionProgressing)
	if c.Status != corev1.ConditionFalse || c.Reason != v1alpha1.ReasonReplicaSetCreateError || !strings.Contains(c.Message, "exceeded quota") {
		t.Errorf("condition %+v", c)
	}
	before := len(w.Made)
	w.at = w.at.Add(10 * time.Second)
	if _, err := w.pass(); err == nil {
		t.Error("no error")
	}
	if got := w.Made[before:]; len(got) > 0 {
		t.Errorf("the same failure is written again and again: %v", got)
	}
	told := slices.DeleteFunc(w.told(), func(line string) bool { return !strings.HasPrefix(line, "Warning") })
	if len(told) != 1 || !strings.HasPrefix(told[0], "Warning ReplicaSetCreateError Failed to create new replica set") {
		t.Errorf("told %q", told)
	}
}

func TestARestartEvictsOldPodsAndMindsDisruptionBudgets(t *testing.T) {
	w := newWorld(t, append(around(), basic())...)
	w.settle()
	set := w.sets()[0]
	for _, name := range []string{"a", "b", "c", "d"} {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: name, UID: types.UID("uid-" + name), Labels: set.Spec.Selector.MatchLabels,
				CreationTimestamp: metav1.NewTime(w.at.Add(-time.Hour)),
				OwnerReferences:   []metav1.OwnerReference{*metav1.NewControllerRef(&set, replicaSetKind)},
			},
			Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
		}
		if err := w.server.Create(w.ctx(), pod); err != nil {
			t.Fatal(err)
		}
	}
	var asked []string
	w.server = interceptor.NewClient(w.server, interceptor.Funcs{
		SubResourceCreate: func(_ context.Context, _ client.Client, sub string, o, s client.Object, _ ...client.SubResourceCreateOption) error {
			asked = append(asked, sub+" "+o.GetName()+" "+string(*s.(*policyv1.Eviction).DeleteOptions.Preconditions.UID))
			return apierrors.NewTooManyRequests("the disruption budget does not allow it", 10)
		},
	})
	w.restart()
	w.edit(func(r *v1alpha1.Rollout) { at := metav1.NewTime(w.at.Add(-time.Minute)); r.Spec.RestartAt = &at })
	next, err := w.pass()
	if err != nil || next.RequeueAfter == 0 {
		t.Errorf("next %+v, error %v", next, err)
	}
	if !slices.Equal(asked, []string{"eviction a uid-a"}) {
		t.Errorf("asked for %v", asked)
	}
}

func TestARunThatExistsAlreadyIsOurs(t *testing.T) {
	w := newWorld(t)
	r := basic()
	run := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "web-run", OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r, v1alpha1.RolloutKind)},
	}}
	if err := w.server.Create(w.ctx(), run.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	s := &seen{}
	s.Rollout = r
	start := strategyRun(run)
	if err := w.loop.start(t.Context(), s, start); err != nil {
		t.Errorf("our own run: %v", err)
	}
	s.Rollout = basic()
	s.Rollout.UID = "another"
	if err := w.loop.start(t.Context(), s, start); err == nil {
		t.Error("a foreign run is taken for ours")
	}
}

func TestWhatVanishedMidUpdateDoesNotStopAnAbort(t *testing.T) {
	w := newWorld(t, append(around(), canary())...)
	w.settle()
	pause := []v1alpha1.CanaryStep{{SetWeight: new(int32(50))}, {Pause: &v1alpha1.RolloutPause{}}}
	w.edit(func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.Steps = pause
		r.Spec.Template = template("app:v2")
		r.Spec.Strategy.Canary.Analysis = nil
	})
	w.settle()
	if got := w.weight(); got != 50 {
		t.Fatalf("the canary has weight %d", got)
	}
	w.edit(func(r *v1alpha1.Rollout) {
		r.Spec.Strategy.Canary.Steps = append(slices.Clone(pause), v1alpha1.CanaryStep{Analysis: &v1alpha1.RolloutAnalysis{
			Templates: []v1alpha1.AnalysisTemplateRef{{TemplateName: "missing"}},
		}})
	})
	w.settle()
	if c := w.condition(v1alpha1.ConditionInvalidSpec); c.Status != corev1.ConditionTrue || !strings.Contains(c.Message, "missing") {
		t.Fatalf("condition %+v", c)
	}
	r := w.rollout()
	aborted := r.DeepCopy()
	aborted.Status.Abort = true
	if err := w.server.Status().Patch(w.ctx(), aborted, client.MergeFrom(r)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := w.weight(); got != 0 {
		t.Errorf("the canary still has weight %d", got)
	}
}

func TestAStatusThatAClientSpoiledDoesNotStopTheLoop(t *testing.T) {
	for name, patch := range map[string]string{
		"a step that is not there": `{"status":{"currentStepIndex":99}}`,
		"a step before the first":  `{"status":{"currentStepIndex":-7}}`,
		"hashes of nothing":        `{"status":{"currentPodHash":"nothing"}}`, "a pause without an end": `{"status":{"pauseConditions":[{"reason":"Odd","startTime":"2026-01-01T00:00:00Z"}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, append(around(), canary())...)
			w.settle()
			w.edit(func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
			if _, err := w.pass(); err != nil {
				t.Fatal(err)
			}
			if err := w.server.Status().Patch(w.ctx(), w.rollout(), client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if strings.Contains(patch, "Odd") {
				return // a pause stays until a client ends it
			}
			if got := w.rollout().Status.Phase; got != v1alpha1.RolloutPhaseHealthy {
				t.Errorf("phase %s", got)
			}
		})
	}
}
