package simulate_test

import (
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	tried = `{setWeight: 20}, {experiment: {duration: 5m, templates: [{name: baseline, specRef: stable}, {name: canary, specRef: canary, metadata: {labels: {tried: "yes"}}}],
  analyses: [{name: rate, templateName: check, requiredForCompletion: true, args: [{name: hash, valueFrom: {podTemplateHashValue: Latest}}]}]}}, {setWeight: 60}, {pause: {}}`
	triedInRoutes = `{setWeight: 20}, {experiment: {duration: 5m, templates: [{name: baseline, specRef: stable, weight: 5}, {name: canary, specRef: canary, weight: 5}]}}, {setWeight: 60}, {pause: {}}`
)

func (s *teller) verdict(phase v1alpha1.AnalysisPhase, message string) {
	s.Tell("the experiment says %s", phase)
	s.World.JudgeExperiments(phase, message)
	s.rest()
}

// storiesOfExperiments are those of the step experiment.
var storiesOfExperiments = []story{
	{name: "an experiment is a step that waits", why: "The update goes on once the Experiment has succeeded.",
		spec: routed, steps: tried, tell: func(s *teller) {
			s.release("v2")
			s.verdict(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "an experiment needs no router", why: "Its pods stand beside those of the Rollout and change their numbers not at all.",
		spec: basic, steps: tried, tell: func(s *teller) {
			s.release("v2")
			s.verdict(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "a failed experiment aborts the update", why: "A bad version must not go on because only an experiment has met it.",
		spec: routed, steps: tried, tell: func(s *teller) {
			s.release("v2")
			s.verdict(v1alpha1.AnalysisPhaseFailed, failed)
			s.wait(31 * time.Second)
		}},
	{name: "an inconclusive experiment asks a person", why: "A promote is the person's answer, and the update goes on.",
		spec: routed, steps: tried, tell: func(s *teller) {
			s.release("v2")
			s.verdict(v1alpha1.AnalysisPhaseInconclusive, "")
			s.promote()
		}},
	{name: "a retry makes a new experiment", why: "An old verdict does not speak for a new attempt.",
		spec: routed, steps: tried, tell: func(s *teller) {
			s.release("v2")
			s.World.Now = s.World.Now.Add(time.Minute)
			s.verdict(v1alpha1.AnalysisPhaseError, "connection refused")
			s.World.Now = s.World.Now.Add(time.Minute)
			s.retry()
			s.verdict(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "experiments take part in the routes while they run", why: "Their share comes from the stable revision and goes back to it; the pods stay until no route knows them.",
		spec: routed, steps: triedInRoutes, tell: func(s *teller) {
			s.release("v2")
			s.verdict(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "an abort takes experiments out of the routes before their pods go", why: "Nobody is sent where nobody answers any more.",
		spec: routed, steps: triedInRoutes, tell: func(s *teller) {
			s.World.Reports, s.World.Confirmed = true, true
			s.World.Program()
			s.release("v2")
			s.World.Frozen = true
			s.abort()
			s.World.Frozen = false
			s.edit("the gateway confirms again", func(*v1alpha1.Rollout) {})
		}},
	{name: "a promote past an experiment ends it", why: "Whoever goes on needs no verdict any more.",
		spec: routed, steps: triedInRoutes, tell: func(s *teller) {
			s.release("v2")
			s.edit("promote past the step", func(r *v1alpha1.Rollout) {
				next := *r.Status.CurrentStepIndex + 1
				r.Status.CurrentStepIndex = &next
			})
		}},
	{name: "a full promotion ends the experiment", why: "Every pod of the new revision must be there before all traffic is.",
		spec: routed, steps: triedInRoutes, tell: func(s *teller) { s.release("v2"); s.promoteFull() }},
	{name: "a return to the stable revision ends the experiment", why: "An undo is the fastest way out of it too.",
		spec: routed, steps: triedInRoutes, tell: func(s *teller) { s.release("v2"); s.release("v1") }},
	{name: "an experiment that somebody deletes leaves no dead backend", why: "The status remembers which Services the routes hold.",
		spec: routed, steps: triedInRoutes, tell: func(s *teller) {
			s.release("v2")
			s.World.Experiments = nil
			s.edit("somebody deletes the Experiment", func(*v1alpha1.Rollout) {})
		}},
	{name: "an experiment whose pods die gets no traffic", why: "The stable revision takes its share meanwhile.",
		spec: routed, steps: triedInRoutes, tell: func(s *teller) {
			s.release("v2")
			pods := func(what string, n int32, state string) {
				s.World.ChangeTemplate("web-v2-2-1", "canary", func(t *v1alpha1.TemplateStatus) { t.AvailableReplicas, t.Status = n, state })
				s.edit(what, func(*v1alpha1.Rollout) {})
			}
			pods("the canary's pod of the experiment dies", 0, v1alpha1.TemplateStatusProgressing)
			pods("it comes back", 1, v1alpha1.TemplateStatusRunning)
		}},
	{name: "a lost status adopts the experiment that runs", why: "No step runs twice, whatever was forgotten.",
		spec: routed, steps: tried, tell: func(s *teller) {
			s.release("v2")
			s.edit("somebody deletes the status", func(r *v1alpha1.Rollout) { r.Status = v1alpha1.RolloutStatus{} })
			s.verdict(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "old experiments are forgotten beyond the limits of the history", why: "They would pile up as AnalysisRuns do.",
		spec: routed, steps: tried, tell: func(s *teller) {
			none := int32(0)
			s.World.Rollout.Spec.Analysis = &v1alpha1.AnalysisRunHistory{SuccessfulRunHistoryLimit: &none}
			s.release("v2")
			s.verdict(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
}
