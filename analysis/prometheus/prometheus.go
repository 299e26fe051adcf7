package prometheus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/analysis/sigv4"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// AddressVariable is the environment variable that holds the address for metrics without one.
const AddressVariable = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS"

const (
	// defaultTimeout is timeout where the metric gives none.
	defaultTimeout = 30 * time.Second
	// maxBody bounds an answer, in bytes; a query for a verdict gives a handful of numbers.
	maxBody = 8 << 20
	// lookback is how old a sample may be; Prometheus itself looks back as far by default.
	lookback = 5 * time.Minute
	// amazonService is Amazon Managed Service for Prometheus, as signatures name it.
	amazonService = "aps"
)

// Provider asks Prometheus servers.
type Provider struct {
	// Signer signs the requests of metrics with sigv4.
	Signer *sigv4.Signer
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// Measure makes one query. A scalar becomes a float64, a vector and a matrix become []float64 with every sample of every series.
func (p *Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	q := m.Provider.Prometheus
	address := q.Address
	if address == "" {
		address = os.Getenv(AddressVariable)
	}
	if address == "" {
		return analysis.Reading{}, fmt.Errorf("metric %s: provider.prometheus.address is empty, and so is the controller's %s", m.Name, AddressVariable)
	}
	timeout := defaultTimeout
	if q.Timeout != nil && *q.Timeout > 0 {
		timeout = time.Duration(*q.Timeout) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	options := outbound.Options{Timeout: timeout, MaxBody: maxBody, Insecure: q.Insecure, Headers: q.Headers, Auth: q.Authentication}
	var key sigv4.Key
	if a := q.Authentication.Sigv4; a != nil {
		var err error
		if key, err = p.Signer.Key(ctx, amazonService, a.Region, sigv4.Identity{Profile: a.Profile, RoleARN: a.RoleARN}); err != nil {
			return analysis.Reading{}, fmt.Errorf("metric %s: %w", m.Name, err)
		}
		options.Sign = key.Sign
	}
	client, err := api.NewClient(api.Config{Address: address, Client: outbound.Client(ctx, options)})
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("reading the address of Prometheus: %w", err)
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	r, err := query(ctx, promv1.NewAPI(client), q, now())
	return withhold(key, r, err)
}

// withhold takes a key out of what the server said, for it may repeat what it was told.
func withhold(key sigv4.Key, r analysis.Reading, err error) (analysis.Reading, error) {
	r.Doubt = key.Hide(r.Doubt)
	for name, text := range r.Metadata {
		r.Metadata[name] = key.Hide(text)
	}
	if err != nil && key.Hide(err.Error()) != err.Error() {
		err = errors.New(key.Hide(err.Error()))
	}
	return r, err
}

func query(ctx context.Context, server promv1.API, q *v1alpha1.PrometheusMetric, now time.Time) (analysis.Reading, error) {
	var value model.Value
	var warnings promv1.Warnings
	var err error
	if q.RangeQuery == nil {
		value, warnings, err = server.Query(ctx, q.Query, now)
	} else {
		span, spanErr := rangeOf(*q.RangeQuery, now)
		if spanErr != nil {
			return analysis.Reading{}, spanErr
		}
		value, warnings, err = server.QueryRange(ctx, q.Query, span)
	}
	if err != nil {
		return analysis.Reading{}, explain(err)
	}
	r, err := read(value)
	if err != nil {
		return analysis.Reading{}, err
	}
	if q.RangeQuery == nil {
		r.Doubt = staleness(value, now)
	}
	if len(warnings) > 0 {
		r.Metadata = map[string]string{"warnings": strings.Join(warnings, "\n")}
	}
	for _, w := range warnings {
		if !strings.HasPrefix(w, "PromQL info") {
			r.Doubt = "the server warned: " + w
			break
		}
	}
	return r, nil
}

func rangeOf(args v1alpha1.PrometheusRangeQueryArgs, now time.Time) (promv1.Range, error) {
	var span promv1.Range
	var err error
	if span.Start, err = analysis.Moment(args.Start, now); err != nil {
		return span, fmt.Errorf("rangeQuery.start %q: %w", args.Start, err)
	}
	if span.End, err = analysis.Moment(args.End, now); err != nil {
		return span, fmt.Errorf("rangeQuery.end %q: %w", args.End, err)
	}
	if span.Step, err = time.ParseDuration(args.Step); err != nil || span.Step <= 0 {
		return span, fmt.Errorf("rangeQuery.step %q is not a Go duration above zero, such as 30s", args.Step)
	}
	return span, nil
}

// explain says in one line what went wrong; the library keeps the server's own words apart from the error.
func explain(err error) error {
	var failure *promv1.Error
	if errors.As(err, &failure) && failure.Detail != "" {
		return fmt.Errorf("asking Prometheus: %w (%s)", err, strings.TrimSpace(failure.Detail))
	}
	return fmt.Errorf("asking Prometheus: %w", err)
}

func read(value model.Value) (analysis.Reading, error) {
	switch v := value.(type) {
	case *model.Scalar:
		return analysis.Reading{Result: float64(v.Value), Value: text(float64(v.Value))}, nil
	case model.Vector:
		samples := make([]float64, 0, len(v))
		for _, s := range v {
			if s.Histogram != nil {
				return analysis.Reading{}, fmt.Errorf("the query gives native histograms; make numbers of them, for example by histogram_quantile")
			}
			samples = append(samples, float64(s.Value))
		}
		return list(samples), nil
	case model.Matrix:
		samples := []float64{}
		for _, series := range v {
			for _, s := range series.Values {
				samples = append(samples, float64(s.Value))
			}
		}
		return list(samples), nil
	}
	return analysis.Reading{}, fmt.Errorf("the query gives a %s; a scalar, a vector or a matrix is needed", value.Type())
}

func list(samples []float64) analysis.Reading {
	texts := make([]string, len(samples))
	for i, s := range samples {
		texts[i] = text(s)
	}
	return analysis.Reading{Result: samples, Value: "[" + strings.Join(texts, ",") + "]"}
}

func text(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// staleness says if samples of an instant query speak of another time than was asked for.
func staleness(value model.Value, asked time.Time) string {
	v, ok := value.(model.Vector)
	if !ok {
		return ""
	}
	for _, s := range v {
		if age := asked.Sub(s.Timestamp.Time()).Abs(); age > lookback {
			return fmt.Sprintf("a sample is %s away from the time that was asked for", age.Round(time.Second))
		}
	}
	return ""
}
