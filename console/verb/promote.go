package verb

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// promotion is what a promote writes and how it is told.
type promotion struct {
	status fields
	// unpause asks for spec.paused to be cleared, after the status was written.
	unpause bool
	words   string
}

// Promote goes past the current step or pause; full skips everything that remains of the update.
func Promote(ctx context.Context, c client.Client, key client.ObjectKey, full bool) (string, error) {
	var first *v1alpha1.Rollout
	var done promotion
	err := retry.OnError(conflicts(), apierrors.IsConflict, func() error {
		r, err := load(ctx, c, key)
		if err != nil {
			return err
		}
		if first == nil {
			first = r.DeepCopy()
		}
		if err := sameRevision(first, r, key); err != nil {
			return err
		}
		if !full && movedOn(first, r) {
			done = promotion{words: "went on by itself before the promote arrived", unpause: first.Spec.Paused}
			return nil
		}
		if done, err = choosePromotion(r, key, full); err != nil || done.status == nil {
			return err
		}
		return patchStatus(ctx, c, r, r.ResourceVersion, done.status)
	})
	switch {
	case IsRefused(err):
		return "", err
	case err != nil:
		return "", fmt.Errorf("promoting %s: %w", named(key), err)
	}
	if done.unpause {
		if err := patchSpec(ctx, c, first, fields{"paused": false}); err != nil {
			return "", fmt.Errorf("promoting %s: clearing spec.paused: %w", named(key), err)
		}
	}
	return said(key, "%s", done.words), nil
}

// conflicts is how often and how fast a conditional write is tried: the controller writes often while it moves, but never for long.
func conflicts() wait.Backoff {
	return wait.Backoff{Steps: 12, Duration: 5 * time.Millisecond, Factor: 1.6, Jitter: 0.2}
}

// sameRevision refuses to promote a revision that the caller did not see.
func sameRevision(first, now *v1alpha1.Rollout, key client.ObjectKey) error {
	if first.UID != now.UID || first.Status.CurrentPodHash != now.Status.CurrentPodHash {
		return refuse(key, "a new revision appeared while the old one was being promoted: look at it, then promote again")
	}
	return nil
}

// movedOn tells whether the step that the caller saw is past, so that a promote must not go past the next one too.
func movedOn(first, now *v1alpha1.Rollout) bool {
	before, after := ptr.Deref(first.Status.CurrentStepIndex, 0), ptr.Deref(now.Status.CurrentStepIndex, 0)
	return after > before && !now.Status.Abort
}

func choosePromotion(r *v1alpha1.Rollout, key client.ObjectKey, full bool) (promotion, error) {
	p := promotion{unpause: r.Spec.Paused, words: "unpaused"}
	why := ""
	if full {
		why = p.skipAll(r)
	} else {
		why = p.next(r)
	}
	if p.status == nil && !p.unpause {
		return p, refuse(key, "nothing to promote: %s", why)
	}
	return p, nil
}

// skipAll chooses the patch of a full promotion; why says what stands against it.
func (p *promotion) skipAll(r *v1alpha1.Rollout) (why string) {
	if r.Status.CurrentPodHash == r.Status.StableRS {
		return "the current revision is already the stable one"
	}
	p.status, p.words = fields{"promoteFull": true}, "full promotion asked for, all steps that remain are skipped"
	return ""
}

// next chooses the patch that goes past the current step or pause; why says what stands against it.
func (p *promotion) next(r *v1alpha1.Rollout) (why string) {
	s := &r.Status
	var steps []v1alpha1.CanaryStep
	if r.Spec.Strategy.Canary != nil {
		steps = r.Spec.Strategy.Canary.Steps
	}
	i := max(ptr.Deref(s.CurrentStepIndex, 0), 0)
	unfinished := int(i) < len(steps)
	switch {
	case s.Abort:
		return "the update was aborted: retry it, undo it or apply another spec"
	case len(s.PauseConditions) > 0:
		p.resume(s, steps, i)
	case s.ControllerPause:
		return "the pause is over already and the controller is about to go on"
	case promoted(r):
		return "the current revision is already the stable one"
	case len(steps) == 0:
		return "it is not paused and has no steps"
	case !unfinished:
		return fmt.Sprintf("all %d steps are done, the new pods are being waited for", len(steps))
	default:
		p.status = fields{"pauseConditions": nil, "currentStepIndex": i + 1}
		p.words = past(steps, i)
	}
	return ""
}

// resume ends a pause of the controller. After an inconclusive analysis the step itself has to be passed over,
// because it would be found inconclusive again.
func (p *promotion) resume(s *v1alpha1.RolloutStatus, steps []v1alpha1.CanaryStep, i int32) {
	p.status, p.words = fields{"pauseConditions": nil}, "resumed"
	if int(i) >= len(steps) {
		return
	}
	p.words = past(steps, i)
	if s.ControllerPause && inconclusive(s.Canary.CurrentStepAnalysisRunStatus) {
		p.status = fields{"pauseConditions": nil, "controllerPause": false, "currentStepIndex": i + 1}
		p.words += ", whose analysis was inconclusive"
	}
}

func inconclusive(run *v1alpha1.RolloutAnalysisRunStatus) bool {
	return run != nil && run.Status == v1alpha1.AnalysisPhaseInconclusive
}

func past(steps []v1alpha1.CanaryStep, i int32) string {
	return fmt.Sprintf("promoted past step %d/%d (%s)", i+1, len(steps), v1alpha1.StepText(steps[i]))
}
