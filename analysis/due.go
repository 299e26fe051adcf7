package analysis

import (
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// errorRetry is the time after an Error until the next attempt, whatever the interval of the metric.
const errorRetry = 10 * time.Second

// Due lists what a run wants done now, and after how long something else becomes due; zero means that nothing will. Ask it again
// once Assess has taken in what was due.
func Due(run *v1alpha1.AnalysisRun, now time.Time) (due []Task, after time.Duration) {
	q, err := resolve(run.Spec)
	if run.Status.Phase.Completed() || err != nil {
		return nil, 0
	}
	ending := Ending(run)
	for i, m := range q.metrics {
		result := resultOf(&run.Status, m.Name)
		if result != nil && result.Phase.Completed() {
			continue
		}
		task, wait := next(m, lastOf(result), startOf(run, now), now)
		if task != nil && task.Previous != nil {
			task.Stop = ending
		} else if ending {
			task = nil
		}
		if task != nil {
			task.Metric = run.Spec.Metrics[i]
			due = append(due, *task)
		}
		if wait > 0 && (after == 0 || wait < after) {
			after = wait
		}
	}
	return due, after
}

func startOf(run *v1alpha1.AnalysisRun, now time.Time) time.Time {
	if run.Status.StartedAt != nil {
		return run.Status.StartedAt.Time
	}
	return now
}

// next says what one metric wants done now, if anything, and how long until it wants something.
func next(m v1alpha1.Metric, last *v1alpha1.Measurement, started, now time.Time) (*Task, time.Duration) {
	switch {
	case last == nil:
		if at := started.Add(duration(m.InitialDelay)); at.After(now) {
			return nil, at.Sub(now)
		}
		return &Task{}, 0
	case !last.Phase.Completed():
		task := &Task{Previous: last}
		if last.ResumeAt == nil || !last.ResumeAt.After(now) {
			return task, 0
		}
		if m.Provider.Job == nil {
			task = nil
		}
		// A Job is looked at in each pass, for a change of the Job is what wakes the run before its time.
		return task, last.ResumeAt.Sub(now)
	}
	interval := errorRetry
	if last.Phase != v1alpha1.AnalysisPhaseError && m.Interval != "" {
		interval = duration(m.Interval)
	}
	finished := now
	if last.FinishedAt != nil {
		finished = last.FinishedAt.Time
	}
	if at := finished.Add(interval); !now.After(at) {
		return nil, max(at.Sub(now), time.Millisecond)
	}
	return &Task{}, 0
}

// duration reads what Validate has accepted; what is absent is zero.
func duration(s v1alpha1.DurationString) time.Duration {
	d, _ := time.ParseDuration(string(s))
	return d
}

// Task is one thing that a run wants done: to take a measurement, to look again at one in flight, or to stop it.
type Task struct {
	// Metric is as the run has it; Fill it before measuring.
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
