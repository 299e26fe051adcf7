package strategy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// colored is seen for blue-green: the active Service selects old, the preview new.
func colored(t *testing.T, options string, change ...func(*Observation)) *Observation {
	t.Helper()
	return seen(t, "{}", append([]func(*Observation){func(o *Observation) {
		o.Routed, o.Rollout.Spec.Strategy = false, v1alpha1.RolloutStrategy{BlueGreen: &v1alpha1.BlueGreenStrategy{}}
		unmarshal(t, options, o.Rollout.Spec.Strategy.BlueGreen)
		o.Stable.Name, o.Canary.Name = "active", "preview"
		o.Rollout.Status.CurrentStepIndex, o.Rollout.Status.CurrentStepHash = nil, ""
	}}, change...)...)
}

func active(hash string) func(*Observation) { return func(o *Observation) { o.Stable.Hash = hash } }

func whole(o *Observation) { pods("new", 10, 10)(o) }

func deadline(hash string, in time.Duration) func(*Observation) {
	return func(o *Observation) { o.revision(hash).Deadline = ptr.To(noon.Add(in)) }
}

var (
	promoted = status(func(s *v1alpha1.RolloutStatus) { s.ControllerPause = true })
	decided  = status(func(s *v1alpha1.RolloutStatus) { s.BlueGreen.ScaleUpPreviewCheckPoint = true })
	aborted  = status(func(s *v1alpha1.RolloutStatus) { s.Abort, s.AbortedAt = true, ptr.To(metav1.NewTime(noon)) })
	paused1  = spec(func(s *v1alpha1.RolloutSpec) { s.Paused = true })
)

const (
	manually = "{activeService: active, previewService: preview, autoPromotionEnabled: false}"
	atOnce   = "{activeService: active, previewService: preview}"
)

func TestTheActiveServiceFollowsDecisionsOnly(t *testing.T) {
	for name, c := range map[string]struct {
		options string
		change  []func(*Observation)
		want    []string
	}{
		"nobody has promoted yet":                               {manually, []func(*Observation){whole}, nil},
		"somebody promoted":                                     {manually, []func(*Observation){whole, promoted}, []string{"active new"}},
		"a promoted preview waits for its last pod":             {manually, []func(*Observation){pods("new", 10, 9), promoted}, nil},
		"somebody else switched it":                             {manually, []func(*Observation){whole, active("new")}, []string{"active old"}},
		"it was decided, and the status says so":                {manually, []func(*Observation){whole, active("new"), decided}, nil},
		"a pause does not keep an abort from returning it":      {atOnce, []func(*Observation){whole, active("new"), decided, aborted, paused1}, []string{"active old"}},
		"a pause does not keep it from being put right":         {atOnce, []func(*Observation){whole, active("gone"), paused1}, []string{"active old"}},
		"a pause holds the switch":                              {atOnce, []func(*Observation){whole, paused1}, nil},
		"a return inside the delay asks nobody":                 {manually, []func(*Observation){whole, older("new"), deadline("new", time.Second)}, []string{"active new"}},
		"the same where both were made in one second":           {manually, []func(*Observation){whole, inOneSecond(0), deadline("new", time.Second)}, []string{"active new"}},
		"of two made in one second the later one is younger":    {manually, []func(*Observation){whole, inOneSecond(2), deadline("new", time.Second)}, nil},
		"what is younger may have been turned away from":        {manually, []func(*Observation){whole, deadline("new", time.Second)}, nil},
		"it is not switched before it is known who serves":      {atOnce, []func(*Observation){whole, lost}, nil},
		"one that selects everything waits for the whole color": {atOnce, []func(*Observation){pods("new", 10, 9), active("")}, []string{"active old"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range Decide(*colored(t, c.options, c.change...)).Point {
				if p.Service == "active" {
					got = append(got, p.Service+" "+p.Hash)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Services to switch, -want +got:\n%s", diff)
			}
		})
	}
}

func older(hash string) func(*Observation) {
	return func(o *Observation) { o.revision(hash).Created = noon.Add(-24 * time.Hour) }
}

// inOneSecond gives both revisions the same time of creation, and the new one a number; that of the old one is 1.
func inOneSecond(number int64) func(*Observation) {
	return func(o *Observation) {
		r := o.revision("new")
		r.Created, r.Number = o.revision("old").Created, number
	}
}

func lost(o *Observation) { o.Rollout.Status = v1alpha1.RolloutStatus{} }

func TestAColorIsPromotedOnlyWithEveryPod(t *testing.T) {
	for name, c := range map[string]struct {
		change []func(*Observation)
		want   string
	}{
		"it serves and is whole":      {[]func(*Observation){whole, active("new"), decided}, "new"},
		"it has lost a pod meanwhile": {[]func(*Observation){pods("new", 10, 9), active("new"), decided}, "old"},
		"nobody decided for it":       {[]func(*Observation){whole, active("new")}, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Decide(*colored(t, manually, c.change...)).Status.StableRS; got != c.want {
				t.Errorf("the stable revision is %s, want %s", got, c.want)
			}
		})
	}
}

func TestAPromoteOfAPreviewThatIsNotWholeIsKept(t *testing.T) {
	plan := Decide(*colored(t, manually, pods("new", 10, 9), promoted))
	if !plan.Status.ControllerPause || len(plan.Status.PauseConditions) > 0 {
		t.Errorf("controllerPause is %t with the pauses %v, so the promote is lost", plan.Status.ControllerPause, plan.Status.PauseConditions)
	}
}

func TestTheFirstDeployOfAColorIsPromotedWhileTheUserHasPaused(t *testing.T) {
	plan := Decide(*colored(t, manually, whole, active("new"), paused1, func(o *Observation) {
		o.Rollout.Status.StableRS, o.Revisions = "", o.Revisions[:1]
	}))
	if plan.Status.StableRS != "new" {
		t.Errorf("the stable revision is %q, want new", plan.Status.StableRS)
	}
}

func TestOldColorsKeepNoMorePodsThanAnybodyCouldAskFor(t *testing.T) {
	o := colored(t, atOnce, whole, active("new"), pods("old", 15, 15), deadline("old", time.Minute), status(func(s *v1alpha1.RolloutStatus) { s.StableRS = "new" }))
	if got := sizesIn(Decide(*o))["old"]; got != 10 {
		t.Errorf("the old color gets the size %d, want 10", got)
	}
}

func TestAnActiveServiceThatSelectsEverythingKeepsEveryPod(t *testing.T) {
	plan := Decide(*colored(t, "{activeService: active, previewReplicaCount: 0, autoPromotionEnabled: false}", pods("new", 4, 4), pods("old", 4, 4), active(""),
		func(o *Observation) { o.Canary = Service{} }))
	if got, shrinks := sizesIn(plan)["new"]; shrinks && got < 4 {
		t.Errorf("the preview is sized to %d, though the active Service still sends it requests", got)
	}
}

// sizesIn are the sizes that a plan writes, by hash.
func sizesIn(p Plan) map[string]int32 {
	sizes := map[string]int32{}
	for _, i := range p.Scale {
		if i.Replicas != nil {
			sizes[i.Hash] = *i.Replicas
		}
	}
	return sizes
}
