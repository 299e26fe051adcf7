package experiment_test

import (
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	timed    = `{templates: TEMPLATES, duration: 5m, analyses: [{name: rate, templateName: check, args: [{name: hash, value: "{{templates.canary.podTemplateHash}}"}]}]}`
	judged   = `{templates: TEMPLATES, analyses: [{name: test, templateName: once, requiredForCompletion: true}, {name: rate, templateName: check}]}`
	endless  = `{templates: TEMPLATES}`
	fronted  = `{duration: 1m, scaleDownDelaySeconds: 0, templates: [{name: canary, service: {}, selector: {matchLabels: {app: web}}, template: PODS}]}`
	impaired = `{duration: five minutes, templates: TEMPLATES}`
)

// stories is the catalogue of behaviours; each golden file reads as what a user would see.
var stories = []struct {
	name, why, spec string
	tell            func(*world)
}{
	{name: "an experiment runs for its duration", why: "The duration counts from when every pod is available, and the pods stay for a while after the end.",
		spec: timed, tell: func(w *world) {
			w.measures(1)
			w.wait(5 * time.Minute)
			w.ends()
			w.wait(29 * time.Second)
			w.wait(time.Second)
		}},
	{name: "an experiment does not end well before its analysis has said something good", why: "Nobody looked, so nothing is proven.",
		spec: timed, tell: func(w *world) { w.wait(5 * time.Minute); w.measures(0); w.measures(1) }},
	{name: "a bad analysis ends the experiment at once", why: "There is no reason to go on with what is known to be bad.",
		spec: timed, tell: func(w *world) {
			w.says("exp-rate", v1alpha1.AnalysisPhaseFailed, "success rate 0.61 is below 0.95")
			w.wait(31 * time.Second)
		}},
	{name: "a required analysis decides when the experiment ends", why: "Without a duration the analysis that is required is the clock.",
		spec: judged, tell: func(w *world) {
			w.wait(time.Hour)
			w.measures(1)
			w.says("exp-test", v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "an inconclusive analysis makes an inconclusive experiment", why: "Whoever waits for the experiment has to ask a person.",
		spec: judged, tell: func(w *world) { w.says("exp-rate", v1alpha1.AnalysisPhaseInconclusive, "") }},
	{name: "an experiment without an end runs until somebody terminates it", why: "That is what it was made for.",
		spec: endless, tell: func(w *world) {
			w.wait(24 * time.Hour)
			w.edit("terminate", func(e *v1alpha1.Experiment) { e.Spec.Terminate = true })
			w.wait(30 * time.Second)
		}},
	{name: "an experiment that is terminated before its required analysis proves nothing", why: "An end is not a verdict.",
		spec: judged, tell: func(w *world) {
			w.edit("terminate", func(e *v1alpha1.Experiment) { e.Spec.Terminate = true })
		}},
	{name: "an experiment whose pods do not come fails at its progress deadline", why: "Pods that never come must not hold a release up for ever.",
		spec: `{templates: TEMPLATES, duration: 5m, progressDeadlineSeconds: 60}`, tell: func(w *world) {
			w.tell("no more than 0 pods of canary can be available")
			w.most["canary"] = 0
			w.sets[1].Available, w.sets[1].Ready = 0, 0
			w.rest()
			w.wait(30 * time.Second)
			w.wait(31 * time.Second)
			w.wait(30 * time.Second)
		}},
	{name: "a Service stands in front of a template for as long as it has pods", why: "Requests find somebody or nobody is asked.",
		spec: fronted, tell: func(w *world) { w.wait(time.Minute) }},
	{name: "an experiment in the routes of a Rollout keeps its pods", why: "Capacity goes only once no request can be sent to it.",
		spec: fronted, tell: func(w *world) {
			w.edit("the Rollout marks it", func(e *v1alpha1.Experiment) {
				e.Annotations = map[string]string{v1alpha1.AnnotationExperimentWeights: `{"canary":5}`}
			})
			w.wait(time.Minute)
			w.wait(time.Hour)
			w.edit("the routes let go of it", func(e *v1alpha1.Experiment) { e.Annotations = nil })
		}},
	{name: "a retried experiment starts anew with new runs", why: "An old verdict does not speak for a new attempt.",
		spec: timed, tell: func(w *world) {
			w.says("exp-rate", v1alpha1.AnalysisPhaseError, "connection refused")
			w.now = w.now.Add(10 * time.Second)
			w.edit("retry", func(e *v1alpha1.Experiment) { e.Status = v1alpha1.ExperimentStatus{} })
			w.measures(1)
			w.wait(5 * time.Minute)
		}},
	{name: "a lost status starts nothing twice", why: "What runs is found by its name.",
		spec: timed, tell: func(w *world) {
			w.wait(time.Minute)
			w.edit("somebody deletes the status", func(e *v1alpha1.Experiment) { e.Status = v1alpha1.ExperimentStatus{} })
		}},
	{name: "a spec that makes no sense is told and can be mended", why: "The message names the field, and nothing runs before.",
		spec: impaired, tell: func(w *world) {
			w.edit("the duration is mended", func(e *v1alpha1.Experiment) { e.Spec.Duration = "5m" })
		}},
	{name: "an analysis that cannot be asked ends the experiment with an error", why: "A missing template is told by its name.",
		spec: `{templates: TEMPLATES, analyses: [{name: rate, templateName: nowhere}]}`, tell: func(*world) {}},
	{name: "pods that die during an experiment are waited for", why: "The status shows them, and the deadline counts anew.",
		spec: timed, tell: func(w *world) {
			w.most["baseline"] = 1
			w.tell("one pod of baseline dies")
			w.rest()
			w.wait(time.Minute)
			delete(w.most, "baseline")
			w.tell("it comes back")
			w.rest()
		}},
}
