package analysis

import (
	"fmt"
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Library holds the templates that a run may be composed of, by name.
type Library struct {
	Templates        map[string]v1alpha1.AnalysisTemplateSpec
	ClusterTemplates map[string]v1alpha1.AnalysisTemplateSpec
}

// Values of the label rollout-type.
const (
	TypeStep          = "Step"
	TypeBackground    = "Background"
	TypePrePromotion  = "PrePromotion"
	TypePostPromotion = "PostPromotion"
)

// RunAt is the place in a release that a run belongs to.
type RunAt struct {
	// Hash is the revision that is judged; StableHash the one that serves meanwhile.
	Hash, StableHash string
	Revision         int64
	// Type is one of the Type constants.
	Type string
	// Step is the index of the step, for TypeStep only.
	Step *int32
	// Attempt counts the earlier runs of the same place: 0 for the first.
	Attempt int
	// InstanceID is the label of the Rollout that binds it to a controller; empty if it has none.
	InstanceID string
}

// ForRollout composes the run that a asks for at a place of a release. It is not yet created, and its secrets are not read.
func ForRollout(r *v1alpha1.Rollout, a v1alpha1.RolloutAnalysis, lib Library, at RunAt) (*v1alpha1.AnalysisRun, error) {
	return nil, fmt.Errorf("composing an analysis run of rollout %s: not available", r.Name)
}

// Task is one thing that a run wants done: to take a measurement, to look again at one in flight, or to stop it.
type Task struct {
	Metric v1alpha1.Metric
	// Previous is the measurement in flight; nil to take a new one.
	Previous *v1alpha1.Measurement
	// Stop ends the measurement in flight.
	Stop bool
}

// Taken is the outcome of a Task.
type Taken struct {
	Metric      string
	Measurement v1alpha1.Measurement
}

// Due lists what a run wants done now, and after how long to ask again; zero means that nothing is waited for.
func Due(run *v1alpha1.AnalysisRun, now time.Time) (due []Task, after time.Duration) {
	return nil, 0
}

// Assess gives the status of a run once the outcomes of what was due are known.
func Assess(run *v1alpha1.AnalysisRun, taken []Taken, now time.Time) v1alpha1.AnalysisRunStatus {
	return run.Status
}

// Place finds where a composed run stands among the runs that exist: adopted is true if an unfinished run of the same owner asks
// the same, and is to be used instead of a new one. Otherwise it is want under the first name that is free.
func Place(want *v1alpha1.AnalysisRun, existing []v1alpha1.AnalysisRun) (run *v1alpha1.AnalysisRun, adopted bool) {
	return want, false
}

// Limits says how many ended runs are kept; see spec.analysis of a Rollout.
type Limits struct{ Successful, Unsuccessful int32 }

// Surplus lists the ended runs to delete: those whose revision has no ReplicaSet any more (hashes lists the ones that have) and
// those beyond the limits, oldest first. Runs named in current are never listed.
func Surplus(runs []v1alpha1.AnalysisRun, current, hashes []string, keep Limits) []v1alpha1.AnalysisRun {
	return nil
}

// Counts reports whether the verdict of a run may promote a revision: it belongs to the revision of that hash, and each
// measurement that it rests on began no earlier than the first traffic of the canary.
func Counts(run *v1alpha1.AnalysisRun, hash string, traffic time.Time) bool {
	return false
}
