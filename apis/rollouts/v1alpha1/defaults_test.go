package v1alpha1

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func TestFencesFollowTheWireContract(t *testing.T) {
	text := func(s string) *intstr.IntOrString { return ptr.To(intstr.FromString(s)) }
	number := func(n int32) *intstr.IntOrString { return ptr.To(intstr.FromInt32(n)) }
	for _, c := range []struct {
		name                       string
		replicas                   int32
		surge, unavailable         *intstr.IntOrString
		wantSurge, wantUnavailable int32
	}{
		{"both default to a quarter, rounded apart", 10, nil, nil, 3, 2},
		{"nothing is unavailable of nothing", 0, nil, nil, 0, 0},
		{"a number above zero replicas stays", 0, number(1), nil, 1, 0},
		{"a text without a percent sign is a percentage", 10, text("3"), text("20"), 1, 2},
		{"two zeros leave one pod to move", 10, text("0%"), number(0), 0, 1},
		{"a share that rounds to zero leaves one pod to move", 4, number(0), text("4%"), 0, 1},
		{"unavailable is capped at the replicas", 3, number(2), number(7), 2, 3},
		{"a text that is no number makes both zero", 10, text("abc"), number(4), 0, 0},
		{"a negative number counts as zero", 10, number(-3), number(2), 0, 2},
		{"an absurd percentage does not overflow", 1 << 30, text("2000000000%"), number(1), 1<<31 - 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Rollout{Spec: RolloutSpec{Replicas: &c.replicas, Strategy: RolloutStrategy{
				Canary: &CanaryStrategy{MaxSurge: c.surge, MaxUnavailable: c.unavailable}}}}
			if got := MaxSurge(r); got != c.wantSurge {
				t.Errorf("MaxSurge = %d, want %d", got, c.wantSurge)
			}
			if got := MaxUnavailable(r); got != c.wantUnavailable {
				t.Errorf("MaxUnavailable = %d, want %d", got, c.wantUnavailable)
			}
		})
	}
}

func TestAnEmptyRolloutHasEveryDefault(t *testing.T) {
	r := &Rollout{}
	for name, pair := range map[string][2]int32{
		"Replicas":                    {Replicas(r), 1},
		"RevisionHistoryLimit":        {RevisionHistoryLimit(r), 10},
		"ProgressDeadlineSeconds":     {ProgressDeadlineSeconds(r), 600},
		"SuccessfulRunHistoryLimit":   {SuccessfulRunHistoryLimit(r), 5},
		"UnsuccessfulRunHistoryLimit": {UnsuccessfulRunHistoryLimit(r), 5},
		"MaxTrafficWeight":            {MaxTrafficWeight(r), 100},
		"ScaleDownDelaySeconds":       {ScaleDownDelaySeconds(r), 0},
		"ScaleDownDelayRevisionLimit": {ScaleDownDelayRevisionLimit(r), 1<<31 - 1},
		"PreviewReplicaCount":         {PreviewReplicaCount(r), 1},
		"MaxSurge":                    {MaxSurge(r), 0},
		"MaxUnavailable":              {MaxUnavailable(r), 0},
		"StartingStep":                {StartingStep(nil), 0},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s of an empty Rollout = %d, want %d", name, pair[0], pair[1])
		}
	}
	if !AutoPromotion(r) || HasRouter(r) || KeepsAborted(r) {
		t.Error("an empty Rollout promotes by itself, has no router and keeps nothing after an abort")
	}
}

func TestAnAbortDelayOfZeroIsForEverOnlyIfWritten(t *testing.T) {
	routed := func(delay *int32) *Rollout {
		return &Rollout{Spec: RolloutSpec{Strategy: RolloutStrategy{Canary: &CanaryStrategy{
			TrafficRouting: &RolloutTrafficRouting{}, AbortScaleDownDelaySeconds: delay}}}}
	}
	for _, c := range []struct {
		name     string
		delay    *int32
		seconds  int32
		explicit bool
		forEver  bool
	}{
		{"absent is 30 seconds", nil, 30, false, false},
		{"0 is for ever", ptr.To[int32](0), 0, true, true},
		{"10 is 10 seconds", ptr.To[int32](10), 10, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			seconds, explicit := AbortScaleDownDelaySeconds(routed(c.delay))
			if seconds != c.seconds || explicit != c.explicit {
				t.Errorf("got %d, %t, want %d, %t", seconds, explicit, c.seconds, c.explicit)
			}
			if got := KeepsAborted(routed(c.delay)); got != c.forEver {
				t.Errorf("KeepsAborted = %t, want %t", got, c.forEver)
			}
		})
	}
}
