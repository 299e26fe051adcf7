package analysis

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Bounds of what one measurement puts into a status, in bytes.
const (
	maxValue    = 2 << 10
	maxMessage  = 1 << 10
	maxMetadata = 512
	// maxHistory is what all measurements of a run may hold together; the newest of each metric always stays.
	maxHistory = 512 << 10
)

// Attempt is one call of a Provider and what came of it.
type Attempt struct {
	// Metric has its arguments and secrets filled in.
	Metric v1alpha1.Metric
	// Previous is the measurement that was in flight, if any.
	Previous *v1alpha1.Measurement
	Reading  Reading
	// Err is what the Provider failed with.
	Err               error
	Started, Finished time.Time
	// Secrets never appear in the measurement.
	Secrets map[string]string
}

// Judge makes a measurement of an attempt.
func Judge(a Attempt) v1alpha1.Measurement {
	m := v1alpha1.Measurement{StartedAt: &metav1.Time{Time: a.Started}}
	if a.Previous != nil {
		m = *a.Previous.DeepCopy()
	}
	m.Value, m.Message = a.Reading.Value, a.Reading.Message
	for key, value := range a.Reading.Metadata {
		if m.Metadata == nil {
			m.Metadata = map[string]string{}
		}
		m.Metadata[key] = value
	}
	switch {
	case a.Err != nil:
		m.Phase, m.Message = v1alpha1.AnalysisPhaseError, a.Err.Error()
	case a.Reading.Phase != "":
		m.Phase = a.Reading.Phase
	default:
		m.Phase, m.Message = Evaluate(a.Metric, a.Reading)
		if m.Phase == v1alpha1.AnalysisPhaseError && a.secretCondition() {
			m.Message = "could not evaluate a condition that holds a secret; what is wrong with it is not shown, for that repeats parts of it"
		}
	}
	if m.Phase.Completed() {
		m.FinishedAt, m.ResumeAt = &metav1.Time{Time: a.Finished}, nil
	} else if m.ResumeAt == nil || !m.ResumeAt.After(a.Finished) {
		// A resume time that has not come stays, so that looking early changes nothing.
		m.ResumeAt = &metav1.Time{Time: a.Finished.Add(a.Reading.ResumeAfter)}
	}
	return tidy(m, a.Secrets)
}

// secretCondition reports whether a condition holds a secret.
func (a Attempt) secretCondition() bool {
	for _, source := range []string{a.Metric.SuccessCondition, a.Metric.FailureCondition} {
		if Redact(source, a.Secrets) != source {
			return true
		}
	}
	return false
}

// Stopped makes a measurement of one in flight that was ended before it had a result.
func Stopped(previous v1alpha1.Measurement, now time.Time) v1alpha1.Measurement {
	m := *previous.DeepCopy()
	m.Phase, m.Message = v1alpha1.AnalysisPhaseInconclusive, "Metric Terminated"
	m.FinishedAt, m.ResumeAt = &metav1.Time{Time: now}, nil
	return m
}

// tidy takes secrets out of all texts of a measurement, and then cuts them to length: a cut could split a secret.
func tidy(m v1alpha1.Measurement, secrets map[string]string) v1alpha1.Measurement {
	hide := redactor(secrets)
	m.Value = shorten(hide.Replace(m.Value), maxValue)
	m.Message = shorten(hide.Replace(m.Message), maxMessage)
	metadata := m.Metadata
	m.Metadata = nil
	for key, value := range metadata {
		if m.Metadata == nil {
			m.Metadata = map[string]string{}
		}
		m.Metadata[hide.Replace(key)] = shorten(hide.Replace(value), maxMetadata)
	}
	return m
}

// trim drops old measurements beyond what is asked for, and beyond what one object can hold.
func trim(status *v1alpha1.AnalysisRunStatus, keep map[string]int) {
	for i := range status.MetricResults {
		r := &status.MetricResults[i]
		limit, asked := keep[r.Name]
		if !asked {
			limit = defaultRetention
		}
		r.Measurements = r.Measurements[max(0, len(r.Measurements)-limit):]
		share, used := maxHistory/len(status.MetricResults), 0
		for j := len(r.Measurements) - 1; j >= 0; j-- {
			used += size(r.Measurements[j])
			if used > share && j < len(r.Measurements)-1 {
				r.Measurements = r.Measurements[j+1:]
				break
			}
		}
	}
}

// defaultRetention is how many measurements of a metric are kept where no rule says otherwise.
const defaultRetention = 10

func size(m v1alpha1.Measurement) int {
	n := 200 + len(m.Value) + len(m.Message)
	for key, value := range m.Metadata {
		n += len(key) + len(value)
	}
	return n
}
