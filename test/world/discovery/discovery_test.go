package discovery

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrometheusIsToldEachPodWithItsLabels(t *testing.T) {
	list := func() []Target {
		return []Target{{
			Address: "127.244.0.9:8080", Namespace: "shop", Pod: "web-1",
			Labels: map[string]string{"app": "web", "rollouts-pod-template-hash": "abc", "example.com/tier": "1", "pod": "lie"},
		}}
	}
	w := httptest.NewRecorder()
	Handler(list).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))

	var got any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{
		"targets": []any{"127.244.0.9:8080"},
		"labels": map[string]any{
			"namespace": "shop", "pod": "web-1", "app": "web", "service": "web",
			"rollouts_pod_template_hash": "abc", "example_com_tier": "1",
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("targets differ (-want +got):\n%s", diff)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Prometheus refuses the content type %q", got)
	}
}

func TestWithNoPodThereIsAnEmptyListAndNotNull(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(func() []Target { return nil }).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Body.String(); got != "[]" {
		t.Errorf("got %s, want []", got)
	}
}
