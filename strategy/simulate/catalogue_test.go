package simulate_test

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	twoPauses = "{setWeight: 20}, {pause: {}}, {setWeight: 60}, {pause: {duration: 10}}"
	judged    = "{setWeight: 20}, {analysis: {templates: [{templateName: check}]}}, {setWeight: 60}, {pause: {}}"
	beside    = "analysis: {templates: [{templateName: check}], startingStep: 1},"
	failed    = "success rate 0.61 is below 0.95"
)

// stories is the catalogue of behaviours; each golden file reads as what a user would see.
var stories = []story{
	{name: "a canary goes through its steps", why: "The everyday release: weight by weight, with a pause that a person ends and one that time ends.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.promote(); s.wait(11 * time.Second); s.wait(31 * time.Second) }},
	{name: "a canary without a router shares by numbers of pods", why: "Without routes the share of the traffic is the share of the pods.",
		spec: basic, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.promote(); s.wait(11 * time.Second) }},
	{name: "aborts when the step analysis fails", why: "A failed verdict takes all traffic away before a single pod goes.",
		spec: routed, steps: judged, tell: func(s *teller) {
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseFailed, failed)
			s.wait(31 * time.Second)
		}},
	{name: "aborts when the background analysis fails", why: "The analysis beside the steps may end a release during a pause.",
		spec: routed, extra: beside, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.judge(v1alpha1.AnalysisPhaseFailed, failed) }},
	{name: "does not complete before the background analysis has said something good", why: "A release must not succeed because nobody looked.",
		spec: routed, extra: beside, steps: "{setWeight: 50}", tell: func(s *teller) { s.release("v2"); s.judge(v1alpha1.AnalysisPhaseSuccessful, "") }},
	{name: "pauses on an inconclusive analysis and asks again after a promote", why: "A person decides; the next run has a name of its own.",
		spec: routed, steps: judged, tell: func(s *teller) {
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseInconclusive, "")
			s.promote()
			s.judge(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "a retry starts at the first step with a new analysis", why: "An old verdict does not speak for a new attempt.",
		spec: routed, steps: judged, tell: func(s *teller) {
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseError, "connection refused")
			s.retry()
			s.judge(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "a return to the stable revision skips the steps", why: "An undo in mid-canary must be the fastest way out.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.release("v1"); s.wait(31 * time.Second) }},
	{name: "a third revision takes over from a canary under way", why: "The weight leaves the second revision before its Service moves, and its pods go last.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.promote(); s.release("v3"); s.promote(); s.wait(11 * time.Second) }},
	{name: "promote full skips what remains", why: "Every pod must be there before all traffic is.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.promoteFull() }},
	{name: "a canary that loses its pods loses its traffic, and gets it back", why: "No request is sent where nobody answers; nothing is forgotten.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.most("v2", 0); s.most("v2", 5) }},
	{name: "a canary whose pods never come keeps no traffic", why: "The progress deadline says so aloud, and nothing else changes.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.World.Most["v2"] = 0; s.release("v2"); s.wait(601 * time.Second) }},
	{name: "the progress deadline aborts where the spec says so", why: "progressDeadlineAbort turns a timeout into an abort.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.World.Rollout.Spec.ProgressDeadlineAbort = true
			s.World.Most["v2"] = 0
			s.release("v2")
			s.wait(601 * time.Second)
		}},
	{name: "an abort waits for a stable revision that lost most of its pods", why: "Traffic returns only as fast as pods can take it.",
		spec: routed, steps: "{setWeight: 80}, {pause: {}}", tell: func(s *teller) { s.release("v2"); s.most("v1", 1); s.abort(); s.most("v1", 5) }},
	{name: "scaling in mid-canary keeps the shares", why: "An autoscaler may act at any time, also during a pause.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.scale(10); s.scale(4) }},
	{name: "a paused rollout lets nothing advance but follows the load", why: "spec.paused holds the steps, not the number of pods.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.release("v2")
			s.edit("pause", func(r *v1alpha1.Rollout) { r.Spec.Paused = true })
			s.promote()
			s.scale(10)
			s.edit("resume", func(r *v1alpha1.Rollout) { r.Spec.Paused = false })
		}},
	{name: "an invalid spec freezes the steps and nothing else", why: "Scaling and aborting what runs must go on.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.release("v2")
			s.World.Invalid = `The Rollout "web" is invalid: spec.strategy.steps[2].setWeight: Invalid value: 160: must be between 0 and 100`
			s.edit("the spec becomes invalid", func(*v1alpha1.Rollout) {})
			s.scale(10)
			s.abort()
		}},
	{name: "a route that somebody edits is put right", why: "What the routes hold is observed, not remembered.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.release("v2")
			s.World.Held = 70
			s.edit("somebody writes 70 into the route", func(*v1alpha1.Rollout) {})
		}},
	{name: "a Service that somebody edits is put right", why: "A selector is part of the traffic.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.release("v2")
			s.World.Services["canary"].Hash = "v1"
			s.edit("somebody points the canary Service at v1", func(*v1alpha1.Rollout) {})
		}},
	{name: "a gateway that does not confirm holds the step", why: "What nobody programmed has not happened.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.World.Reports, s.World.Confirmed = true, true
			s.World.Program()
			s.edit("the gateway reports", func(*v1alpha1.Rollout) {})
			s.release("v2")
			s.promote()
			s.World.Frozen = true
			s.wait(11 * time.Second)
			s.World.Frozen = false
			s.edit("the gateway confirms again", func(*v1alpha1.Rollout) {})
		}},
	{name: "a lost status costs nothing", why: "Where the rollout stands is read off the world; the update begins anew without a lost request.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.release("v2")
			s.edit("somebody deletes the status", func(r *v1alpha1.Rollout) { r.Status = v1alpha1.RolloutStatus{} })
		}},
	{name: "a fixed canary scale is kept apart from the weight", why: "setCanaryScale says how many pods, setWeight how much traffic.",
		spec: routed, steps: "{setCanaryScale: {replicas: 3}}, {setWeight: 20}, {pause: {}}, {setCanaryScale: {matchTrafficWeight: true}}, {pause: {}}",
		tell: func(s *teller) { s.release("v2"); s.promote(); s.promote() }},
	{name: "header and mirror routes come and go with their steps", why: "Testers reach the canary by a header while nobody else does.",
		spec: routed, steps: "{setCanaryScale: {weight: 20}}, {setHeaderRoute: {name: testers, match: [{headerName: X-Tester, headerValue: {exact: yes please}}]}}, {setMirrorRoute: {name: shadow, match: [{path: {prefix: /}}], percentage: 10}}, {pause: {}}, {setMirrorRoute: {name: shadow}}, {setWeight: 50}, {pause: {}}",
		tell: func(s *teller) { s.release("v2"); s.promote(); s.abort() }},
	{name: "a header route is restored after the canary was away", why: "A managed route is derived from the steps, so it cannot be forgotten.",
		spec: routed, steps: "{setWeight: 20}, {setHeaderRoute: {name: testers, match: [{headerName: X-Tester, headerValue: {exact: yes please}}]}}, {pause: {}}",
		tell: func(s *teller) { s.release("v2"); s.most("v2", 0); s.most("v2", 5) }},
	{name: "a shrinking stable revision grows before it gets its traffic back", why: "dynamicStableScale saves pods; an abort must first bring them back.",
		spec: routed, extra: "dynamicStableScale: true,", steps: "{setWeight: 40}, {setWeight: 80}, {pause: {}}",
		tell: func(s *teller) { s.release("v2"); s.abort(); s.wait(31 * time.Second) }},
	{name: "a revision inside the rollback window is returned to without steps", why: "rollbackWindow trades caution for speed where the past is known.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.World.Rollout.Spec.RollbackWindow = &v1alpha1.RollbackWindow{Revisions: 2}
			s.wait(time.Minute)
			s.release("v2")
			s.promoteFull()
			s.wait(time.Minute)
			s.release("v1")
		}},
	{name: "pods are restarted a few at a time", why: "restartAt evicts no more than may be missing.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			for _, name := range []string{"a", "b", "c", "d", "e"} {
				s.World.AddPod(name, "v1")
			}
			s.World.Now = s.World.Now.Add(time.Minute)
			s.edit("restart", func(r *v1alpha1.Rollout) {
				at := metav1.NewTime(s.World.Now.Add(-time.Second))
				r.Spec.RestartAt = &at
			})
		}},
	{name: "scaled to zero and back", why: "Nothing serves, nothing is lost, and no step is run.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.scale(0); s.scale(5) }},
	{name: "blue-green switches once and keeps the old colour for a while", why: "The preview is whole before anybody is sent to it.",
		spec: byColor, extra: "autoPromotionEnabled: false", tell: func(s *teller) { s.release("v2"); s.promote(); s.wait(31 * time.Second) }},
	{name: "blue-green returns at once inside the delay", why: "The old colour still has its pods.",
		spec: byColor, extra: "autoPromotionEnabled: false", tell: func(s *teller) {
			s.wait(time.Minute)
			s.release("v2")
			s.promote()
			s.wait(5 * time.Second)
			s.release("v1")
		}},
	{name: "blue-green is judged before the switch", why: "A failed analysis leaves the users where they are.",
		spec: byColor, extra: "prePromotionAnalysis: {templates: [{templateName: check}]}", tell: func(s *teller) {
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseFailed, failed)
			s.wait(31 * time.Second)
		}},
	{name: "blue-green is judged after the switch", why: "A failed analysis sends the users back to pods that are still there.",
		spec: byColor, extra: "postPromotionAnalysis: {templates: [{templateName: check}]}", tell: func(s *teller) {
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseFailed, failed)
			s.wait(31 * time.Second)
		}},
	{name: "blue-green with a small preview grows before the switch", why: "previewReplicaCount is for looking, not for serving.",
		spec: byColor, extra: "autoPromotionSeconds: 20, previewReplicaCount: 1", tell: func(s *teller) { s.release("v2"); s.wait(21 * time.Second) }},
	{name: "a blue-green preview that is never whole is never switched to", why: "Availability is the condition, not time.",
		spec: byColor, extra: "autoPromotionEnabled: true", tell: func(s *teller) { s.World.Most["v2"] = 2; s.release("v2"); s.wait(time.Hour) }},
}
