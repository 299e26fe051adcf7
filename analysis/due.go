package analysis

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	// errorRetry is the time after an Error until the next attempt, whatever the interval of the metric.
	errorRetry = 10 * time.Second
	// shortest is the least time between two measurements, whatever the interval: each of them is a write to the API.
	shortest = 100 * time.Millisecond
	// setBack is how far in the future something that has happened may lie before it means that the clock was set back.
	setBack = time.Minute
)

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
		if ending {
			task = stop(lastOf(result))
		}
		if task != nil {
			task.Metric = run.Spec.Metrics[i]
			task.Metric.Name = m.Name
			due = append(due, *task)
		}
		if wait > 0 && (after == 0 || wait < after) {
			after = wait
		}
	}
	return due, after
}

// stop ends a measurement in flight, if there is one.
func stop(last *v1alpha1.Measurement) *Task {
	if last == nil || last.Phase.Completed() {
		return nil
	}
	return &Task{Previous: last, Stop: true}
}

func startOf(run *v1alpha1.AnalysisRun, now time.Time) time.Time {
	if run.Status.StartedAt != nil && !ahead(run.Status.StartedAt, now) {
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
		return resume(m, last, now)
	case last.FinishedAt == nil || ahead(last.FinishedAt, now):
		return &Task{}, 0
	}
	interval := errorRetry
	if last.Phase != v1alpha1.AnalysisPhaseError && m.Interval != "" {
		interval = max(duration(m.Interval), shortest)
	}
	if at := last.FinishedAt.Add(interval); !now.After(at) {
		return nil, max(at.Sub(now), time.Millisecond)
	}
	return &Task{}, 0
}

// resume looks again at a measurement in flight. A Job is looked at in each pass, for a change of the Job is what wakes the run early.
func resume(m v1alpha1.Metric, last *v1alpha1.Measurement, now time.Time) (*Task, time.Duration) {
	if last.ResumeAt == nil || !last.ResumeAt.After(now) || ahead(last.StartedAt, now) {
		return &Task{Previous: last}, 0
	}
	if m.Provider.Job == nil {
		return nil, last.ResumeAt.Sub(now)
	}
	return &Task{Previous: last, Early: true}, last.ResumeAt.Sub(now)
}

// ahead reports whether something that has happened lies in the future: what waits for its time would wait for hours.
func ahead(happened *metav1.Time, now time.Time) bool {
	return happened != nil && happened.Sub(now) > setBack
}

// duration reads what Validate has accepted; what is absent is zero.
func duration(s v1alpha1.DurationString) time.Duration {
	d, _ := time.ParseDuration(string(s))
	return d
}

// Task is one thing that a run wants done: to take a measurement, to look again at one in flight, or to stop it.
type Task struct {
	// Metric is as the run has it, but for its name; Fill it before measuring.
	Metric v1alpha1.Metric
	// Previous is the measurement in flight; nil to take a new one.
	Previous *v1alpha1.Measurement
	// Stop ends the measurement in flight.
	Stop bool
	// Early is true for a look before its time, which asks for no other look soon.
	Early bool
}

// Taken is the outcome of a Task.
type Taken struct {
	Metric      string
	Measurement v1alpha1.Measurement
}
