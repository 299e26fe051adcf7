package strategy

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// position is where a rollout stands: the status as it is after the commands, verdicts and completed steps of this pass.
type position struct {
	status   v1alpha1.RolloutStatus
	rollout  *v1alpha1.Rollout
	steps    []v1alpha1.CanaryStep
	replicas int32

	current, stable *Revision // nil while there is no such ReplicaSet
	// number is the revision number of the current revision.
	number int64
	// fresh: nothing serves yet that could be compared with; everything goes to the new revision.
	fresh bool
	// orphaned: it is fresh only because somebody deleted the stable revision in the middle of an update. The new one must serve, as nobody else
	// can, and yet is not promoted before its steps and verdicts say so.
	orphaned bool
	// inferred: the status no longer says which revision serves, and what the world says about it must not be touched before it is written down.
	inferred bool
	// returning: the spec went back to the stable revision or to one inside the rollback window, so steps are skipped.
	returning bool
	// resumed: a client cleared the pause, which completes the step that paused; answered: what it cleared was the pause of an inconclusive analysis.
	resumed, answered bool
	// retried and restarted: steps begin again in this pass, after an abort or for a new revision.
	retried, restarted bool
	// timedOut: the progress deadline has passed.
	timedOut bool
	// abortCause is appended to the message of an abort that the controller itself decided.
	abortCause string
	// takeOver: the active Service of a blue-green update should point at the current revision.
	takeOver bool
	// intended is the weight that this plan gives the routes; nil if it leaves them as they are.
	intended *int32
	// pointed are the Services that this plan switches.
	pointed []ServiceIntent
	// wasPaused: there was a pause before this pass.
	wasPaused bool

	runs  runs
	notes []Note
	after time.Duration
}

// advance reads the mailbox, the verdicts and the world, and moves on as far as what was observed allows.
func advance(o *Observation) *position {
	p := newPosition(o)
	p.identify(o)
	count(o, p)
	p.readMail(o)
	p.runs = sortRuns(o, p)
	p.hearVerdicts(o)
	p.walk(o)
	p.settleMail(o)
	p.promote(o)
	p.meetDeadline(o)
	return p
}

func newPosition(o *Observation) *position {
	p := &position{
		rollout:  o.Rollout,
		status:   *o.Rollout.Status.DeepCopy(),
		replicas: v1alpha1.Replicas(o.Rollout),
		current:  o.revision(o.Current),
	}
	if c := o.Rollout.Spec.Strategy.Canary; c != nil {
		p.steps = c.Steps
	}
	p.wasPaused = len(p.status.PauseConditions) > 0
	p.resumed = p.status.ControllerPause && !p.wasPaused
	return p
}

// identify notices a new revision or new steps, after which everything that was remembered of the old ones is void.
func (p *position) identify(o *Observation) {
	s := &p.status
	p.number = revisionNumber(o, p.current)
	hash := v1alpha1.StepHash(o.Rollout)
	newRevision := s.CurrentPodHash != o.Current
	if o.Invalid == "" && (newRevision || s.CurrentStepHash != hash) {
		unread := s.Abort && s.AbortedAt == nil && !newRevision // it is this revision that a client turned back from, whatever the steps
		p.restart(o)
		s.Abort = unread
		s.CurrentPodHash, s.CurrentStepHash = o.Current, hash
		s.RestartedAt = o.Rollout.Spec.RestartAt
	}
	p.findStable(o)
	if p.restarted && newRevision {
		p.tellUpdate(o)
	}
	if p.skipping() {
		p.jumpToEnd()
	}
	p.clampIndex()
}

// findStable says which revision serves, whether nothing does yet, and whether the spec went back to one that did.
func (p *position) findStable(o *Observation) {
	s := &p.status
	if s.StableRS == "" {
		s.StableRS = servingHash(o)
		p.inferred = s.StableRS != ""
	} else if heir := p.heir(o); heir != "" {
		s.StableRS, p.inferred = heir, true
	}
	p.stable = o.revision(s.StableRS)
	p.fresh = !alive(p.stable)
	if p.fresh {
		p.stable = nil
		p.orphaned = s.StableRS != "" && !p.isStable()
	}
	p.returning = !p.fresh && (p.isStable() || insideRollbackWindow(o, p) || insideDelay(o, p))
}

// heir is the revision that has served in place of a stable one which somebody deleted, where an update to yet another one begins: promoted or not,
// it is what that one is compared with. It is empty where there is none, or the spec asks for what was deleted.
func (p *position) heir(o *Observation) string {
	before := &o.Rollout.Status
	if !p.restarted || before.CurrentPodHash == o.Current || before.StableRS == o.Current || alive(o.revision(before.StableRS)) {
		return ""
	}
	if r := o.revision(before.CurrentPodHash); alive(r) && r.Available > 0 {
		return r.Hash
	}
	return ""
}

func alive(r *Revision) bool { return r != nil && !r.Deleting }

// tellUpdate tells that an update begins, or that it is a return without steps.
func (p *position) tellUpdate(o *Observation) {
	if p.status.StableRS != o.Current {
		p.note(normal(v1alpha1.ReasonRolloutNotCompleted,
			fmt.Sprintf("Rollout not completed, started update to revision %d (%s)", p.number, o.Current)))
	}
	if p.returning && len(p.steps) > 0 {
		p.note(normal(v1alpha1.ReasonSkipSteps, "Rollback to stable ReplicaSets"))
	}
}

// servingHash tells which revision serves where a lost status no longer does: the one behind the stable Service, unless it has no pods
// and the newest other one has. Without this a canary whose status was lost would look like a first deploy. A status that knows the current
// revision and no stable one was not lost: that is a first deploy which is not complete yet.
func servingHash(o *Observation) string {
	named := o.revision(o.Stable.Hash)
	if o.Stable.Managed && named != nil && named.Available > 0 {
		return named.Hash
	}
	if o.Rollout.Status.CurrentPodHash != "" {
		return ""
	}
	for _, r := range o.Revisions {
		if r.Hash != o.Current && !r.Deleting && r.Available > 0 {
			return r.Hash
		}
	}
	if o.Stable.Managed && named != nil {
		return named.Hash
	}
	return ""
}

func (p *position) restart(o *Observation) {
	s := &p.status
	p.restarted = true
	s.Abort, s.AbortedAt, s.PromoteFull = false, nil, false
	s.PauseConditions, s.ControllerPause = nil, false
	s.Canary.CurrentStepAnalysisRunStatus, s.Canary.CurrentBackgroundAnalysisRunStatus = nil, nil
	s.Canary.CurrentExperiment, s.Canary.StepPluginStatuses = "", nil
	s.BlueGreen.PrePromotionAnalysisRunStatus, s.BlueGreen.PostPromotionAnalysisRunStatus = nil, nil
	s.BlueGreen.ScaleUpPreviewCheckPoint = false
	s.CurrentStepIndex = nil
	if len(p.steps) > 0 {
		s.CurrentStepIndex = ptr.To[int32](0)
	}
	p.resumed, p.wasPaused = false, false
	if o.Current != s.StableRS {
		// Going back to what serves belongs to the record of the update that it ends.
		s.Duration = &v1alpha1.RolloutDuration{RolloutStartedAt: ptr.To(o.begins())}
	}
}

// readMail obeys what clients wrote into the status: abort, retry and full promotion.
func (p *position) readMail(o *Observation) {
	s := &p.status
	switch {
	case p.done():
		s.Abort, s.AbortedAt, s.PromoteFull = false, nil, false // there is nothing to turn back from
	case p.first():
		s.Abort, s.AbortedAt = false, nil // there is nothing to turn back to
	case s.PromoteFull && (!s.Abort || s.AbortedAt != nil):
		s.Abort, s.AbortedAt = false, nil
		p.jumpToEnd()
	case s.Abort && s.AbortedAt == nil:
		p.abort(o, "")
	case !s.Abort && s.AbortedAt != nil:
		p.retried = true
		p.restart(o)
		p.restarted = false
	}
}

// abort turns back: no step is valid any more, and the traffic returns to the stable revision.
func (p *position) abort(o *Observation, cause string) {
	s := &p.status
	s.Abort, s.AbortedAt, s.PromoteFull = true, ptr.To(o.clock()), false
	s.PauseConditions, s.ControllerPause = nil, false
	if s.CurrentStepIndex != nil {
		s.CurrentStepIndex = ptr.To[int32](0)
	}
	p.abortCause = cause
	p.note(warning(v1alpha1.ReasonRolloutAborted, p.abortMessage()))
}

func (p *position) abortMessage() string {
	message := fmt.Sprintf("Rollout aborted update to revision %d", p.number)
	if p.abortCause != "" {
		message += ": " + p.abortCause
	}
	return message
}

// jumpToEnd skips every step that remains.
func (p *position) jumpToEnd() {
	s := &p.status
	if len(p.steps) > 0 {
		s.CurrentStepIndex = ptr.To(int32(len(p.steps)))
	}
	s.PauseConditions, s.ControllerPause = nil, false
}

// clampIndex keeps an index that a client wrote, or that an edit of the steps left behind, inside the steps.
func (p *position) clampIndex() {
	s := &p.status
	if len(p.steps) == 0 {
		s.CurrentStepIndex = nil
		return
	}
	s.CurrentStepIndex = ptr.To(min(max(ptr.Deref(s.CurrentStepIndex, 0), 0), int32(len(p.steps))))
}

// index is the current step; equal to the number of steps at the end.
func (p *position) index() int32 { return ptr.Deref(p.status.CurrentStepIndex, 0) }

func (p *position) atEnd() bool { return p.index() >= int32(len(p.steps)) }

// isStable reports whether the revision that the spec asks for is the one that was promoted last.
func (p *position) isStable() bool { return p.status.CurrentPodHash == p.status.StableRS }

// done reports whether there is no update under way.
func (p *position) done() bool { return !p.fresh && p.isStable() }

// first reports whether nothing has served before: there is nobody to compare with, and nothing to be judged by.
func (p *position) first() bool { return p.fresh && !p.orphaned }

// skipping reports whether steps, pauses and verdicts do not count in this update.
func (p *position) skipping() bool { return p.first() || p.returning || p.status.PromoteFull }

// held reports whether nothing may advance: the user paused, or the spec cannot be read.
func (p *position) held(o *Observation) bool { return o.Rollout.Spec.Paused || o.Invalid != "" }

func (p *position) note(n Note) { p.notes = append(p.notes, n) }

// look asks for another pass after d, unless an earlier one is due anyway.
func (p *position) look(d time.Duration) {
	if d > 0 && (p.after == 0 || d < p.after) {
		p.after = d
	}
}

// revisionNumber is the number of the current revision: its own if it is the newest, else one more than the highest.
func revisionNumber(o *Observation, current *Revision) int64 {
	var highest int64
	for _, r := range o.Revisions {
		highest = max(highest, r.Number)
	}
	if current != nil && current.Number == highest && highest > 0 {
		return highest
	}
	if o.Invalid != "" {
		return highest
	}
	return highest + 1
}

// insideRollbackWindow reports whether the spec went back to a revision that is older than the stable one with fewer than
// rollbackWindow.revisions ReplicaSets created between the two.
func insideRollbackWindow(o *Observation, p *position) bool {
	window := o.Rollout.Spec.RollbackWindow
	if window == nil || p.current == nil || p.stable == nil || !p.current.Created.Before(p.stable.Created) {
		return false
	}
	between := int32(0)
	for _, r := range o.Revisions {
		if r.Created.After(p.current.Created) && r.Created.Before(p.stable.Created) {
			between++
		}
	}
	return between < window.Revisions
}

func hasPause(s *v1alpha1.RolloutStatus, reason v1alpha1.PauseReason) bool {
	return slices.ContainsFunc(s.PauseConditions, func(c v1alpha1.PauseCondition) bool { return c.Reason == reason })
}
