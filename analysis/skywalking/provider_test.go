package skywalking

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/providertest"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func world(_ *testing.T, address string) providertest.World {
	s := &v1alpha1.SkyWalkingMetric{Address: address, Query: "query q($duration: Duration!) { apdex }", Interval: "3m"}
	return providertest.World{Provider: Provider{}, Metric: v1alpha1.Metric{Name: "apdex", Provider: v1alpha1.MetricProvider{SkyWalking: s}}}
}

func TestContract(t *testing.T) { providertest.Contract(t, world) }

func TestTheDataOfTheAnswerAreTheResult(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Query     string
			Variables struct {
				Duration struct{ Start, End, Step string }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/graphql" || !strings.HasPrefix(asked.Query, "query q(") || asked.Variables.Duration.Step != "MINUTE" {
			t.Errorf("asked %s %s %+v", r.Method, r.URL, asked)
		}
		fmt.Fprint(w, `{"data":{"apdex":{"values":[{"value":9900}]}}}`)
	}))
	defer server.Close()
	w := world(t, server.URL+"/")
	got, err := w.Measure(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Value != `{"apdex":{"values":[{"value":9900}]}}` {
		t.Error(got.Value)
	}
	for condition, want := range map[string]v1alpha1.AnalysisPhase{
		"asFloat(result.apdex.values[0].value) >= 9900": v1alpha1.AnalysisPhaseSuccessful,
		"asFloat(result.apdex.values[0].value) > 9900":  v1alpha1.AnalysisPhaseFailed,
		"result.other.values[0].value > 1":              v1alpha1.AnalysisPhaseError,
	} {
		if phase, message := analysis.Evaluate(v1alpha1.Metric{SuccessCondition: condition}, got); phase != want {
			t.Errorf("%s is %s: %s", condition, phase, message)
		}
	}
}

func TestTheSpanIsInMinutesOfUTC(t *testing.T) {
	zone := time.FixedZone("east", 3*60*60)
	got := question("q", 3*time.Minute, time.Date(2026, 1, 1, 2, 1, 59, 0, zone))
	want := map[string]any{"query": "q", "variables": map[string]any{
		"duration": map[string]string{"start": "2025-12-31 2258", "end": "2025-12-31 2301", "step": "MINUTE"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAnswerWithoutDataIsAnError(t *testing.T) {
	for answer, word := range map[string]string{
		`{}`:            "without data",
		`{"data":null}`: "without data",
		`{"data":{}}`:   "without data",
		`null`:          "without data",
		`{"errors":[{"message":"unknown metric"}],"data":{}}`: "unknown metric",
		`{"data":[1]}`: "not the JSON",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		defer server.Close()
		if got, err := world(t, server.URL).Measure(t.Context(), nil); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s gives %+v, %v", answer, got, err)
		}
	}
}
