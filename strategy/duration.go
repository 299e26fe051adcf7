package strategy

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// begins is the moment that an attempt begins which is decided on now. What it finds was made before, though the API server, whose clock dates
// objects, may be ahead of ours: no verdict of an earlier attempt may look like one of this.
func (o *Observation) begins() metav1.Time {
	begins := o.clock()
	later := func(made metav1.Time) {
		if made.After(begins.Time) {
			begins = made
		}
	}
	for i := range o.Runs {
		later(o.Runs[i].CreationTimestamp)
	}
	for i := range o.Experiments {
		later(o.Experiments[i].CreationTimestamp)
	}
	return begins
}

// recordDuration keeps the record of how long the newest update takes, and how much of that it waits for a person.
func recordDuration(o *Observation, p *position) {
	d := p.status.Duration
	switch {
	case d == nil || d.RolloutStartedAt == nil || d.FinishedAt != nil:
	case p.status.Abort:
		p.status.Duration = finished(d, o, "Aborted")
	case p.done() && !p.fresh:
		p.status.Duration = finished(d, o, "RolledBack")
	case p.waitsForPerson(o) != (d.ManualPauseStartedAt != nil):
		p.status.Duration = turned(d, o)
	}
}

// waitsForPerson reports whether an update is in a pause that only a person ends.
func (p *position) waitsForPerson(o *Observation) bool {
	if o.Rollout.Spec.Paused {
		return true
	}
	for _, c := range p.status.PauseConditions {
		switch c.Reason {
		case v1alpha1.PauseReasonCanaryPauseStep:
			if !p.atEnd() && p.steps[p.index()].Pause != nil {
				if _, indefinite, valid := v1alpha1.PauseDuration(p.steps[p.index()].Pause); indefinite || !valid {
					return true
				}
			}
		case v1alpha1.PauseReasonBlueGreenPause:
			if !v1alpha1.AutoPromotion(o.Rollout) {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// turned begins a pause in the record, or ends it and adds what it took.
func turned(d *v1alpha1.RolloutDuration, o *Observation) *v1alpha1.RolloutDuration {
	d = d.DeepCopy()
	if d.ManualPauseStartedAt == nil {
		d.ManualPauseStartedAt = ptr.To(o.clock())
		return d
	}
	d.TotalManualPauseDurationSeconds += max(0, int64(o.Now.Sub(d.ManualPauseStartedAt.Time)/time.Second))
	d.ManualPauseStartedAt = nil
	return d
}

// finished closes the record, and with it a pause that was in force.
func finished(d *v1alpha1.RolloutDuration, o *Observation, status string) *v1alpha1.RolloutDuration {
	d = ptr.To(ptr.Deref(d, v1alpha1.RolloutDuration{}))
	if d.ManualPauseStartedAt != nil {
		d = turned(d, o)
	}
	d.FinishedAt, d.CompletionStatus = ptr.To(o.clock()), status
	if d.RolloutStartedAt != nil && d.FinishedAt.Before(d.RolloutStartedAt) {
		d.FinishedAt = d.RolloutStartedAt
	}
	return d
}

// completionStatus is the word with which a promotion enters status.duration.
func (p *position) completionStatus(reason string) string {
	switch {
	case p.returning:
		return "FastRolledBack"
	case reason == promotedFully:
		return "FastPromoted"
	}
	return "Promoted"
}
