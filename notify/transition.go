package notify

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Transition is something that happened to a Rollout, by the reason of its event.
type Transition struct {
	Reason string
	// Type is that of the event: Normal or Warning.
	Type string
}

var wordEnd = regexp.MustCompile("([a-z0-9])([A-Z])")

// TriggerOf is the name of the trigger that a reason fires: on-rollout-completed for RolloutCompleted.
func TriggerOf(reason string) string {
	return "on-" + strings.ToLower(wordEnd.ReplaceAllString(reason, "$1-$2"))
}

// Mark is a place in the life of a Rollout, by what its status holds. Two marks tell what happened in between.
type Mark struct {
	Revision string `json:"revision,omitempty"`
	Hash     string `json:"hash,omitempty"`
	Stable   string `json:"stable,omitempty"`
	Step     int32  `json:"step,omitempty"`
	// Pauses are the reasons with their beginnings, and Runs the names with their phases.
	Pauses []string `json:"pauses,omitempty"`
	Runs   []string `json:"runs,omitempty"`
	// Aborted is the moment of the abort.
	Aborted string `json:"aborted,omitempty"`
}

// MarkOf is where a Rollout stands.
func MarkOf(r *v1alpha1.Rollout) Mark {
	s := &r.Status
	m := Mark{
		Revision: r.Annotations[v1alpha1.AnnotationRevision], Hash: s.CurrentPodHash, Stable: s.StableRS, Step: ptr.Deref(s.CurrentStepIndex, 0),
	}
	for _, pause := range s.PauseConditions {
		m.Pauses = append(m.Pauses, string(pause.Reason)+"@"+pause.StartTime.UTC().Format("2006-01-02T15:04:05Z"))
	}
	if s.AbortedAt != nil {
		m.Aborted = s.AbortedAt.UTC().Format("2006-01-02T15:04:05Z")
	}
	for _, run := range runsOf(s) {
		m.Runs = append(m.Runs, run.Name+"@"+string(run.Status))
	}
	return m
}

func runsOf(s *v1alpha1.RolloutStatus) []*v1alpha1.RolloutAnalysisRunStatus {
	all := []*v1alpha1.RolloutAnalysisRunStatus{
		s.Canary.CurrentStepAnalysisRunStatus, s.Canary.CurrentBackgroundAnalysisRunStatus,
		s.BlueGreen.PrePromotionAnalysisRunStatus, s.BlueGreen.PostPromotionAnalysisRunStatus,
	}
	return slices.DeleteFunc(all, func(run *v1alpha1.RolloutAnalysisRunStatus) bool { return run == nil })
}

// Since lists what happened to a Rollout since it was at a mark, as far as its status still tells. It serves after a restart: while the
// controller works, events tell it all. Where a jump over several steps to the end of a release may have skipped them, they are not told.
func Since(m Mark, r *v1alpha1.Rollout) []Transition {
	now := MarkOf(r)
	var all []Transition
	normal := func(reason string) { all = append(all, Transition{reason, "Normal"}) }
	if now.Revision != m.Revision && now.Revision != "" {
		normal(v1alpha1.ReasonRolloutUpdated)
	}
	for range stepsSince(m, now, r) {
		normal(v1alpha1.ReasonRolloutStepCompleted)
	}
	all = append(all, runsSince(m, r)...)
	if len(missing(now.Pauses, m.Pauses)) > 0 {
		normal(v1alpha1.ReasonRolloutPaused)
	}
	if now.Aborted != m.Aborted && now.Aborted != "" {
		all = append(all, Transition{v1alpha1.ReasonRolloutAborted, "Warning"})
	}
	if now.Stable != m.Stable && now.Stable == now.Hash && now.Stable != "" {
		normal(v1alpha1.ReasonRolloutCompleted)
	}
	return all
}

// stepsSince is how many steps were completed.
func stepsSince(m, now Mark, r *v1alpha1.Rollout) int32 {
	from := m.Step
	if now.Hash != m.Hash || now.Aborted != m.Aborted {
		from = 0 // a new release, or the same once more
	}
	done := max(now.Step-from, 0)
	canary := r.Spec.Strategy.Canary
	if r.Status.PromoteFull || done > 1 && canary != nil && int(now.Step) == len(canary.Steps) {
		return 0
	}
	return done
}

func runsSince(m Mark, r *v1alpha1.Rollout) []Transition {
	var all []Transition
	for _, run := range runsOf(&r.Status) {
		if run.Status == "" || run.Status == v1alpha1.AnalysisPhasePending || slices.Contains(m.Runs, run.Name+"@"+string(run.Status)) {
			continue
		}
		t := Transition{"AnalysisRun" + string(run.Status), "Normal"}
		if run.Status == v1alpha1.AnalysisPhaseFailed || run.Status == v1alpha1.AnalysisPhaseError {
			t.Type = "Warning"
		}
		all = append(all, t)
	}
	return all
}

// missing lists what of one list is not in the other.
func missing(from, in []string) []string {
	return slices.DeleteFunc(slices.Clone(from), func(s string) bool { return slices.Contains(in, s) })
}
