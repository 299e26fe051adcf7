package influxdb

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/credential"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// defaultSecret is the profile of a metric that names none.
const defaultSecret = "influxdb"

// Provider implements analysis.Provider.
type Provider struct {
	Secrets credential.Store
}

// Measure runs the query. The result is the list of _value of all records of all tables, in their order: a []float64 if all are
// numbers, else a []any in which moments and durations are text.
func (p Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	ask, err := p.request(ctx, m.Provider.Influxdb)
	if err != nil {
		return analysis.Reading{}, err
	}
	body, err := outbound.Ask(ctx, ask)
	if err != nil {
		return analysis.Reading{}, err
	}
	values, err := decode(string(body))
	if err != nil {
		return analysis.Reading{}, err
	}
	return reading(values), nil
}

// reading gives numbers as numbers, which lets a NaN among them be noticed. A record without a value is no ground to go on.
func reading(values []any) analysis.Reading {
	r := analysis.Reading{Result: values, Value: text(values)}
	if slices.Contains(values, nil) {
		r.Doubt = "some records have no value"
	}
	numbers := make([]float64, 0, len(values))
	for _, v := range values {
		if f, is := v.(float64); is {
			numbers = append(numbers, f)
		}
	}
	if len(numbers) == len(values) {
		r.Result = numbers
	}
	return r
}

// request asks for a table with the types of its columns.
func (p Provider) request(ctx context.Context, m *v1alpha1.InfluxdbMetric) (outbound.Question, error) {
	name := m.Profile
	if name == "" {
		name = defaultSecret
	}
	keys, err := p.Secrets.Own(ctx, name)
	if err != nil {
		return outbound.Question{}, err
	}
	need := map[string]string{}
	for _, key := range []string{"address", "authToken", "org"} {
		if need[key], err = keys.Need(key); err != nil {
			return outbound.Question{}, err
		}
	}
	body, err := json.Marshal(map[string]any{
		"query":   m.Query,
		"type":    "flux",
		"dialect": map[string]any{"header": true, "annotations": []string{"datatype"}},
	})
	return outbound.Question{
		Method:  http.MethodPost,
		URL:     strings.TrimSuffix(need["address"], "/") + "/api/v2/query?" + url.Values{"org": {need["org"]}}.Encode(),
		Header:  map[string]string{"Authorization": "Token " + need["authToken"], "Content-Type": "application/json", "Accept": "application/csv"},
		Body:    body,
		Secrets: []string{need["authToken"]},
	}, err
}

func text(values []any) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprint(v)
	}
	return "[" + strings.Join(parts, " ") + "]"
}
