package analysisrun

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

func TestAGoodMeasurementEndsTheRunWithOneWrite(t *testing.T) {
	w := newWorld(t, newRun("ratio"))
	if next := w.mustPass(); next.RequeueAfter != 0 || len(w.Made) != 1 {
		t.Errorf("%d writes, and another look after %s", len(w.Made), next.RequeueAfter)
	}
	status := w.run().Status
	if got := w.phase(); got != "Successful ratio:Successful" {
		t.Errorf("the run is %s", got)
	}
	if status.CompletedAt == nil || status.StartedAt == nil || status.MetricResults[0].Measurements[0].Value != "1" {
		t.Errorf("the status is %+v", status)
	}
	want := []string{
		"Normal MetricSuccessful Metric 'ratio' Completed. Result: Successful",
		"Normal AnalysisRunSuccessful Analysis Completed. Result: Successful",
	}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("the events differ:\n%s", diff)
	}
}

func TestARunThatHasEndedIsLeftAlone(t *testing.T) {
	w := newWorld(t, newRun("ratio"))
	w.mustPass()
	w.told()
	w.mustPass()
	if len(w.Made) != 1 || len(w.source.asked) != 1 || len(w.told()) != 0 {
		t.Errorf("%d writes, asked %v", len(w.Made), w.source.asked)
	}
}

func TestTheNextMeasurementWaitsForTheInterval(t *testing.T) {
	w := newWorld(t, every(newRun("ratio"), "30s", 2))
	if next := w.mustPass(); next.RequeueAfter != 30*time.Second {
		t.Errorf("the next look is after %s", next.RequeueAfter)
	}
	w.at = w.at.Add(20 * time.Second)
	if next := w.mustPass(); next.RequeueAfter != 10*time.Second || len(w.source.asked) != 1 || len(w.Made) != 1 {
		t.Errorf("a look too early measures %v, writes %d times, and looks again after %s", w.source.asked, len(w.Made), next.RequeueAfter)
	}
	w.at = w.at.Add(11 * time.Second)
	w.mustPass()
	if got := w.phase(); got != "Successful ratio:Successful" {
		t.Errorf("the run is %s", got)
	}
}

func TestABadMetricEndsTheWholeRunInOneWrite(t *testing.T) {
	run := newRun("bad", "slow", "job")
	w := newWorld(t, every(run, "1m", 5))
	w.answer("job", analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: time.Minute, Metadata: map[string]string{"name": "job"}})
	w.answer("bad", analysis.Reading{Result: 0.1, Value: "0.1"})
	w.mustPass()
	if len(w.Made) != 1 {
		t.Errorf("%d writes", len(w.Made))
	}
	if got := w.phase(); got != "Failed bad:Failed slow:Successful job:Inconclusive" {
		t.Errorf("the run is %s", got)
	}
	if diff := cmp.Diff([]string{"job"}, w.source.stopped); diff != "" {
		t.Errorf("stopped:\n%s", diff)
	}
	if got := w.run().Status.Message; got != `Metric "bad" assessed Failed due to failed (1) > failureLimit (0)` {
		t.Errorf("the message is %q", got)
	}
}

func TestATerminatedRunStopsWhatIsInFlight(t *testing.T) {
	for name, test := range map[string]struct {
		stop error
		want string
	}{
		"and says so": {nil, "Metric Terminated"},
		"and ends even if that cannot be stopped": {errors.New("forbidden: token s3cr3t"), "Metric Terminated, but what it had started could not be stopped: forbidden: token ***"},
	} {
		t.Run(name, func(t *testing.T) {
			run := newRun("job")
			run.Spec.Args = append(run.Spec.Args, secretArgument("token", "keys", "token"))
			w := newWorld(t, run, secret(namespace, map[string]string{"token": "s3cr3t"}))
			w.answer("job", analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: time.Hour})
			w.source.stop = func() error { return test.stop }
			w.mustPass()
			w.edit(func(r *v1alpha1.AnalysisRun) { r.Spec.Terminate = true })
			w.mustPass()
			if got := w.phase(); got != "Inconclusive job:Inconclusive" {
				t.Errorf("the run is %s", got)
			}
			if got := w.run().Status.MetricResults[0].Message; got != test.want {
				t.Errorf("the message is %q", got)
			}
		})
	}
}

func TestARunThatMakesNoSenseSaysSoAndAsksNobody(t *testing.T) {
	run := newRun("ratio")
	run.Spec.Metrics[0].Interval = "soon"
	w := newWorld(t, run)
	w.mustPass()
	status := w.run().Status
	want := `Analysis spec invalid: metrics[0]: invalid interval string: time: invalid duration "soon"`
	if status.Phase != v1alpha1.AnalysisPhaseError || status.Message != want || len(w.source.asked) != 0 {
		t.Errorf("phase %s, message %q, asked %v", status.Phase, status.Message, w.source.asked)
	}
}

func TestAPanicSpoilsOnlyItsOwnMeasurement(t *testing.T) {
	run := newRun("wild", "tame")
	run.Spec.Args = append(run.Spec.Args, secretArgument("token", "keys", "token"))
	w := newWorld(t, run, secret(namespace, map[string]string{"token": "s3cr3t"}))
	w.source.answers["wild"] = func(context.Context, v1alpha1.Metric, *v1alpha1.Measurement) (analysis.Reading, error) {
		panic("unexpected s3cr3t")
	}
	w.mustPass()
	if got := w.phase(); got != "Running wild:Running tame:Successful" {
		t.Errorf("the run is %s", got)
	}
	first := w.run().Status.MetricResults[0].Measurements[0]
	if first.Phase != v1alpha1.AnalysisPhaseError || first.Message != "measuring metric wild failed in a way it should not: unexpected ***" {
		t.Errorf("the measurement is %+v", first)
	}
	if log := w.log.String(); !strings.Contains(log, "recovered from a panic") || strings.Contains(log, "s3cr3t") {
		t.Errorf("the log is %s", log)
	}
}

func TestASecretReachesTheProviderAndNothingElse(t *testing.T) {
	const token = `t0k/en "quoted"+`
	run := newRun("good", "bad", "broken")
	for i := range run.Spec.Metrics {
		run.Spec.Metrics[i].Provider.Web.Headers = []v1alpha1.WebMetricHeader{{Key: "Authorization", Value: "Bearer {{args.token}}"}}
	}
	run.Spec.Metrics[1].SuccessCondition = `result.missing.{{args.token}} > 1` // an error of which would quote a part of it
	run.Spec.Args = append(run.Spec.Args, secretArgument("token", "keys", "token"))
	w := newWorld(t, run,
		secret(namespace, map[string]string{"token": token}), secret("elsewhere", map[string]string{"token": "wrong"}))
	sent := make(chan string, 10)
	echo := func(_ context.Context, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
		header := m.Provider.Web.Headers[0].Value
		sent <- header
		r := analysis.Reading{Result: 1.0, Value: header, Metadata: map[string]string{"echo": header, header: "echo"}, Doubt: "of " + header}
		if m.Name == "broken" {
			return analysis.Reading{}, errors.New("asking http://x/?a=t0k%2Fen+%22quoted%22%2B: denied " + header)
		}
		return r, nil
	}
	for _, m := range run.Spec.Metrics {
		w.source.answers[m.Name] = echo
	}
	w.mustPass()
	for range run.Spec.Metrics {
		if got := <-sent; got != "Bearer "+token {
			t.Errorf("the provider was given %q", got)
		}
	}
	shown := strings.Join(w.told(), "\n") + w.log.String() + dump(t, w.run())
	for _, part := range []string{"t0k", "quoted"} {
		if strings.Contains(shown, part) {
			t.Errorf("the secret is shown:\n%s", shown)
		}
	}
	if !strings.Contains(shown, "***") {
		t.Error("nothing was taken out, so this test could not fail")
	}
}

func TestAMissingSecretMattersOnlyToTheMetricThatNamesIt(t *testing.T) {
	run := newRun("plain", "secret", "key")
	run.Spec.Metrics[1].Provider.Web.Body = "{{args.token}}"
	run.Spec.Metrics[1].Provider.Web.Method = "POST"
	run.Spec.Metrics[2].Provider.Web.URL += "{{args.user}}"
	run.Spec.Args = append(run.Spec.Args, secretArgument("token", "gone", "token"), secretArgument("user", "keys", "user"))
	w := newWorld(t, run, secret(namespace, map[string]string{"other": "x"}))
	w.mustPass()
	if got := w.phase(); got != "Running plain:Successful secret:Running key:Running" {
		t.Errorf("the run is %s", got)
	}
	message := w.run().Status.MetricResults[1].Message
	for _, part := range []string{"reading Secret gone for argument token", "argument user: Secret keys has no key user"} {
		if !strings.Contains(message, part) {
			t.Errorf("the message %q does not say %q", message, part)
		}
	}
	if diff := cmp.Diff([]string{"plain"}, w.source.asked); diff != "" {
		t.Errorf("asked:\n%s", diff)
	}
}

func TestAJobInFlightIsWatchedEvenIfItsSecretGoesAway(t *testing.T) {
	run := newRun("job")
	run.Spec.Metrics[0].Provider.Web.URL = "http://x/{{args.token}}"
	run.Spec.Args = append(run.Spec.Args, secretArgument("token", "keys", "token"))
	keys := secret(namespace, map[string]string{"token": "t"})
	w := newWorld(t, run, keys)
	w.answer("job", analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: time.Second})
	w.mustPass()
	if err := w.server.Delete(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	w.at = w.at.Add(2 * time.Second)
	w.mustPass()
	if got := w.run().Status.MetricResults[0].Measurements; len(got) != 1 || got[0].Phase != v1alpha1.AnalysisPhaseRunning {
		t.Errorf("the measurements are %+v", got)
	}
	w.answer("job", analysis.Reading{Phase: v1alpha1.AnalysisPhaseSuccessful})
	w.at = w.at.Add(2 * time.Second)
	w.mustPass()
	if got := w.phase(); got != "Successful job:Successful" {
		t.Errorf("the run is %s", got)
	}
}

func TestAConflictLosesNothing(t *testing.T) {
	w := newWorld(t, newRun("ratio"))
	for range 3 {
		w.Broken, w.Fault = len(w.Made), kubetest.Conflict
		if next := w.mustPass(); next.RequeueAfter == 0 {
			t.Fatal("nobody looks again after a conflict")
		}
		if told := w.told(); len(told) != 0 {
			t.Fatalf("told what is not written: %v", told)
		}
	}
	w.mustPass()
	if got := w.phase(); got != "Successful ratio:Successful" || len(w.run().Status.MetricResults[0].Measurements) != 1 {
		t.Errorf("the run is %s", got)
	}
}

func TestAnEditDuringAMeasurementIsNotOverwritten(t *testing.T) {
	w := newWorld(t, every(newRun("ratio"), "1m", 0))
	w.source.answers["ratio"] = func(context.Context, v1alpha1.Metric, *v1alpha1.Measurement) (analysis.Reading, error) {
		if !w.run().Spec.Terminate {
			w.edit(func(r *v1alpha1.AnalysisRun) { r.Spec.Terminate = true })
		}
		return analysis.Reading{Result: 1.0}, nil
	}
	w.mustPass()
	if got := w.phase(); got != "" {
		t.Errorf("a status was written over the edit: %s", got)
	}
	w.mustPass()
	if got := w.run(); got.Status.Phase != v1alpha1.AnalysisPhaseSuccessful || got.Status.Message != "Run Terminated" || !got.Spec.Terminate {
		t.Errorf("the run is %+v", got.Status)
	}
}

func TestAMeasurementThatHangsIsEndedAndWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"tame"}
		for i := range 2 * sideBySide {
			names = append(names, "hangs-"+string(rune('a'+i)))
		}
		w := newWorld(t, newRun(names...))
		for _, name := range names[1:] {
			w.source.answers[name] = func(ctx context.Context, _ v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
				<-ctx.Done()
				return analysis.Reading{}, ctx.Err()
			}
		}
		began := time.Now()
		next := w.mustPass()
		if took := time.Since(began); took != measureLimit {
			t.Errorf("the pass took %s", took)
		}
		if next.RequeueAfter != time.Millisecond {
			t.Errorf("those whose turn did not come wait %s", next.RequeueAfter)
		}
		done := w.run().Status.MetricResults
		failed := 0
		for _, r := range done {
			failed += int(r.Error)
		}
		if failed < sideBySide-1 || failed > sideBySide || len(w.Made) != 1 {
			t.Errorf("%d of %d metrics ended with an error, %d writes", failed, len(done), len(w.Made))
		}
	})
}

func TestAnEndOfTheProcessWritesNothing(t *testing.T) {
	w := newWorld(t, newRun("ratio"))
	ctx, cancel := context.WithCancel(t.Context())
	w.source.answers["ratio"] = func(context.Context, v1alpha1.Metric, *v1alpha1.Measurement) (analysis.Reading, error) {
		cancel()
		return analysis.Reading{}, ctx.Err()
	}
	if _, err := w.loop.pass(ctx, request); !errors.Is(err, context.Canceled) || len(w.Made) != 0 {
		t.Errorf("%d writes, error %v", len(w.Made), err)
	}
}

func TestALookBeforeItsTimeWritesNothing(t *testing.T) {
	run := newRun("job")
	run.Spec.Metrics[0].Provider = v1alpha1.MetricProvider{Job: &v1alpha1.JobMetric{}}
	run.Spec.Metrics[0].Provider.Job.Spec.Raw = []byte(`{"template":{}}`)
	w := newWorld(t, run)
	w.answer("job", analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: time.Minute})
	w.mustPass()
	w.at = w.at.Add(10 * time.Second)
	if next := w.mustPass(); next.RequeueAfter != 50*time.Second || len(w.source.asked) != 2 || len(w.Made) != 1 {
		t.Errorf("asked %d times, %d writes, the next look after %s", len(w.source.asked), len(w.Made), next.RequeueAfter)
	}
	w.answer("job", analysis.Reading{Phase: v1alpha1.AnalysisPhaseFailed, Message: "BackoffLimitExceeded"})
	w.mustPass()
	if got := w.phase(); got != "Failed job:Failed" {
		t.Errorf("the end of a Job is not noticed at once: %s", got)
	}
}

func TestARunIsDeletedAfterItsTimeToLive(t *testing.T) {
	run := newRun("ratio")
	run.Spec.TTLStrategy = &v1alpha1.TTLStrategy{SecondsAfterCompletion: ptr.To[int32](60)}
	w := newWorld(t, run)
	if next := w.mustPass(); next.RequeueAfter != time.Minute {
		t.Errorf("the next look is after %s", next.RequeueAfter)
	}
	w.at = w.at.Add(59 * time.Second)
	if next := w.mustPass(); next.RequeueAfter != time.Second {
		t.Errorf("the next look is after %s", next.RequeueAfter)
	}
	w.at = w.at.Add(time.Second)
	w.mustPass()
	if err := w.server.Get(t.Context(), runKey, &v1alpha1.AnalysisRun{}); !apierrors.IsNotFound(err) {
		t.Errorf("the run is still there: %v", err)
	}
	w.mustPass()
}

func TestARunOnItsWayOutIsNotMeasured(t *testing.T) {
	run := newRun("ratio")
	run.Finalizers = []string{"example.com/hold"}
	run.DeletionTimestamp = &metav1.Time{Time: start}
	w := newWorld(t, run)
	w.mustPass()
	if len(w.source.asked) != 0 || len(w.Made) != 0 {
		t.Errorf("asked %v, %d writes", w.source.asked, len(w.Made))
	}
}

func TestAMetricThatNobodyMeasuresIsAnError(t *testing.T) {
	w := newWorld(t, newRun("ratio"))
	w.loop.Providers = func(v1alpha1.MetricProvider) analysis.Provider { return nil }
	w.mustPass()
	if got := w.run().Status.MetricResults[0].Message; got != "no provider of this controller measures metric ratio" {
		t.Errorf("the message is %q", got)
	}
}

func TestASecretThatCannotBeReadIsNotAskedForTwiceInAPass(t *testing.T) {
	run := newRun("a", "b")
	run.Spec.Args = append(run.Spec.Args, secretArgument("one", "gone", "one"), secretArgument("two", "gone", "two"))
	w := newWorld(t, run)
	reads := 0
	w.loop.Live = counting{w.server, &reads}
	w.mustPass()
	if reads != 1 {
		t.Errorf("the Secret was read %d times", reads)
	}
}

// counting counts the reads of Secrets.
type counting struct {
	client.Reader
	reads *int
}

func (c counting) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, is := o.(*corev1.Secret); is {
		*c.reads++
	}
	return c.Reader.Get(ctx, key, o, opts...)
}
