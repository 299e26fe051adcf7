package kube

import (
	"errors"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestARequestIsClassifiedByItsPath(t *testing.T) {
	for path, want := range map[string][2]string{
		"/api/v1/namespaces/shop/services/web":                                    {"services", "Get"},
		"/api/v1/namespaces/shop":                                                 {"namespaces", "Get"},
		"/api/v1/pods":                                                            {"pods", "List"},
		"/apis/apps/v1/namespaces/shop/replicasets":                               {"replicasets", "List"},
		"/apis/apps/v1/replicasets?watch=true":                                    {"replicasets", "Watch"},
		"/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/status":          {"rollouts", "Get"},
		"/apis/argoproj.io/v1alpha1/clusteranalysistemplates?allowWatchBookmarks": {"clusteranalysistemplates", "List"},
		"/apis/apps/v1":                                                           {"none", "Get"},
		"/healthz":                                                                {"none", "Get"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if kind, verb := classify(request); kind != want[0] || verb != want[1] {
			t.Errorf("%s is %s %s, want %v", path, verb, kind, want)
		}
	}
}

// transport answers every request with a code, or with an error if the code is 0.
type transport int

func (c transport) RoundTrip(*http.Request) (*http.Response, error) {
	if c == 0 {
		return nil, errors.New("no answer")
	}
	return &http.Response{StatusCode: int(c), Body: http.NoBody}, nil
}

func TestRequestsAreCountedByKindVerbAndCode(t *testing.T) {
	requests, err := NewRequests(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []transport{200, 200, 409, 0} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://server/api/v1/namespaces/shop/services/web", nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := requests.Wrap(code).RoundTrip(request); err == nil {
			response.Body.Close()
		}
	}
	for code, want := range map[string]float64{"200": 2, "409": 1, "none": 1} {
		if got := testutil.ToFloat64(requests.total.WithLabelValues("services", "Patch", code)); got != want {
			t.Errorf("%s was counted %v times, want %v", code, got, want)
		}
	}
}
