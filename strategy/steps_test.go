package strategy

import (
	"testing"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

func TestAStepOfSeveralPartsIsDoneWhenEveryPartIs(t *testing.T) {
	const (
		scaled = "setCanaryScale: {replicas: 2}, "
		header = "setHeaderRoute: {name: testers, match: [{headerName: X-Tester, headerValue: {exact: please}}]}, "
		weight = "setWeight: 20"
		check  = "analysis: {templates: [{templateName: check}]}"
		pause  = "pause: {}"
	)
	two, pending := pods("new", 2, 2), func(o *Observation) { o.Traffic.Confirmation = trafficrouting.Pending }
	verdict := func(phase v1alpha1.AnalysisPhase) func(*Observation) {
		return func(o *Observation) {
			o.Runs = []v1alpha1.AnalysisRun{stepRun("web-new-2-0", phase)}
			named("web-new-2-0")(o)
		}
	}
	for name, c := range map[string]struct {
		step   string
		change []func(*Observation)
		done   bool
	}{
		"a scale and a weight":                                 {scaled + weight, []func(*Observation){two, held(20)}, true},
		"a scale and a weight that is not held yet":            {scaled + weight, []func(*Observation){two}, false},
		"a scale and a weight that is not confirmed":           {scaled + weight, []func(*Observation){two, held(20), pending}, false},
		"a scale and an analysis that succeeded":               {scaled + check, []func(*Observation){two, verdict(v1alpha1.AnalysisPhaseSuccessful)}, true},
		"a scale and an analysis that goes on":                 {scaled + check, []func(*Observation){two, verdict(v1alpha1.AnalysisPhaseRunning)}, false},
		"an analysis that succeeded and a pod that is missing": {scaled + check, []func(*Observation){pods("new", 2, 1), verdict(v1alpha1.AnalysisPhaseSuccessful)}, false},
		"a weight and a header route":                          {header + weight, []func(*Observation){two, held(20), holding("testers")}, true},
		"a weight and a header route that is missing":          {header + weight, []func(*Observation){two, held(20)}, false},
		"a pause that a person ended":                          {scaled + pause, []func(*Observation){two, promoted}, true},
		"a pause that a person ended while a pod was away":     {scaled + pause, []func(*Observation){pods("new", 2, 1), promoted}, true},
		"a pause that nobody ended":                            {scaled + pause, []func(*Observation){two}, false},
	} {
		t.Run(name, func(t *testing.T) {
			plan := Decide(*seen(t, behindRoutes(`{`+c.step+`}, {pause: {}}`), c.change...))
			if got := *plan.Status.CurrentStepIndex == 1; got != c.done {
				t.Errorf("step done: %t, want %t", got, c.done)
			}
		})
	}
}

func TestAnAnalysisAndAPauseBeginOnceTheOtherPartsOfTheirStepAreDone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Observation)
		begins bool
	}{
		"every pod is there": {pods("new", 2, 2), true},
		"a pod is missing":   {pods("new", 2, 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			judged := Decide(*seen(t, behindRoutes(`{setCanaryScale: {replicas: 2}, analysis: {templates: [{templateName: check}]}}`), c.change, checked))
			if got := len(judged.Start) == 1; got != c.begins {
				t.Errorf("the analysis begins: %t, want %t", got, c.begins)
			}
			pauses := Decide(*seen(t, behindRoutes(`{setCanaryScale: {replicas: 2}, pause: {duration: 10}}`), c.change))
			if got := len(pauses.Status.PauseConditions) == 1; got != c.begins {
				t.Errorf("the pause begins: %t, want %t", got, c.begins)
			}
		})
	}
}
