package notification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/notify"
)

// killer ends a process after a number of effects on the world: writes of the record, and messages. A killed process has none any more.
type killer struct {
	after   int
	effects int
	dead    bool
}

var errKilled = errors.New("the process was killed")

// effect counts one; it says whether it still happens.
func (w *world) effect(k *killer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k.dead {
		return errKilled
	}
	k.effects++
	k.dead = k.effects == k.after
	return nil
}

func (w *world) killed(k *killer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return k.dead
}

// release runs a canary of three steps; the process that is killed is replaced by one that begins with what is there.
func (w *world) release(k *killer) {
	w.t.Helper()
	w.refuseWrites(func(int) error { return w.effect(k) })
	w.slack(func(context.Context, notify.Message) error { return w.effect(k) })
	p := w.start()
	p.Seen(w.rollout())
	for step := int32(1); step <= 4; step++ {
		before, after := w.status(func(s *v1alpha1.RolloutStatus) {
			s.CurrentPodHash, s.CurrentStepIndex = "new", ptr.To(min(step, 3))
			if step == 4 {
				s.StableRS = "new"
			}
		})
		reason := v1alpha1.ReasonRolloutStepCompleted
		if step == 4 {
			reason = v1alpha1.ReasonRolloutCompleted
		}
		if !w.killed(k) { // else the status was its last deed
			p.Seen(before)
			p.Told(after, "Normal", reason)
		}
		w.waitFor("it is told, or the process is killed", func() bool { return w.killed(k) || w.quiet(p) })
		if w.killed(k) {
			p.stop()
			w.mu.Lock()
			k.dead = false
			w.mu.Unlock()
			p = w.start()
			p.Seen(w.rollout())
			w.waitFor("the rest is told", func() bool { return w.quiet(p) })
		}
	}
}

// quiet reports whether a process has nothing to do.
func (w *world) quiet(p *process) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.boxes[w.key]
	if b == nil || len(b.fresh) > 0 || len(b.parcels) > 0 || b.look != nil {
		return false
	}
	text, err := b.record.Text()
	return err == nil && text == b.saved
}

func TestAKillAfterEverySingleEffectLosesNoMessageAndRepeatsAtMostOne(t *testing.T) {
	want := []string{"slack:a done", "slack:a step 1", "slack:a step 2", "slack:a step 3"}
	annotations := map[string]string{onStep + "slack": "a", "on-rollout-completed.slack": "a"}
	whole := &killer{}
	newWorld(t, annotations, config).release(whole)
	if whole.effects < 9 {
		t.Fatalf("a release has only %d effects", whole.effects)
	}
	for after := 1; after <= whole.effects; after++ {
		t.Run(fmt.Sprintf("after %d of %d", after, whole.effects), func(t *testing.T) {
			w := newWorld(t, annotations, config)
			w.release(&killer{after: after})
			sent := slices.Sorted(slices.Values(w.messages()))
			if got := slices.Compact(slices.Clone(sent)); !slices.Equal(got, want) || len(sent) > len(want)+1 {
				t.Errorf("sent were %q", sent)
			}
			if ids := slices.Compact(slices.Sorted(slices.Values(w.ids))); len(ids) != len(want) {
				t.Errorf("%d messages have %d ids", len(want), len(ids))
			}
		})
	}
}
