package experiment

import (
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// Plan is what is left to write. Every part rests on the Observation alone, so whoever writes may stop after any of them; the fields stand
// in the order in which they are best written. Status is written last, and also after a failed write.
type Plan struct {
	// Sets creates and scales ReplicaSets.
	Sets []SetIntent
	// Serve creates and points Services.
	Serve []ServiceIntent
	// Start creates AnalysisRuns, Stop terminates them by name.
	Start []RunIntent
	Stop  []string
	// Close deletes Services by name, once no pod stands behind them.
	Close []string
	// Status is the whole status as it should be.
	Status v1alpha1.ExperimentStatus
	// Notes are decisions that the status records; they are told once it has been written.
	Notes []strategy.Note
	// After asks for another look when this much time has passed; 0 means only when something changes.
	After time.Duration
}

// SetIntent creates or changes the ReplicaSet of a template.
type SetIntent struct {
	Template, Name, Hash string
	// Create is true when there is no such ReplicaSet yet.
	Create bool
	// Replicas is the new spec.replicas, nil to leave it; From is the observed one.
	Replicas *int32
	From     int32
	// Deadline is the new scale-down deadline, nil to leave it; an empty string removes it.
	Deadline *string
	Why      *strategy.Note
}

// ServiceIntent creates the Service of a template, or points it at the template's pods.
type ServiceIntent struct {
	Template, Name, Hash string
	Create               bool
	Why                  strategy.Note
}

// RunIntent creates an AnalysisRun.
type RunIntent struct {
	Run *v1alpha1.AnalysisRun
	Why strategy.Note
}

// Empty reports whether nothing but the status is left to write.
func (p Plan) Empty() bool {
	return len(p.Sets)+len(p.Serve)+len(p.Start)+len(p.Stop)+len(p.Close) == 0
}
