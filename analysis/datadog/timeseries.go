package datadog

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/sluice-delivery/sluice/analysis/outbound"
)

// timeseries asks API v1 for the last point of the first series. Points at the end that have no value yet are passed over.
func (p Provider) timeseries(ctx context.Context, a account, query string, from, to time.Time) (value *float64, doubt string, err error) {
	ask := url.Values{
		"query": {query},
		"from":  {strconv.FormatInt(from.Unix(), 10)},
		"to":    {strconv.FormatInt(to.Unix(), 10)},
	}
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Series []struct {
			Points [][]*float64 `json:"pointlist"`
		} `json:"series"`
	}
	if err := p.ask(ctx, a, outbound.Question{URL: "/api/v1/query?" + ask.Encode()}, &answer); err != nil {
		return nil, "", err
	}
	if answer.Error != "" || answer.Status != "ok" {
		return nil, "", fmt.Errorf("datadog could not run the query: status %q, error %q", answer.Status, answer.Error)
	}
	if len(answer.Series) == 0 {
		return nil, "", nil
	}
	for _, point := range answer.Series[0].Points {
		if len(point) != 2 {
			return nil, "", errors.New("datadog answered with a point that is not a pair of time and value")
		}
		if point[1] != nil {
			value = point[1]
		}
	}
	return value, only(len(answer.Series)), nil
}
