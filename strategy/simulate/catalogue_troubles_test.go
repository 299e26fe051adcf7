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
}
