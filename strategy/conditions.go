package strategy

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// clock is the moment of the observation as the wire holds it, in whole seconds.
func (o *Observation) clock() metav1.Time { return metav1.NewTime(o.Now.Truncate(time.Second)) }

// setBack is how far in the future something that has happened may lie before it means that the clock was set back.
const setBack = time.Minute

// Ahead reports whether something that has happened lies in the future: what waits for its time would wait for hours.
func Ahead(happened, now time.Time) bool { return happened.Sub(now) > setBack }

func (o *Observation) ahead(happened time.Time) bool { return Ahead(happened, o.Now) }

// happened is when something has happened: now, where the clock was set back since.
func (o *Observation) happened(at metav1.Time) metav1.Time {
	if o.ahead(at.Time) {
		return o.clock()
	}
	return at
}

// planConditions computes every condition anew; only times, and what was last said of the progress, are remembered.
func planConditions(o *Observation, p *position) {
	p.set(o, invalidSpec(o))
	p.set(o, available(o, p))
	p.set(o, paused(o, p))
	p.set(o, completed(p))
	p.set(o, replicaFailure(o))
	p.set(o, progressing(o, p))
	p.set(o, healthy(o, p))
	p.set(o, trafficVerified(o))
}

// set writes a condition; an empty status removes it. Times move only when something else does.
func (p *position) set(o *Observation, c v1alpha1.RolloutCondition) {
	conditions := &p.status.Conditions
	i := slices.IndexFunc(*conditions, func(x v1alpha1.RolloutCondition) bool { return x.Type == c.Type })
	if c.Status == "" {
		if i >= 0 {
			*conditions = slices.Delete(*conditions, i, i+1)
		}
		return
	}
	if c.LastUpdateTime.IsZero() {
		c.LastUpdateTime = o.clock()
	}
	c.LastTransitionTime = o.clock()
	if i < 0 {
		*conditions = append(*conditions, c)
		return
	}
	old := (*conditions)[i]
	if old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
		if old.Reason == c.Reason && old.Message == c.Message && c.Type != v1alpha1.ConditionProgressing {
			c.LastUpdateTime = old.LastUpdateTime
		}
	}
	(*conditions)[i] = c
}

func condition(s *v1alpha1.RolloutStatus, kind v1alpha1.RolloutConditionType) v1alpha1.RolloutCondition {
	for _, c := range s.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return v1alpha1.RolloutCondition{Type: kind}
}

func truth(b bool) corev1.ConditionStatus {
	if b {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}

func invalidSpec(o *Observation) v1alpha1.RolloutCondition {
	c := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionInvalidSpec, Reason: v1alpha1.ReasonInvalidSpec, Message: o.Invalid}
	if o.Invalid != "" {
		c.Status = corev1.ConditionTrue
	}
	return c
}

func available(o *Observation, p *position) v1alpha1.RolloutCondition {
	there := p.status.AvailableReplicas >= p.replicas
	if a := p.active(o); blueGreen(o.Rollout) != nil && a != nil {
		there = a.Spec == p.replicas && a.Available == p.replicas
	}
	c := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionAvailable, Reason: v1alpha1.ReasonAvailable, Status: truth(there), Message: "Rollout does not have minimum availability"}
	if c.Status == corev1.ConditionTrue {
		c.Message = "Rollout has minimum availability"
	}
	return c
}

func (p *position) isPaused(o *Observation) bool {
	return o.Rollout.Spec.Paused || len(p.status.PauseConditions) > 0
}

func paused(o *Observation, p *position) v1alpha1.RolloutCondition {
	c := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionPaused, Reason: v1alpha1.ReasonRolloutPaused, Message: "Rollout is paused"}
	if p.isPaused(o) || condition(&p.status, v1alpha1.ConditionPaused).Status != "" {
		c.Status = truth(p.isPaused(o))
	}
	return c
}

func completed(p *position) v1alpha1.RolloutCondition {
	return v1alpha1.RolloutCondition{Type: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonRolloutCompleted,
		Message: v1alpha1.ReasonRolloutCompleted, Status: truth(p.isStable())}
}

func replicaFailure(o *Observation) v1alpha1.RolloutCondition {
	c := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionReplicaFailure, Reason: "FailedCreate"}
	for _, r := range o.Revisions {
		if r.Failure != "" {
			c.Status, c.Message = corev1.ConditionTrue, r.Failure
			return c
		}
	}
	return c
}

// whole reports whether the current revision serves alone, with every pod.
func (p *position) whole() bool {
	s := &p.status
	if b := blueGreen(p.rollout); b != nil {
		return p.isStable() && s.BlueGreen.ActiveSelector == s.CurrentPodHash && s.UpdatedReplicas == p.replicas && s.AvailableReplicas == p.replicas &&
			(b.PreviewService == "" || s.BlueGreen.PreviewSelector == s.CurrentPodHash)
	}
	return p.isStable() && p.atEnd() && s.UpdatedReplicas == p.replicas && s.AvailableReplicas == p.replicas && s.Replicas == p.replicas
}

func healthy(o *Observation, p *position) v1alpha1.RolloutCondition {
	c := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionHealthy, Reason: v1alpha1.ReasonRolloutHealthy, Message: "Rollout is not healthy"}
	if p.whole() && !p.isPaused(o) && o.Invalid == "" {
		c.Status, c.Message = corev1.ConditionTrue, "Rollout is healthy"
	} else if condition(&p.status, v1alpha1.ConditionHealthy).Status != "" {
		c.Status = corev1.ConditionFalse
	}
	return c
}

func trafficVerified(o *Observation) v1alpha1.RolloutCondition {
	c := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionTrafficVerified}
	switch {
	case !o.Routed:
	case o.TrafficError != "":
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, "RouteUnusable", o.TrafficError
	case o.Traffic.Confirmation == trafficrouting.Confirmed:
		c.Status, c.Reason, c.Message = corev1.ConditionTrue, "Accepted", "every parent has accepted the routes as they are"
	case o.Traffic.Confirmation == trafficrouting.Pending:
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, "NotYetAccepted", o.Traffic.Message
	case o.Traffic.Confirmation == trafficrouting.Unreported:
		c.Status, c.Reason = corev1.ConditionUnknown, "NoParentStatus"
		c.Message = "no gateway reports a status for the routes; their spec is taken for the truth"
	}
	return c
}

// progressing tells whether the update moves. Its lastUpdateTime is the last moment at which it did, from which the deadline counts.
func progressing(o *Observation, p *position) v1alpha1.RolloutCondition {
	old := condition(&o.Rollout.Status, v1alpha1.ConditionProgressing)
	c := standing(o, p, old)
	if c.Status == "" {
		c = moving(o, p, old)
	}
	c.Type = v1alpha1.ConditionProgressing
	if old.Status == c.Status && old.Reason == c.Reason && old.Message == c.Message && !p.moved(o) && !o.ahead(old.LastUpdateTime.Time) {
		c.LastUpdateTime = old.LastUpdateTime
	}
	return c
}

func said(status corev1.ConditionStatus, reason, message string) v1alpha1.RolloutCondition {
	return v1alpha1.RolloutCondition{Status: status, Reason: reason, Message: message}
}

// standing says why an update does not move; it has no status if it does.
func standing(o *Observation, p *position, old v1alpha1.RolloutCondition) v1alpha1.RolloutCondition {
	switch {
	case p.status.Abort && !p.done():
		if p.abortCause == "" && old.Reason == v1alpha1.ReasonRolloutAborted && !p.abortedNow(o) {
			return said(corev1.ConditionFalse, old.Reason, old.Message)
		}
		return said(corev1.ConditionFalse, v1alpha1.ReasonRolloutAborted, p.abortMessage())
	case p.isPaused(o) && !p.whollyThere(o):
		return said(corev1.ConditionUnknown, v1alpha1.ReasonRolloutPaused, "Rollout is paused")
	case p.retried:
		return said(corev1.ConditionUnknown, v1alpha1.ReasonRolloutRetry, "Retrying Rollout after abort")
	case p.whole():
		return said(corev1.ConditionTrue, v1alpha1.ReasonNewReplicaSetAvailable, fmt.Sprintf("ReplicaSet %q has successfully progressed.", p.replicaSetName(o)))
	case p.timedOut:
		return said(corev1.ConditionFalse, v1alpha1.ReasonProgressDeadlineExceeded, p.timeoutMessage(o))
	}
	return v1alpha1.RolloutCondition{}
}

// moving says what an update does that is under way; what was said before is repeated where nothing new happened.
func moving(o *Observation, p *position, old v1alpha1.RolloutCondition) v1alpha1.RolloutCondition {
	name := p.replicaSetName(o)
	switch {
	case old.Reason == v1alpha1.ReasonRolloutPaused && !p.restarted:
		return said(corev1.ConditionUnknown, v1alpha1.ReasonRolloutResumed, "Rollout is resumed")
	case p.current == nil && o.Invalid == "":
		return said(corev1.ConditionTrue, v1alpha1.ReasonNewReplicaSetCreated, fmt.Sprintf("Created new replica set %q", name))
	case p.restarted && p.current != nil && p.current.Number != p.number:
		return said(corev1.ConditionTrue, v1alpha1.ReasonFoundNewReplicaSet, fmt.Sprintf("Found new replica set %q", name))
	case p.moved(o) || p.outdated(old.Reason):
		return said(corev1.ConditionTrue, v1alpha1.ReasonReplicaSetUpdated, fmt.Sprintf("ReplicaSet %q is progressing.", name))
	}
	return said(old.Status, old.Reason, old.Message)
}

// outdated reports whether a reason speaks of a moment that is over once another pass finds nothing better to say.
func (p *position) outdated(reason string) bool {
	switch reason {
	case v1alpha1.ReasonRolloutResumed:
		return p.done()
	case "", v1alpha1.ReasonRolloutAborted, v1alpha1.ReasonNewReplicaSetAvailable, v1alpha1.ReasonFoundNewReplicaSet, v1alpha1.ReasonNewReplicaSetCreated:
		return true
	}
	return false
}

func (p *position) abortedNow(o *Observation) bool {
	before := o.Rollout.Status.AbortedAt
	return before == nil || !before.Equal(p.status.AbortedAt)
}

func (p *position) replicaSetName(o *Observation) string {
	if p.current != nil {
		return p.current.Name
	}
	return o.Rollout.Name + "-" + o.Current
}

func (p *position) timeoutMessage(o *Observation) string {
	return fmt.Sprintf("ReplicaSet %q has timed out progressing.", p.replicaSetName(o))
}

// moved reports whether the update came nearer to its end since the status was written.
func (p *position) moved(o *Observation) bool {
	before, now := &o.Rollout.Status, &p.status
	return p.restarted || now.UpdatedReplicas > before.UpdatedReplicas || now.ReadyReplicas > before.ReadyReplicas ||
		now.AvailableReplicas > before.AvailableReplicas || now.Replicas-now.UpdatedReplicas < before.Replicas-before.UpdatedReplicas ||
		p.index() != indexOf(before) || now.StableRS != before.StableRS || len(now.PauseConditions) < len(before.PauseConditions)
}

func indexOf(s *v1alpha1.RolloutStatus) int32 {
	if s.CurrentStepIndex == nil {
		return 0
	}
	return *s.CurrentStepIndex
}

// meetDeadline notices that nothing has moved for progressDeadlineSeconds and, if the spec says so, aborts.
func (p *position) meetDeadline(o *Observation) {
	if p.status.Abort || p.waits(o) || p.whollyThere(o) || p.moved(o) {
		return
	}
	last := condition(&o.Rollout.Status, v1alpha1.ConditionProgressing)
	switch last.Reason {
	case "", v1alpha1.ReasonRolloutPaused, v1alpha1.ReasonRolloutAborted:
	case v1alpha1.ReasonProgressDeadlineExceeded:
		p.timedOut = true
	default:
		deadline := o.happened(last.LastUpdateTime).Add(time.Duration(v1alpha1.ProgressDeadlineSeconds(o.Rollout)) * time.Second)
		p.timedOut = o.Now.After(deadline)
		if !p.timedOut {
			p.look(deadline.Sub(o.Now) + 1)
		}
	}
	if p.timedOut && o.Rollout.Spec.ProgressDeadlineAbort && !p.done() && !p.fresh {
		p.abort(o, p.timeoutMessage(o))
	}
}

// waits reports whether the update stands still because it was told to: a pause, an analysis, or an old revision inside its delay.
func (p *position) waits(o *Observation) bool {
	if p.isPaused(o) || o.Invalid != "" || p.waitsForVerdict(o) {
		return true
	}
	for _, r := range o.Revisions {
		if r.Deadline != nil && r.Hash != p.status.CurrentPodHash && r.Hash != p.status.StableRS {
			return true
		}
	}
	return false
}

// waitsForVerdict reports whether the update stands at a step that takes its time, or waits for an analysis before or after its last one.
func (p *position) waitsForVerdict(o *Observation) bool {
	for _, run := range []*v1alpha1.AnalysisRun{p.runs.pre, p.runs.post} {
		if run != nil && !run.Status.Phase.Completed() {
			return true
		}
	}
	switch {
	case p.skipping() || p.done():
		return false
	case p.atEnd():
		return enough(o, p, fullSize(o, p)) && !p.backgroundIsPositive()
	}
	step := p.steps[p.index()]
	return (step.Pause != nil || step.Analysis != nil || step.Experiment != nil) && p.prepared(o, step)
}

// whollyThere reports whether there is nothing left that could still progress.
func (p *position) whollyThere(o *Observation) bool {
	if !p.done() || p.current == nil || p.current.Available < p.replicas {
		return false
	}
	for _, r := range o.Revisions {
		if r.Hash != p.current.Hash && r.Replicas > 0 {
			return false
		}
	}
	return p.current.Replicas == p.replicas
}

// planSummary adds the conditions that kstatus reads: Ready always, Reconciling and Stalled only while they are true.
func planSummary(o *Observation, p *position) {
	s := &p.status
	phase, message := string(s.Phase), s.Message
	ready := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionReady, Status: truth(s.Phase == v1alpha1.RolloutPhaseHealthy), Reason: phase, Message: message}
	reconciling := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionReconciling, Reason: phase, Message: message}
	stalled := v1alpha1.RolloutCondition{Type: v1alpha1.ConditionStalled, Reason: phase, Message: message}
	switch s.Phase {
	case v1alpha1.RolloutPhaseProgressing, v1alpha1.RolloutPhasePaused:
		reconciling.Status = corev1.ConditionTrue
	case v1alpha1.RolloutPhaseDegraded:
		stalled.Status = corev1.ConditionTrue
	}
	p.set(o, ready)
	p.set(o, reconciling)
	p.set(o, stalled)
}
