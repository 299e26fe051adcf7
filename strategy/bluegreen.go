package strategy

import (
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// With blue-green, Observation.Stable is the active Service and Observation.Canary the preview Service.

func blueGreen(r *v1alpha1.Rollout) *v1alpha1.BlueGreenStrategy { return r.Spec.Strategy.BlueGreen }

// activeServes reports whether the active Service was seen to point at the current revision, because it was decided so: one that somebody
// else points there is put back.
func (p *position) activeServes(o *Observation) bool {
	return o.Stable.Exists && o.Stable.Hash == p.status.CurrentPodHash && (p.first() || p.done() || p.status.BlueGreen.ScaleUpPreviewCheckPoint)
}

// insideDelay reports whether the spec went back to a revision that still has every pod because its scale-down delay is not over. One that is
// younger than the stable revision may have been turned away from, and is tried like any other.
func insideDelay(o *Observation, p *position) bool {
	c := p.current
	return blueGreen(o.Rollout) != nil && c != nil && c.Deadline != nil && o.Now.Before(*c.Deadline) &&
		c.Spec == p.replicas && c.Available == p.replicas && !p.status.Abort && p.stable != nil && olderThan(c, p.stable)
}

// olderThan compares by creation, which is known to the second, and then by number, which a revision keeps until it is asked for again.
func olderThan(a, b *Revision) bool {
	if a.Created.Equal(b.Created) {
		return a.Number < b.Number
	}
	return a.Created.Before(b.Created)
}

// cutOver decides whether the active Service should point at the current revision.
func (p *position) cutOver(o *Observation) {
	b := blueGreen(o.Rollout)
	p.takeOver = p.orphaned
	switch {
	case p.done() || p.first():
		p.takeOver = true
		return
	case p.status.Abort:
		return
	case p.activeServes(o):
		p.takeOver = true
		return
	case p.held(o) || hasPause(&p.status, v1alpha1.PauseReasonInconclusiveAnalysis):
		return
	case p.skipping():
		p.status.BlueGreen.ScaleUpPreviewCheckPoint, p.takeOver = true, true
		return
	}
	if !p.status.BlueGreen.ScaleUpPreviewCheckPoint {
		if !enough(o, p, v1alpha1.PreviewReplicaCount(o.Rollout)) || !p.positive(b.PrePromotionAnalysis, p.runs.pre) || !p.previewOver(o, b) {
			return
		}
		// From here on a lost write must not make anybody wait or judge again.
		p.status.BlueGreen.ScaleUpPreviewCheckPoint = true
		p.unpause(v1alpha1.PauseReasonBlueGreenPause)
	}
	p.takeOver = true
}

// previewOver reports whether nothing asks for more time with the preview: no pause is wanted, it is over, or a client resumed.
func (p *position) previewOver(o *Observation, b *v1alpha1.BlueGreenStrategy) bool {
	switch {
	case v1alpha1.AutoPromotion(o.Rollout) && b.AutoPromotionSeconds <= 0:
		return true
	case !v1alpha1.AutoPromotion(o.Rollout):
		return p.pauseOverFor(o, v1alpha1.PauseReasonBlueGreenPause, nil)
	}
	return p.pauseOverFor(o, v1alpha1.PauseReasonBlueGreenPause, ptr.To(seconds(b.AutoPromotionSeconds)))
}

// waitsForPreview reports whether a client promoted a preview to which the active Service cannot be switched yet.
func (p *position) waitsForPreview(o *Observation) bool {
	return blueGreen(o.Rollout) != nil && p.resumed && !p.answered && !p.takeOver && !p.status.Abort
}

// positive reports whether an analysis that must succeed has done so; nil asks for none.
func (p *position) positive(a *v1alpha1.RolloutAnalysis, run *v1alpha1.AnalysisRun) bool {
	return a == nil || run != nil && run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful
}

// promotableBlueGreen is promotable for an active and a preview Service.
func (p *position) promotableBlueGreen(o *Observation, b *v1alpha1.BlueGreenStrategy) (reason string, ok bool) {
	switch {
	case p.current == nil || !p.activeServes(o):
		return "", false
	case p.first():
		return promotedInitially, true
	case o.Rollout.Spec.Paused || len(p.status.PauseConditions) > 0 || !enough(o, p, p.replicas):
		return "", false
	case p.status.PromoteFull:
		return promotedFully, true
	case p.returning && insideRollbackWindow(o, p):
		return promotedBack, true
	case p.returning:
		return "Fast rollback", true
	}
	return "Completed blue-green update", p.positive(b.PostPromotionAnalysis, p.runs.post)
}

func blueGreenSizes(o *Observation, p *position) sizes {
	decided := p.done() || p.skipping() || p.status.BlueGreen.ScaleUpPreviewCheckPoint
	switch {
	case p.orphaned && !decided:
		return sizes{New: max(p.replicas, v1alpha1.PreviewReplicaCount(o.Rollout))}
	case decided || p.takeOver:
		return sizes{New: p.replicas, Stable: p.replicas}
	}
	return sizes{New: v1alpha1.PreviewReplicaCount(o.Rollout), Stable: p.replicas}
}

func planBlueGreenServices(o *Observation, p *position, plan *Plan) {
	active := p.stable
	if p.takeOver {
		active = p.current
	}
	p.point(o, plan, o.Stable, active, 0)
	// The preview has no users who could lose a request: it follows the spec at once, unless the user has paused and it still shows something.
	if p.current != nil && (!o.Rollout.Spec.Paused || o.available(o.Canary) == 0 || o.Canary.Hash == "") {
		p.switchTo(plan, o.Canary, p.current)
	}
}

// wantedBlueGreenRuns lists the analyses of a blue-green update that should have a run now and have none.
func wantedBlueGreenRuns(o *Observation, p *position, b *v1alpha1.BlueGreenStrategy) (wanted []runWish) {
	if b.PrePromotionAnalysis != nil && p.runs.pre == nil && !p.activeServes(o) && !p.status.BlueGreen.ScaleUpPreviewCheckPoint &&
		enough(o, p, v1alpha1.PreviewReplicaCount(o.Rollout)) && (b.PreviewService == "" || o.Canary.Hash == p.status.CurrentPodHash) {
		wanted = append(wanted, p.wishFor(analysis.TypePrePromotion))
	}
	if b.PostPromotionAnalysis != nil && p.runs.post == nil && p.activeServes(o) {
		wanted = append(wanted, p.wishFor(analysis.TypePostPromotion))
	}
	return wanted
}

// active is the revision behind the active Service, or the current one while the Service points at none.
func (p *position) active(o *Observation) *Revision {
	if r := o.revision(o.Stable.Hash); r != nil {
		return r
	}
	return p.current
}
