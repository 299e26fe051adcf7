package prometheus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"k8s.io/utils/ptr"

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
	// lookback is how old a sample may be; Prometheus itself looks back as far by default.
	lookback = 5 * time.Minute
	// skew is how far our clock and that of the server may differ before a range that we reckon is another one for the server.
	skew = time.Minute
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
	address := cmp.Or(q.Address, os.Getenv(AddressVariable))
	if address == "" {
		return analysis.Reading{}, fmt.Errorf("metric %s: provider.prometheus.address is empty, and so is the controller's %s", m.Name, AddressVariable)
	}
	timeout := outbound.Timeout(ptr.Deref(q.Timeout, 0), defaultTimeout)
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	server, secrets, err := p.connect(limited, address, q)
	if err == nil {
		var r analysis.Reading
		if r, err = query(limited, server, q, p.now()); err == nil {
			return withhold(secrets, r), nil
		}
	}
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s: %w", timeout, limited.Err())
	}
	return analysis.Reading{}, fmt.Errorf("asking Prometheus at %s: %w", outbound.Place(address), outbound.Failure(err, secrets))
}

// connect makes the client of one server, and lists what it will send that nobody else may see.
func (p *Provider) connect(ctx context.Context, address string, q *v1alpha1.PrometheusMetric) (*witness, []string, error) {
	headers := map[string]string{}
	for _, h := range q.Headers {
		headers[http.CanonicalHeaderKey(h.Key)] = h.Value
	}
	options := outbound.Options{Insecure: q.Insecure, Header: headers, Authentication: q.Authentication}
	var secrets []string
	if a := q.Authentication.Sigv4; a != nil {
		key, err := p.Signer.Key(ctx, amazonService, a.Region, sigv4.Identity{Profile: a.Profile, RoleARN: a.RoleARN})
		if err != nil {
			return nil, nil, err
		}
		options.Sign, secrets = key.Sign, key.Secrets()
	}
	client, more, err := outbound.Client(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	secrets = append(secrets, more...)
	server, err := api.NewClient(api.Config{Address: address, Client: client})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the address: %w", err)
	}
	return &witness{Client: server, secrets: secrets}, secrets, nil
}

// withhold takes secrets out of what the server said, for it may repeat what it was told.
func withhold(secrets []string, r analysis.Reading) analysis.Reading {
	r.Doubt = outbound.Hide(r.Doubt, secrets)
	for name, text := range r.Metadata {
		r.Metadata[name] = outbound.Hide(text, secrets)
	}
	return r
}

func (p *Provider) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// witness sees what the library does not pass on: the time of the server, and what it says where it does not speak as Prometheus does.
type witness struct {
	api.Client
	secrets []string
	// date is the time of the last answer by the clock of the server; zero if it does not say.
	date time.Time
}

// Do implements api.Client.
func (w *witness) Do(ctx context.Context, request *http.Request) (*http.Response, []byte, error) {
	answer, body, err := w.Client.Do(ctx, request)
	if err != nil {
		return answer, body, err
	}
	w.date, _ = http.ParseTime(answer.Header.Get("Date"))
	var failure struct{ Error string }
	if answer.StatusCode/100 != 2 && (json.Unmarshal(body, &failure) != nil || failure.Error == "") {
		return answer, nil, outbound.Refusal(answer, body, w.secrets)
	}
	return answer, body, nil
}

func query(ctx context.Context, server *witness, q *v1alpha1.PrometheusMetric, now time.Time) (analysis.Reading, error) {
	var value model.Value
	var warnings promv1.Warnings
	var span promv1.Range
	var err error
	if q.RangeQuery == nil {
		// Without a time the server takes its own, so that it does not matter what our clock says.
		value, warnings, err = promv1.NewAPI(server).Query(ctx, q.Query, time.Time{})
	} else if span, err = rangeOf(*q.RangeQuery, now); err == nil {
		value, warnings, err = promv1.NewAPI(server).QueryRange(ctx, q.Query, span)
	}
	if err != nil {
		return analysis.Reading{}, explain(err)
	}
	r, err := read(value)
	if err != nil {
		return analysis.Reading{}, err
	}
	if server.date.IsZero() {
		server.date = now
	}
	r.Doubt = doubt(value, span, server.date, now)
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

// explain tells what the server says of the query from an answer that is none.
func explain(err error) error {
	var failure *promv1.Error
	_, refused := errors.AsType[*outbound.StatusError](err)
	_, absent := errors.AsType[*url.Error](err)
	switch {
	case errors.As(err, &failure) && failure.Type != promv1.ErrBadResponse:
		return fmt.Errorf("it answered %w", err)
	case refused, absent, errors.Is(err, outbound.ErrTooLarge):
		return err
	}
	return fmt.Errorf("the answer makes no sense: %w", err)
}

var errHistogram = errors.New("the answer holds native histograms; make numbers of them, for example by histogram_quantile")

func read(value model.Value) (analysis.Reading, error) {
	switch v := value.(type) {
	case *model.Scalar:
		return analysis.Reading{Result: float64(v.Value), Value: v.Value.String()}, nil
	case model.Vector:
		samples := make([]float64, 0, len(v))
		for _, s := range v {
			if s.Histogram != nil {
				return analysis.Reading{}, errHistogram
			}
			samples = append(samples, float64(s.Value))
		}
		return list(samples), nil
	case model.Matrix:
		samples := []float64{}
		for _, series := range v {
			if len(series.Histograms) > 0 {
				return analysis.Reading{}, errHistogram
			}
			for _, s := range series.Values {
				samples = append(samples, float64(s.Value))
			}
		}
		return list(samples), nil
	case nil:
		return analysis.Reading{}, errors.New("the answer has no data")
	}
	return analysis.Reading{}, fmt.Errorf("the answer is a %s; write a query that gives a scalar, a vector or a matrix", value.Type())
}

func list(samples []float64) analysis.Reading {
	texts := make([]string, len(samples))
	for i, s := range samples {
		texts[i] = model.SampleValue(s).String()
	}
	return analysis.Reading{Result: samples, Value: "[" + strings.Join(texts, ",") + "]"}
}

// doubt says if samples speak of another time than was asked for: theirs is given by the clock of the server, a range by ours.
func doubt(value model.Value, span promv1.Range, served, now time.Time) string {
	switch v := value.(type) {
	case *model.Scalar:
		return stale(v.Timestamp.Time(), served)
	case model.Vector:
		for _, s := range v {
			if why := stale(s.Timestamp.Time(), served); why != "" {
				return why
			}
		}
	case model.Matrix:
		if off := served.Sub(now).Abs(); off > skew {
			return fmt.Sprintf("the clock of the server is %s away from the controller's, so that the range is another one for it", off.Round(time.Second))
		}
		for _, series := range v {
			if n := len(series.Values); n > 0 && span.End.Sub(series.Values[n-1].Timestamp.Time()) > lookback+span.Step {
				return "a series ends long before the range does"
			}
		}
	}
	return ""
}

func stale(sample, asked time.Time) string {
	if age := asked.Sub(sample).Abs(); age > lookback {
		return fmt.Sprintf("a sample is %s away from the time that was asked for", age.Round(time.Second))
	}
	return ""
}
