package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/util/jsonpath"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	// defaultTimeout is timeoutSeconds where the metric gives none.
	defaultTimeout = 10 * time.Second
	// maxBody bounds an answer, in bytes.
	maxBody = 1 << 20
)

// Provider makes HTTP requests.
type Provider struct{}

// Measure makes one request. The result is what jsonPath finds first, the whole document without a path, or the body as text if it is no JSON.
// Numbers are float64. An answer that is not 2xx is an error.
func (Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	w := m.Provider.Web
	timeout := defaultTimeout
	if w.TimeoutSeconds > 0 {
		timeout = time.Duration(w.TimeoutSeconds) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := requestOf(ctx, w)
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("metric %s: %w", m.Name, err)
	}
	answer, err := outbound.Client(ctx, outbound.Options{
		Timeout: timeout, MaxBody: maxBody, Insecure: w.Insecure, Headers: w.Headers, Auth: w.Authentication,
	}).Do(request)
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("asking %s: %w", request.URL.Host, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("reading the answer of %s: %w", request.URL.Host, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return analysis.Reading{}, fmt.Errorf("%s answered %s", request.URL.Host, answer.Status)
	}
	return read(body, w.JSONPath)
}

func requestOf(ctx context.Context, w *v1alpha1.WebMetric) (*http.Request, error) {
	var body io.Reader
	switch {
	case w.JSONBody != nil:
		body = bytes.NewReader(w.JSONBody.Raw)
	case w.Body != "":
		body = strings.NewReader(w.Body)
	}
	request, err := http.NewRequestWithContext(ctx, cmp.Or(string(w.Method), http.MethodGet), w.URL, body)
	if err != nil {
		return nil, fmt.Errorf("provider.web.url is no URL: %w", err)
	}
	if w.JSONBody != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

func read(body []byte, path string) (analysis.Reading, error) {
	var document any
	if err := json.Unmarshal(body, &document); err != nil {
		if path != "" && path != "{$}" {
			return analysis.Reading{}, fmt.Errorf("the answer is no JSON, so jsonPath %s finds nothing: %w", path, err)
		}
		return analysis.Reading{Result: string(body), Value: string(body)}, nil
	}
	value := document
	if path != "" {
		p := jsonpath.New("metric")
		if err := p.Parse(path); err != nil {
			return analysis.Reading{}, fmt.Errorf("jsonPath %s: %w", path, err)
		}
		found, err := p.FindResults(document)
		if err != nil {
			return analysis.Reading{}, fmt.Errorf("jsonPath %s: %w", path, err)
		}
		if len(found) == 0 || len(found[0]) == 0 {
			return analysis.Reading{}, fmt.Errorf("jsonPath %s finds nothing in the answer", path)
		}
		value = found[0][0].Interface()
	}
	text, err := json.Marshal(value)
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("writing the value as text: %w", err)
	}
	return analysis.Reading{Result: value, Value: string(text)}, nil
}
