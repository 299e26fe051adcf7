//go:build conformance

package strategy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/conformance"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

const page = "../docs/compatibility/strategy.md"

type countsVector struct {
	ID, Note    string
	Rollout     v1alpha1.Rollout
	ReplicaSets []struct {
		Role            string
		PodTemplateHash string
		Spec            int32 `json:"specReplicas"`
		Status          int32 `json:"statusReplicas"`
		Available       int32 `json:"availableReplicas"`
	}
	Expect struct {
		New, Stable, DesiredWeight, ExplicitCanaryReplicas *int32
		AtDesired                                          *bool
		MaxSurge, MaxUnavailable                           *int32
	}
}

// TestConformanceOfBasicCounts compares the replica arithmetic of a canary without a router.
func TestConformanceOfBasicCounts(t *testing.T) {
	conformance.Compare(t, "replica-counts-basic.jsonl", page, "basic-", compareCounts)
}

// TestConformanceOfRoutedCounts compares the replica arithmetic of a canary behind a router.
func TestConformanceOfRoutedCounts(t *testing.T) {
	conformance.Compare(t, "replica-counts-routed.jsonl", page, "routed-", compareCounts)
}

func compareCounts(_ *testing.T, v countsVector) conformance.Case {
	o := Observation{Rollout: &v.Rollout, Current: v.Rollout.Status.CurrentPodHash, Routed: v.Rollout.Spec.Strategy.Canary.TrafficRouting != nil}
	both := false
	for _, s := range v.ReplicaSets {
		o.Revisions = append(o.Revisions, Revision{Name: s.PodTemplateHash, Hash: s.PodTemplateHash, Spec: s.Spec,
			Replicas: s.Status, Ready: s.Available, Available: s.Available})
		both = both || s.Role == "new+stable"
	}
	if w := v.Rollout.Status.Canary.Weights; w != nil {
		o.Traffic = trafficrouting.Observed{Lowest: w.Canary.Weight, Highest: w.Canary.Weight, Confirmation: trafficrouting.Unreported}
	}
	p := newPosition(&o)
	p.stable = o.revision(p.status.StableRS)
	p.fresh = p.stable == nil
	p.clampIndex()
	got, want := map[string]any{}, map[string]any{}
	sizes := wantedSizes(&o, p)
	got["new"], want["new"] = sizes.New, ptr.Deref(v.Expect.New, 0)
	if p.stable != nil && !both {
		got["stable"], want["stable"] = sizes.Stable, ptr.Deref(v.Expect.Stable, 0)
	}
	if v.Expect.DesiredWeight != nil {
		got["weight"], _ = scaleWeight(&o, p)
		want["weight"] = *v.Expect.DesiredWeight
	}
	if v.Expect.AtDesired != nil {
		got["atDesired"], want["atDesired"] = atDesired(&o, p), *v.Expect.AtDesired
	}
	return conformance.Case{ID: v.ID, Note: v.Note, Diff: cmp.Diff(want, got)}
}

type phaseVector struct {
	ID, Note string
	Rollout  v1alpha1.Rollout
	Expect   struct {
		Controller struct{ Phase, Message string }
	}
}

// TestConformanceOfPhases compares the phase and message that the controller writes.
func TestConformanceOfPhases(t *testing.T) {
	conformance.Compare(t, "phase.jsonl", page, "phase-", func(_ *testing.T, v phaseVector) conformance.Case {
		phase, message := Phase(&v.Rollout)
		return conformance.Case{ID: v.ID, Note: v.Note,
			Diff: cmp.Diff([]string{v.Expect.Controller.Phase, v.Expect.Controller.Message}, []string{string(phase), message})}
	})
}
