//go:build conformance

package v1alpha1

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
)

// eachVector calls f for each line of a file of vectors.
func eachVector[V any](t *testing.T, name string, f func(V)) {
	t.Helper()
	file, err := os.Open(filepath.Join(os.Getenv("VECTORS"), name))
	if err != nil {
		t.Fatalf("set VECTORS to the folder of the conformance vectors: %v", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v V
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		f(v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

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
	agree := 0
	eachVector(t, "durations-and-steps.jsonl", func(v wordVector) {
		switch v.Kind {
		case "pauseDuration":
			comparePause(t, v)
		case "intervalString":
			compareInterval(t, v)
		case "stepHash":
			compareStepHash(t, v)
		case "podTemplateHash":
			compareTemplateHash(t, v)
		case "currentStep":
			compareStepText(t, v)
		default:
			return // names of runs and the rollback window are compared where they are decided
		}
		agree++
	})
	t.Logf("conformance: durations-and-steps %d words compared, hashes of pod templates by their equality only", agree)
}

func comparePause(t *testing.T, v wordVector) {
	d, indefinite, valid := PauseDuration(&v.Input.Pause)
	if indefinite != v.Expect.Indefinite || valid == v.Expect.Invalid {
		t.Errorf("%s: indefinite %t, valid %t; want %t, %t", v.ID, indefinite, valid, v.Expect.Indefinite, !v.Expect.Invalid)
	}
	if valid && d.Seconds() != v.Expect.Seconds {
		t.Errorf("%s: %s, want %v seconds", v.ID, d, v.Expect.Seconds)
	}
}

func compareInterval(t *testing.T, v wordVector) {
	d, err := v.Input.Value.Duration()
	if (err != nil) != v.Expect.Error || d != time.Duration(v.Expect.Seconds*float64(time.Second)) {
		t.Errorf("%s: %s, %v; want %v seconds, error %t", v.ID, d, err, v.Expect.Seconds, v.Expect.Error)
	}
}

func compareStepHash(t *testing.T, v wordVector) {
	for _, side := range []struct {
		steps []CanaryStep
		want  string
	}{{v.Input.StepsA, v.Expect.HashA}, {v.Input.StepsB, v.Expect.HashB}} {
		r := &Rollout{Spec: RolloutSpec{Strategy: RolloutStrategy{Canary: &CanaryStrategy{Steps: side.steps}}}}
		if got := StepHash(r); got != side.want {
			t.Errorf("%s (%s): %s, want %s", v.ID, v.Note, got, side.want)
		}
	}
}

func compareTemplateHash(t *testing.T, v wordVector) {
	a, err := PodTemplateHash(v.Input.TemplateA, v.Input.CollisionCount)
	if err != nil {
		t.Fatalf("%s: %v", v.ID, err)
	}
	b, other := "", "another collision count"
	if v.Input.TemplateB != nil {
		other = v.Note
		b, err = PodTemplateHash(*v.Input.TemplateB, v.Input.CollisionCount)
	} else {
		b, err = PodTemplateHash(v.Input.TemplateA, nil)
	}
	if err != nil {
		t.Fatalf("%s: %v", v.ID, err)
	}
	if (a == b) != v.Expect.Equal {
		t.Errorf("%s (%s): equal %t, want %t", v.ID, other, a == b, v.Expect.Equal)
	}
}

func compareStepText(t *testing.T, v wordVector) {
	if !v.Expect.HasStep {
		return
	}
	if got := StepText(v.Input.Rollout.Spec.Strategy.Canary.Steps[v.Expect.Index]); got != v.Expect.Text {
		t.Errorf("%s: %q, want %q", v.ID, got, v.Expect.Text)
	}
}

func TestConformanceOfSurgeAndUnavailability(t *testing.T) {
	compared := 0
	eachVector(t, "replica-counts-basic.jsonl", func(v struct {
		ID, Note string
		Rollout  Rollout
		Expect   struct{ MaxSurge, MaxUnavailable int32 }
	}) {
		compared++
		if surge, unavailable := MaxSurge(&v.Rollout), MaxUnavailable(&v.Rollout); surge != v.Expect.MaxSurge || unavailable != v.Expect.MaxUnavailable {
			t.Errorf("%s (%s): %d and %d, want %d and %d", v.ID, v.Note, surge, unavailable, v.Expect.MaxSurge, v.Expect.MaxUnavailable)
		}
	})
	t.Logf("conformance: surge and unavailability of replica-counts-basic, %d compared", compared)
}
