package analysis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Limits says how many ended runs are kept; see spec.analysis of a Rollout.
type Limits struct{ Successful, Unsuccessful int32 }

// Surplus lists the runs to delete: those whose revision has no ReplicaSet any more (hashes lists the ones that have), and those
// that have ended and are beyond the limits, the oldest. Runs named in current, and runs already on their way out, are never listed.
func Surplus(runs []v1alpha1.AnalysisRun, current, hashes []string, keep Limits) []v1alpha1.AnalysisRun {
	var surplus, successful, others []v1alpha1.AnalysisRun
	for _, run := range runs {
		hash := run.Labels[v1alpha1.LabelPodTemplateHash]
		switch {
		case run.DeletionTimestamp != nil || slices.Contains(current, run.Name):
		case hash == "" || !slices.Contains(hashes, hash):
			surplus = append(surplus, run)
		case run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful:
			successful = append(successful, run)
		case run.Status.Phase.Completed():
			others = append(others, run)
		}
	}
	surplus = append(surplus, oldest(successful, keep.Successful)...)
	return append(surplus, oldest(others, keep.Unsuccessful)...)
}

// oldest gives all runs but the newest keep.
func oldest(runs []v1alpha1.AnalysisRun, keep int32) []v1alpha1.AnalysisRun {
	slices.SortFunc(runs, func(a, b v1alpha1.AnalysisRun) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return runs[:max(0, len(runs)-int(max(0, keep)))]
}

// Expired reports whether the ttlStrategy of a run asks for its deletion now, or after how long; zero for never. A run whose spec
// makes no sense has no time of completion on the wire, so its time runs from its creation.
func Expired(run *v1alpha1.AnalysisRun, now time.Time) (expired bool, after time.Duration) {
	ttl := run.Spec.TTLStrategy
	if ttl == nil || !run.Status.Phase.Completed() {
		return false, 0
	}
	seconds := ttl.SecondsAfterCompletion
	switch {
	case run.Status.Phase == v1alpha1.AnalysisPhaseFailed && ttl.SecondsAfterFailure != nil:
		seconds = ttl.SecondsAfterFailure
	case run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful && ttl.SecondsAfterSuccess != nil:
		seconds = ttl.SecondsAfterSuccess
	}
	if seconds == nil {
		return false, 0
	}
	ended := run.CreationTimestamp.Time
	if run.Status.CompletedAt != nil {
		ended = run.Status.CompletedAt.Time
	}
	wait := ended.Add(time.Duration(*seconds) * time.Second).Sub(now)
	return wait <= 0, max(wait, 0)
}

// Objection says why the verdict of a run may not promote the revision of that hash; empty if it may. Each metric that is not in
// dry-run must have ended Successful, and have at least one good measurement, begun no earlier than the first traffic of the canary
// at traffic. Times of the API have whole seconds, so a measurement of the same second counts: a run is made after the traffic was
// seen. A run whose metrics are all in dry-run judges nothing, as its author asked, and does not object.
func Objection(run *v1alpha1.AnalysisRun, hash string, traffic time.Time) string {
	if run.Status.Phase != v1alpha1.AnalysisPhaseSuccessful {
		return fmt.Sprintf("analysis run %s is %s", run.Name, orPending(run.Status.Phase))
	}
	if label := run.Labels[v1alpha1.LabelPodTemplateHash]; label != hash {
		return fmt.Sprintf("analysis run %s judges revision %q, not %q", run.Name, label, hash)
	}
	q, err := resolve(run.Spec)
	if err != nil {
		return fmt.Sprintf("analysis run %s: %v", run.Name, err)
	}
	for _, m := range q.metrics {
		if !q.dryRun[m.Name] && !good(resultOf(&run.Status, m.Name), traffic) {
			return fmt.Sprintf("analysis run %s has no good measurement of metric %s that was taken since the revision receives traffic",
				run.Name, m.Name)
		}
	}
	return ""
}

// GoodSoFar reports whether a run, ended or not, has found something good about every metric that judges.
func GoodSoFar(run *v1alpha1.AnalysisRun) bool {
	return len(run.Status.MetricResults) == len(run.Spec.Metrics) &&
		!slices.ContainsFunc(run.Status.MetricResults, func(m v1alpha1.MetricResult) bool { return !m.DryRun && m.Successful == 0 })
}

func orPending(phase v1alpha1.AnalysisPhase) v1alpha1.AnalysisPhase {
	if phase == "" {
		return v1alpha1.AnalysisPhasePending
	}
	return phase
}

func good(result *v1alpha1.MetricResult, traffic time.Time) bool {
	if result == nil || result.Phase != v1alpha1.AnalysisPhaseSuccessful {
		return false
	}
	return slices.ContainsFunc(result.Measurements, func(m v1alpha1.Measurement) bool {
		return m.Phase == v1alpha1.AnalysisPhaseSuccessful && m.StartedAt != nil && !m.StartedAt.Time.Before(traffic.Truncate(time.Second))
	})
}
