package strategy

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// walk completes steps for as long as what was observed says that they are complete.
func (p *position) walk(o *Observation) {
	if blueGreen(o.Rollout) != nil {
		p.cutOver(o)
		return
	}
	if p.held(o) || p.status.Abort || p.skipping() || p.undecided() {
		return
	}
	if p.orphaned && !p.standsIn(o) && !p.resumed {
		return // first somebody has to answer
	}
	for !p.atEnd() && p.complete(o, p.steps[p.index()]) {
		p.note(normal(v1alpha1.ReasonRolloutStepCompleted,
			fmt.Sprintf("Rollout step %d/%d completed (%s)", p.index()+1, len(p.steps), v1alpha1.StepText(p.steps[p.index()]))))
		p.unpause(v1alpha1.PauseReasonCanaryPauseStep)
		p.status.Canary.CurrentStepAnalysisRunStatus, p.status.Canary.CurrentExperiment = nil, ""
		p.resumed = false
		p.status.CurrentStepIndex = ptr.To(p.index() + 1)
		p.runs = sortRuns(o, p)
	}
}

// undecided reports whether a person is asked to decide because an analysis or an experiment could not.
func (p *position) undecided() bool {
	return hasPause(&p.status, v1alpha1.PauseReasonInconclusiveAnalysis) || hasPause(&p.status, v1alpha1.PauseReasonInconclusiveExperiment)
}

// settleMail forgets a resume that has been obeyed; while nothing may advance, or the preview that was promoted is not whole, it is kept, so that
// no promote is lost.
func (p *position) settleMail(o *Observation) {
	if s := &p.status; len(s.PauseConditions) == 0 && !p.held(o) && !p.waitsForPreview(o) {
		s.ControllerPause = false
	}
}

// complete reports whether every part of a step has come true. It also starts the clock of a pause, which begins when the other parts are there;
// whoever promotes has seen them.
func (p *position) complete(o *Observation, step v1alpha1.CanaryStep) bool {
	if step.Pause != nil && p.resumed {
		return true
	}
	if !p.prepared(o, step) {
		return false
	}
	switch {
	case step.Pause != nil:
		return p.pauseOver(o, step.Pause)
	case step.SetWeight != nil:
		return p.weightSet(o, *step.SetWeight)
	case step.Experiment != nil:
		return p.experimentOver()
	case step.Analysis != nil:
		return p.runs.step != nil && p.runs.step.Status.Phase == v1alpha1.AnalysisPhaseSuccessful
	}
	return step.SetCanaryScale != nil || step.SetHeaderRoute != nil || step.SetMirrorRoute != nil
}

// prepared reports whether the parts of a step have come true that may stand beside another one: the canary's scale and the managed routes.
func (p *position) prepared(o *Observation, step v1alpha1.CanaryStep) bool {
	scaled := step.SetCanaryScale == nil || atDesired(o, p)
	return scaled && (step.SetHeaderRoute == nil && step.SetMirrorRoute == nil || p.routeStepDone(o))
}

// weightSet reports whether a weight has come true: by its pods, and in the routes where there are any. A canary that was told to have no pod
// gets no request whatever its weight.
func (p *position) weightSet(o *Observation, weight int32) bool {
	if p.orphaned {
		return atDesired(o, p) && p.standsIn(o) // it serves everybody
	}
	if unmanned(o, p) {
		weight = 0
	}
	return atDesired(o, p) && (!o.Routed || p.carries(o, weight))
}

// carries reports whether the routes were seen to give the current revision this weight, and whoever programs them has followed.
func (p *position) carries(o *Observation, weight int32) bool {
	t := o.Traffic
	return o.TrafficError == "" && t.Exact && t.Lowest == weight && t.Highest == weight &&
		t.Confirmation != trafficrouting.Pending && (weight == 0 || p.canaryServes(o))
}

// canaryServes reports whether the canary Service points at the current revision.
func (p *position) canaryServes(o *Observation) bool {
	return o.Canary.Exists && o.Canary.Hash == p.status.CurrentPodHash
}

// pauseOver is pauseOverFor a step; a duration that cannot be read lasts until a promote.
func (p *position) pauseOver(o *Observation, pause *v1alpha1.RolloutPause) bool {
	length, indefinite, valid := v1alpha1.PauseDuration(pause)
	if indefinite || !valid {
		return p.pauseOverFor(o, v1alpha1.PauseReasonCanaryPauseStep, nil)
	}
	return p.pauseOverFor(o, v1alpha1.PauseReasonCanaryPauseStep, &length)
}

// pauseOverFor starts a pause that has not begun and tells whether one that has is over; without a length only a promote ends it.
func (p *position) pauseOverFor(o *Observation, reason v1alpha1.PauseReason, length *time.Duration) bool {
	if p.resumed {
		return true
	}
	i := slices.IndexFunc(p.status.PauseConditions, func(c v1alpha1.PauseCondition) bool { return c.Reason == reason })
	if i < 0 {
		p.pause(o, reason)
		i = len(p.status.PauseConditions) - 1
	}
	if length == nil {
		return false
	}
	begun := &p.status.PauseConditions[i].StartTime
	if o.ahead(begun.Time) {
		*begun = o.clock()
	}
	end := begun.Add(*length)
	if o.Now.After(end) {
		return true
	}
	p.look(end.Sub(o.Now) + 1)
	return false
}

// pause adds a reason to pause, once.
func (p *position) pause(o *Observation, reason v1alpha1.PauseReason) {
	s := &p.status
	if hasPause(s, reason) {
		return
	}
	s.PauseConditions = append(s.PauseConditions, v1alpha1.PauseCondition{Reason: reason, StartTime: o.clock()})
	s.ControllerPause = true
	p.note(normal(v1alpha1.ReasonRolloutPaused, fmt.Sprintf("Rollout is paused (%s)", reason)))
}

// unpause takes a reason away; without any left the controller no longer pauses.
func (p *position) unpause(reason v1alpha1.PauseReason) {
	s := &p.status
	s.PauseConditions = slices.DeleteFunc(s.PauseConditions, func(c v1alpha1.PauseCondition) bool { return c.Reason == reason })
	if len(s.PauseConditions) == 0 {
		s.PauseConditions, s.ControllerPause = nil, false
	}
}

// promote makes the current revision the stable one once it carries everything and every verdict is in.
func (p *position) promote(o *Observation) {
	s := &p.status
	if p.done() || s.Abort || o.Invalid != "" {
		return
	}
	reason, ok := p.promotable(o)
	if !ok {
		return
	}
	s.StableRS = s.CurrentPodHash
	s.PromoteFull = false
	s.BlueGreen.ScaleUpPreviewCheckPoint = false
	p.jumpToEnd()
	s.Duration = finished(s.Duration, o, p.completionStatus(reason))
	p.note(normal(v1alpha1.ReasonRolloutCompleted,
		fmt.Sprintf("Rollout completed update to revision %d (%s): %s", p.number, s.CurrentPodHash, reason)))
	p.stable = p.current
}

const (
	promotedInitially = "Initial deploy"
	promotedFully     = "Full promotion requested"
	promotedBack      = "Rollback within window"
)

func (p *position) promotable(o *Observation) (reason string, ok bool) {
	if b := blueGreen(o.Rollout); b != nil {
		return p.promotableBlueGreen(o, b)
	}
	if p.first() {
		return promotedInitially, p.current != nil
	}
	if o.Rollout.Spec.Paused || len(p.status.PauseConditions) > 0 || !p.atEnd() || !enough(o, p, fullSize(o, p)) {
		return "", false
	}
	if o.Routed && p.replicas > 0 && !p.servesAll(o) {
		return "", false
	}
	switch {
	case p.status.PromoteFull:
		return promotedFully, true
	case p.returning:
		return promotedBack, true
	}
	return fmt.Sprintf("Completed all %d canary steps", len(p.steps)), p.backgroundIsPositive()
}

// standsIn reports whether a revision whose stable one is gone was seen to serve in its place.
func (p *position) standsIn(o *Observation) bool { return !o.Routed || p.stableServes(o) }

// servesAll reports whether the routes were seen to lead everybody to the current revision.
func (p *position) servesAll(o *Observation) bool {
	if p.orphaned {
		return p.stableServes(o)
	}
	return p.carries(o, v1alpha1.MaxTrafficWeight(o.Rollout))
}

// fullSize is how many pods of the current revision must be available for it to be promoted: every one but those for which there is no room
// as long as a Service keeps a pod of the stable revision. They follow once the Service has been switched.
func fullSize(o *Observation, p *position) int32 {
	if o.Routed {
		return p.replicas
	}
	canary, _ := basicCounts(o, p).targets()
	return canary
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
