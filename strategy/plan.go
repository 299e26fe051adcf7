package strategy

import (
	"slices"
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// Plan is what is left to write. Every part rests on the Observation alone, so the parts may be written in any order and
// whoever writes may stop after any of them; the fields stand in the order in which they are best written.
// Status is written last, and also after a failed write, because it holds observations and decisions, not deeds.
type Plan struct {
	// Traffic is the division that the routes should hold; nil when they hold it or must not be touched.
	Traffic *TrafficIntent
	// Point are the Services whose selectors change.
	Point []ServiceIntent
	// Scale creates and changes ReplicaSets.
	Scale []ReplicaSetIntent
	// Start creates AnalysisRuns, Stop terminates and Forget deletes them, by name.
	Start        []RunIntent
	Stop, Forget []string
	// StartExperiment creates an Experiment; nil for none. StopExperiments terminates, ForgetExperiments deletes, and ReleaseExperiments takes
	// the mark from Experiments that no route sends a request any more, all by name.
	StartExperiment                                        *ExperimentIntent
	StopExperiments, ReleaseExperiments, ForgetExperiments []string
	// Workload scales the object that workloadRef names; nil to leave it.
	Workload *WorkloadIntent
	// Prune deletes ReplicaSets beyond the history limit, by name.
	Prune []string
	// Evict are the names of pods that a restart evicts.
	Evict []string
	// Stamp is written to the Rollout itself; nil when nothing changes.
	Stamp *Stamp
	// Status is the whole status as it should be.
	Status v1alpha1.RolloutStatus
	// Calm is true when the status differs from the observed one in nothing but replica counts that are still on their way;
	// such a write may wait for a moment, so that a hundred pods do not cost a hundred writes.
	Calm bool
	// Notes are decisions that the status records; they are told once it has been written.
	Notes []Note
	// After asks for another look when this much time has passed; 0 means only when something changes.
	After time.Duration
}

// TrafficIntent is a change of the routes.
type TrafficIntent struct {
	Split trafficrouting.Split
	// Why is told once the change is written; nil for a repair that is not a new weight.
	Why *Note
}

// ServiceIntent switches the selector of a Service to a revision.
type ServiceIntent struct {
	Service, Hash string
	Why           Note
}

// ReplicaSetIntent creates or changes one ReplicaSet.
type ReplicaSetIntent struct {
	Name, Hash string
	// Create is true when there is no such ReplicaSet yet.
	Create bool
	// Replicas is the new spec.replicas, nil to leave it; From is the observed one.
	Replicas *int32
	From     int32
	// Revision is the revision number to write, 0 to leave it; History is written beside it.
	Revision int64
	History  string
	// Deadline is the new scale-down deadline, nil to leave it; an empty string removes it.
	Deadline *string
	// Desired is the desired-replicas annotation to write, nil to leave it.
	Desired *int32
	// MinReadySeconds is written when it is not nil.
	MinReadySeconds *int32
	// Metadata replaces what the pods carry for their role, on the template and on live pods; nil to leave it.
	Metadata *v1alpha1.PodTemplateMetadata
	// AntiAffinity is injected into the template of a created ReplicaSet against the pods of the revision Avoid; nil for none.
	AntiAffinity *v1alpha1.AntiAffinity
	Avoid        string
	Why          []Note
}

// RunIntent creates an AnalysisRun.
type RunIntent struct {
	Run *v1alpha1.AnalysisRun
	Why Note
}

// ExperimentIntent creates an Experiment.
type ExperimentIntent struct {
	Experiment *v1alpha1.Experiment
	Why        Note
}

// WorkloadIntent scales the workload that the Rollout takes over from.
type WorkloadIntent struct {
	Replicas int32
	Why      Note
}

// Stamp changes the Rollout outside of its status.
type Stamp struct {
	// Replicas is the default for an absent spec.replicas; nil to leave it.
	Replicas *int32
	// Revision is the number for the revision annotation; 0 to leave it.
	Revision int64
	// WorkloadGeneration is written to the annotation of that name; 0 to leave it.
	WorkloadGeneration int64
}

// shrinks reports whether a plan takes pods away by size.
func (p *Plan) shrinks() bool {
	return slices.ContainsFunc(p.Scale, func(i ReplicaSetIntent) bool { return i.Replicas != nil && *i.Replicas < i.From })
}

// Empty reports whether nothing but the status is left to write.
func (p Plan) Empty() bool {
	return p.Traffic == nil && len(p.Point)+len(p.Scale)+len(p.Start)+len(p.Stop)+len(p.Forget)+len(p.Prune)+len(p.Evict) == 0 && p.Stamp == nil && p.Workload == nil &&
		p.StartExperiment == nil && len(p.StopExperiments)+len(p.ReleaseExperiments)+len(p.ForgetExperiments) == 0
}
