package wavefront

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/credential"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	// tokens is the Secret whose keys are addresses and whose values are the tokens to use there.
	tokens = "wavefront-api-tokens"
	// lookBack is how far a query reaches back; the newest point in it counts.
	lookBack = time.Hour
)

// Provider implements analysis.Provider.
type Provider struct {
	Secrets credential.Store
}

// answer is what the chart API answers.
type answer struct {
	Series       []series `json:"timeseries"`
	Warnings     string   `json:"warnings"`
	ErrorType    string   `json:"errorType"`
	ErrorMessage string   `json:"errorMessage"`
}

type series struct {
	// Points are pairs of seconds and value.
	Points [][]float64 `json:"data"`
}

// Measure runs the query. The result is a float64 for one series, a []float64 for several: the newest point of each.
func (p Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	w := m.Provider.Wavefront
	keys, err := p.Secrets.Own(ctx, tokens)
	if err != nil {
		return analysis.Reading{}, err
	}
	token, err := keys.Need(w.Address)
	if err != nil {
		return analysis.Reading{}, err
	}
	now := time.Now()
	var a answer
	if err := outbound.AskJSON(ctx, request(w, token, now), &a); err != nil {
		return analysis.Reading{}, err
	}
	if a.ErrorType != "" || a.ErrorMessage != "" {
		return analysis.Reading{}, fmt.Errorf("wavefront could not run the query: %s %s", a.ErrorType, a.ErrorMessage)
	}
	return a.reading(now)
}

// request asks for points as they were reported, to the second. It goes over https unless the address says otherwise.
func request(w *v1alpha1.WavefrontMetric, token string, now time.Time) outbound.Question {
	address := strings.TrimSuffix(w.Address, "/")
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	ask := url.Values{
		"q":      {w.Query},
		"s":      {strconv.FormatInt(now.Add(-lookBack).UnixMilli(), 10)},
		"e":      {strconv.FormatInt(now.UnixMilli(), 10)},
		"g":      {"s"},
		"strict": {"true"},
	}
	return outbound.Question{
		URL:     address + "/api/v2/chart/api?" + ask.Encode(),
		Header:  map[string]string{"Authorization": "Bearer " + token},
		Secrets: []string{token},
	}
}

// reading takes the newest point of each series. Series without a point are left out.
func (a answer) reading(now time.Time) (analysis.Reading, error) {
	values, texts, times, ages := []float64{}, []string{}, []string{}, []string{}
	for _, s := range a.Series {
		if len(s.Points) == 0 {
			continue
		}
		newest := []float64(nil)
		for _, point := range s.Points {
			if len(point) != 2 {
				return analysis.Reading{}, errors.New("wavefront answered with a point that is not a pair of time and value")
			}
			if newest == nil || point[0] > newest[0] {
				newest = point
			}
		}
		values, texts = append(values, newest[1]), append(texts, fmt.Sprintf("%.2f", newest[1]))
		times = append(times, strconv.FormatFloat(newest[0], 'f', -1, 64))
		ages = append(ages, strconv.FormatInt(now.Unix()-int64(newest[0]), 10))
	}
	if len(values) == 0 {
		return analysis.Reading{}, errors.New("wavefront has no data for the query in the last hour")
	}
	r := analysis.Reading{Result: values, Value: "[" + strings.Join(texts, ",") + "]"}
	if len(a.Series) == 1 {
		r.Result, r.Value = values[0], texts[0]
	}
	r.Metadata = map[string]string{"timestamps": strings.Join(times, ","), "drift": strings.Join(ages, ",")}
	if a.Warnings != "" {
		r.Metadata["warnings"] = a.Warnings
	}
	return r, nil
}
