package invariant

import (
	"fmt"
	"reflect"
	"strconv"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"

	"github.com/sluice-delivery/sluice/strategy"
)

// SeenStaysUntouched is I6 inside a process: a decision changes nothing of what it was made from, because that belongs to a cache
// which others read; and made again from the same it is the same.
func SeenStaysUntouched(before, after *strategy.Observation, first, second *strategy.Plan) string {
	switch {
	case !reflect.DeepEqual(before, after):
		return "the decision changed what it was made from"
	case !reflect.DeepEqual(first, second):
		return "the same observation led to another plan"
	}
	return ""
}

// CommandsAreObeyed is I6 for the mailbox: an abort or a full promotion that a client wrote does not vanish before it has had its effect.
func CommandsAreObeyed(d *Decision) string {
	before, after := &d.Seen.Rollout.Status, &d.Plan.Status
	if before.CurrentPodHash != after.CurrentPodHash || !d.updating() {
		return ""
	}
	if unread := before.Abort && before.AbortedAt == nil; unread && (!after.Abort || after.AbortedAt == nil) {
		return "the abort was dropped"
	}
	if after.Abort || !d.sameUpdate() {
		return ""
	}
	return forgotten(before, after)
}

// forgotten says which command of a client no longer stands in the status although nobody took it back.
func forgotten(before, after *v1alpha1.RolloutStatus) string {
	switch {
	case before.Abort && !before.PromoteFull:
		return "the update is no longer aborted, and nobody retried"
	case before.PromoteFull && !after.PromoteFull:
		return "the full promotion was dropped"
	}
	return ""
}

// HealthIsOfTheSpec is I17: a Rollout is called healthy only for the generation and the revision that were read, and only once that is the stable one.
func HealthIsOfTheSpec(d *Decision) string {
	s, seen := &d.Plan.Status, &d.Seen
	switch {
	case s.Phase != v1alpha1.RolloutPhaseHealthy:
		return ""
	case s.ObservedGeneration != strconv.FormatInt(seen.Rollout.Generation, 10):
		return fmt.Sprintf("it is healthy at generation %s, and the spec has %d", s.ObservedGeneration, seen.Rollout.Generation)
	case s.CurrentPodHash != seen.Current || s.StableRS != seen.Current || seen.Invalid != "":
		return fmt.Sprintf("it is healthy with the revision %s and the stable one %s, and the spec asks for %s", s.CurrentPodHash, s.StableRS, seen.Current)
	}
	return ""
}

// WritesAreConditional is I6 and I8 between processes: a write takes effect only if nobody changed the object since it was read.
// So a stale cache overwrites nothing, and neither does a leader that was deposed.
func WritesAreConditional(w *Write) string {
	if w.SeenVersion != w.Version {
		return fmt.Sprintf("%s was at version %d when it was read and at %d when it was written", w.Object, w.SeenVersion, w.Version)
	}
	return ""
}

// Quiet is I5: once nothing is left to do, a decision writes nothing at all.
func Quiet(d *Decision) string {
	switch {
	case !d.Plan.Empty():
		return fmt.Sprintf("nothing happened and the plan still writes: %s", told(&d.Plan))
	case !equality.Semantic.DeepEqual(d.Seen.Rollout.Status, d.Plan.Status):
		return "nothing happened and the status changes"
	case len(d.Plan.Notes) > 0:
		return "nothing happened and there is an event: " + d.Plan.Notes[0].Message
	}
	return ""
}

// told names what a plan writes.
func told(p *strategy.Plan) (text string) {
	if p.Traffic != nil {
		text += fmt.Sprintf(" weight %d", p.Traffic.Split.Canary.Weight)
	}
	for _, i := range p.Point {
		text += fmt.Sprintf(" %s to %s", i.Service, i.Hash)
	}
	for _, i := range p.Scale {
		text += " ReplicaSet " + i.Name
		if i.Replicas != nil {
			text += fmt.Sprintf(" %d to %d", i.From, *i.Replicas)
		}
	}
	for _, i := range p.Start {
		text += " start " + i.Run.Name
	}
	for _, names := range [][]string{p.Stop, p.Forget, p.Prune, p.Evict} {
		for _, name := range names {
			text += " " + name
		}
	}
	if p.Workload != nil {
		text += fmt.Sprintf(" workload %d", p.Workload.Replicas)
	}
	if p.Stamp != nil {
		text += " stamp"
	}
	return text
}
