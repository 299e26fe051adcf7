//go:build conformance

package view

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/conformance"
)

type shown struct {
	Phase   v1alpha1.RolloutPhase
	Message string
}

func TestConformanceOfTheClientPhase(t *testing.T) {
	type vector struct {
		ID, Note string
		Rollout  v1alpha1.Rollout
		Expect   struct{ Client shown }
	}
	// The controller's side differs in nothing that a client adds, so its page explains no case of this test.
	conformance.Compare(t, "phase.jsonl", "../../docs/compatibility/strategy.md", "client-phase-", func(_ *testing.T, v vector) conformance.Case {
		phase, message := Phase(&v.Rollout)
		return conformance.Case{ID: v.ID, Note: v.Note, Diff: cmp.Diff(v.Expect.Client, shown{phase, message})}
	})
}
