package kayenta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	// execution is where a measurement in flight keeps which execution is its own.
	execution = "canaryExecutionId"
	// again is how long an execution is left alone between two looks at it.
	again = 15 * time.Second
)

// Provider implements analysis.Provider. The thresholds of the metric give the verdict, not its conditions. There is nothing to stop:
// Kayenta has no way to end an execution, and it ends by itself.
type Provider struct{}

// Measure starts an execution, or looks at the one that was started.
func (p Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, previous *v1alpha1.Measurement) (analysis.Reading, error) {
	k := m.Provider.Kayenta
	if previous != nil && previous.Metadata[execution] != "" {
		return p.look(ctx, k, previous.Metadata[execution])
	}
	id, err := p.start(ctx, k)
	if err != nil {
		return analysis.Reading{}, err
	}
	return analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, Metadata: map[string]string{execution: id}, ResumeAfter: again}, nil
}

// start finds the canary configuration by its name and asks for a judgement by it.
func (p Provider) start(ctx context.Context, k *v1alpha1.KayentaMetric) (string, error) {
	config, err := p.configuration(ctx, k)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(judgement(k))
	if err != nil {
		return "", fmt.Errorf("composing the request: %w", err)
	}
	accounts := url.Values{
		"application":              {k.Application},
		"metricsAccountName":       {k.MetricsAccountName},
		"configurationAccountName": {k.ConfigurationAccountName},
		"storageAccountName":       {k.StorageAccountName},
	}
	var started struct {
		ID string `json:"canaryExecutionId"`
	}
	err = outbound.AskJSON(ctx, outbound.Question{
		Method: http.MethodPost,
		URL:    address(k) + "/canary/" + url.PathEscape(config) + "?" + accounts.Encode(),
		Header: map[string]string{"Content-Type": "application/json"},
		Body:   body,
	}, &started)
	if err != nil {
		return "", fmt.Errorf("starting the canary execution: %w", err)
	}
	if started.ID == "" {
		return "", errors.New("kayenta started a canary execution but did not say which")
	}
	return started.ID, nil
}

func (p Provider) configuration(ctx context.Context, k *v1alpha1.KayentaMetric) (string, error) {
	ask := url.Values{"application": {k.Application}, "configurationAccountName": {k.ConfigurationAccountName}}
	var configs []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if err := outbound.AskJSON(ctx, outbound.Question{URL: address(k) + "/canaryConfig?" + ask.Encode()}, &configs); err != nil {
		return "", fmt.Errorf("finding the canary configuration %s: %w", k.CanaryConfigName, err)
	}
	for _, c := range configs {
		if c.Name == k.CanaryConfigName && c.ID != "" {
			return c.ID, nil
		}
	}
	return "", fmt.Errorf("kayenta has no canary configuration %s for the application %s", k.CanaryConfigName, k.Application)
}

// judgement is the body of the request: what to compare, and what scores mean.
func judgement(k *v1alpha1.KayentaMetric) map[string]any {
	scopes := map[string]any{}
	for _, s := range k.Scopes {
		scopes[s.Name] = map[string]any{"controlScope": s.ControlScope, "experimentScope": s.ExperimentScope}
	}
	return map[string]any{"scopes": scopes, "thresholds": k.Threshold}
}

// look reads the state of an execution.
func (p Provider) look(ctx context.Context, k *v1alpha1.KayentaMetric, id string) (analysis.Reading, error) {
	var state struct {
		Complete bool   `json:"complete"`
		Status   string `json:"status"`
		Result   struct {
			JudgeResult struct {
				Score struct {
					Score *float64 `json:"score"`
				} `json:"score"`
			} `json:"judgeResult"`
		} `json:"result"`
	}
	ask := url.Values{"storageAccountName": {k.StorageAccountName}}
	err := outbound.AskJSON(ctx, outbound.Question{URL: address(k) + "/canary/" + url.PathEscape(id) + "?" + ask.Encode()}, &state)
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("looking at the canary execution %s: %w", id, err)
	}
	score := state.Result.JudgeResult.Score.Score
	switch {
	case !state.Complete:
		return analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: again}, nil
	case !strings.EqualFold(state.Status, "succeeded"):
		return analysis.Reading{}, fmt.Errorf("the canary execution %s ended as %q instead of succeeded", id, state.Status)
	case score == nil:
		return analysis.Reading{}, fmt.Errorf("the canary execution %s ended without a score", id)
	}
	r := verdict(*score, k.Threshold)
	r.Result, r.Value = *score, strconv.FormatFloat(*score, 'f', -1, 64)
	return r, nil
}

// verdict compares a score with the thresholds: what is neither good nor bad is for people to decide.
func verdict(score float64, t v1alpha1.KayentaThreshold) analysis.Reading {
	switch {
	case score >= float64(t.Pass):
		return analysis.Reading{Phase: v1alpha1.AnalysisPhaseSuccessful}
	case score >= float64(t.Marginal):
		return analysis.Reading{
			Phase:   v1alpha1.AnalysisPhaseInconclusive,
			Message: fmt.Sprintf("the score %g is below pass (%d) but not below marginal (%d)", score, t.Pass, t.Marginal),
		}
	}
	return analysis.Reading{
		Phase:   v1alpha1.AnalysisPhaseFailed,
		Message: fmt.Sprintf("the score %g is below marginal (%d)", score, t.Marginal),
	}
}

func address(k *v1alpha1.KayentaMetric) string { return strings.TrimSuffix(k.Address, "/") }
