package strategy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
}

func TestWhoServesIsReadOffTheWorldOnlyWhereAStatusWasLost(t *testing.T) {
	unmanaged := func(o *Observation) { o.Stable.Hash, o.Stable.Managed = "", false }
	for name, c := range map[string]struct {
		change []func(*Observation)
		want   string
	}{
		"the status is lost":                                {[]func(*Observation){lost}, "old"},
		"the status is lost and no Service is managed":      {[]func(*Observation){lost, unmanaged}, "old"},
		"the first deploy is not complete, as is known":     {[]func(*Observation){unmanaged, status(func(s *v1alpha1.RolloutStatus) { s.StableRS = "" })}, "new"},
		"a Service was switched before it was written down": {[]func(*Observation){status(func(s *v1alpha1.RolloutStatus) { s.StableRS = "" })}, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Decide(*seen(t, behindRoute, append([]func(*Observation){pods("new", 2, 2)}, c.change...)...)).Status.StableRS; got != c.want {
				t.Errorf("the stable revision is %q, want %q", got, c.want)
			}
		})
	}
}

func TestNothingIsTakenFromTheWorldBeforeItIsWrittenDownWhoServes(t *testing.T) {
	plan := Decide(*seen(t, behindRoute, lost, func(o *Observation) {
		o.Canary.Hash, o.Invalid, o.Current = "gone", "wrong", ""
		o.Rollout.Spec.RestartAt = ptr.To(metav1.NewTime(noon.Add(-time.Minute)))
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
			o.Pods = append(o.Pods, Pod{Name: name, Hash: "old", Created: noon.Add(-time.Hour), Available: true})
		}
	}))
	if len(plan.Point) > 0 || len(plan.Evict) > 0 {
		t.Errorf("the plan switches %v and evicts %v, and a crash would leave another answer to who serves", plan.Point, plan.Evict)
	}
}

func TestAFullPromotionOfAFirstDeployIsKept(t *testing.T) {
	plan := Decide(*colored(t, atOnce, func(o *Observation) {
		o.Rollout.Status.StableRS, o.Rollout.Status.PromoteFull = "", true
		o.Revisions, o.Stable.Hash = o.Revisions[:1], ""
	}))
	if !plan.Status.PromoteFull {
		t.Error("the full promotion was dropped before anything was promoted")
	}
}

func TestRunsOfARevisionStayWhileItsReplicaSetIsMadeAgain(t *testing.T) {
	run := v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{
		Name: "web-new-2", CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour)),
		Labels: map[string]string{v1alpha1.LabelPodTemplateHash: "new", v1alpha1.LabelRolloutType: analysis.TypeBackground},
	}, Status: v1alpha1.AnalysisRunStatus{Phase: v1alpha1.AnalysisPhaseSuccessful}}
	plan := Decide(*seen(t, behindRoute, func(o *Observation) {
		o.Rollout.Status.StableRS, o.Revisions, o.Runs = "new", o.Revisions[1:], []v1alpha1.AnalysisRun{run}
	}))
	if diff := cmp.Diff([]string(nil), plan.Forget); diff != "" {
		t.Errorf("runs to delete, -want +got:\n%s", diff)
	}
}

func TestAResumeAnswersOnlyTheVerdictThatTheClientSaw(t *testing.T) {
	const judged = `{canaryService: canary, stableService: stable, trafficRouting: {gatewayAPI: {httpRoute: web}}, steps: [{analysis: {templates: [{templateName: check}]}}]}`
	for name, c := range map[string]struct {
		known v1alpha1.AnalysisPhase
		pause bool
	}{
		"it was inconclusive when the client went on": {v1alpha1.AnalysisPhaseInconclusive, false},
		"it was still running":                        {v1alpha1.AnalysisPhaseRunning, true},
	} {
		t.Run(name, func(t *testing.T) {
			plan := Decide(*seen(t, judged, promoted, func(o *Observation) {
				o.Runs = []v1alpha1.AnalysisRun{{ObjectMeta: metav1.ObjectMeta{
					Name: "web-new-2-0", Annotations: map[string]string{v1alpha1.AnnotationRevision: "2"},
					Labels: map[string]string{v1alpha1.LabelPodTemplateHash: "new", v1alpha1.LabelRolloutType: analysis.TypeStep, v1alpha1.LabelStepIndex: "0"},
				}, Status: v1alpha1.AnalysisRunStatus{Phase: v1alpha1.AnalysisPhaseInconclusive}}}
				o.Rollout.Status.Canary.CurrentStepAnalysisRunStatus = &v1alpha1.RolloutAnalysisRunStatus{Name: "web-new-2-0", Status: c.known}
			}))
			if got := len(plan.Status.PauseConditions) > 0; got != c.pause {
				t.Errorf("the update pauses: %t, want %t", got, c.pause)
			}
		})
	}
}

func TestARestartLeavesWhatAnUnconfirmedRouteMayDemand(t *testing.T) {
	restarting := func(confirmation trafficrouting.Confirmation) *Observation {
		return seen(t, behindRoute, step(1), held(20), pods("old", 8, 8), pods("new", 2, 2), func(o *Observation) {
			o.Traffic.Confirmation = confirmation
			o.Rollout.Spec.Strategy.Canary.DynamicStableScale = true
			o.Rollout.Spec.RestartAt = ptr.To(metav1.NewTime(noon.Add(-time.Minute)))
			for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
				o.Pods = append(o.Pods, Pod{Name: name, Hash: "old", Created: noon.Add(-time.Hour), Available: true})
			}
			for _, name := range []string{"i", "j"} {
				o.Pods = append(o.Pods, Pod{Name: name, Hash: "new", Created: noon, Available: true})
			}
		})
	}
	if evicted := Decide(*restarting(trafficrouting.Pending)).Evict; len(evicted) > 0 {
		t.Errorf("%v are evicted while the stable revision may still be sent everything", evicted)
	}
	if evicted := Decide(*restarting(trafficrouting.Confirmed)).Evict; len(evicted) == 0 {
		t.Error("nothing is evicted although the routes are confirmed")
	}
}

func TestManagedRoutesNeedSomebodyToLeadTo(t *testing.T) {
	const route = `{setHeaderRoute: {name: testers, match: [{headerName: X-Tester, headerValue: {exact: please}}]}}`
	behind := func(steps string) string {
		return `{canaryService: canary, stableService: stable, trafficRouting: {gatewayAPI: {httpRoute: web}}, steps: [` + steps + `]}`
	}
	for name, c := range map[string]struct {
		steps  string
		change []func(*Observation)
		size   int32
		routes int
		index  int32
	}{
		"a route asks for a pod":                         {route + ", {pause: {}}", nil, 1, 0, 0},
		"it is added once the pod is there":              {route + ", {pause: {}}", []func(*Observation){pods("new", 1, 1)}, 1, 1, 0},
		"a weight of zero keeps its pod":                 {route + ", {setWeight: 0}, {pause: {}}", []func(*Observation){step(1), pods("new", 1, 1), holding("testers")}, 1, 1, 2},
		"a canary without a pod, as the user said, none": {"{setCanaryScale: {replicas: 0}}, " + route + ", {pause: {}}", []func(*Observation){step(1)}, 0, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			o := seen(t, behind(c.steps), c.change...)
			plan := Decide(*o)
			size, routes := o.revision("new").Spec, len(o.Traffic.Headers)
			if n, scaled := sizesIn(plan)["new"]; scaled {
				size = n
			}
			if plan.Traffic != nil {
				routes = len(plan.Traffic.Split.Headers)
			}
			if diff := cmp.Diff([]int32{c.size, int32(c.routes), c.index}, []int32{size, int32(routes), *plan.Status.CurrentStepIndex}); diff != "" {
				t.Errorf("canary pods, routes and step, -want +got:\n%s", diff)
			}
		})
	}
}

func holding(route string) func(*Observation) {
	return func(o *Observation) { o.Traffic.Headers = []string{route} }
}

func TestAServiceThatThisPlanSwitchesFindsAPod(t *testing.T) {
	plan := Decide(*seen(t, `{canaryService: canary, stableService: stable, maxUnavailable: 0, steps: [{setWeight: 0}, {pause: {}}]}`, func(o *Observation) {
		o.Routed, o.Stable.Hash, o.Canary.Hash = false, "", ""
		o.Rollout.Spec.Replicas = ptr.To[int32](1)
		o.Revisions = []Revision{revisionWith("new", 2, 1), revisionWith("old", 1, 1)}
	}))
	for _, p := range plan.Point {
		if size, scaled := sizesIn(plan)[p.Hash]; scaled && size == 0 {
			t.Errorf("Service %s is switched to %s, which loses its last pod in the same plan", p.Service, p.Hash)
		}
	}
	if len(plan.Point) == 0 {
		t.Error("no Service is switched")
	}
}

func TestAnEditOfTheStepsKeepsOnlyWhatStillAsksTheSame(t *testing.T) {
	edited := status(func(s *v1alpha1.RolloutStatus) { s.CurrentStepHash = "that of the steps before" })
	for name, metric := range map[string]string{"the same is asked": "good", "something else is asked": "other"} {
		t.Run(name, func(t *testing.T) {
			o := seen(t, behindRoutes(`{analysis: {templates: [{templateName: check}]}}, {pause: {}}`), edited, checked, named("web-new-2-0"))
			run := stepRun("web-new-2-0", v1alpha1.AnalysisPhaseRunning)
			run.Spec.Metrics = checkOf(metric)
			o.Runs = []v1alpha1.AnalysisRun{run}
			first := Decide(*o)
			o.Runs[0].Spec.Terminate = len(first.Stop) > 0
			then := Decide(*o)
			if same := metric == "good"; len(first.Start) > 0 || len(then.Start) == 1 == same || len(first.Stop) == 1 == same {
				t.Errorf("%d and then %d runs are started, and %v is stopped", len(first.Start), len(then.Start), first.Stop)
			}
		})
	}
	for name, duration := range map[string]string{"the same is tried": "", "something else is tried": "10m"} {
		t.Run(name, func(t *testing.T) {
			o := seen(t, withTrial)
			o.Templates = []Template{{Hash: "old", Template: runtime.RawExtension{Raw: []byte(`{}`)}}, {Hash: "new", Template: runtime.RawExtension{Raw: []byte(`{}`)}}}
			started := Decide(*o).StartExperiment
			if started == nil {
				t.Fatal("no Experiment is made")
			}
			started.Experiment.Status.Phase = v1alpha1.AnalysisPhaseRunning
			o.Experiments = []v1alpha1.Experiment{*started.Experiment}
			o.Rollout.Spec.Strategy.Canary.Steps[0].Experiment.Duration = duration
			edited(o)
			first := Decide(*o)
			o.Experiments[0].Spec.Terminate = len(first.StopExperiments) > 0
			then := Decide(*o)
			if same := duration == ""; first.StartExperiment != nil || len(first.StopExperiments) == 0 != same || (then.StartExperiment == nil) != same {
				t.Errorf("%v is stopped, and then another one begins: %t", first.StopExperiments, then.StartExperiment != nil)
			}
		})
	}
}

func TestARetryHearsNoVerdictOfBefore(t *testing.T) {
	const judgedLater = `{setWeight: 20}, {analysis: {templates: [{templateName: check}]}}, {pause: {}}`
	later := func(o *Observation) {
		o.Runs[0].Labels[v1alpha1.LabelStepIndex] = "1"
		o.Traffic.Lowest, o.Traffic.Highest = 20, 20
	}
	for name, phase := range map[string]v1alpha1.AnalysisPhase{"a failed one": v1alpha1.AnalysisPhaseFailed, "a successful one": v1alpha1.AnalysisPhaseSuccessful} {
		t.Run(name, func(t *testing.T) {
			for index, steps := range []string{`{analysis: {templates: [{templateName: check}]}}, {pause: {}}`, judgedLater} {
				o := seen(t, behindRoutes(steps), checked, pods("new", 2, 2), status(func(s *v1alpha1.RolloutStatus) { s.AbortedAt = ptr.To(metav1.NewTime(noon)) }))
				run := stepRun("web-new-2-0", phase)
				run.Spec.Metrics, run.CreationTimestamp = checkOf("good"), metav1.NewTime(noon.Add(2*time.Second)) // the clock of the API server is ahead
				o.Runs = []v1alpha1.AnalysisRun{run}
				if index == 1 {
					later(o)
				}
				retried := Decide(*o)
				o.Rollout.Status, o.Now = retried.Status, noon.Add(time.Second)
				next := Decide(*o)
				if next.Status.Abort || *next.Status.CurrentStepIndex != int32(index) || len(retried.Start)+len(next.Start) == 0 {
					t.Errorf("at step %d: aborted %t, then at step %d, and %d runs are started", index, next.Status.Abort, *next.Status.CurrentStepIndex, len(retried.Start)+len(next.Start))
				}
			}
		})
	}
}
