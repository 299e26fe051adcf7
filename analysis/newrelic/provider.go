package newrelic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/credential"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	// defaultSecret is the profile of a metric that names none.
	defaultSecret = "newrelic"
	// defaultTimeout is in seconds, as the wire has it.
	defaultTimeout = 5
	// grace is what the way there and back may take beyond the time of the query itself.
	grace = 5 * time.Second

	question = `query($account: Int!, $nrql: Nrql!, $timeout: Seconds) { actor { account(id: $account) { nrql(query: $nrql, timeout: $timeout) { results } } } }`
)

// endpoints are those of NerdGraph by region.
var endpoints = map[string]string{
	"us":      "https://api.newrelic.com/graphql",
	"eu":      "https://api.eu.newrelic.com/graphql",
	"staging": "https://staging-api.newrelic.com/graphql",
}

// Provider implements analysis.Provider.
type Provider struct {
	Secrets credential.Store
}

// answer is what NerdGraph answers, always with status 200 if it understood.
type answer struct {
	Data struct {
		Actor struct {
			Account struct {
				NRQL *struct {
					Results []map[string]any `json:"results"`
				} `json:"nrql"`
			} `json:"account"`
		} `json:"actor"`
	} `json:"data"`
	Errors []struct {
		Message string `json:"message"`
	} `json:"errors"`
}

// Measure runs the query. The result is the row that NRQL gives, a map by attribute, or a list of such rows if there are several or none.
func (p Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	ask, err := p.request(ctx, m.Provider.NewRelic)
	if err != nil {
		return analysis.Reading{}, err
	}
	var a answer
	if err := outbound.AskJSON(ctx, ask, &a); err != nil {
		return analysis.Reading{}, err
	}
	if len(a.Errors) > 0 {
		return analysis.Reading{}, fmt.Errorf("new relic could not run the query: %s", a.Errors[0].Message)
	}
	if a.Data.Actor.Account.NRQL == nil {
		return analysis.Reading{}, errors.New("new relic answered without results; may the key of the Secret read this account?")
	}
	rows := a.Data.Actor.Account.NRQL.Results
	var result any = list(rows)
	if len(rows) == 1 {
		if len(rows[0]) == 0 {
			return analysis.Reading{}, errors.New("new relic answered with a row that holds nothing")
		}
		result = rows[0]
	}
	value, err := json.Marshal(result)
	return analysis.Reading{Result: result, Value: string(value)}, err
}

// request asks NerdGraph in the name of the profile.
func (p Provider) request(ctx context.Context, n *v1alpha1.NewRelicMetric) (outbound.Question, error) {
	name := n.Profile
	if name == "" {
		name = defaultSecret
	}
	keys, err := p.Secrets.Own(ctx, name)
	if err != nil {
		return outbound.Question{}, err
	}
	key, err := keys.Need("personal-api-key")
	if err != nil {
		return outbound.Question{}, err
	}
	text, err := keys.Need("account-id")
	if err != nil {
		return outbound.Question{}, err
	}
	account, err := strconv.Atoi(text)
	if err != nil {
		return outbound.Question{}, fmt.Errorf("secret %s: account-id is not a number", name)
	}
	address, err := endpoint(keys)
	if err != nil {
		return outbound.Question{}, fmt.Errorf("secret %s: %w", name, err)
	}
	timeout := int64(defaultTimeout)
	if n.Timeout != nil {
		timeout = *n.Timeout
	}
	body, err := json.Marshal(map[string]any{
		"query":     question,
		"variables": map[string]any{"account": account, "nrql": n.Query, "timeout": timeout},
	})
	return outbound.Question{
		Method:  http.MethodPost,
		URL:     address,
		Header:  map[string]string{"API-Key": key, "Content-Type": "application/json"},
		Body:    body,
		Timeout: time.Duration(timeout)*time.Second + grace,
		Secrets: []string{key},
	}, err
}

// endpoint finds NerdGraph: where the profile says, or in its region.
func endpoint(keys credential.Keys) (string, error) {
	if address := keys.Get("base-url-nerdgraph"); address != "" {
		return address, nil
	}
	region := strings.ToLower(keys.Get("region"))
	if region == "" {
		region = "us"
	}
	if address, known := endpoints[region]; known {
		return address, nil
	}
	return "", errors.New("region must be us or eu; for another one set base-url-nerdgraph")
}

func list(rows []map[string]any) []any {
	all := make([]any, len(rows))
	for i, row := range rows {
		all[i] = row
	}
	return all
}
