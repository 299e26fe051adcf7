package graphite

import (
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

func world(address, query string) providertest.World {
	g := &v1alpha1.GraphiteMetric{Address: address, Query: query}
	return providertest.World{Provider: Provider{}, Metric: v1alpha1.Metric{Name: "errors", Provider: v1alpha1.MetricProvider{Graphite: g}}}
}

func TestContract(t *testing.T) {
	providertest.Contract(t, func(_ *testing.T, address string) providertest.World { return world(address, "target=errors") })
}

func TestTheAnswerBecomesAListOfNumbers(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		want   analysis.Reading
	}{
		"points with gaps": {`[{"target":"a","datapoints":[[0.5,1],[null,2],[0.25,3]]}]`, analysis.Reading{Result: []float64{0.5, 0.25}, Value: "[0.50,0.25]"}},
		"only gaps":        {`[{"target":"a","datapoints":[[null,1]]}]`, analysis.Reading{Result: []float64{}, Value: "[]"}},
		"no series":        {`[]`, analysis.Reading{Result: []float64{}, Value: "[]"}},
		"null":             {`null`, analysis.Reading{Result: []float64{}, Value: "[]"}},
		"several series": {`[{"target":"a","datapoints":[[1,1]]},{"target":"b","datapoints":[[2,1]]}]`, analysis.Reading{
			Result: []float64{1}, Value: "[1.00]", Doubt: "the query gives 2 series and only the first one is judged; aggregate them into one",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, test.answer) }))
			defer server.Close()
			got, err := world(server.URL, "target=a").Measure(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPointThatIsNoPairIsAnError(t *testing.T) {
	for _, answer := range []string{`[{"datapoints":[[1]]}]`, `[{"datapoints":[[]]}]`, `[{"datapoints":[null]}]`, `[{"datapoints":[["1",2]]}]`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		defer server.Close()
		if got, err := world(server.URL, "target=a").Measure(t.Context(), nil); err == nil {
			t.Errorf("%s gives %+v", answer, got)
		}
	}
}

func TestTheQueryIsAQueryStringOverSeveralLines(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := map[string][]string{"target": {"summarize( a.b, '5min' )"}, "from": {"-5min"}, "format": {"json"}}
		if diff := cmp.Diff(want, map[string][]string(r.URL.Query())); diff != "" || r.URL.Path != "/graphite/render" {
			t.Errorf("%s: %s", r.URL.Path, diff)
		}
		fmt.Fprint(w, `[]`)
	}))
	defer server.Close()
	if _, err := world(server.URL+"/graphite/", "target=summarize(\n  a.b,\n  '5min'\n)\n&from=-5min&format=png\n").Measure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestARedirectOnTheSameHostIsFollowed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/render" {
			http.Redirect(w, r, "/render/?"+r.URL.RawQuery, http.StatusMovedPermanently)
			return
		}
		fmt.Fprint(w, `[{"datapoints":[[4,1]]}]`)
	}))
	defer server.Close()
	if got, err := world(server.URL, "target=a").Measure(t.Context(), nil); err != nil || got.Value != "[4.00]" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAQueryThatIsNoneIsNotSent(t *testing.T) {
	for query, word := range map[string]string{"summarize(a.b,'5min')": "must name a target", "target=%zz": "no query string", "": "must name a target"} {
		if _, err := world("http://127.0.0.1:0", query).Measure(t.Context(), nil); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %v", query, err)
		}
	}
}
