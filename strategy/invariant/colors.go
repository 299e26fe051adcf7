package invariant

import (
	"fmt"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// SwitchesWhenAllowed is I10 and I15 for the moment at which blue-green decides for the new color, after which nothing is asked again:
// the analysis before it succeeded, its pause is over, and every pod that the preview should have is there.
func SwitchesWhenAllowed(d *Decision) string {
	b := d.Seen.blueGreen()
	if b == nil || d.skipping() || !d.switches() {
		return ""
	}
	if b.PrePromotionAnalysis != nil && !d.saidGood(analysis.TypePrePromotion) {
		return "the active Service moves on and the analysis before has not succeeded"
	}
	if have, need := d.Seen.available(d.Plan.Status.CurrentPodHash), d.enough(v1alpha1.PreviewReplicaCount(d.Seen.Rollout)); have < need {
		return fmt.Sprintf("the preview counts as looked at with %d available pods of %d", have, need)
	}
	switch {
	case d.resumed(), v1alpha1.AutoPromotion(d.Seen.Rollout) && d.lookedAt(b):
		return ""
	case !v1alpha1.AutoPromotion(d.Seen.Rollout):
		return "the active Service moves on and nobody promoted"
	}
	return "the active Service moves on before autoPromotionSeconds are over"
}

// resumed reports whether a client has cleared the pause of the attempt that goes on.
func (d *Decision) resumed() bool {
	before := &d.Seen.Rollout.Status
	return before.ControllerPause && len(before.PauseConditions) == 0 && d.sameAttempt()
}

// lookedAt reports whether autoPromotionSeconds have passed since the pause began.
func (d *Decision) lookedAt(b *v1alpha1.BlueGreenStrategy) bool {
	for _, c := range d.Seen.Rollout.Status.PauseConditions {
		end := c.StartTime.Add(time.Duration(b.AutoPromotionSeconds) * time.Second)
		if c.Reason == v1alpha1.PauseReasonBlueGreenPause && !d.Seen.Now.Before(end) {
			return true
		}
	}
	return b.AutoPromotionSeconds <= 0
}

// switches reports whether a plan decides for the new color of an update: by pointing the active Service at it or by writing down that it will.
func (d *Decision) switches() bool {
	decided := d.Seen.Rollout.Status.BlueGreen.ScaleUpPreviewCheckPoint && d.sameAttempt()
	if decided || !d.updating() || d.Plan.Status.Abort || d.Seen.Stable.Hash == d.Plan.Status.CurrentPodHash {
		return false
	}
	if d.Plan.Status.BlueGreen.ScaleUpPreviewCheckPoint {
		return true
	}
	for _, p := range d.Plan.Point {
		if p.Service == d.Seen.Stable.Name && p.Hash == d.Plan.Status.CurrentPodHash {
			return true
		}
	}
	return false
}

// saidGood reports whether an analysis of the whole update succeeded.
func (d *Decision) saidGood(kind string) bool {
	for i := range d.Seen.Runs {
		if run := &d.Seen.Runs[i]; d.about(run, kind) && run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful && positive(run) {
			return true
		}
	}
	return false
}

// WorkloadGoesLast is I9 for a workload that the Rollout takes over from: only the first revision takes pods from it, never gives it any, and
// only as many as its own available pods replace; the last one goes when no Service can select it any more.
func WorkloadGoesLast(d *Decision) string {
	i, w, seen := d.Plan.Workload, d.Seen.Workload, &d.Seen
	if i == nil {
		return ""
	}
	mode, own := seen.Rollout.Spec.WorkloadRef.ScaleDown, seen.available(d.Plan.Status.CurrentPodHash)
	switch {
	case mode != "onsuccess" && mode != "progressively":
		return fmt.Sprintf("workload %s is scaled and scaleDown is %q", w.Name, mode)
	case w.Replicas == nil || i.Replicas >= *w.Replicas || i.Replicas < 0:
		return fmt.Sprintf("workload %s is scaled to %d", w.Name, i.Replicas)
	case own+i.Replicas < seen.replicas():
		return fmt.Sprintf("workload %s is scaled to %d while %d own pods are available of %d", w.Name, i.Replicas, own, seen.replicas())
	case i.Replicas == 0:
		return d.goneTooSoon()
	case mode == "onsuccess":
		return fmt.Sprintf("workload %s is scaled to %d and is to go only as a whole", w.Name, i.Replicas)
	}
	return ""
}

// goneTooSoon says who still needs the last pod of a workload.
func (d *Decision) goneTooSoon() string {
	if d.Plan.Status.StableRS != d.Plan.Status.CurrentPodHash {
		return "the workload is gone before the first revision is promoted"
	}
	for _, b := range d.Seen.backends() {
		if b.Exists && d.Seen.available(b.Hash) == 0 && d.Seen.replicas() > 0 {
			return fmt.Sprintf("the workload is gone and Service %s selects %q without an available pod", b.Name, b.Hash)
		}
	}
	return ""
}
