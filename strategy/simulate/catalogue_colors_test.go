package simulate_test

import (
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	byHand = "autoPromotionEnabled: false,"
	before = "prePromotionAnalysis: {templates: [{templateName: check}]},"
	after  = "postPromotionAnalysis: {templates: [{templateName: check}]},"
)

// storiesOfColors are those of blue-green, and of a change of strategy.
var storiesOfColors = []story{
	{name: "the first blue-green deploy takes the active Service over when it is whole", why: "An existing Service goes on selecting every pod until then, and the preview has no users.",
		spec: byColor, tell: func(s *teller) {}},
	{name: "blue-green switches by itself as soon as the preview is whole", why: "autoPromotionEnabled is true where nothing is said.",
		spec: byColor, tell: func(s *teller) { s.release("v2"); s.wait(31 * time.Second) }},
	{name: "blue-green switches by itself after autoPromotionSeconds", why: "Time for a look, and nobody has to be there.",
		spec: byColor, extra: "autoPromotionSeconds: 20,", tell: func(s *teller) { s.release("v2"); s.wait(10 * time.Second); s.wait(11 * time.Second) }},
	{name: "a promote ends autoPromotionSeconds early", why: "Who has seen enough need not wait.",
		spec: byColor, extra: "autoPromotionSeconds: 20,", tell: func(s *teller) { s.release("v2"); s.promote() }},
	{name: "a promote of a preview that has lost a pod is kept until it is whole", why: "There is no moment at which a promote is lost.",
		spec: byColor, extra: byHand, tell: func(s *teller) {
			s.release("v2")
			s.World.Most["v2"] = 2
			s.World.Set("v2").Available = 2
			s.promote()
			s.most("v2", 3)
		}},
	{name: "blue-green promote full asks nobody", why: "Analyses and pauses are skipped, pods are not.",
		spec: byColor, extra: byHand + before + after, tell: func(s *teller) { s.World.Most["v2"] = 2; s.release("v2"); s.promoteFull(); s.most("v2", 3) }},
	{name: "blue-green needs no preview Service", why: "The active one is enough.",
		spec: `{replicas: 3, selector: {matchLabels: {app: web}}, strategy: {blueGreen: {activeService: active, EXTRA}}}`, extra: byHand,
		tell: func(s *teller) { s.release("v2"); s.promote() }},
	{name: "without a scale-down delay the old color goes at once", why: "Zero means now, and not for ever.",
		spec: byColor, extra: "scaleDownDelaySeconds: 0,", tell: func(s *teller) { s.release("v2") }},
	{name: "no more old colors keep their pods than the limit says", why: "scaleDownDelayRevisionLimit bounds what fast releases one after the other cost.",
		spec: byColor, extra: "scaleDownDelayRevisionLimit: 1,", tell: func(s *teller) {
			for _, version := range []string{"v2", "v3"} {
				s.World.Now = s.World.Now.Add(time.Second)
				s.release(version)
			}
		}},
	{name: "an abort before the switch leaves the users where they are", why: "The preview keeps its pods for the delay, so that one can see what was wrong.",
		spec: byColor, extra: byHand, tell: func(s *teller) { s.release("v2"); s.abort(); s.wait(31 * time.Second) }},
	{name: "an abort after the switch takes the users back", why: "The old color still has every pod.",
		spec: byColor, extra: after, tell: func(s *teller) { s.release("v2"); s.abort(); s.wait(31 * time.Second) }},
	{name: "an aborted preview stays where the abort delay is zero", why: "An explicit zero keeps the pods until the spec changes.",
		spec: byColor, extra: byHand + "abortScaleDownDelaySeconds: 0,", tell: func(s *teller) { s.release("v2"); s.abort(); s.wait(time.Hour); s.release("v1") }},
	{name: "a retry of blue-green asks everything anew", why: "An old verdict does not speak for a new attempt.",
		spec: byColor, extra: before, tell: func(s *teller) {
			s.release("v2")
			s.wait(time.Minute)
			s.judge(v1alpha1.AnalysisPhaseFailed, failed)
			s.wait(time.Minute)
			s.retry()
			s.judge(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "an inconclusive analysis before the switch asks a person", why: "A promote lets it measure again; the users stay where they are.",
		spec: byColor, extra: before, tell: func(s *teller) {
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseInconclusive, "")
			s.promote()
			s.judge(v1alpha1.AnalysisPhaseSuccessful, "")
		}},
	{name: "a paused blue-green rollout can be aborted", why: "spec.paused holds the way forward, never the way back.",
		spec: byColor, extra: after, tell: func(s *teller) {
			s.release("v2")
			s.edit("pause", func(r *v1alpha1.Rollout) { r.Spec.Paused = true })
			s.abort()
		}},
	{name: "an active Service that somebody switches is put back", why: "Only a decision makes a color the active one: no analysis and no pause can be gone around.",
		spec: byColor, extra: byHand + before, tell: func(s *teller) {
			s.release("v2")
			s.World.Services["active"].Hash = "v2"
			s.edit("somebody points the active Service at v2", func(*v1alpha1.Rollout) {})
		}},
	{name: "a third color replaces the preview", why: "The preview follows the spec; the users stay with the stable color.",
		spec: byColor, extra: byHand, tell: func(s *teller) { s.release("v2"); s.release("v3"); s.promote() }},
	{name: "a color that was turned away from is tried again like any other", why: "The delay after an abort is for looking at it, not a way around the analysis.",
		spec: byColor, extra: before, tell: func(s *teller) {
			s.wait(time.Minute)
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseFailed, failed)
			s.release("v1")
			s.release("v2")
		}},
	{name: "blue-green inside the rollback window asks nobody", why: "rollbackWindow trades caution for speed where the past is known.",
		spec: byColor, extra: before, tell: func(s *teller) {
			s.World.Rollout.Spec.RollbackWindow = &v1alpha1.RollbackWindow{Revisions: 2}
			s.wait(time.Minute)
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseSuccessful, "")
			s.wait(time.Minute)
			s.release("v1")
		}},
	{name: "the progress deadline of blue-green says so and changes nothing", why: "Without progressDeadlineAbort a person decides.",
		spec: byColor, tell: func(s *teller) { s.World.Most["v2"] = 2; s.release("v2"); s.wait(601 * time.Second) }},
	{name: "the progress deadline aborts blue-green where the spec says so", why: "progressDeadlineAbort turns a timeout into an abort.",
		spec: byColor, tell: func(s *teller) {
			s.World.Rollout.Spec.ProgressDeadlineAbort = true
			s.World.Most["v2"] = 2
			s.release("v2")
			s.wait(601 * time.Second)
			s.wait(31 * time.Second)
		}},
	{name: "an autoscaler of blue-green sees the active color alone", why: "The pods of a preview must not look like pods that the load needs.",
		spec: byColor, extra: byHand, tell: func(s *teller) { s.release("v2"); s.autoscaler(); s.scale(5); s.autoscaler() }},
	{name: "a canary under way becomes blue-green", why: "Whoever serves goes on serving; the new strategy begins its own update.",
		spec: basic, steps: twoPauses, tell: func(s *teller) {
			s.release("v2")
			s.World.Services["active"] = s.adopted("active")
			s.edit("the strategy becomes blue-green", func(r *v1alpha1.Rollout) {
				r.Spec.Strategy = v1alpha1.RolloutStrategy{BlueGreen: &v1alpha1.BlueGreenStrategy{ActiveService: "active"}}
			})
			s.wait(31 * time.Second)
		}},
	{name: "blue-green under way becomes a canary", why: "The active Service becomes the stable one; what the preview had is shared by steps.",
		spec: byColor, extra: byHand, tell: func(s *teller) {
			s.release("v2")
			s.edit("the strategy becomes a canary", func(r *v1alpha1.Rollout) {
				weight := int32(50)
				r.Spec.Strategy = v1alpha1.RolloutStrategy{Canary: &v1alpha1.CanaryStrategy{
					StableService: "active", CanaryService: "preview", Steps: []v1alpha1.CanaryStep{{SetWeight: &weight}, {Pause: &v1alpha1.RolloutPause{}}},
				}}
			})
			s.promote()
		}},
}
