package cloudwatch

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/analysis/sigv4"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	service = "monitoring"
	// maxPages bounds an answer that comes in pages.
	maxPages = 10
)

// Provider implements analysis.Provider. Region and credentials are those of the controller.
type Provider struct {
	Signer *sigv4.Signer
}

// Measure makes one request, and asks for the further pages of its answer. The result is the list MetricDataResults, with the field names that AWS
// documents: result[0].Values[0] is the newest value of the first query.
func (p Provider) Measure(ctx context.Context, _ *v1alpha1.AnalysisRun, m v1alpha1.Metric, _ *v1alpha1.Measurement) (analysis.Reading, error) {
	c := m.Provider.CloudWatch
	back, err := analysis.LookBack(c.Interval)
	if err != nil {
		return analysis.Reading{}, err
	}
	ask, err := form(c.MetricDataQueries)
	if err != nil {
		return analysis.Reading{}, err
	}
	to := time.Now().UTC()
	ask.Set("StartTime", to.Add(-back).Format(time.RFC3339))
	ask.Set("EndTime", to.Format(time.RFC3339))
	region, err := p.Signer.Region("")
	if err != nil {
		return analysis.Reading{}, err
	}
	key, err := p.Signer.Key(ctx, service, region, sigv4.Identity{})
	if err != nil {
		return analysis.Reading{}, err
	}
	address := strings.TrimSuffix(cmp.Or(p.Signer.Getenv("AWS_ENDPOINT_URL_CLOUDWATCH"), "https://"+sigv4.Host(service, region)), "/") + "/"
	var all data
	for range maxPages {
		page, err := get(ctx, address, ask, key)
		if err != nil {
			return analysis.Reading{}, err
		}
		all.add(page)
		if page.Next == "" {
			return all.reading(m.SuccessCondition != "")
		}
		ask.Set("NextToken", page.Next)
	}
	return analysis.Reading{}, fmt.Errorf("the answer of CloudWatch has more than %d pages; ask for a shorter interval or a longer period", maxPages)
}

func get(ctx context.Context, address string, ask url.Values, key sigv4.Key) (data, error) {
	body, err := outbound.Ask(ctx, outbound.Question{
		Method:  http.MethodPost,
		URL:     address,
		Header:  map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
		Body:    []byte(ask.Encode()),
		Secrets: key.Secrets(),
		Sign:    key.Sign,
	})
	if err != nil {
		return data{}, err
	}
	var answer struct {
		XMLName xml.Name `xml:"GetMetricDataResponse"`
		Data    data     `xml:"GetMetricDataResult"`
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return data{}, fmt.Errorf("reading the answer of CloudWatch: %w", err)
	}
	return answer.Data, nil
}
