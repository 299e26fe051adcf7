package wavefront

import (
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

const token = "wavefront-token-0123"

// world has a token for the address. A key of a Secret cannot hold the scheme that a stand-in needs, so the check of keys is left to the API server.
func world(t *testing.T, address string) providertest.World {
	w := &v1alpha1.WavefrontMetric{Address: address, Query: "ts(errors)"}
	return providertest.World{
		Provider: Provider{Secrets: providertest.Store(t, providertest.Own, "wavefront-api-tokens", map[string]string{address: token})},
		Metric:   v1alpha1.Metric{Name: "errors", Provider: v1alpha1.MetricProvider{Wavefront: w}},
		Secrets:  []string{token},
	}
}

func TestContract(t *testing.T) { providertest.Contract(t, world) }

func TestTheNewestPointOfEachSeriesCounts(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, test := range map[string]struct {
		points [][][]float64
		want   analysis.Reading
	}{
		"one series": {[][][]float64{{{970, 3}, {990, 1.5}, {980, 2}}}, analysis.Reading{
			Result: 1.5, Value: "1.50", Metadata: map[string]string{"timestamps": "990", "drift": "10"},
		}},
		"several series": {[][][]float64{{{990, 1}}, {}, {{995, 2}}}, analysis.Reading{
			Result: []float64{1, 2}, Value: "[1.00,2.00]", Metadata: map[string]string{"timestamps": "990,995", "drift": "10,5"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var a answer
			for _, points := range test.points {
				a.Series = append(a.Series, series{Points: points})
			}
			got, err := a.reading(now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWarningsOfTheServerAreKept(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"timeseries":[{"data":[[5,1]]}],"warnings":"too many points"}`)
	}))
	defer server.Close()
	if got, err := world(t, server.URL).Measure(t.Context(), nil); err != nil || got.Metadata["warnings"] != "too many points" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnAnswerWithoutPointsIsAnError(t *testing.T) {
	for answer, word := range map[string]string{
		`{}`:                                  "no data",
		`{"timeseries":[]}`:                   "no data",
		`{"timeseries":[{"data":[]}]}`:        "no data",
		`{"timeseries":[{"data":[[1,2,3]]}]}`: "pair",
		`{"timeseries":[{"data":[["a",2]]}]}`: "expected",
		`{"errorType":"QuerySyntaxError","errorMessage":"Syntax error at position 3"}`: "QuerySyntaxError Syntax error at position 3",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		defer server.Close()
		if got, err := world(t, server.URL).Measure(t.Context(), nil); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s gives %+v, %v", answer, got, err)
		}
	}
}

func TestTheLastHourIsAskedFor(t *testing.T) {
	ask := request(&v1alpha1.WavefrontMetric{Address: "example.wavefront.com", Query: "ts(a b)"}, token, time.Unix(7200, 0))
	if diff := cmp.Diff("https://example.wavefront.com/api/v2/chart/api?e=7200000&g=s&q=ts%28a+b%29&s=3600000&strict=true", ask.URL); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"Authorization": "Bearer " + token}, ask.Header); diff != "" {
		t.Error(diff)
	}
}

func TestAnAddressWithoutATokenIsNotAsked(t *testing.T) {
	w := world(t, "https://one.wavefront.com")
	w.Metric.Provider.Wavefront.Address = "https://two.wavefront.com"
	if _, err := w.Measure(t.Context(), nil); err == nil || err.Error() != "secret sluice-system/wavefront-api-tokens has no key https://two.wavefront.com" {
		t.Errorf("the error is %v", err)
	}
}
