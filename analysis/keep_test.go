package analysis_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	running    = v1alpha1.AnalysisPhaseRunning
	successful = v1alpha1.AnalysisPhaseSuccessful
	failed     = v1alpha1.AnalysisPhaseFailed
	errored    = v1alpha1.AnalysisPhaseError
	unclear    = v1alpha1.AnalysisPhaseInconclusive
)

// noon is when the virtual clock starts.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) *metav1.Time { return &metav1.Time{Time: noon.Add(d)} }

func TestSurplus(t *testing.T) {
	run := func(name, hash string, minute int, phase v1alpha1.AnalysisPhase) v1alpha1.AnalysisRun {
		r := v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: *after(time.Duration(minute) * time.Minute)}}
		if hash != "" {
			r.Labels = map[string]string{v1alpha1.LabelPodTemplateHash: hash}
		}
		r.Status.Phase = phase
		return r
	}
	leaving := run("leaving", "gone", 0, successful)
	leaving.DeletionTimestamp = after(0)
	for name, c := range map[string]struct {
		runs    []v1alpha1.AnalysisRun
		current []string
		keep    analysis.Limits
		want    []string
	}{
		"no run":                                   {},
		"the newest of the successful ones stay":   {runs: []v1alpha1.AnalysisRun{run("b", "h", 2, successful), run("c", "h", 3, successful), run("a", "h", 1, successful)}, keep: analysis.Limits{Successful: 1}, want: []string{"a", "b"}},
		"the others are counted together":          {runs: []v1alpha1.AnalysisRun{run("a", "h", 1, failed), run("b", "h", 2, errored), run("c", "h", 3, unclear), run("d", "h", 0, successful)}, keep: analysis.Limits{Successful: 5, Unsuccessful: 2}, want: []string{"a"}},
		"of one age the name decides":              {runs: []v1alpha1.AnalysisRun{run("b", "h", 1, failed), run("a", "h", 1, failed)}, keep: analysis.Limits{Unsuccessful: 1}, want: []string{"a"}},
		"a limit of zero keeps none":               {runs: []v1alpha1.AnalysisRun{run("a", "h", 1, failed)}, want: []string{"a"}},
		"a limit below zero is zero":               {runs: []v1alpha1.AnalysisRun{run("a", "h", 1, failed)}, keep: analysis.Limits{Unsuccessful: -3}, want: []string{"a"}},
		"an unfinished one stays":                  {runs: []v1alpha1.AnalysisRun{run("a", "h", 1, running), run("b", "h", 1, "")}},
		"without its ReplicaSet a run goes":        {runs: []v1alpha1.AnalysisRun{run("a", "gone", 1, successful), run("b", "", 1, running)}, keep: analysis.Limits{Successful: 5}, want: []string{"a", "b"}},
		"a current one stays in any case":          {runs: []v1alpha1.AnalysisRun{run("a", "gone", 1, successful), run("b", "h", 1, failed)}, current: []string{"a", "b"}},
		"one that is on its way out is not listed": {runs: []v1alpha1.AnalysisRun{leaving}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range analysis.Surplus(c.runs, c.current, []string{"h"}, c.keep) {
				got = append(got, r.Name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExpired(t *testing.T) {
	all := &v1alpha1.TTLStrategy{SecondsAfterCompletion: ptr.To[int32](60), SecondsAfterFailure: ptr.To[int32](600), SecondsAfterSuccess: ptr.To[int32](10)}
	failure := &v1alpha1.TTLStrategy{SecondsAfterFailure: ptr.To[int32](600)}
	for name, c := range map[string]struct {
		phase    v1alpha1.AnalysisPhase
		ttl      *v1alpha1.TTLStrategy
		ended    *metav1.Time
		now      time.Duration
		expired  bool
		after    time.Duration
		creation time.Duration
	}{
		"a run without a time to live stays":             {phase: successful, ended: after(0), now: 1e6 * time.Hour},
		"one that goes on has no end to count from":      {phase: running, ttl: all, now: time.Hour},
		"success has a time of its own":                  {phase: successful, ttl: all, ended: after(0), now: 4 * time.Second, after: 6 * time.Second},
		"it is over on the second":                       {phase: successful, ttl: all, ended: after(0), now: 10 * time.Second, expired: true},
		"failure has a time of its own":                  {phase: failed, ttl: all, ended: after(0), now: time.Minute, after: 9 * time.Minute},
		"an error counts as a completion":                {phase: errored, ttl: all, ended: after(0), now: time.Minute, expired: true},
		"so does an inconclusive end":                    {phase: unclear, ttl: all, ended: after(0), now: 30 * time.Second, after: 30 * time.Second},
		"success without a time of its own":              {phase: successful, ttl: failure, ended: after(0), now: time.Hour},
		"an error is no failure":                         {phase: errored, ttl: failure, ended: after(0), now: time.Hour},
		"an invalid run is counted from its creation":    {phase: errored, ttl: all, now: 2 * time.Minute, creation: time.Minute, expired: true},
		"a time of zero ends at once":                    {phase: successful, ttl: &v1alpha1.TTLStrategy{SecondsAfterCompletion: ptr.To[int32](0)}, ended: after(0), expired: true},
		"the longest time does not become a shorter one": {phase: successful, ttl: &v1alpha1.TTLStrategy{SecondsAfterCompletion: ptr.To[int32](1<<31 - 1)}, ended: after(0), after: (1<<31 - 1) * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			run := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *after(c.creation)}, Spec: v1alpha1.AnalysisRunSpec{TTLStrategy: c.ttl}}
			run.Status.Phase, run.Status.CompletedAt = c.phase, c.ended
			expired, wait := analysis.Expired(run, noon.Add(c.now))
			if expired != c.expired || wait != c.after {
				t.Errorf("got %t, %s, want %t, %s", expired, wait, c.expired, c.after)
			}
		})
	}
}

func TestObjection(t *testing.T) {
	run := func(change func(*v1alpha1.AnalysisRun)) *v1alpha1.AnalysisRun {
		r := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{Name: "r", Labels: map[string]string{v1alpha1.LabelPodTemplateHash: "h"}}}
		r.Spec.Metrics = metrics("one", "two")
		r.Status = v1alpha1.AnalysisRunStatus{Phase: successful, MetricResults: []v1alpha1.MetricResult{
			{Name: "one", Phase: successful, Measurements: []v1alpha1.Measurement{{Phase: failed, StartedAt: after(time.Minute)}, {Phase: successful, StartedAt: after(time.Minute)}}},
			{Name: "two", Phase: successful, Measurements: []v1alpha1.Measurement{{Phase: successful, StartedAt: after(0)}}},
		}}
		if change != nil {
			change(r)
		}
		return r
	}
	const nothingGood = "analysis run r has no good measurement of metric one that was taken since the revision receives traffic"
	for name, c := range map[string]struct {
		run     *v1alpha1.AnalysisRun
		traffic time.Duration
		want    string
	}{
		"every metric was good since the traffic began": {run: run(nil)},
		"the same second counts":                        {run: run(nil), traffic: 900 * time.Millisecond},
		"a verdict from before the traffic":             {run: run(nil), traffic: time.Second, want: "analysis run r has no good measurement of metric two that was taken since the revision receives traffic"},
		"a run that has not begun":                      {run: run(func(r *v1alpha1.AnalysisRun) { r.Status = v1alpha1.AnalysisRunStatus{} }), want: "analysis run r is Pending"},
		"a run that is not done":                        {run: run(func(r *v1alpha1.AnalysisRun) { r.Status.Phase = running }), want: "analysis run r is Running"},
		"a run that failed":                             {run: run(func(r *v1alpha1.AnalysisRun) { r.Status.Phase = failed }), want: "analysis run r is Failed"},
		"a run about another revision":                  {run: run(func(r *v1alpha1.AnalysisRun) { r.Labels[v1alpha1.LabelPodTemplateHash] = "x" }), want: `analysis run r judges revision "x", not "h"`},
		"a run about nothing":                           {run: run(func(r *v1alpha1.AnalysisRun) { r.Labels = nil }), want: `analysis run r judges revision "", not "h"`},
		"a run that was ended before it measured":       {run: run(func(r *v1alpha1.AnalysisRun) { r.Status.MetricResults = nil }), want: nothingGood},
		"a run that was ended after tolerated errors":   {run: run(func(r *v1alpha1.AnalysisRun) { r.Status.MetricResults[0].Measurements[1].Phase = errored }), want: nothingGood},
		"a metric that is not done":                     {run: run(func(r *v1alpha1.AnalysisRun) { r.Status.MetricResults[0].Phase = running }), want: nothingGood},
		"a measurement without a time":                  {run: run(func(r *v1alpha1.AnalysisRun) { r.Status.MetricResults[0].Measurements[1].StartedAt = nil }), want: nothingGood},
		"a metric in dry-run is not asked": {run: run(func(r *v1alpha1.AnalysisRun) {
			r.Spec.DryRun = []v1alpha1.DryRun{{MetricName: "one"}}
			r.Status.MetricResults[0].Measurements = nil
		})},
		"a run whose metrics are all in dry-run judges nothing": {run: run(func(r *v1alpha1.AnalysisRun) {
			r.Spec.DryRun = []v1alpha1.DryRun{{MetricName: ".*"}}
			r.Status.MetricResults = nil
		})},
		"a run whose spec was broken afterwards": {run: run(func(r *v1alpha1.AnalysisRun) { r.Spec.Metrics = nil }), want: "analysis run r: Analysis spec invalid: metrics: no metrics specified"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := analysis.Objection(c.run, "h", noon.Add(c.traffic)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
