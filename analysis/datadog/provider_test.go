package datadog

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/providertest"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func noEnvironment(string) string { return "" }

func keysOf(address string) map[string]string {
	return map[string]string{"address": address, "api-key": "api-key-0123456789", "app-key": "app-key-9876543210"}
}

// world asks as the metric says, with the Secret datadog of the controller.
func world(t *testing.T, address string, d v1alpha1.DatadogMetric) providertest.World {
	return providertest.World{
		Provider: Provider{Secrets: providertest.Store(t, providertest.Own, "datadog", keysOf(address)), Getenv: noEnvironment},
		Metric:   v1alpha1.Metric{Name: "errors", Provider: v1alpha1.MetricProvider{Datadog: &d}},
		Secrets:  []string{"api-key-0123456789", "app-key-9876543210"},
	}
}

func TestBothVersionsOfTheAPIKeepTheContract(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		t.Run(version, func(t *testing.T) {
			providertest.Contract(t, func(t *testing.T, address string) providertest.World {
				return world(t, address, v1alpha1.DatadogMetric{Query: "avg:errors{*}", APIVersion: version})
			})
		})
	}
}

func TestTheAnswerBecomesOneNumber(t *testing.T) {
	const partial = "the query gives 2 series and only the first one is judged; aggregate them into one"
	for name, test := range map[string]struct {
		version, answer string
		want            analysis.Reading
	}{
		"the last point of a series":          {"v1", `{"status":"ok","series":[{"pointlist":[[1,0.5],[2,0.25]]}]}`, analysis.Reading{Result: 0.25, Value: "0.25"}},
		"the last point that has a value":     {"v1", `{"status":"ok","series":[{"pointlist":[[1,0.5],[2,null]]}]}`, analysis.Reading{Result: 0.5, Value: "0.5"}},
		"points without a value":              {"v1", `{"status":"ok","series":[{"pointlist":[[1,null]]}]}`, analysis.Reading{Value: "null"}},
		"no points":                           {"v1", `{"status":"ok","series":[{"pointlist":[]}]}`, analysis.Reading{Value: "null"}},
		"no series":                           {"v1", `{"status":"ok","series":[]}`, analysis.Reading{Value: "null"}},
		"several series":                      {"v1", `{"status":"ok","series":[{"pointlist":[[1,7]]},{"pointlist":[[1,8]]}]}`, analysis.Reading{Result: 7.0, Value: "7", Doubt: partial}},
		"a scalar":                            {"v2", `{"data":{"attributes":{"columns":[{"type":"number","values":[0.1]}]}}}`, analysis.Reading{Result: 0.1, Value: "0.1"}},
		"a scalar that is null":               {"v2", `{"data":{"attributes":{"columns":[{"type":"number","values":[null]}]}}}`, analysis.Reading{Value: "null"}},
		"a column without values":             {"v2", `{"data":{"attributes":{"columns":[{"type":"number","values":[]}]}}}`, analysis.Reading{Value: "null"}},
		"no columns":                          {"v2", `{"data":{"attributes":{"columns":[]}}}`, analysis.Reading{Value: "null"}},
		"groups, which come before numbers":   {"v2", `{"data":{"attributes":{"columns":[{"type":"group","values":[["a"],["b"]]},{"type":"number","values":[1,2]}]}}}`, analysis.Reading{Result: 1.0, Value: "1", Doubt: partial}},
		"a list of errors that holds nothing": {"v2", `{"errors":[],"data":{"attributes":{"columns":[{"values":[3]}]}}}`, analysis.Reading{Result: 3.0, Value: "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, test.answer) }))
			defer server.Close()
			got, err := world(t, server.URL, v1alpha1.DatadogMetric{Query: "q", APIVersion: test.version}).Measure(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnErrorInAGoodAnswerIsAnError(t *testing.T) {
	for name, test := range map[string]struct{ version, answer, word string }{
		"status error":       {"v1", `{"status":"error","error":"Rate limit","series":[]}`, "Rate limit"},
		"no status":          {"v1", `{}`, "status"},
		"a point of three":   {"v1", `{"status":"ok","series":[{"pointlist":[[1,2,3]]}]}`, "pair"},
		"a list of errors":   {"v2", `{"errors":["no such metric"]}`, "no such metric"},
		"an error as text":   {"v2", `{"errors":"no such metric"}`, "no such metric"},
		"a text as a scalar": {"v2", `{"data":{"attributes":{"columns":[{"type":"number","values":["7"]}]}}}`, "something else than a number"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, test.answer) }))
			defer server.Close()
			_, err := world(t, server.URL, v1alpha1.DatadogMetric{Query: "q", APIVersion: test.version}).Measure(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), test.word) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAPIVersion1AsksForTheInterval(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		from, _ := strconv.ParseInt(q.Get("from"), 10, 64)
		to, _ := strconv.ParseInt(q.Get("to"), 10, 64)
		if r.Method != http.MethodGet || r.URL.Path != "/api/v1/query" || q.Get("query") != "avg:errors{service:web}" || to-from != 600 || time.Since(time.Unix(to, 0)) > time.Minute {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		fmt.Fprint(w, `{"status":"ok"}`)
	}))
	defer server.Close()
	if _, err := world(t, server.URL+"/", v1alpha1.DatadogMetric{Query: "avg:errors{service:web}", Interval: "10m"}).Measure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestAPIVersion2AsksForQueriesByName(t *testing.T) {
	for name, test := range map[string]struct {
		metric   v1alpha1.DatadogMetric
		queries  string
		formulas string
	}{
		"one query": {
			v1alpha1.DatadogMetric{Query: "avg:errors{*}"},
			`[{"aggregator":"last","data_source":"metrics","name":"query","query":"avg:errors{*}"}]`, `null`,
		},
		"several queries and a formula": {
			v1alpha1.DatadogMetric{Queries: map[string]string{"b": "sum:hits{*}", "a": "sum:errors{*}"}, Formula: "a / b", Aggregator: "sum"},
			`[{"aggregator":"sum","data_source":"metrics","name":"a","query":"sum:errors{*}"},{"aggregator":"sum","data_source":"metrics","name":"b","query":"sum:hits{*}"}]`,
			`[{"formula":"a / b"}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var asked struct {
					Data struct {
						Type       string `json:"type"`
						Attributes struct {
							From, To          int64
							Queries, Formulas any
						} `json:"attributes"`
					} `json:"data"`
				}
				if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
					t.Error(err)
				}
				a := asked.Data.Attributes
				queries, _ := json.Marshal(a.Queries)
				formulas, _ := json.Marshal(a.Formulas)
				got := []any{r.Method, r.URL.Path, asked.Data.Type, a.To - a.From, string(queries), string(formulas)}
				if diff := cmp.Diff([]any{"POST", "/api/v2/query/scalar", "scalar_request", int64(300_000), test.queries, test.formulas}, got); diff != "" {
					t.Error(diff)
				}
				fmt.Fprint(w, `{}`)
			}))
			defer server.Close()
			test.metric.APIVersion = "v2"
			if _, err := world(t, server.URL, test.metric).Measure(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTheKeysAreFoundWhereTheMetricSays(t *testing.T) {
	environment := func(address string) func(string) string {
		return func(name string) string {
			return map[string]string{"DD_API_KEY": "from-environment", "DD_APP_KEY": "from-environment", "DD_ADDRESS": address}[name]
		}
	}
	for name, test := range map[string]struct {
		ref               *v1alpha1.DatadogSecretRef
		namespace, secret string
		environment       bool
		want              string
	}{
		"no reference":                                {nil, providertest.Own, "datadog", false, "api-key-0123456789"},
		"no reference, and variables":                 {nil, providertest.Own, "other", true, "from-environment"},
		"a name":                                      {&v1alpha1.DatadogSecretRef{Name: "mine"}, providertest.Own, "mine", true, "api-key-0123456789"},
		"a name in the namespace of the run":          {&v1alpha1.DatadogSecretRef{Name: "mine", Namespaced: true}, providertest.Namespace, "mine", true, "api-key-0123456789"},
		"no name but the namespace of the run":        {&v1alpha1.DatadogSecretRef{Namespaced: true}, providertest.Namespace, "datadog", true, "api-key-0123456789"},
		"a name that is in another namespace only":    {&v1alpha1.DatadogSecretRef{Name: "mine"}, providertest.Namespace, "mine", true, "secret sluice-system/mine is not there"},
		"the own namespace, and a Secret elsewhere":   {&v1alpha1.DatadogSecretRef{Name: "mine", Namespaced: true}, providertest.Own, "mine", true, "secret shop/mine is not there"},
		"no reference, no variables and no such name": {nil, providertest.Own, "other", false, "secret sluice-system/datadog is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			used := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				used = r.Header.Get("DD-API-KEY")
				fmt.Fprint(w, `{"status":"ok"}`)
			}))
			defer server.Close()
			w := world(t, server.URL, v1alpha1.DatadogMetric{Query: "q", SecretRef: test.ref})
			p := Provider{Secrets: providertest.Store(t, test.namespace, test.secret, keysOf(server.URL)), Getenv: noEnvironment}
			if test.environment {
				p.Getenv = environment(server.URL)
			}
			w.Provider = p
			if _, err := w.Measure(t.Context(), nil); err != nil {
				used = err.Error()
			}
			if !strings.HasPrefix(used, test.want) {
				t.Errorf("%s", used)
			}
		})
	}
}

func TestASecretWithoutAKeyIsNamed(t *testing.T) {
	for _, key := range []string{"api-key", "app-key"} {
		data := keysOf("http://127.0.0.1:0")
		delete(data, key)
		w := world(t, "", v1alpha1.DatadogMetric{Query: "q"})
		w.Provider = Provider{Secrets: providertest.Store(t, providertest.Own, "datadog", data), Getenv: noEnvironment}
		if _, err := w.Measure(t.Context(), nil); err == nil || err.Error() != "secret sluice-system/datadog has no key "+key {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestWithoutAnAddressTheSiteOfTheUnitedStatesIsAsked(t *testing.T) {
	if got := (account{}).withAddress().address; got != "https://api.datadoghq.com" {
		t.Error(got)
	}
}
