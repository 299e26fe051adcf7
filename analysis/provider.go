package analysis

import (
	"context"
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Provider takes measurements from one kind of source.
type Provider interface {
	// Measure takes a measurement, or looks again at previous, which is in flight. Arguments and secrets of the metric are
	// filled in. An error becomes a measurement of phase Error: its text is shown to users and must hold no secret that the
	// metric did not bring along, for those are masked by the caller.
	Measure(ctx context.Context, run *v1alpha1.AnalysisRun, m v1alpha1.Metric, previous *v1alpha1.Measurement) (Reading, error)
}

// Stopper is a Provider whose measurements in flight hold something that must be let go when nobody waits for them any more.
type Stopper interface {
	// Stop lets go of it; that it is already gone is no error.
	Stop(ctx context.Context, run *v1alpha1.AnalysisRun, previous *v1alpha1.Measurement) error
}

// Reading is what a Provider found.
type Reading struct {
	// Result is what conditions see as result: a float64, []float64, string, bool, nil, or what JSON decodes to.
	Result any
	// Value is the result as people read it.
	Value string
	// Metadata goes into the measurement.
	Metadata map[string]string
	// Doubt says why the result may not count as good, such as that it is partial; empty if there is none.
	Doubt string

	// Phase is the verdict of a source that judges by itself, or Running; empty leaves it to the conditions.
	Phase v1alpha1.AnalysisPhase
	// Message explains Phase.
	Message string
	// ResumeAfter is how long after now a Running measurement is looked at again.
	ResumeAfter time.Duration
}
