//go:build conformance

package simulate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/conformance"
	"github.com/sluice-delivery/sluice/strategy/simulate"
)

type scenario struct {
	ID, Note string
	Spec     v1alpha1.RolloutSpec
	Stages   []struct {
		Input struct {
			Image         string
			Replicas      *int32
			Paused        *bool
			StatusPatch   json.RawMessage
			MaxAvailable  map[string]int32
			VerifyWeight  *bool
			RunningRuns   v1alpha1.AnalysisPhase `json:"runningAnalysisRuns"`
			DeleteService string
			Advance       int `json:"advanceSeconds"`
		}
		State map[string]any
	}
}

// TestConformanceOfScenarios plays each recorded scenario in the toy world and compares where it comes to rest.
func TestConformanceOfScenarios(t *testing.T) {
	conformance.Compare(t, "scenarios.jsonl", "../../docs/compatibility/scenarios.md", "scen-", func(t *testing.T, v scenario) conformance.Case {
		return conformance.Case{ID: v.ID, Note: v.Note, Diff: play(t, v)}
	})
}

func play(t *testing.T, v scenario) string {
	r := &v1alpha1.Rollout{Spec: v.Spec}
	r.Name, r.Namespace = "guestbook", "default"
	r.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "guestbook"}}
	s := simulate.Story{World: simulate.New(r, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	w := s.World
	w.Most = map[string]int32{}
	w.Library = analysis.Library{Templates: map[string]v1alpha1.AnalysisTemplateSpec{"check": {Metrics: []v1alpha1.Metric{{Name: "m", Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check.example/"}}}}}}}
	var diffs []string
	for n, stage := range v.Stages {
		in := stage.Input
		if in.Image != "" {
			w.Image, w.Rollout.Generation = in.Image, w.Rollout.Generation+1
		}
		if in.Replicas != nil {
			w.Rollout.Spec.Replicas, w.Rollout.Generation = in.Replicas, w.Rollout.Generation+1
		}
		if in.Paused != nil {
			w.Rollout.Spec.Paused, w.Rollout.Generation = *in.Paused, w.Rollout.Generation+1
		}
		for version, most := range in.MaxAvailable {
			w.Most[version] = most
			if most < 0 {
				delete(w.Most, version)
			}
		}
		if in.VerifyWeight != nil {
			w.Reports, w.Frozen, w.Confirmed = true, !*in.VerifyWeight, *in.VerifyWeight
		}
		if in.StatusPatch != nil {
			patchStatus(t, w.Rollout, in.StatusPatch)
		}
		if in.RunningRuns != "" {
			message := ""
			if in.RunningRuns == v1alpha1.AnalysisPhaseFailed {
				message = `Metric "m" assessed Failed due to failed (1) > failureLimit (0)`
			}
			w.Judge(in.RunningRuns, message)
		}
		if in.DeleteService != "" {
			delete(w.Services, in.DeleteService)
		}
		w.Now = w.Now.Add(time.Duration(in.Advance) * time.Second)
		s.Tell("%+v", in)
		s.Rest()
		if diff := cmp.Diff(comparable(stage.State), comparable(state(t, w))); diff != "" {
			diffs = append(diffs, fmt.Sprintf("stage %d:\n%s", n, diff))
		}
	}
	if len(diffs) > 0 {
		return strings.Join(diffs, "\n") + s.Text()
	}
	return ""
}

// comparable leaves out what docs/compatibility/scenarios.md explains for all scenarios at once: the condition Paused of an aborted update.
func comparable(state map[string]any) map[string]any {
	if state["abort"] == true {
		delete(state["conditions"].(map[string]any), "Paused")
	}
	return state
}

func patchStatus(t *testing.T, r *v1alpha1.Rollout, patch []byte) {
	old, err := json.Marshal(r.Status)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := jsonpatch.MergePatch(old, patch)
	if err != nil {
		t.Fatal(err)
	}
	r.Status = v1alpha1.RolloutStatus{}
	if err := json.Unmarshal(merged, &r.Status); err != nil {
		t.Fatal(err)
	}
}

// state is where the world stands, in the form and words of the vectors.
func state(t *testing.T, w *simulate.World) map[string]any {
	s := w.Rollout.Status
	sets, conditions := map[string]any{}, map[string]any{}
	for _, set := range w.Sets {
		one := map[string]any{"available": set.Available, "spec": set.Spec, "revision": fmt.Sprint(set.Number), "desiredReplicas": fmt.Sprint(set.Desired)}
		if set.Deadline != nil {
			one["deadlineInSeconds"] = int(set.Deadline.Sub(w.Now).Seconds())
		}
		sets[set.Hash] = one
	}
	for _, c := range s.Conditions {
		switch c.Type {
		case v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionTrafficVerified:
			continue
		}
		conditions[string(c.Type)] = map[string]any{"status": c.Status, "reason": c.Reason, "message": marked(c.Message)}
	}
	all := map[string]any{
		"HPAReplicas": s.HPAReplicas, "availableReplicas": s.AvailableReplicas, "readyReplicas": s.ReadyReplicas, "replicas": s.Replicas,
		"updatedReplicas": s.UpdatedReplicas, "current": s.CurrentPodHash, "stable": s.StableRS, "phase": s.Phase, "message": marked(s.Message),
		"observedGeneration": s.ObservedGeneration, "revision": w.Rollout.Annotations[v1alpha1.AnnotationRevision],
		"replicaSets": sets, "conditions": conditions,
	}
	if s.CurrentStepIndex != nil {
		all["currentStepIndex"] = *s.CurrentStepIndex
	}
	if s.Abort {
		all["abort"], all["abortedAtSet"] = true, s.AbortedAt != nil
	}
	if s.ControllerPause {
		all["controllerPause"] = true
	}
	var reasons []any
	for _, p := range s.PauseConditions {
		reasons = append(reasons, p.Reason)
	}
	if reasons != nil {
		all["pauseReasons"] = reasons
	}
	if len(w.Services) > 0 {
		services := map[string]any{}
		for name, service := range w.Services {
			services[name] = service.Hash
		}
		all["services"] = services
	}
	if weights := s.Canary.Weights; weights != nil {
		all["weights"] = map[string]any{"canary": weights.Canary.Weight, "canaryVersion": weights.Canary.PodTemplateHash,
			"stable": weights.Stable.Weight, "stableVersion": weights.Stable.PodTemplateHash}
	}
	for key, run := range map[string]*v1alpha1.RolloutAnalysisRunStatus{
		"stepRun": s.Canary.CurrentStepAnalysisRunStatus, "backgroundRun": s.Canary.CurrentBackgroundAnalysisRunStatus,
		"preRun": s.BlueGreen.PrePromotionAnalysisRunStatus, "postRun": s.BlueGreen.PostPromotionAnalysisRunStatus,
	} {
		if run != nil {
			all[key] = map[string]any{"name": marked(run.Name), "status": run.Status}
		}
	}
	if s.BlueGreen.ActiveSelector != "" {
		all["activeSelector"] = s.BlueGreen.ActiveSelector
	}
	if s.BlueGreen.PreviewSelector != "" {
		all["previewSelector"] = s.BlueGreen.PreviewSelector
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

// marked writes versions inside names as the vectors do.
func marked(text string) string {
	for _, version := range []string{"v1", "v2", "v3", "v4"} {
		text = strings.ReplaceAll(text, "guestbook-"+version, "guestbook-<"+version+">")
	}
	return text
}
