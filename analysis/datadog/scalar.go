package datadog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// onlyQuery is the name of a query that has none.
const onlyQuery = "query"

type scalarRequest struct {
	Type       string           `json:"type"`
	Attributes scalarAttributes `json:"attributes"`
}

type scalarAttributes struct {
	// From and To are milliseconds.
	From     int64     `json:"from"`
	To       int64     `json:"to"`
	Queries  []query   `json:"queries"`
	Formulas []formula `json:"formulas,omitempty"`
}

type query struct {
	Name       string `json:"name"`
	Query      string `json:"query"`
	DataSource string `json:"data_source"`
	Aggregator string `json:"aggregator"`
}

type formula struct {
	Formula string `json:"formula"`
}

// column is one formula, one query without a formula, or the names of groups.
type column struct {
	Type   string            `json:"type"`
	Values []json.RawMessage `json:"values"`
}

// scalar asks API v2 for one number.
func (p Provider) scalar(ctx context.Context, a account, d *v1alpha1.DatadogMetric, from, to time.Time) (value *float64, doubt string, err error) {
	body, err := json.Marshal(map[string]any{"data": scalarRequest{Type: "scalar_request", Attributes: attributes(d, from, to)}})
	if err != nil {
		return nil, "", fmt.Errorf("composing the query: %w", err)
	}
	var answer struct {
		Data struct {
			Attributes struct {
				Columns []column `json:"columns"`
			} `json:"attributes"`
		} `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	if err := p.ask(ctx, a, outbound.Question{Method: http.MethodPost, URL: "/api/v2/query/scalar", Body: body}, &answer); err != nil {
		return nil, "", err
	}
	if said := string(answer.Errors); said != "" && said != "null" && said != "[]" && said != `""` {
		return nil, "", fmt.Errorf("datadog could not run the query: %s", said)
	}
	numbers := slices.DeleteFunc(answer.Data.Attributes.Columns, func(c column) bool { return c.Type == "group" })
	if len(numbers) == 0 || len(numbers[0].Values) == 0 {
		return nil, "", nil
	}
	if err := json.Unmarshal(numbers[0].Values[0], &value); err != nil {
		return nil, "", fmt.Errorf("datadog answered with something else than a number: %w", err)
	}
	return value, only(max(len(numbers), len(numbers[0].Values))), nil
}

// attributes gives the queries in the order of their names, so that the same metric asks the same.
func attributes(d *v1alpha1.DatadogMetric, from, to time.Time) scalarAttributes {
	a := scalarAttributes{From: from.UnixMilli(), To: to.UnixMilli()}
	queries, aggregator := d.Queries, d.Aggregator
	if len(queries) == 0 {
		queries = map[string]string{onlyQuery: d.Query}
	}
	if aggregator == "" {
		aggregator = "last"
	}
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		a.Queries = append(a.Queries, query{Name: name, Query: queries[name], DataSource: "metrics", Aggregator: aggregator})
	}
	if d.Formula != "" {
		a.Formulas = []formula{{d.Formula}}
	}
	return a
}
