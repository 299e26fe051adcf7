package newrelic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/providertest"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const key = "NRAK-0123456789"

func profile(t *testing.T, name string, more map[string]string) Provider {
	data := map[string]string{"personal-api-key": key, "account-id": "1234"}
	for key, value := range more {
		data[key] = value
		if value == "" {
			delete(data, key)
		}
	}
	return Provider{Secrets: providertest.Store(t, providertest.Own, name, data)}
}

func world(t *testing.T, address string) providertest.World {
	return providertest.World{
		Provider: profile(t, "newrelic", map[string]string{"base-url-nerdgraph": address}),
		Metric:   v1alpha1.Metric{Name: "errors", Provider: v1alpha1.MetricProvider{NewRelic: &v1alpha1.NewRelicMetric{Query: "FROM Transaction SELECT count(*)"}}},
		Secrets:  []string{key},
	}
}

func TestContract(t *testing.T) { providertest.Contract(t, world) }

// rows is an answer with these results.
func rows(results string) string {
	return `{"data":{"actor":{"account":{"nrql":{"results":` + results + `}}}}}`
}

func TestOneRowIsAMapAndSeveralAreAList(t *testing.T) {
	for name, test := range map[string]struct {
		results   string
		want      analysis.Reading
		condition string
		phase     v1alpha1.AnalysisPhase
	}{
		"one row": {
			`[{"successRate":0.97}]`, analysis.Reading{Result: map[string]any{"successRate": 0.97}, Value: `{"successRate":0.97}`},
			"result.successRate >= 0.95", v1alpha1.AnalysisPhaseSuccessful,
		},
		"a name with a dot": {
			`[{"average.duration":2}]`, analysis.Reading{Result: map[string]any{"average.duration": 2.0}, Value: `{"average.duration":2}`},
			"result['average.duration'] < 1", v1alpha1.AnalysisPhaseFailed,
		},
		"several rows": {
			`[{"count":1},{"count":2}]`, analysis.Reading{Result: []any{map[string]any{"count": 1.0}, map[string]any{"count": 2.0}}, Value: `[{"count":1},{"count":2}]`},
			"all(result, .count < 3)", v1alpha1.AnalysisPhaseSuccessful,
		},
		"no row": {
			`[]`, analysis.Reading{Result: []any{}, Value: `[]`},
			"result.successRate >= 0.95", v1alpha1.AnalysisPhaseError,
		},
		"a row that holds null": {
			`[{"successRate":null}]`, analysis.Reading{Result: map[string]any{"successRate": nil}, Value: `{"successRate":null}`},
			"result.successRate >= 0.95", v1alpha1.AnalysisPhaseError,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, rows(test.results)) }))
			defer server.Close()
			got, err := world(t, server.URL).Measure(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if phase, message := analysis.Evaluate(v1alpha1.Metric{SuccessCondition: test.condition}, got); phase != test.phase {
				t.Errorf("%s is %s: %s", test.condition, phase, message)
			}
		})
	}
}

func TestAnErrorInAGoodAnswerIsAnError(t *testing.T) {
	for answer, word := range map[string]string{
		`{"errors":[{"message":"NRQL Syntax Error","extensions":{"errorClass":"INVALID_INPUT"}}],"data":{"actor":{"account":{"nrql":null}}}}`: "NRQL Syntax Error",
		`{"data":{"actor":{"account":{"nrql":null}}}}`: "without results",
		`{"data":{"actor":{"account":null}}}`:          "without results",
		`{"data":null}`:                                "without results",
		`null`:                                         "without results",
		rows(`[{}]`):                                   "holds nothing",
		rows(`[null]`):                                 "holds nothing",
		rows(`[1]`):                                    "not the JSON",
		rows(`{}`):                                     "not the JSON",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		defer server.Close()
		if got, err := world(t, server.URL).Measure(t.Context(), nil); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s gives %+v, %v", answer, got, err)
		}
	}
}

func TestTheQueryGoesWithAccountAndTimeout(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Query     string
			Variables map[string]any
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		want := map[string]any{"account": 1234.0, "nrql": "FROM Transaction SELECT count(*)", "timeout": 20.0}
		if diff := cmp.Diff(want, asked.Variables); diff != "" {
			t.Error(diff)
		}
		if r.Header.Get("API-Key") != key || !strings.Contains(asked.Query, "nrql(query: $nrql, timeout: $timeout)") {
			t.Errorf("%s with %v", asked.Query, r.Header)
		}
		fmt.Fprint(w, rows(`[{"count":0}]`))
	}))
	defer server.Close()
	w := world(t, "")
	w.Provider = profile(t, "other", map[string]string{"base-url-nerdgraph": server.URL})
	w.Metric.Provider.NewRelic.Profile, w.Metric.Provider.NewRelic.Timeout = "other", new(int64(20))
	if _, err := w.Measure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestTheRegionGivesTheAddress(t *testing.T) {
	for region, want := range map[string]string{"": "https://api.newrelic.com/graphql", "US": "https://api.newrelic.com/graphql", "eu": "https://api.eu.newrelic.com/graphql"} {
		ask, err := profile(t, "newrelic", map[string]string{"region": region}).request(t.Context(), &v1alpha1.NewRelicMetric{Query: "q"})
		if err != nil || ask.URL != want {
			t.Errorf("%q: %s, %v", region, ask.URL, err)
		}
	}
}

func TestAProfileThatCannotWorkIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change map[string]string
		want   string
	}{
		"no key":                       {map[string]string{"personal-api-key": ""}, "secret sluice-system/newrelic has no key personal-api-key"},
		"no account":                   {map[string]string{"account-id": ""}, "secret sluice-system/newrelic has no key account-id"},
		"an account that is no number": {map[string]string{"account-id": "shop"}, "secret newrelic: account-id is not a number"},
		"an unknown region":            {map[string]string{"region": "moon"}, "secret newrelic: region must be us or eu; for another one set base-url-nerdgraph"},
	} {
		t.Run(name, func(t *testing.T) {
			w := world(t, "")
			w.Provider = profile(t, "newrelic", test.change)
			if _, err := w.Measure(t.Context(), nil); err == nil || err.Error() != test.want {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
