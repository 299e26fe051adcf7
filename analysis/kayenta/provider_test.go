package kayenta

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
	side := func(name string) v1alpha1.ScopeDetail {
		return v1alpha1.ScopeDetail{Scope: name, Region: "eu", Step: 60, Start: "2026-01-01T00:00:00Z", End: "2026-01-01T01:00:00Z"}
	}
	k := &v1alpha1.KayentaMetric{
		Address: address, Application: "shop", CanaryConfigName: "errors", MetricsAccountName: "m", ConfigurationAccountName: "c", StorageAccountName: "s",
		Threshold: v1alpha1.KayentaThreshold{Pass: 90, Marginal: 75},
		Scopes:    []v1alpha1.KayentaScope{{Name: "default", ControlScope: side("stable"), ExperimentScope: side("canary")}},
	}
	return providertest.World{Provider: Provider{}, Metric: v1alpha1.Metric{Name: "errors", Provider: v1alpha1.MetricProvider{Kayenta: k}}}
}

func TestContractOfTheStart(t *testing.T) { providertest.Contract(t, world) }

func TestContractOfTheResumption(t *testing.T) {
	providertest.Contract(t, func(t *testing.T, address string) providertest.World {
		w := world(t, address)
		w.Previous = &v1alpha1.Measurement{Metadata: map[string]string{execution: "01ABC"}}
		return w
	})
}

// server is a Kayenta with one configuration whose executions answer state after state.
func server(t *testing.T, states ...string) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /canaryConfig", func(w http.ResponseWriter, r *http.Request) {
		if diff := cmp.Diff("application=shop&configurationAccountName=c", r.URL.RawQuery); diff != "" {
			t.Error(diff)
		}
		fmt.Fprint(w, `[{"id":"1","name":"other"},{"id":"2","name":"errors"}]`)
	})
	mux.HandleFunc("POST /canary/2", func(w http.ResponseWriter, r *http.Request) {
		if diff := cmp.Diff("application=shop&configurationAccountName=c&metricsAccountName=m&storageAccountName=s", r.URL.RawQuery); diff != "" {
			t.Error(diff)
		}
		var body any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		side := func(name string) map[string]any {
			return map[string]any{"scope": name, "region": "eu", "step": 60.0, "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
		}
		want := map[string]any{
			"scopes":     map[string]any{"default": map[string]any{"controlScope": side("stable"), "experimentScope": side("canary")}},
			"thresholds": map[string]any{"pass": 90.0, "marginal": 75.0},
		}
		if diff := cmp.Diff(want, body); diff != "" {
			t.Error(diff)
		}
		fmt.Fprint(w, `{"canaryExecutionId":"01ABC"}`)
	})
	mux.HandleFunc("GET /canary/01ABC", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, states[0])
		states = states[1:]
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func score(s string) string {
	return `{"complete":true,"status":"succeeded","result":{"judgeResult":{"score":{"score":` + s + `,"classification":"Pass"}}}}`
}

func TestAnExecutionIsStartedAndLookedAtUntilItHasAScore(t *testing.T) {
	for name, test := range map[string]struct {
		score string
		want  analysis.Reading
	}{
		"pass":     {"90", analysis.Reading{Result: 90.0, Value: "90", Phase: v1alpha1.AnalysisPhaseSuccessful}},
		"marginal": {"89.9", analysis.Reading{Result: 89.9, Value: "89.9", Phase: v1alpha1.AnalysisPhaseInconclusive, Message: "the score 89.9 is below pass (90) but not below marginal (75)"}},
		"fail":     {"74", analysis.Reading{Result: 74.0, Value: "74", Phase: v1alpha1.AnalysisPhaseFailed, Message: "the score 74 is below marginal (75)"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := world(t, server(t, `{"complete":false,"status":"running"}`, score(test.score)).URL+"/")
			begun, err := w.Measure(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, Metadata: map[string]string{execution: "01ABC"}, ResumeAfter: 15 * time.Second}, begun); diff != "" {
				t.Fatal(diff)
			}
			previous := &v1alpha1.Measurement{Metadata: begun.Metadata}
			if running, err := w.Measure(t.Context(), previous); err != nil || running.Phase != v1alpha1.AnalysisPhaseRunning || running.ResumeAfter != 15*time.Second {
				t.Fatalf("%+v, %v", running, err)
			}
			got, err := w.Measure(t.Context(), previous)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnExecutionWithoutAVerdictIsAnError(t *testing.T) {
	for state, word := range map[string]string{
		`{"complete":true,"status":"terminal"}`:                                `ended as "terminal"`,
		`{"complete":true,"status":"canceled","result":{}}`:                    `ended as "canceled"`,
		`{"complete":true}`:                                                    `ended as ""`,
		`{"complete":true,"status":"succeeded"}`:                               "without a score",
		`{"complete":true,"status":"succeeded","result":{"judgeResult":null}}`: "without a score",
		score(`null`): "without a score",
		score(`"90"`): "not the JSON",
	} {
		w := world(t, server(t, state).URL)
		if got, err := w.Measure(t.Context(), &v1alpha1.Measurement{Metadata: map[string]string{execution: "01ABC"}}); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s gives %+v, %v", state, got, err)
		}
	}
}

func TestAnUnknownConfigurationIsNamed(t *testing.T) {
	w := world(t, server(t).URL)
	w.Metric.Provider.Kayenta.CanaryConfigName = "latency"
	if _, err := w.Measure(t.Context(), nil); err == nil || err.Error() != "kayenta has no canary configuration latency for the application shop" {
		t.Errorf("the error is %v", err)
	}
}

func TestAStartWithoutAnIdentityIsAnError(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `[{"id":"2","name":"errors"}]`)
			return
		}
		fmt.Fprint(w, `{}`)
	}))
	defer s.Close()
	if _, err := world(t, s.URL).Measure(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "did not say which") {
		t.Errorf("the error is %v", err)
	}
}
