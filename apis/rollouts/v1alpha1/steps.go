package v1alpha1

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/rand"
)

// PauseDuration reads the duration of a pause: seconds as a number or numeric text, or a Go duration cut to whole seconds.
// An absent duration is indefinite; a negative or unreadable one is not valid.
func PauseDuration(p *RolloutPause) (d time.Duration, indefinite, valid bool) {
	if p == nil || p.Duration == nil {
		return 0, true, true
	}
	if p.Duration.Type == intstr.Int {
		d = time.Duration(p.Duration.IntVal) * time.Second
		return d, false, d >= 0
	}
	if seconds, err := strconv.ParseInt(p.Duration.StrVal, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
		return d, false, d >= 0
	}
	d, err := time.ParseDuration(p.Duration.StrVal)
	if err != nil {
		return 0, false, false
	}
	d = d.Truncate(time.Second)
	return d, false, d >= 0
}

// Duration parses a Go duration such as 30s; an empty text is 0.
func (s DurationString) Duration() (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(string(s))
}

// StepText names a step as events and messages do, such as "setWeight: 20".
func StepText(s CanaryStep) string {
	switch {
	case s.SetWeight != nil:
		return fmt.Sprintf("setWeight: %d", *s.SetWeight)
	case s.Pause != nil && s.Pause.Duration != nil:
		return "pause: " + s.Pause.Duration.String()
	case s.Pause != nil:
		return "pause"
	case s.Experiment != nil:
		return "experiment"
	case s.Analysis != nil:
		return "analysis"
	case s.SetCanaryScale != nil:
		return scaleText(*s.SetCanaryScale)
	case s.SetHeaderRoute != nil:
		return "setHeaderRoute: " + s.SetHeaderRoute.Name
	case s.SetMirrorRoute != nil:
		return "setMirrorRoute: " + s.SetMirrorRoute.Name
	case s.Plugin != nil:
		return "plugin: " + s.Plugin.Name
	}
	return "invalid"
}

func scaleText(s SetCanaryScale) string {
	switch {
	case s.Weight != nil:
		return fmt.Sprintf("setCanaryScale{weight: %d}", *s.Weight)
	case s.Replicas != nil:
		return fmt.Sprintf("setCanaryScale{replicas: %d}", *s.Replicas)
	case s.MatchTrafficWeight:
		return "setCanaryScale{matchTrafficWeight: true}"
	}
	return "setCanaryScale"
}

// StepHash is the value of status.currentStepHash for these steps, "" for a strategy that has none.
//
// It must stay equal to the reference's for the same steps (FNV-1a over the JSON of the typed steps), because a hash that differs
// from the stored one restarts an update that is under way. That makes the order of fields in CanaryStep part of the wire contract.
func StepHash(r *Rollout) string {
	if r.Spec.Strategy.Canary == nil || r.Spec.Strategy.BlueGreen != nil {
		return ""
	}
	steps := r.Spec.Strategy.Canary.Steps
	if len(steps) == 0 {
		steps = nil
	}
	raw, err := json.Marshal(steps)
	if err != nil { // only a raw plugin configuration that is not JSON can do this, and none can come from a decoded object
		raw = fmt.Appendf(nil, "%v", steps)
	}
	sum := fnv.New32a()
	sum.Write(raw)
	return rand.SafeEncodeString(strconv.FormatUint(uint64(sum.Sum32()), 10))
}
