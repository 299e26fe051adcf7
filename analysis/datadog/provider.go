package datadog

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/credential"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	defaultSecret  = "datadog"
	defaultAddress = "https://api.datadoghq.com"
)

// Provider implements analysis.Provider.
type Provider struct {
	Secrets credential.Store
	// Getenv reads the controller's environment. DD_API_KEY and DD_APP_KEY, with DD_ADDRESS, stand for the Secret of a metric that
	// names none.
	Getenv func(string) string
}

// account is who asks, and where.
type account struct{ address, apiKey, appKey string }

// Measure runs the query. The result is a float64, or nil where Datadog has no value.
func (p Provider) Measure(ctx context.Context, run *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	d := m.Provider.Datadog
	back, err := analysis.LookBack(d.Interval)
	if err != nil {
		return analysis.Reading{}, err
	}
	a, err := p.account(ctx, run.Namespace, d.SecretRef)
	if err != nil {
		return analysis.Reading{}, err
	}
	to := time.Now()
	value, doubt, err := (*float64)(nil), "", error(nil)
	if d.APIVersion == "v2" {
		value, doubt, err = p.scalar(ctx, a, d, to.Add(-back), to)
	} else {
		value, doubt, err = p.timeseries(ctx, a, d.Query, to.Add(-back), to)
	}
	if err != nil {
		return analysis.Reading{}, err
	}
	if value == nil {
		return analysis.Reading{Value: "null", Doubt: doubt}, nil
	}
	return analysis.Reading{Result: *value, Value: strconv.FormatFloat(*value, 'f', -1, 64), Doubt: doubt}, nil
}

// account finds the keys: in the Secret that the metric names, else in the environment, else in the Secret datadog.
func (p Provider) account(ctx context.Context, namespace string, ref *v1alpha1.DatadogSecretRef) (account, error) {
	name, read := defaultSecret, p.Secrets.Own
	switch {
	case ref != nil && ref.Namespaced:
		read = func(ctx context.Context, name string) (credential.Keys, error) {
			return p.Secrets.In(ctx, namespace, name)
		}
	case ref == nil || ref.Name == "":
		a := account{p.Getenv("DD_ADDRESS"), p.Getenv("DD_API_KEY"), p.Getenv("DD_APP_KEY")}
		if a.apiKey != "" && a.appKey != "" {
			return a.withAddress(), nil
		}
	}
	if ref != nil && ref.Name != "" {
		name = ref.Name
	}
	keys, err := read(ctx, name)
	if err != nil {
		return account{}, err
	}
	a := account{address: keys.Get("address")}
	if a.apiKey, err = keys.Need("api-key"); err != nil {
		return account{}, err
	}
	if a.appKey, err = keys.Need("app-key"); err != nil {
		return account{}, err
	}
	return a.withAddress(), nil
}

func (a account) withAddress() account {
	if a.address == "" {
		a.address = defaultAddress
	}
	a.address = strings.TrimSuffix(a.address, "/")
	return a
}

// ask sends a request in the name of the account.
func (p Provider) ask(ctx context.Context, a account, r outbound.Question, into any) error {
	r.URL = a.address + r.URL
	r.Header = map[string]string{"DD-API-KEY": a.apiKey, "DD-APPLICATION-KEY": a.appKey, "Content-Type": "application/json"}
	r.Secrets = []string{a.apiKey, a.appKey}
	return outbound.AskJSON(ctx, r, into)
}

// only says why one of several series is not a good answer.
func only(series int) string {
	if series < 2 {
		return ""
	}
	return fmt.Sprintf("the query gives %d series and only the first one is judged; aggregate them into one", series)
}
