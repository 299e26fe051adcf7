package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// defaultTimeout is timeoutSeconds where the metric gives none.
const defaultTimeout = 10 * time.Second

// Provider makes HTTP requests.
type Provider struct{}

// Measure makes one request. The result is what jsonPath finds first, the whole document without a path, or the body as text if it is no
// JSON. Numbers are float64. An answer that is not 2xx is an error.
func (Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	w := m.Provider.Web
	body, err := outbound.Ask(ctx, outbound.Question{
		Method: w.Method, URL: w.URL, Header: headerOf(w), Body: bodyOf(w),
		Timeout: outbound.Timeout(w.TimeoutSeconds, defaultTimeout), Authentication: w.Authentication, Insecure: w.Insecure,
	})
	if err != nil {
		return analysis.Reading{}, err
	}
	return read(body, w.JSONPath)
}

func headerOf(w *v1alpha1.WebMetric) map[string]string {
	header := map[string]string{}
	if w.JSONBody != nil {
		header["Content-Type"] = "application/json"
	}
	for _, h := range w.Headers {
		header[http.CanonicalHeaderKey(h.Key)] = h.Value // one name counts once however it is spelt: the last of it
	}
	return header
}

func bodyOf(w *v1alpha1.WebMetric) []byte {
	if w.JSONBody != nil {
		return w.JSONBody.Raw
	}
	return []byte(w.Body)
}

func read(body []byte, path string) (analysis.Reading, error) {
	var document any
	if err := json.Unmarshal(body, &document); err != nil {
		if path != "" && path != wholeDocument {
			return analysis.Reading{}, fmt.Errorf("the answer is no JSON, so that jsonPath %s finds nothing: %w", path, err)
		}
		return analysis.Reading{Result: string(body), Value: string(body)}, nil
	}
	value, err := find(document, len(body), path)
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("looking into the answer by jsonPath %s: %w", path, err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return analysis.Reading{}, fmt.Errorf("writing the value as text: %w", err)
	}
	return analysis.Reading{Result: value, Value: string(text)}, nil
}
