package analysis

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Assess gives the status of a run once the outcomes of what was due are known. One that has ended stays as it is.
//
// The first metric that ends badly ends the run, but measurements in flight have to be stopped before: while Ending reports true
// and the run has not ended, ask Due again at once.
func Assess(run *v1alpha1.AnalysisRun, taken []Taken, now time.Time) v1alpha1.AnalysisRunStatus {
	status := *run.Status.DeepCopy()
	if status.Phase.Completed() {
		return status
	}
	q, err := resolve(run.Spec)
	if err != nil {
		// As the wire contract has it, such a run has no completedAt; see Expired.
		status.Phase, status.Message = v1alpha1.AnalysisPhaseError, err.Error()
		return status
	}
	for _, t := range taken {
		record(&status, t, q.dryRun[t.Metric])
	}
	if status.StartedAt == nil || ahead(status.StartedAt, now) {
		status.StartedAt = &metav1.Time{Time: now}
	}
	ending := Ending(run)
	for i := range status.MetricResults {
		judge(&status.MetricResults[i], q.metric(status.MetricResults[i].Name), ending)
	}
	summarize(&status, q, ending)
	if run.Spec.Terminate && status.Phase.Completed() && status.Message == "" {
		status.Message = "Run Terminated"
	}
	if status.Phase.Completed() {
		status.CompletedAt = &metav1.Time{Time: now}
	}
	trim(&status, q.keep)
	return status
}

// Ending reports whether a run takes no new measurements: it is told to end, or one of its metrics has ended badly.
func Ending(run *v1alpha1.AnalysisRun) bool {
	if run.Spec.Terminate {
		return true
	}
	return slices.ContainsFunc(run.Status.MetricResults, func(r v1alpha1.MetricResult) bool {
		return !r.DryRun && r.Phase.Completed() && r.Phase != v1alpha1.AnalysisPhaseSuccessful
	})
}

// record enters one outcome into the results.
func record(status *v1alpha1.AnalysisRunStatus, t Taken, dryRun bool) {
	result := resultOf(status, t.Metric)
	if result == nil {
		status.MetricResults = append(status.MetricResults, v1alpha1.MetricResult{
			Name: t.Metric, Phase: v1alpha1.AnalysisPhaseRunning, DryRun: dryRun,
		})
		result = &status.MetricResults[len(status.MetricResults)-1]
	}
	if last := lastOf(result); last != nil && !last.Phase.Completed() {
		*last = t.Measurement
	} else {
		result.Measurements = append(result.Measurements, t.Measurement)
	}
	switch t.Measurement.Phase {
	case v1alpha1.AnalysisPhaseSuccessful:
		result.Successful++
		result.ConsecutiveSuccess++
	case v1alpha1.AnalysisPhaseFailed:
		result.Failed++
	case v1alpha1.AnalysisPhaseInconclusive:
		result.Inconclusive++
	case v1alpha1.AnalysisPhaseError:
		result.Error++
		result.ConsecutiveError++
		result.ConsecutiveSuccess = 0
		return
	default:
		return
	}
	result.Count++
	result.ConsecutiveError = 0
	if t.Measurement.Phase != v1alpha1.AnalysisPhaseSuccessful {
		result.ConsecutiveSuccess = 0
	}
}

func resultOf(status *v1alpha1.AnalysisRunStatus, metric string) *v1alpha1.MetricResult {
	i := slices.IndexFunc(status.MetricResults, func(r v1alpha1.MetricResult) bool { return r.Name == metric })
	if i < 0 {
		return nil
	}
	return &status.MetricResults[i]
}

func lastOf(result *v1alpha1.MetricResult) *v1alpha1.Measurement {
	if result == nil || len(result.Measurements) == 0 {
		return nil
	}
	return &result.Measurements[len(result.Measurements)-1]
}

// judge gives the phase and message of one metric.
func judge(result *v1alpha1.MetricResult, m *v1alpha1.Metric, ending bool) {
	last := lastOf(result)
	if m == nil || last == nil || result.Phase.Completed() {
		return
	}
	result.Message = last.Message
	result.Phase = phaseOf(*m, *result, ending)
	if result.DryRun && result.Phase.Completed() {
		if _, why := violation(*m, *result); why != "" {
			result.Message = fmt.Sprintf("Metric assessed %s due to %s", result.Phase, why)
		}
	}
}

func phaseOf(m v1alpha1.Metric, result v1alpha1.MetricResult, ending bool) v1alpha1.AnalysisPhase {
	if !lastOf(&result).Phase.Completed() {
		return v1alpha1.AnalysisPhaseRunning
	}
	if phase, _ := violation(m, result); phase != "" {
		return phase
	}
	wanted := number(m.ConsecutiveSuccessLimit, 0)
	if wanted > 0 && int(result.ConsecutiveSuccess) >= wanted || counted(m, result) || ending {
		return v1alpha1.AnalysisPhaseSuccessful
	}
	return v1alpha1.AnalysisPhaseRunning
}

func counted(m v1alpha1.Metric, result v1alpha1.MetricResult) bool {
	count := effectiveCount(m)
	return count > 0 && int(result.Count) >= count
}

// violation names the limit that a metric has broken; of several, an error weighs most, then an inconclusive result.
func violation(m v1alpha1.Metric, r v1alpha1.MetricResult) (phase v1alpha1.AnalysisPhase, why string) {
	failures, inconclusives := number(m.FailureLimit, 0), number(m.InconclusiveLimit, 0)
	errors := number(m.ConsecutiveErrorLimit, defaultErrorLimit)
	switch {
	case int(r.ConsecutiveError) > errors:
		return v1alpha1.AnalysisPhaseError,
			fmt.Sprintf("consecutiveErrors (%d) > consecutiveErrorLimit (%d)", r.ConsecutiveError, errors)
	case int(r.Inconclusive) > inconclusives:
		return v1alpha1.AnalysisPhaseInconclusive,
			fmt.Sprintf("inconclusive (%d) > inconclusiveLimit (%d)", r.Inconclusive, inconclusives)
	case failures >= 0 && int(r.Failed) > failures:
		return v1alpha1.AnalysisPhaseFailed, fmt.Sprintf("failed (%d) > failureLimit (%d)", r.Failed, failures)
	}
	if wanted := number(m.ConsecutiveSuccessLimit, 0); int(r.ConsecutiveSuccess) < wanted && counted(m, r) {
		phase = v1alpha1.AnalysisPhaseFailed
		if failures >= 0 {
			phase = v1alpha1.AnalysisPhaseInconclusive
		}
		return phase, fmt.Sprintf("consecutiveSuccess (%d) < consecutiveSuccessLimit (%d) at the end of count (%d)",
			r.ConsecutiveSuccess, wanted, effectiveCount(m))
	}
	return "", ""
}

// defaultErrorLimit is consecutiveErrorLimit where it is not given.
const defaultErrorLimit = 4

// effectiveCount is how many measurements end a metric; zero means that the count does not.
func effectiveCount(m v1alpha1.Metric) int {
	if count := number(m.Count, 0); count > 0 {
		return count
	}
	if m.Interval == "" {
		return 1
	}
	return 0
}

// badness orders the phases; the worst metric gives the phase of a run.
var badness = []v1alpha1.AnalysisPhase{
	v1alpha1.AnalysisPhaseSuccessful, v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhasePending,
	v1alpha1.AnalysisPhaseInconclusive, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseFailed,
}

func worse(a, b v1alpha1.AnalysisPhase) bool {
	return slices.Index(badness, a) > slices.Index(badness, b)
}

// summarize gives the phase, message and counts of the run.
func summarize(status *v1alpha1.AnalysisRunStatus, q questions, ending bool) {
	worst, message, complete := v1alpha1.AnalysisPhaseSuccessful, "", true
	status.RunSummary, status.DryRunSummary = v1alpha1.RunSummary{}, &v1alpha1.RunSummary{}
	for _, m := range q.metrics {
		summary := &status.RunSummary
		if q.dryRun[m.Name] {
			summary = status.DryRunSummary
		}
		summary.Count++
		result := resultOf(status, m.Name)
		if result == nil {
			complete = complete && ending
			continue
		}
		if !result.Phase.Completed() {
			complete = false
			continue
		}
		tell(summary, result.Phase)
		if !result.DryRun && worse(result.Phase, worst) {
			worst, message = result.Phase, verdict(m, *result)
		}
	}
	status.Phase, status.Message = v1alpha1.AnalysisPhaseRunning, ""
	if complete {
		status.Phase, status.Message = worst, message
	}
}

func tell(summary *v1alpha1.RunSummary, phase v1alpha1.AnalysisPhase) {
	switch phase {
	case v1alpha1.AnalysisPhaseSuccessful:
		summary.Successful++
	case v1alpha1.AnalysisPhaseFailed:
		summary.Failed++
	case v1alpha1.AnalysisPhaseInconclusive:
		summary.Inconclusive++
	case v1alpha1.AnalysisPhaseError:
		summary.Error++
	}
}

// verdict says why a metric has ended badly.
func verdict(m v1alpha1.Metric, result v1alpha1.MetricResult) string {
	_, why := violation(m, result)
	if why == "" {
		return ""
	}
	text := fmt.Sprintf("Metric %q assessed %s due to %s", m.Name, result.Phase, why)
	if result.Message != "" {
		text += fmt.Sprintf(": \"Error Message: %s\"", result.Message)
	}
	return text
}
