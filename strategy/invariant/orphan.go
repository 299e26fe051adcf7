package invariant

import "github.com/sluice-delivery/sluice/analysis"

// DeletionsPromoteNothing is I10 for an update whose stable revision somebody deletes: the new one serves, as nobody else can, but it becomes the
// stable one only by the steps and verdicts that are left, or by a full promotion, and it stays aborted if it was.
func DeletionsPromoteNothing(d *Decision) string {
	before, after := &d.Seen.Rollout.Status, &d.Plan.Status
	if !d.orphaned() || before.PromoteFull {
		return ""
	}
	if before.Abort && !after.Abort {
		return "the stable revision is gone, and the abort with it"
	}
	if after.StableRS != after.CurrentPodHash {
		return ""
	}
	if before.Abort {
		return "an aborted update is completed because the stable revision is gone"
	}
	return d.unfinished()
}

// unfinished says which step or verdict is left out by a decision that completes an update without its stable revision.
func (d *Decision) unfinished() string {
	before := &d.Seen.Rollout.Status
	first := indexOf(before)
	if d.resumed() {
		first++ // a person has gone on from this step
	}
	for i := first; i < len(d.Seen.steps()); i++ {
		broken := d.untried(i)
		if pause := d.Seen.steps()[i].Pause; pause != nil {
			broken = d.cutShort(i, pause)
		}
		if broken != "" {
			return broken
		}
	}
	if b := d.Seen.blueGreen(); b != nil && !before.BlueGreen.ScaleUpPreviewCheckPoint && b.PrePromotionAnalysis != nil && !d.saidGood(analysis.TypePrePromotion) {
		return "the update is completed and the analysis before the switch has not succeeded"
	}
	return d.unproven()
}

// orphaned reports whether a decision goes on with an update whose stable revision is gone.
func (d *Decision) orphaned() bool {
	s := &d.Seen.Rollout.Status
	return s.StableRS != "" && s.StableRS != s.CurrentPodHash && d.Seen.alive(s.StableRS) == nil && d.sameAttempt()
}
