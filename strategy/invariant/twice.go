package invariant

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Journal remembers what the writes of one attempt at an update have begun, so that it can tell what begins a second time. It outlives every
// controller that writes, and the zero value is an empty one.
type Journal struct {
	attempt int
	runs    map[string]begun
	pauses  map[string]begun
	// told are the steps whose end was told, with the attempt.
	told map[string]int
}

// begun is what was begun in which attempt.
type begun struct {
	attempt int
	run     string
	at      metav1.Time
	// colors are the options of blue-green by which a pause was asked for; with others another one may be due.
	colors *v1alpha1.BlueGreenStrategy
}

// Clone is a Journal that remembers the same and goes on by itself.
func (j *Journal) Clone() Journal {
	return Journal{attempt: j.attempt, runs: maps.Clone(j.runs), pauses: maps.Clone(j.pauses), told: maps.Clone(j.told)}
}

// Twice is I7 over time, and I20 for the steps: within one attempt no step is measured again that was judged already, and no pause starts anew, however many
// controllers there are and wherever they were killed. A client that retries, or goes on after an inconclusive verdict, asks for another one.
func (j *Journal) Twice(w *Write) string {
	attempt := j.attempt
	if !w.sameAttempt() {
		attempt++
	}
	if broken := j.runTwice(w, attempt); broken != "" {
		return broken
	}
	if w.Object != "rollout" || !w.recorded() {
		return ""
	}
	broken := j.pauseTwice(w, attempt)
	if broken == "" {
		broken = j.toldTwice(w, attempt)
	}
	j.attempt = attempt
	if w.After.Rollout.Status.Abort {
		j.attempt++
	}
	return broken
}

// recorded reports whether a write of the Rollout was the one of its status.
func (w *Write) recorded() bool {
	plan, after := &w.Plan.Status, &w.After.Rollout.Status
	return plan.CurrentPodHash == after.CurrentPodHash && plan.CurrentStepHash == after.CurrentStepHash && (plan.AbortedAt == nil) == (after.AbortedAt == nil)
}

// toldTwice is I20 for the steps of an attempt: the end of each is told once, with the status that records it.
func (j *Journal) toldTwice(w *Write, attempt int) string {
	if indexOf(&w.Before.Rollout.Status) == indexOf(&w.After.Rollout.Status) {
		return "" // it was not the status that was written, or it ended no step
	}
	for _, note := range w.Plan.Notes {
		if note.Reason != v1alpha1.ReasonRolloutStepCompleted {
			continue
		}
		if before, told := j.told[note.Message]; told && before == attempt {
			return "told again: " + note.Message
		}
		if j.told == nil {
			j.told = map[string]int{}
		}
		j.told[note.Message] = attempt
	}
	return ""
}

func (j *Journal) runTwice(w *Write, attempt int) string {
	for _, start := range w.Plan.Start {
		run := start.Run
		if w.Object != "run/"+run.Name || named(w.Before.Runs, run.Name) != nil {
			continue
		}
		place := place(run)
		old, known := j.runs[place]
		before := named(w.Before.Runs, old.run)
		if j.runs == nil {
			j.runs = map[string]begun{}
		}
		j.runs[place] = begun{attempt: attempt, run: run.Name}
		// Clocks count whole seconds: what was made in the second in which the attempt began may as well belong to the one before.
		began := w.began()
		if known && old.attempt == attempt && before != nil && judged(before) && before.CreationTimestamp.After(began.Time) {
			return fmt.Sprintf("AnalysisRun %s measures %s again, and %s did already: %s", run.Name, place, before.Name, before.Status.Phase)
		}
	}
	return ""
}

// judged reports whether a run has come to a verdict that nobody may ask for again.
func judged(run *v1alpha1.AnalysisRun) bool {
	return run.Status.Phase.Completed() && run.Status.Phase != v1alpha1.AnalysisPhaseInconclusive && !run.Spec.Terminate
}

func named(runs []v1alpha1.AnalysisRun, name string) *v1alpha1.AnalysisRun {
	if i := slices.IndexFunc(runs, func(r v1alpha1.AnalysisRun) bool { return r.Name == name }); i >= 0 {
		return &runs[i]
	}
	return nil
}

func (j *Journal) pauseTwice(w *Write, attempt int) string {
	before, after := &w.Before.Rollout.Status, &w.After.Rollout.Status
	for _, c := range after.PauseConditions {
		if c.Reason == v1alpha1.PauseReasonInconclusiveAnalysis || slices.Contains(before.PauseConditions, c) {
			continue
		}
		place := fmt.Sprint(c.Reason, "/", indexOf(after))
		old, known := j.pauses[place]
		if j.pauses == nil {
			j.pauses = map[string]begun{}
		}
		colors := w.After.blueGreen()
		j.pauses[place] = begun{attempt: attempt, at: c.StartTime, colors: colors}
		if known && old.attempt == attempt && equality.Semantic.DeepEqual(old.colors, colors) {
			return fmt.Sprintf("the pause %s began at %s and again at %s", place, old.at, c.StartTime)
		}
	}
	return ""
}
