package influxdb

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/providertest"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const token = "influx-token-0123456789=="

func profile(t *testing.T, name, address string) Provider {
	return Provider{Secrets: providertest.Store(t, providertest.Own, name, map[string]string{"address": address, "authToken": token, "org": "my org"})}
}

func world(t *testing.T, address string) providertest.World {
	return providertest.World{
		Provider: profile(t, "influxdb", address),
		Metric:   v1alpha1.Metric{Name: "errors", Provider: v1alpha1.MetricProvider{Influxdb: &v1alpha1.InfluxdbMetric{Query: `from(bucket: "b")`}}},
		Secrets:  []string{token},
	}
}

func TestContract(t *testing.T) { providertest.Contract(t, world) }

// annotated is CSV with a column _value of a type.
func annotated(kind string, values ...string) string {
	lines := []string{"#datatype,string,long,dateTime:RFC3339," + kind, ",result,table,_time,_value"}
	for _, v := range values {
		lines = append(lines, ",_result,0,2026-01-01T00:00:00Z,"+v)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func TestTheValuesOfAllTablesAreTheResult(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		want   analysis.Reading
	}{
		"numbers":                  {annotated("double", "0.5", "2"), analysis.Reading{Result: []float64{0.5, 2}, Value: "[0.5 2]"}},
		"whole numbers":            {annotated("long", "-3") + annotated("unsignedLong", "4"), analysis.Reading{Result: []float64{-3, 4}, Value: "[-3 4]"}},
		"numbers that are none":    {annotated("double", "NaN", "+Inf"), analysis.Reading{Result: []float64{math.NaN(), math.Inf(1)}, Value: "[NaN +Inf]"}},
		"other types":              {annotated("boolean", "true", "false") + annotated("string", `"a,b"`) + annotated("dateTime:RFC3339", "2026-01-01T00:00:00Z"), analysis.Reading{Result: []any{true, false, "a,b", "2026-01-01T00:00:00Z"}, Value: "[true false a,b 2026-01-01T00:00:00Z]"}},
		"an empty text":            {annotated("string", ""), analysis.Reading{Result: []any{""}, Value: "[]"}},
		"a record without a value": {annotated("double", "1", ""), analysis.Reading{Result: []any{1.0, nil}, Value: "[1 <nil>]", Doubt: "some records have no value"}},
		"a table without records":  {annotated("double"), analysis.Reading{Result: []float64{}, Value: "[]"}},
		"nothing":                  {"\r\n", analysis.Reading{Result: []float64{}, Value: "[]"}},
		"other annotations too":    {"#group,false,false,true,false\r\n" + annotated("double", "1"), analysis.Reading{Result: []float64{1}, Value: "[1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, test.answer) }))
			defer server.Close()
			got, err := world(t, server.URL).Measure(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateNaNs()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnAnswerThatIsNoGoodTableIsAnError(t *testing.T) {
	for name, test := range map[string]struct{ answer, word string }{
		"a query that failed under way": {annotated("double", "1") + "#datatype,string,string\r\n,error,reference\r\n,query terminated: out of memory,897\r\n", "query terminated: out of memory"},
		"an error without annotations":  {"error,reference\r\nquery terminated,897\r\n", "query terminated"},
		"no column _value":              {"#datatype,string,long\r\n,result,table\r\n,_result,0\r\n", "no _value"},
		"a record that is too short":    {"#datatype,string,double\r\n,result,_value\r\n,_result\r\n", "no _value"},
		"a text in a column of numbers": {annotated("double", "many"), "double that is not a number"},
		"quotes that do not end":        {"#datatype,string\r\n,\"a\r\n", "something else than a table"},
		"a table without types":         {",result,_value\r\n,_result,1\r\n", "annotated table"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, test.answer) }))
			defer server.Close()
			if got, err := world(t, server.URL).Measure(t.Context(), nil); err == nil || !strings.Contains(err.Error(), test.word) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestTheQueryGoesToTheOrganisationOfTheProfile(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked map[string]any
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		want := map[string]any{
			"query": `from(bucket: "b")`, "type": "flux", "dialect": map[string]any{"header": true, "annotations": []any{"datatype"}},
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Error(diff)
		}
		got := []string{r.Method, r.URL.Path, r.URL.Query().Get("org"), r.Header.Get("Authorization")}
		if diff := cmp.Diff([]string{"POST", "/api/v2/query", "my org", "Token " + token}, got); diff != "" {
			t.Error(diff)
		}
		fmt.Fprint(w, annotated("double", "1"))
	}))
	defer server.Close()
	w := world(t, "")
	w.Provider, w.Metric.Provider.Influxdb.Profile = profile(t, "other", server.URL+"/"), "other"
	if _, err := w.Measure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{annotated("double", "1"), "error,reference\nx,1", "#datatype\n\n,\n,", ",,", "#datatype,string\n,error,reference\n,", "\"\"\n\"\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if values, err := decode(body); err != nil && values != nil {
			t.Errorf("%q gives %v and %v", body, values, err)
		}
	})
}
