//go:build conformance

package v1alpha1

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-delivery/sluice/internal/conformance"
)

const differences = "../../../docs/compatibility/words.md"

type wordVector struct {
	ID, Kind, Note string
	Input          struct {
		Pause          RolloutPause
		Value          DurationString
		StepsA, StepsB []CanaryStep
		TemplateA      runtime.RawExtension
		TemplateB      *runtime.RawExtension
		CollisionCount *int32
		Rollout        Rollout
	}
	Expect struct {
		Seconds             float64
		Indefinite, Invalid bool
		Error, Equal        bool
		HashA, HashB, Text  string
		HasStep             bool
		Index               int
	}
}

func TestConformanceOfDurationsAndSteps(t *testing.T) {
	answers := map[string]func(wordVector) string{
		"pauseDuration":   comparePause,
		"intervalString":  compareInterval,
		"stepHash":        compareStepHash,
		"podTemplateHash": compareTemplateHash,
		"currentStep":     compareStepText,
	}
	conformance.Compare(t, "durations-and-steps.jsonl", differences, "step-", func(_ *testing.T, v wordVector) conformance.Case {
		answer, ours := answers[v.Kind]
		if !ours { // names of runs and the rollback window are compared where they are decided
			return conformance.Case{Foreign: true}
		}
		return conformance.Case{ID: v.ID, Note: v.Note, Diff: answer(v)}
	})
}

func comparePause(v wordVector) string {
	d, indefinite, valid := PauseDuration(&v.Input.Pause)
	if !valid {
		return cmp.Diff(v.Expect.Invalid, true)
	}
	return cmp.Diff([]any{v.Expect.Indefinite, v.Expect.Invalid, v.Expect.Seconds}, []any{indefinite, false, d.Seconds()})
}

func compareInterval(v wordVector) string {
	d, err := v.Input.Value.Duration()
	return cmp.Diff([]any{v.Expect.Error, time.Duration(v.Expect.Seconds * float64(time.Second))}, []any{err != nil, d})
}

func compareStepHash(v wordVector) string {
	hash := func(steps []CanaryStep) string {
		return StepHash(&Rollout{Spec: RolloutSpec{Strategy: RolloutStrategy{Canary: &CanaryStrategy{Steps: steps}}}})
	}
	return cmp.Diff([]string{v.Expect.HashA, v.Expect.HashB}, []string{hash(v.Input.StepsA), hash(v.Input.StepsB)})
}

// compareTemplateHash compares a template with another, or with itself without a collision count.
func compareTemplateHash(v wordVector) string {
	other, collisions := v.Input.TemplateA, (*int32)(nil)
	if v.Input.TemplateB != nil {
		other, collisions = *v.Input.TemplateB, v.Input.CollisionCount
	}
	a, errA := PodTemplateHash(v.Input.TemplateA, v.Input.CollisionCount)
	b, errB := PodTemplateHash(other, collisions)
	if errA != nil || errB != nil {
		return fmt.Sprint(errA, errB)
	}
	return cmp.Diff(v.Expect.Equal, a == b)
}

func compareStepText(v wordVector) string {
	if !v.Expect.HasStep {
		return ""
	}
	return cmp.Diff(v.Expect.Text, StepText(v.Input.Rollout.Spec.Strategy.Canary.Steps[v.Expect.Index]))
}

func TestConformanceOfSurgeAndUnavailability(t *testing.T) {
	type vector struct {
		ID, Note string
		Rollout  Rollout
		Expect   struct{ MaxSurge, MaxUnavailable int32 }
	}
	conformance.Compare(t, "replica-counts-basic.jsonl", differences, "basic-", func(_ *testing.T, v vector) conformance.Case {
		return conformance.Case{ID: v.ID, Note: v.Note, Diff: cmp.Diff(
			[]int32{v.Expect.MaxSurge, v.Expect.MaxUnavailable}, []int32{MaxSurge(&v.Rollout), MaxUnavailable(&v.Rollout)})}
	})
}
