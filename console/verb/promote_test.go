package verb

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const pausedCanary = canary + `controllerPause: true, pauseConditions: [{reason: CanaryPauseStep, startTime: "2026-01-01T00:00:00Z"}], currentStepIndex: 1}`

func TestPromote(t *testing.T) {
	for name, c := range map[string]struct {
		rollout string
		full    bool
		words   string
		patches []string
	}{
		"a pause step ends": {rollout: pausedCanary,
			words: "promoted past step 2/4 (pause)", patches: []string{`web/status {"metadata":"IF UNCHANGED","status":{"pauseConditions":null}}`}},
		"an inconclusive analysis is passed over": {
			rollout: canary + `controllerPause: true, pauseConditions: [{reason: InconclusiveAnalysisRun, startTime: "2026-01-01T00:00:00Z"}], currentStepIndex: 2, canary: {currentStepAnalysisRunStatus: {name: x, status: Inconclusive}}}`,
			words:   "promoted past step 3/4 (analysis), whose analysis was inconclusive",
			patches: []string{`web/status {"metadata":"IF UNCHANGED","status":{"controllerPause":false,"currentStepIndex":3,"pauseConditions":null}}`}},
		"a step that is not a pause is skipped": {rollout: canary + `currentStepIndex: 2}`,
			words: "promoted past step 3/4 (analysis)", patches: []string{`web/status {"metadata":"IF UNCHANGED","status":{"currentStepIndex":3,"pauseConditions":null}}`}},
		"a user's pause is lifted as well": {rollout: `
spec:
  paused: true
  strategy: {canary: {steps: [{setWeight: 10}]}}
status: {currentPodHash: new, stableRS: old, currentStepIndex: 0}`,
			words: "promoted past step 1/1 (setWeight: 10)", patches: []string{
				`web/status {"metadata":"IF UNCHANGED","status":{"currentStepIndex":1,"pauseConditions":null}}`, `web {"spec":{"paused":false}}`}},
		"a user's pause is lifted when nothing else is left": {rollout: `{spec: {paused: true, strategy: {canary: {}}}, status: {currentPodHash: old, stableRS: old}}`,
			words: "unpaused", patches: []string{`web {"spec":{"paused":false}}`}},
		"a blue-green pause ends": {
			rollout: `{spec: {strategy: {blueGreen: {}}}, status: {currentPodHash: new, stableRS: old, controllerPause: true, pauseConditions: [{reason: BlueGreenPause, startTime: "2026-01-01T00:00:00Z"}]}}`,
			words:   "resumed", patches: []string{`web/status {"metadata":"IF UNCHANGED","status":{"pauseConditions":null}}`}},
		"everything that remains is skipped": {rollout: pausedCanary, full: true,
			words: "full promotion asked for, all steps that remain are skipped", patches: []string{`web/status {"metadata":"IF UNCHANGED","status":{"promoteFull":true}}`}},
		"an aborted update can be promoted in full": {rollout: canary + `abort: true, currentStepIndex: 0}`, full: true,
			words: "full promotion asked for, all steps that remain are skipped", patches: []string{`web/status {"metadata":"IF UNCHANGED","status":{"promoteFull":true}}`}},
		"a stable revision cannot be promoted in full": {rollout: `status: {currentPodHash: old, stableRS: old}`, full: true,
			words: "error: nothing to promote: the current revision is already the stable one"},
		"a stable revision cannot be promoted": {rollout: `{spec: {strategy: {canary: {steps: [{setWeight: 10}]}}}, status: {currentPodHash: old, stableRS: old, currentStepIndex: 1}}`,
			words: "error: nothing to promote: the current revision is already the stable one"},
		"an aborted update cannot be promoted": {rollout: canary + `abort: true, currentStepIndex: 0}`,
			words: "error: nothing to promote: the update was aborted: retry it, undo it or apply another spec"},
		"a second promote of the same pause skips nothing": {rollout: canary + `controllerPause: true, currentStepIndex: 1}`,
			words: "error: nothing to promote: the pause is over already and the controller is about to go on"},
		"there are no steps": {rollout: `{spec: {strategy: {canary: {}}}, status: {currentPodHash: new, stableRS: old}}`,
			words: "error: nothing to promote: it is not paused and has no steps"},
		"all steps are done": {rollout: canary + `currentStepIndex: 4}`,
			words: "error: nothing to promote: all 4 steps are done, the new pods are being waited for"},
		"an index that nobody can explain harms nothing": {rollout: canary + `currentStepIndex: -7}`,
			words: "promoted past step 1/4 (setWeight: 10)", patches: []string{`web/status {"metadata":"IF UNCHANGED","status":{"currentStepIndex":1,"pauseConditions":null}}`}},
	} {
		t.Run(name, func(t *testing.T) {
			words := "rollout shop/web: " + c.words
			if len(c.words) > 7 && c.words[:7] == "error: " {
				words = "error: rollout shop/web: " + c.words[7:]
			}
			check(t, serve(t, withStatus, rollout(t, c.rollout)), func(s *server) (string, error) {
				return Promote(t.Context(), s, key, c.full)
			}, words, c.patches...)
		})
	}
}

func TestPromoteWithoutAStatusSubresourceWritesBothParts(t *testing.T) {
	r := rollout(t, pausedCanary)
	r.Spec.Paused = true
	s := serve(t, withoutStatus, r)
	if _, err := Promote(t.Context(), s, key, false); err != nil {
		t.Fatal(err)
	}
	if got := s.rollout(t); got.Spec.Paused || len(got.Status.PauseConditions) > 0 || !got.Status.ControllerPause {
		t.Errorf("rollout is %+v", got)
	}
}

func TestPromoteLooksAgainAfterAConflict(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*v1alpha1.Rollout)
		full      bool
		words     string
		sent      int
	}{
		"another field changed": {
			meanwhile: func(r *v1alpha1.Rollout) { r.Status.Replicas = 7 },
			words:     "rollout shop/web: promoted past step 2/4 (pause)", sent: 2},
		"the step completed": {
			meanwhile: func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex, r.Status.PauseConditions = ptr.To[int32](2), nil },
			words:     "rollout shop/web: went on by itself before the promote arrived", sent: 1},
		"the step completed, but everything is to be skipped": {
			meanwhile: func(r *v1alpha1.Rollout) { r.Status.CurrentStepIndex = ptr.To[int32](2) }, full: true,
			words: "rollout shop/web: full promotion asked for, all steps that remain are skipped", sent: 2},
		"it was aborted": {
			meanwhile: func(r *v1alpha1.Rollout) { r.Status.Abort, r.Status.PauseConditions = true, nil },
			words:     "error: rollout shop/web: nothing to promote: the update was aborted: retry it, undo it or apply another spec", sent: 1},
		"a revision appeared that nobody looked at": {
			meanwhile: func(r *v1alpha1.Rollout) { r.Status.CurrentPodHash = "newer" }, full: true,
			words: "error: rollout shop/web: a new revision appeared while the old one was being promoted: look at it, then promote again", sent: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, withStatus, rollout(t, pausedCanary))
			s.before = func(client client.Client, n int) error {
				if n > 1 {
					return nil
				}
				r := s.rollout(t)
				c.meanwhile(r)
				return client.Status().Update(t.Context(), r)
			}
			said, err := Promote(t.Context(), s, key, c.full)
			if err != nil {
				said = "error: " + err.Error()
			}
			if said != c.words || len(s.patches) != c.sent {
				t.Errorf("said %q after %d patches, want %q after %d", said, len(s.patches), c.words, c.sent)
			}
		})
	}
}

func TestPromoteGivesUpWhenConflictsDoNotEnd(t *testing.T) {
	s := serve(t, withStatus, rollout(t, pausedCanary))
	s.before = func(client.Client, int) error {
		return apierrors.NewConflict(schema.GroupResource{Resource: "rollouts"}, "web", nil)
	}
	if _, err := Promote(t.Context(), s, key, false); !apierrors.IsConflict(err) {
		t.Errorf("got %v", err)
	}
	if len(s.patches) != conflicts().Steps {
		t.Errorf("tried %d times", len(s.patches))
	}
}
