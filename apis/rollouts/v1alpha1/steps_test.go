package v1alpha1

import (
	"encoding/json"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func TestPauseDuration(t *testing.T) {
	text := func(s string) *intstr.IntOrString { return ptr.To(intstr.FromString(s)) }
	for _, c := range []struct {
		name       string
		duration   *intstr.IntOrString
		want       time.Duration
		indefinite bool
		valid      bool
	}{
		{"absent waits for a promote", nil, 0, true, true},
		{"zero is the shortest pause", ptr.To(intstr.FromInt32(0)), 0, false, true},
		{"a number is seconds", ptr.To(intstr.FromInt32(10)), 10 * time.Second, false, true},
		{"a numeric text is seconds", text("10"), 10 * time.Second, false, true},
		{"a Go duration", text("1h30m"), 90 * time.Minute, false, true},
		{"a fraction of a second is cut", text("1500ms"), time.Second, false, true},
		{"days are unknown", text("1d"), 0, false, false},
		{"an empty text is unreadable", text(""), 0, false, false},
		{"the past is not valid", ptr.To(intstr.FromInt32(-5)), -5 * time.Second, false, false},
		{"more seconds than fit are unreadable", text("2147483648"), 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, indefinite, valid := PauseDuration(&RolloutPause{Duration: c.duration})
			if d != c.want || indefinite != c.indefinite || valid != c.valid {
				t.Errorf("got %s, %t, %t, want %s, %t, %t", d, indefinite, valid, c.want, c.indefinite, c.valid)
			}
		})
	}
}

// The hashes stand in the status of objects that exist; a change here would restart their updates.
func TestStepHashIsTheOneThatExistingObjectsCarry(t *testing.T) {
	for _, c := range []struct{ name, steps, want string }{
		{"a weight", `[{"setWeight":20}]`, "656598f7c"},
		{"a field that nobody knows", `[{"setWeight":20,"unknownField":1}]`, "656598f7c"},
		{"an endless pause", `[{"pause":{}}]`, "6b9b86fbd5"},
		{"a pause of nothing", `[{"pause":{"duration":0}}]`, "7cd66c595f"},
		{"an analysis", `[{"analysis":{"templates":[{"templateName":"a"}]}}]`, "6b86b64488"},
		{"an explicit false", `[{"analysis":{"templates":[{"clusterScope":false,"templateName":"a"}]}}]`, "58f577c579"},
		{"an experiment", `[{"experiment":{"duration":"5m","templates":[{"name":"x","specRef":"canary"}]}}]`, "65d67bdc57"},
		{"no steps", `[]`, "5ffbfbbd64"},
		{"absent steps", `null`, "5ffbfbbd64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			canary := &CanaryStrategy{}
			if err := json.Unmarshal([]byte(c.steps), &canary.Steps); err != nil {
				t.Fatal(err)
			}
			if got := StepHash(&Rollout{Spec: RolloutSpec{Strategy: RolloutStrategy{Canary: canary}}}); got != c.want {
				t.Errorf("StepHash(%s) = %s, want %s", c.steps, got, c.want)
			}
		})
	}
}

func TestStepHashOfBlueGreenIsEmpty(t *testing.T) {
	if got := StepHash(&Rollout{Spec: RolloutSpec{Strategy: RolloutStrategy{BlueGreen: &BlueGreenStrategy{}}}}); got != "" {
		t.Errorf("StepHash = %q, want an empty one", got)
	}
}

func TestStepTextNamesEveryKindOfStep(t *testing.T) {
	for want, step := range map[string]CanaryStep{
		"setWeight: 20":               {SetWeight: ptr.To[int32](20)},
		"pause":                       {Pause: &RolloutPause{}},
		"pause: 10":                   {Pause: &RolloutPause{Duration: ptr.To(intstr.FromInt32(10))}},
		"pause: 10s":                  {Pause: &RolloutPause{Duration: ptr.To(intstr.FromString("10s"))}},
		"experiment":                  {Experiment: &RolloutExperimentStep{}},
		"analysis":                    {Analysis: &RolloutAnalysis{}},
		"setCanaryScale{weight: 5}":   {SetCanaryScale: &SetCanaryScale{Weight: ptr.To[int32](5)}},
		"setCanaryScale{replicas: 1}": {SetCanaryScale: &SetCanaryScale{Replicas: ptr.To[int32](1)}},
		"setCanaryScale{matchTrafficWeight: true}": {SetCanaryScale: &SetCanaryScale{MatchTrafficWeight: true}},
		"setHeaderRoute: h":                        {SetHeaderRoute: &SetHeaderRoute{Name: "h"}},
		"setMirrorRoute: m":                        {SetMirrorRoute: &SetMirrorRoute{Name: "m"}},
		"plugin: p":                                {Plugin: &PluginStep{Name: "p"}},
	} {
		if got := StepText(step); got != want {
			t.Errorf("StepText = %q, want %q", got, want)
		}
	}
}
