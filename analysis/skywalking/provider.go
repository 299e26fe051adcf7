package skywalking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// minute is how SkyWalking writes a moment where the step is MINUTE.
const minute = "2006-01-02 1504"

// Provider implements analysis.Provider.
type Provider struct{}

// Measure runs the query with the variable $duration. The result is the object data of the answer.
func (Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	s := m.Provider.SkyWalking
	back, err := analysis.LookBack(s.Interval)
	if err != nil {
		return analysis.Reading{}, err
	}
	body, err := json.Marshal(question(s.Query, back, time.Now()))
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("composing the query: %w", err)
	}
	var answer struct {
		Data   map[string]any `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	ask := outbound.Question{
		Method: http.MethodPost,
		URL:    strings.TrimSuffix(s.Address, "/") + "/graphql",
		Header: map[string]string{"Content-Type": "application/json"},
		Body:   body,
	}
	if err := outbound.AskJSON(ctx, ask, &answer); err != nil {
		return analysis.Reading{}, err
	}
	if len(answer.Errors) > 0 {
		return analysis.Reading{}, fmt.Errorf("skywalking could not run the query: %s", answer.Errors[0].Message)
	}
	if len(answer.Data) == 0 {
		return analysis.Reading{}, errors.New("skywalking answered without data")
	}
	value, err := json.Marshal(answer.Data)
	return analysis.Reading{Result: answer.Data, Value: string(value)}, err
}

// question is the query with its time span, in UTC, which is the zone of SkyWalking unless it was given another one.
func question(query string, back time.Duration, now time.Time) map[string]any {
	now = now.UTC()
	return map[string]any{
		"query": query,
		"variables": map[string]any{
			"duration": map[string]string{"start": now.Add(-back).Format(minute), "end": now.Format(minute), "step": "MINUTE"},
		},
	}
}
