package strategy

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

func TestPodsAreSharedSoThatTheShareComesClosestToTheWeight(t *testing.T) {
	for name, c := range map[string]struct {
		replicas, surge, weight int32
		canary, stable          int32
	}{
		"no replicas, no pods": {0, 1, 50, 0, 0},
		"half of ten":          {10, 0, 50, 5, 5},
		"a tenth of five with a pod more is one of six":        {5, 1, 10, 1, 5},
		"a tenth of five without room is one of five":          {5, 0, 10, 1, 4},
		"weight 0 needs no pod":                                {5, 1, 0, 0, 5},
		"weight 100 needs all":                                 {5, 1, 100, 5, 0},
		"one replica with surge runs beside the stable one":    {1, 1, 20, 1, 1},
		"a share between two numbers takes the lower":          {10, 0, 95, 9, 1},
		"the largest count that fits does not overflow":        {2_000_000_000, 1, 50, 1_000_000_000, 1_000_000_000},
		"a small weight of many pods is more than nothing":     {100, 0, 1, 1, 99},
		"a weight above half of three prefers the closer side": {3, 1, 66, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			canary, stable := basicPair(counts{replicas: c.replicas, surge: c.surge, weight: c.weight, max: 100})
			if canary != c.canary || stable != c.stable {
				t.Errorf("canary %d, stable %d; want %d and %d", canary, stable, c.canary, c.stable)
			}
		})
	}
}

func TestSharesNeverOverflow(t *testing.T) {
	const most = 2_147_483_647
	for _, c := range []struct{ n, weight, max, up, down int32 }{
		{most, 100, 100, most, most}, {most, 1, most, 1, 1}, {most, most, most, most, most}, {7, 50, 0, 0, 0}, {3, 34, 100, 2, 1}, {0, 100, 100, 0, 0},
	} {
		if up, down := shareUp(c.n, c.weight, c.max), shareDown(c.n, c.weight, c.max); up != c.up || down != c.down {
			t.Errorf("%d of %d at %d: up %d, down %d; want %d and %d", c.weight, c.max, c.n, up, down, c.up, c.down)
		}
	}
}

func TestPodsGoOnlyWhenNothingNeedsThem(t *testing.T) {
	promoted := status(func(s *v1alpha1.RolloutStatus) { s.StableRS, s.CurrentStepIndex = "new", ptr.To[int32](4) })
	pointed := func(o *Observation) { o.Stable.Hash = "new" }
	due := func(at time.Duration) func(*Observation) {
		return func(o *Observation) { o.revision("old").Deadline = ptr.To(noon.Add(at)) }
	}
	for name, c := range map[string]struct {
		change []func(*Observation)
		want   []string
	}{
		"an old revision keeps its pods while a Service points at it": {[]func(*Observation){promoted, pods("new", 10, 10), held(100)}, nil},
		"an old revision gets a deadline once it is free": {[]func(*Observation){promoted, pointed, pods("new", 10, 10)},
			[]string{"web-old deadline 2026-01-01T12:00:30Z"}},
		"an old revision stays until its deadline":      {[]func(*Observation){promoted, pointed, pods("new", 10, 10), due(time.Second)}, nil},
		"an old revision goes when its deadline passed": {[]func(*Observation){promoted, pointed, pods("new", 10, 10), due(-time.Second)}, []string{"web-old 0 deadline none"}},
		"an old revision stays while the routes are not confirmed": {[]func(*Observation){promoted, pointed, pods("new", 10, 10), due(-time.Second), func(o *Observation) {
			o.Traffic.Confirmation = trafficrouting.Pending
		}}, nil},
		"an old revision stays while routes cannot be read": {[]func(*Observation){promoted, pointed, pods("new", 10, 10), due(-time.Second), func(o *Observation) { o.TrafficError = "gone" }}, nil},
		"an old revision stays while the new one is short of pods": {[]func(*Observation){promoted, pointed, pods("new", 10, 0), due(-time.Second), func(o *Observation) {
			pods("old", 10, 5)(o)
		}}, nil},
		"an old revision without available pods is let go although no other pod is to spare": {[]func(*Observation){promoted, pointed, pods("new", 10, 8), pods("old", 1, 0)},
			[]string{"web-old deadline 2026-01-01T12:00:30Z"}},
		"a smaller weight keeps the pods until the routes hold it": {[]func(*Observation){step(2), held(80), pods("new", 8, 8)}, nil},
		"a smaller weight frees pods once the routes hold it":      {[]func(*Observation){step(2), held(60), pods("new", 8, 8)}, []string{"web-new 6"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, i := range Decide(*seen(t, behindRoute, c.change...)).Scale {
				line := i.Name
				if i.Replicas != nil {
					line += fmt.Sprintf(" %d", *i.Replicas)
				}
				if i.Deadline != nil {
					line += " deadline " + map[bool]string{true: "none", false: *i.Deadline}[*i.Deadline == ""]
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ReplicaSets to change, -want +got:\n%s", diff)
			}
		})
	}
}

func TestEnoughPodsIsWhatTheThresholdSays(t *testing.T) {
	for name, c := range map[string]struct {
		threshold         string
		available, wanted int32
		want              bool
	}{
		"all without a threshold":             {"", 10, 10, true},
		"one less without a threshold":        {"", 9, 10, false},
		"ninety percent":                      {", replicaProgressThreshold: {type: Percent, value: 90}", 9, 10, true},
		"below ninety percent":                {", replicaProgressThreshold: {type: Percent, value: 90}", 8, 10, false},
		"a number of pods":                    {", replicaProgressThreshold: {type: Pods, value: 3}", 3, 10, true},
		"a negative threshold is none":        {", replicaProgressThreshold: {type: Pods, value: -1}", 9, 10, false},
		"nothing is enough where none is due": {", replicaProgressThreshold: {type: Percent, value: 90}", 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := seen(t, `{steps: [{setWeight: 20}]`+c.threshold+`}`, pods("new", c.wanted, c.available))
			if got := enough(o, newPosition(o), c.wanted); got != c.want {
				t.Errorf("enough: %t, want %t", got, c.want)
			}
		})
	}
}
