package simulate

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// maxPasses bounds one settling: a rollout that has not come to rest by then never does.
const maxPasses = 200

// Story runs a world and writes down what happens.
type Story struct {
	World *World
	text  strings.Builder
}

// Tell adds a line that says what the user or the world does.
func (s *Story) Tell(format string, args ...any) { fmt.Fprintf(&s.text, "> "+format+"\n", args...) }

// Text is the story so far.
func (s *Story) Text() string { return s.text.String() }

// Settle passes until nothing is left to write, without anything happening meanwhile; it reports whether that point was reached.
func (s *Story) Settle() bool {
	for range maxPasses {
		if !s.Pass() {
			return true
		}
	}
	s.Tell("it does not come to rest")
	return false
}

// Pass observes, decides and writes once; it reports whether anything was written.
func (s *Story) Pass() bool {
	before := s.World.Rollout.Status.DeepCopy()
	plan := strategy.Decide(s.World.Observe())
	for _, write := range s.World.Writes(plan) {
		write.Do()
		for _, l := range write.Lines {
			fmt.Fprintf(&s.text, "   %s\n", l)
		}
	}
	return !plan.Empty() || !equality.Semantic.DeepEqual(*before, s.World.Rollout.Status)
}

// Rest lets pods become available and routes be programmed until the rollout waits for something else.
func (s *Story) Rest() {
	for range maxPasses {
		s.Settle()
		changed := s.World.Available()
		for _, l := range changed {
			fmt.Fprintf(&s.text, " . %s\n", l)
		}
		if !s.Pass() && len(changed) == 0 {
			return
		}
	}
}

// State adds one line on where the rollout stands.
func (s *Story) State() {
	r := s.World.Rollout
	var sets []string
	for _, set := range s.World.Sets {
		sets = append(sets, fmt.Sprintf("%s %d/%d", set.Hash, set.Available, set.Spec))
	}
	if w := s.World.Workload; w != nil {
		sets = append(sets, fmt.Sprintf("%s %d", w.Name, w.Available))
	}
	step := "-"
	if r.Status.CurrentStepIndex != nil {
		step = fmt.Sprintf("%d/%d", *r.Status.CurrentStepIndex, len(stepsOf(r)))
	}
	weight := ""
	if s.World.Routed() {
		weight = fmt.Sprintf(" weight=%d", s.World.Held)
	}
	fmt.Fprintf(&s.text, "   = %s step=%s%s pods: %s %s\n", r.Status.Phase, step, weight, strings.Join(sets, ", "), r.Status.Message)
}

func stepsOf(r *v1alpha1.Rollout) []v1alpha1.CanaryStep {
	if r.Spec.Strategy.Canary == nil {
		return nil
	}
	return r.Spec.Strategy.Canary.Steps
}

// Next is when the rollout wants to be looked at again; zero if it waits for somebody else.
func (s *Story) Next() time.Duration { return strategy.Decide(s.World.Observe()).After }
