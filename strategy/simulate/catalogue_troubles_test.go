package simulate_test

import (
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// storiesOfTroubles are those of what others break in the middle of an update.
var storiesOfTroubles = []story{
	{name: "requests leave a canary whose Service somebody deletes", why: "What is sent to a Service that is gone is lost, whether or not the spec is valid.",
		spec: routed, steps: twoPauses, tell: func(s *teller) {
			s.release("v2")
			s.World.Invalid = `The Rollout "web" is invalid: spec.strategy.canary.canaryService: Invalid value: "canary": there is no such Service`
			delete(s.World.Services, "canary")
			s.edit("somebody deletes the canary Service", func(*v1alpha1.Rollout) {})
			s.World.Invalid = ""
			s.World.Services["canary"] = &strategy.Service{Name: "canary", Exists: true}
			s.edit("it is made again, for pods of every revision", func(*v1alpha1.Rollout) {})
			s.abort()
		}},
	{name: "a canary serves in place of a stable revision that somebody deletes, and goes on with its steps", why: "Nobody else can serve, and yet nobody has judged it.",
		spec: routed, steps: judged, tell: func(s *teller) {
			s.release("v2")
			s.World.Delete("v1")
			s.edit("somebody deletes the ReplicaSet of v1", func(*v1alpha1.Rollout) {})
			s.judge(v1alpha1.AnalysisPhaseSuccessful, "")
			s.promote()
		}},
	{name: "a failed canary serves in place of a stable revision that somebody deletes, and stays aborted", why: "A deletion is no verdict. The next revision is compared with it.",
		spec: routed, steps: judged, tell: func(s *teller) {
			s.release("v2")
			s.judge(v1alpha1.AnalysisPhaseFailed, failed)
			s.World.Delete("v1")
			s.edit("somebody deletes the ReplicaSet of v1", func(*v1alpha1.Rollout) {})
			s.release("v3")
			s.judge(v1alpha1.AnalysisPhaseSuccessful, "")
			s.promote()
		}},
	{name: "a preview serves in place of an active color that somebody deletes, and still waits for a promote", why: "Nobody else can serve, and yet nobody has looked at it.",
		spec: byColor, extra: "autoPromotionEnabled: false", tell: func(s *teller) {
			s.release("v2")
			s.World.Delete("v1")
			s.edit("somebody deletes the ReplicaSet of v1", func(*v1alpha1.Rollout) {})
			s.promote()
		}},
	{name: "a deleted stable revision comes back when the spec asks for it", why: "An undo needs no verdict.",
		spec: routed, steps: judged, tell: func(s *teller) {
			s.release("v2")
			s.World.Delete("v1")
			s.edit("somebody deletes the ReplicaSet of v1", func(*v1alpha1.Rollout) {})
			s.release("v1")
		}},
}
