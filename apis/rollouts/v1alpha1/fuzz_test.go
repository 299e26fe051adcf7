package v1alpha1

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// A pause that is valid never lies in the past, whatever a user writes.
func FuzzPauseDuration(f *testing.F) {
	for _, seed := range []string{"", "10", "5m", "-1s", "1e999h", "2147483648", "0.0000001s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, indefinite, valid := PauseDuration(&RolloutPause{Duration: ptr.To(intstr.FromString(text))})
		if indefinite || valid && d < 0 {
			t.Errorf("PauseDuration(%q) = %s, indefinite %t, valid %t", text, d, indefinite, valid)
		}
	})
}

// Surge and unavailability stay within their bounds, whatever a user writes.
func FuzzFences(f *testing.F) {
	f.Add("25%", "0", int32(10))
	f.Add("-7%", "999999999999%", int32(1<<31-1))
	f.Fuzz(func(t *testing.T, surge, unavailable string, replicas int32) {
		r := &Rollout{Spec: RolloutSpec{Replicas: &replicas, Strategy: RolloutStrategy{Canary: &CanaryStrategy{
			MaxSurge: ptr.To(intstr.FromString(surge)), MaxUnavailable: ptr.To(intstr.FromString(unavailable))}}}}
		if s, u := MaxSurge(r), MaxUnavailable(r); s < 0 || u < 0 || u > max(replicas, 0) {
			t.Errorf("surge %d and unavailability %d of %d replicas", s, u, replicas)
		}
	})
}

// A template is either usable, usable but for named values, or refused; and one that can be read has a hash that does not vary.
func FuzzPodTemplate(f *testing.F) {
	for _, seed := range []string{`{}`, `{"spec":{"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}}`, `{"spec":{"overhead":null}}`, `[]`, `{"divisor":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		raw := runtime.RawExtension{Raw: text}
		_, err := PodTemplate(raw)
		var dropped *DroppedError
		if errors.As(err, &dropped) && len(dropped.Values) == 0 {
			t.Error("values were left out and none is named")
		}
		first, err := PodTemplateHash(raw, nil)
		if err != nil {
			return
		}
		if second, err := PodTemplateHash(raw, nil); err != nil || first != second {
			t.Errorf("hashes %q and %q of one template, error %v", first, second, err)
		}
	})
}
