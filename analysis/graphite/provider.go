package graphite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Provider implements analysis.Provider.
type Provider struct{}

// series is one target of an answer.
type series struct {
	Name string `json:"target"`
	// Points are pairs of value and time.
	Points [][]*float64 `json:"datapoints"`
}

// Measure runs the query. The result is a []float64, the points of the first series that have a value, oldest first.
func (Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	g := m.Provider.Graphite
	query, err := parameters(g.Query)
	if err != nil {
		return analysis.Reading{}, err
	}
	var answer []series
	ask := outbound.Question{URL: strings.TrimSuffix(g.Address, "/") + "/render?" + query.Encode()}
	if err := outbound.AskJSON(ctx, ask, &answer); err != nil {
		return analysis.Reading{}, err
	}
	values := []float64{}
	if len(answer) > 0 {
		for _, point := range answer[0].Points {
			if len(point) != 2 {
				return analysis.Reading{}, errors.New("graphite answered with a point that is not a pair of value and time")
			}
			if point[0] != nil {
				values = append(values, *point[0])
			}
		}
	}
	r := analysis.Reading{Result: values, Value: text(values)}
	if len(answer) > 1 {
		r.Doubt = fmt.Sprintf("the query gives %d series and only the first one is judged; aggregate them into one", len(answer))
	}
	return r, nil
}

// parameters reads a query, which is the query string of the render API. People write it over several lines.
func parameters(query string) (url.Values, error) {
	values, err := url.ParseQuery(strings.Join(strings.Fields(query), " "))
	if err != nil {
		return nil, fmt.Errorf("provider.graphite.query is no query string, such as target=...&from=-5min: %w", err)
	}
	for _, all := range values {
		for i, value := range all {
			all[i] = strings.TrimSpace(value)
		}
	}
	if values.Get("target") == "" {
		return nil, errors.New("provider.graphite.query must name a target, as in target=summarize(my.metric,'5min')&from=-5min")
	}
	values.Set("format", "json")
	return values, nil
}

func text(values []float64) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprintf("%.2f", v)
	}
	return "[" + strings.Join(parts, ",") + "]"
}
