package simulate_test

import (
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	testers = "{setHeaderRoute: {name: testers, match: [{headerName: X-Tester, headerValue: {exact: yes please}}]}}"
	shadow  = "{setMirrorRoute: {name: shadow, match: [{path: {prefix: /}}], percentage: 10}}"
	taken   = `{replicas: 4, selector: {matchLabels: {app: web}}, workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web, EXTRA},
  strategy: {canary: {stableService: stable, canaryService: canary, steps: [{setWeight: 50}, {pause: {}}]}}}`
)

// storiesOfSurfaces are those of managed routes, of a shrinking stable revision, of workloads that a Rollout takes over from, and of what pods carry.
var storiesOfSurfaces = []story{
	{name: "a header route asks for a canary pod of its own", why: "Testers reach the canary before anybody else does, whatever the weight.",
		spec: routed, steps: testers + ", {pause: {}}, {setWeight: 50}", tell: func(s *teller) { s.release("v2"); s.promote() }},
	{name: "a mirror route copies a percentage of the requests", why: "A canary can be tried with real requests whose answers nobody gets.",
		spec: routed, steps: "{setCanaryScale: {replicas: 2}}, " + shadow + ", {pause: {}}, {setMirrorRoute: {name: shadow}}, {pause: {}}", tell: func(s *teller) {
			s.release("v2")
			s.promote()
		}},
	{name: "a managed route that somebody removes is restored", why: "It is derived from the steps, and the route is watched.",
		spec: routed, steps: "{setWeight: 20}, " + testers + ", {pause: {}}", tell: func(s *teller) {
			s.release("v2")
			s.World.Managed.Headers = nil
			s.edit("somebody removes the header route", func(*v1alpha1.Rollout) {})
		}},
	{name: "managed routes go with an abort before their pods do", why: "A tester's request must meet somebody until the last.",
		spec: routed, steps: "{setWeight: 20}, " + testers + ", " + shadow + ", {pause: {}}", tell: func(s *teller) { s.release("v2"); s.abort(); s.wait(31 * time.Second) }},
	{name: "a later step changes a managed route of the same name", why: "Of several steps for one name the latest counts.",
		spec: routed, steps: "{setWeight: 20}, " + testers + ", {pause: {}}, {setHeaderRoute: {name: testers, match: [{headerName: X-Tester, headerValue: {prefix: y}}]}}, {pause: {}}",
		tell: func(s *teller) { s.release("v2"); s.promote() }},
	{name: "no managed route leads to a canary that is told to have no pod", why: "setCanaryScale of zero is the user's own word.",
		spec: routed, steps: "{setCanaryScale: {replicas: 0}}, " + testers + ", {pause: {}}, {setCanaryScale: {replicas: 1}}, {pause: {}}", tell: func(s *teller) {
			s.release("v2")
			s.promote()
		}},
	{name: "the stable revision shrinks as the weight leaves it", why: "dynamicStableScale never needs more than one and a bit of everything.",
		spec: routed, extra: "dynamicStableScale: true,", steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.promote(); s.wait(11 * time.Second) }},
	{name: "a shrinking stable revision with an abort delay keeps the canary for a while", why: "The delay begins when the stable revision serves everything again.",
		spec: routed, extra: "dynamicStableScale: true, abortScaleDownDelaySeconds: 10,", steps: "{setWeight: 40}, {setWeight: 80}, {pause: {}}",
		tell: func(s *teller) { s.release("v2"); s.abort(); s.wait(11 * time.Second) }},
	{name: "a Deployment that is taken over keeps its pods", why: "workloadRef.scaleDown never leaves them to the user.",
		spec: taken, extra: "scaleDown: never", tell: func(s *teller) { s.release("v2") }},
	{name: "a Deployment that is taken over goes when the first revision serves", why: "workloadRef.scaleDown onsuccess: both have every pod for a moment.",
		spec: taken, extra: "scaleDown: onsuccess", tell: func(s *teller) { s.release("v2") }},
	{name: "a Deployment that is taken over goes pod by pod", why: "workloadRef.scaleDown progressively: as many go as ours are available, and the last one when every Service knows ours.",
		spec: taken, extra: "scaleDown: progressively", tell: func(s *teller) { s.release("v2") }},
	{name: "a Deployment stays as long as the first revision is not whole", why: "Adopting a live workload must not cost a request.",
		spec: taken, extra: "scaleDown: progressively", most: map[string]int32{"v1": 2}, tell: func(s *teller) { s.most("v1", 4) }},
	{name: "pods carry the metadata of their role", why: "A canary's label goes to the stable ones with its promotion.",
		spec: routed, extra: `canaryMetadata: {labels: {role: canary}}, stableMetadata: {labels: {role: stable}, annotations: {trusted: "yes"}},`, steps: "{setWeight: 20}, {pause: {}}",
		tell: func(s *teller) { s.release("v2"); s.promote() }},
	{name: "the colors carry the metadata of their role", why: "previewMetadata until the switch is complete, activeMetadata from then on.",
		spec: byColor, extra: "autoPromotionEnabled: false, previewMetadata: {labels: {role: preview}}, activeMetadata: {labels: {role: active}},",
		tell: func(s *teller) { s.release("v2"); s.promote(); s.wait(31 * time.Second) }},
	{name: "new pods keep away from the old ones", why: "antiAffinity spreads an update over nodes that the stable revision does not use.",
		spec: routed, extra: "antiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: {weight: 50}},", steps: "{setWeight: 20}, {pause: {}}",
		tell: func(s *teller) { s.release("v2") }},
	{name: "an autoscaler sees every pod of a canary", why: "It divides the load by the pods that share it.",
		spec: routed, steps: twoPauses, tell: func(s *teller) { s.release("v2"); s.autoscaler(); s.scale(10); s.autoscaler() }},
	{name: "an aborted canary does not grow when an autoscaler does", why: "What was turned away from gets no pods back.",
		spec: routed, steps: "{setWeight: 40}, {pause: {}}", tell: func(s *teller) { s.release("v2"); s.abort(); s.scale(10); s.wait(31 * time.Second) }},
}
