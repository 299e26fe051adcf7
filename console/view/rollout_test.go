package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/golden"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// noon is when all scenes of testdata are looked at.
var noon = time.Date(2026, 1, 1, 12, 1, 45, 0, time.UTC)

// scene reads a Rollout and all around it from a file of several documents.
func scene(t *testing.T, path string) kube.Family {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := &v1alpha1.Rollout{}
	var all kube.Members
	for documents := yaml.NewYAMLToJSONDecoder(file); ; {
		var raw json.RawMessage
		if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
			return kube.Group(r, all)
		} else if err != nil {
			t.Fatal(err)
		}
		var of struct{ Kind string }
		if err := json.Unmarshal(raw, &of); err != nil {
			t.Fatal(err)
		}
		switch of.Kind {
		case "Rollout":
			err = json.Unmarshal(raw, r)
		case "ReplicaSet":
			err = add(raw, &all.ReplicaSets)
		case "Pod":
			err = add(raw, &all.Pods)
		case "AnalysisRun":
			err = add(raw, &all.Runs)
		case "Experiment":
			err = add(raw, &all.Experiments)
		default:
			t.Fatalf("%s holds a %s", path, of.Kind)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func add[T any](raw []byte, to *[]T) error {
	var t T
	err := json.Unmarshal(raw, &t)
	*to = append(*to, t)
	return err
}

func TestScenes(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenes: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			var got bytes.Buffer
			out := json.NewEncoder(&got)
			out.SetEscapeHTML(false)
			out.SetIndent("", "  ")
			if err := out.Encode(Of(scene(t, path), noon)); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, strings.TrimSuffix(path, ".yaml")+".json", got.String())
		})
	}
}

func TestAModelDoesNotChangeItsFamily(t *testing.T) {
	f, same := scene(t, "testdata/paused-canary.yaml"), scene(t, "testdata/paused-canary.yaml")
	Of(f, noon)
	if diff := cmp.Diff(same, f); diff != "" {
		t.Error(diff)
	}
}

func TestWaiting(t *testing.T) {
	paused := []v1alpha1.PauseCondition{{Reason: v1alpha1.PauseReasonCanaryPauseStep}}
	for name, c := range map[string]struct {
		change func(*v1alpha1.Rollout)
		what   string
		can    string
	}{
		"nothing is under way":  {func(r *v1alpha1.Rollout) { r.Status.StableRS = "new" }, "", ""},
		"a first deployment":    {func(r *v1alpha1.Rollout) { r.Status.StableRS = "" }, "", ""},
		"a step that works":     {func(*v1alpha1.Rollout) {}, "", "abort, promote --full, promote"},
		"a pause without end":   {func(r *v1alpha1.Rollout) { r.Status.PauseConditions = paused }, "goes on when you promote it", "promote, abort, promote --full"},
		"a pause by hand":       {func(r *v1alpha1.Rollout) { r.Spec.Paused = true }, "paused by hand, promote goes on", "promote, abort, promote --full"},
		"a pause by hand alone": {func(r *v1alpha1.Rollout) { r.Spec.Paused, r.Status.StableRS = true, "new" }, "paused by hand, promote goes on", "promote"},
		"a pause that is over": {func(r *v1alpha1.Rollout) {
			r.Status.PauseConditions = paused
			r.Spec.Strategy.Canary.Steps[0].Pause = &v1alpha1.RolloutPause{Duration: new(intstr.FromInt32(60))}
		}, "the pause is over, the controller is about to go on", "promote, abort, promote --full"},
		"an inconclusive verdict": {func(r *v1alpha1.Rollout) {
			r.Status.PauseConditions = []v1alpha1.PauseCondition{{Reason: v1alpha1.PauseReasonInconclusiveAnalysis}}
		}, "the verdict was inconclusive: promote or abort", "promote, abort, promote --full"},
		"an analysis step": {func(r *v1alpha1.Rollout) {
			r.Spec.Strategy.Canary.Steps[0] = v1alpha1.CanaryStep{Analysis: &v1alpha1.RolloutAnalysis{}}
			r.Status.Canary.CurrentStepAnalysisRunStatus = &v1alpha1.RolloutAnalysisRunStatus{Name: "web-1", Status: v1alpha1.AnalysisPhaseRunning}
		}, "the verdict of analysis run web-1 is awaited", "abort, promote --full, promote"},
		"an aborted update": {func(r *v1alpha1.Rollout) { r.Status.Abort = true }, "the stable revision serves until you retry, undo or apply another spec", "retry, undo"},
		"an update that timed out": {func(r *v1alpha1.Rollout) {
			r.Status.Conditions = []v1alpha1.RolloutCondition{{Type: v1alpha1.ConditionProgressing, Reason: v1alpha1.ReasonProgressDeadlineExceeded}}
		}, "the new pods did not become available in time: abort, or apply another spec", "abort, promote --full"},
		"an invalid spec": {func(r *v1alpha1.Rollout) {
			r.Status.Conditions = []v1alpha1.RolloutCondition{{Type: v1alpha1.ConditionInvalidSpec}}
		}, "nothing advances until the spec is mended", "abort, promote --full"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &v1alpha1.Rollout{Status: v1alpha1.RolloutStatus{CurrentPodHash: "new", StableRS: "old"}}
			r.Spec.Strategy.Canary = &v1alpha1.CanaryStrategy{Steps: []v1alpha1.CanaryStep{{Pause: &v1alpha1.RolloutPause{}}}}
			c.change(r)
			what, can := waiting(r, noon)
			var actions []string
			for _, a := range can {
				actions = append(actions, string(a))
			}
			if got := strings.Join(actions, ", "); what != c.what || got != c.can {
				t.Errorf("got %q and %q, want %q and %q", what, got, c.what, c.can)
			}
		})
	}
}

func TestWantedWeight(t *testing.T) {
	weight := func(w int32) v1alpha1.CanaryStep { return v1alpha1.CanaryStep{SetWeight: &w} }
	wait := v1alpha1.CanaryStep{Pause: &v1alpha1.RolloutPause{}}
	for name, c := range map[string]struct {
		change func(*v1alpha1.RolloutStatus)
		want   int32
	}{
		"before the first setWeight": {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex = new(int32(0)) }, 0},
		"at a setWeight":             {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex = new(int32(1)) }, 20},
		"after a setWeight":          {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex = new(int32(2)) }, 20},
		"past the last step":         {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex = new(int32(3)) }, 100},
		"aborted":                    {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex, s.Abort = new(int32(1)), true }, 0},
		"promoted in full":           {func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex, s.PromoteFull = new(int32(1)), true }, 100},
		"stable":                     {func(s *v1alpha1.RolloutStatus) { s.StableRS = "new" }, 100},
	} {
		t.Run(name, func(t *testing.T) {
			r := &v1alpha1.Rollout{Status: v1alpha1.RolloutStatus{CurrentPodHash: "new", StableRS: "old"}}
			r.Spec.Strategy.Canary = &v1alpha1.CanaryStrategy{Steps: []v1alpha1.CanaryStep{wait, weight(20), wait}}
			c.change(&r.Status)
			if got := wantedWeight(r, 100); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
