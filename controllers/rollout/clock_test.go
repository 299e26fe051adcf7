package rollout

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// TestAReleaseConvergesThoughTheClockIsSet sets the clock after each write in turn, and has a pause and a scale-down delay on the way.
// A clock that was set back must not make anybody wait for the time by which it was.
func TestAReleaseConvergesThoughTheClockIsSet(t *testing.T) {
	begin := func(t *testing.T) *world {
		r := canary()
		c := r.Spec.Strategy.Canary
		c.Steps = []v1alpha1.CanaryStep{{SetWeight: ptr.To[int32](25)}, {Pause: &v1alpha1.RolloutPause{Duration: ptr.To(intstr.FromString("90s"))}}, {SetWeight: ptr.To[int32](50)}}
		return newWorld(t, append(around(), r)...)
	}
	w := begin(t)
	start := w.at
	w.release()
	calls, took := len(w.Made), w.at.Sub(start)
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			t.Parallel()
			for i := range calls {
				w := begin(t)
				w.After = func() {
					w.carried()
					if len(w.Made) == i+1 {
						w.at = w.at.Add(jump)
					}
				}
				w.release()
				if diff := cmp.Diff(released, w.outcome()); diff != "" {
					t.Fatalf("set by %s after %q: %s", jump, w.Made[i], diff)
				}
				if more := w.at.Add(-jump).Sub(start) - took; more > 2*time.Minute {
					t.Fatalf("set by %s after %q, the release took %s longer", jump, w.Made[i], more)
				}
			}
		})
	}
}

// carried sees that behind each Service stand the pods for its share of the traffic.
func (w *world) carried() {
	w.t.Helper()
	weight, pods := w.weight(), map[string]int32{}
	for _, set := range w.sets() {
		pods[set.Labels[v1alpha1.LabelPodTemplateHash]] = min(set.Status.AvailableReplicas, *set.Spec.Replicas)
	}
	for service, share := range map[string]int32{"web-stable": 100 - weight, "web-canary": weight} {
		hash := w.selector(service)
		if need := (v1alpha1.Replicas(w.rollout())*share + 99) / 100; hash != "" && pods[hash] < need {
			w.t.Fatalf("%s has %d pods for %d %% of the traffic", service, pods[hash], share)
		}
	}
}
