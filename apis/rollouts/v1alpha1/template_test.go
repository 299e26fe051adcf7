package v1alpha1

import (
	"errors"
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

func raw(s string) runtime.RawExtension { return runtime.RawExtension{Raw: []byte(s)} }

func hash(t *testing.T, template string, collisions *int32) string {
	t.Helper()
	h, err := PodTemplateHash(raw(template), collisions)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPodTemplateHashSeesWhatTheUserChanged(t *testing.T) {
	const base = `{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"image":"i:1","name":"c"}]}}`
	for _, c := range []struct {
		name, template string
		same           bool
	}{
		{"the order of keys and white space mean nothing", `{"spec": {"containers": [{"name":"c","image":"i:1"}]}, "metadata":{"labels":{"app":"a"}}}`, true},
		{"nulls and empty resources mean nothing", `{"metadata":{"creationTimestamp":null,"labels":{"app":"a"}},"spec":{"containers":[{"image":"i:1","name":"c","resources":{}}]}}`, true},
		{"an annotation is a change", `{"metadata":{"labels":{"app":"a"},"annotations":{"k":"v"}},"spec":{"containers":[{"image":"i:1","name":"c"}]}}`, false},
		{"an explicit default is a change", `{"metadata":{"labels":{"app":"a"}},"spec":{"restartPolicy":"Always","containers":[{"image":"i:1","name":"c"}]}}`, false},
		{"a field that our types do not know is a change", `{"metadata":{"labels":{"app":"a"}},"spec":{"brandNew":true,"containers":[{"image":"i:1","name":"c"}]}}`, false},
		{"an empty selector is not an absent one", `{"metadata":{"labels":{"app":"a"}},"spec":{"namespaceSelector":{},"containers":[{"image":"i:1","name":"c"}]}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if same := hash(t, base, nil) == hash(t, c.template, nil); same != c.same {
				t.Errorf("same hash = %t, want %t", same, c.same)
			}
		})
	}
}

func TestPodTemplateHashStaysTheSameForEver(t *testing.T) {
	got := hash(t, `{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"image":"i:1","name":"c"}]}}`, nil)
	if want := "bzhfmtzz8q"; got != want {
		t.Errorf("hash = %s, want %s: a different hash restarts every pod of every Rollout", got, want)
	}
	if !regexp.MustCompile(`^[b-z2-9]{10}$`).MatchString(got) {
		t.Errorf("hash %q does not fit into a name", got)
	}
}

func TestPodTemplateHashMovesAwayFromATakenName(t *testing.T) {
	seen := map[string]bool{hash(t, `{}`, nil): true, hash(t, `{}`, ptr.To[int32](0)): true, hash(t, `{}`, ptr.To[int32](1)): true}
	if len(seen) != 3 {
		t.Errorf("got %d different hashes, want 3", len(seen))
	}
}

func TestPodTemplateLeavesOutWhatItCannotRead(t *testing.T) {
	template, err := PodTemplate(raw(`{"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"lots","memory":"1Gi"}}}],` +
		`"volumes":[{"name":"v","emptyDir":{"sizeLimit":"big"}}]}}`))
	var dropped *DroppedError
	if !errors.As(err, &dropped) {
		t.Fatalf("error = %v, want a DroppedError", err)
	}
	paths := []string{}
	for _, e := range dropped.Values {
		paths = append(paths, e.Field)
	}
	if len(paths) != 2 || paths[0] != "spec.template.spec.containers[0].resources.limits[cpu]" || paths[1] != "spec.template.spec.volumes[0].emptyDir.sizeLimit" {
		t.Errorf("left out %q", paths)
	}
	if limits := template.Spec.Containers[0].Resources.Limits; len(limits) != 1 || limits.Memory().String() != "1Gi" {
		t.Errorf("limits = %v, want the memory alone", limits)
	}
}

func TestPodTemplateRefusesWhatIsNoTemplate(t *testing.T) {
	for _, text := range []string{`[]`, `{"spec":{"containers":"c"}}`, `{`} {
		var dropped *DroppedError
		if _, err := PodTemplate(raw(text)); err == nil || errors.As(err, &dropped) {
			t.Errorf("PodTemplate(%s): error = %v, want one that says the template is unusable", text, err)
		}
	}
}
