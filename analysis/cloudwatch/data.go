package cloudwatch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-delivery/sluice/analysis"
)

// data is the answer of GetMetricData, or a page of it.
type data struct {
	Results  []result  `xml:"MetricDataResults>member"`
	Messages []message `xml:"Messages>member"`
	Next     string    `xml:"NextToken"`
}

type result struct {
	ID         string    `xml:"Id"`
	Label      string    `xml:"Label"`
	Status     string    `xml:"StatusCode"`
	Timestamps []string  `xml:"Timestamps>member"`
	Values     []float64 `xml:"Values>member"`
	Messages   []message `xml:"Messages>member"`
}

type message struct {
	Code  string `xml:"Code"`
	Value string `xml:"Value"`
}

// add takes in a page. A result that goes on is known by its name and label; the state of its last page counts.
func (d *data) add(page data) {
	d.Messages = append(d.Messages, page.Messages...)
	for _, r := range page.Results {
		at := slices.IndexFunc(d.Results, func(known result) bool { return known.ID == r.ID && known.Label == r.Label })
		if at < 0 {
			d.Results = append(d.Results, r)
			continue
		}
		known := &d.Results[at]
		known.Status = r.Status
		known.Timestamps = append(known.Timestamps, r.Timestamps...)
		known.Values = append(known.Values, r.Values...)
		known.Messages = append(known.Messages, r.Messages...)
	}
}

// reading says what was found. What CloudWatch could not compute whole is no ground to go on, nor is nothing, unless a condition judged it good.
func (d *data) reading(judged bool) (analysis.Reading, error) {
	results, texts, said := []any{}, []string{}, d.Messages
	r, found := analysis.Reading{}, false
	for _, one := range d.Results {
		switch one.Status {
		case "Complete":
		case "PartialData":
			r.Doubt = fmt.Sprintf("the data of query %s are partial", one.ID)
		default:
			return r, fmt.Errorf("cloudwatch could not run query %s: %s", one.ID, strings.TrimSuffix(one.Status+": "+text(one.Messages), ": "))
		}
		found = found || len(one.Values) > 0
		results = append(results, one.fields())
		texts = append(texts, numbers(one.Values))
		said = append(said, one.Messages...)
	}
	r.Result, r.Value = results, "["+strings.Join(texts, ",")+"]"
	if len(said) > 0 {
		r.Metadata = map[string]string{"messages": text(said)}
		r.Doubt = "CloudWatch warned: " + text(said)
	}
	if !found && !judged {
		r.Doubt = "CloudWatch has no values for the queries"
	}
	return r, nil
}

// fields are what conditions see, by the names that AWS documents.
func (r result) fields() map[string]any {
	messages := make([]any, len(r.Messages))
	for i, m := range r.Messages {
		messages[i] = map[string]any{"Code": m.Code, "Value": m.Value}
	}
	return map[string]any{
		"Id": r.ID, "Label": r.Label, "StatusCode": r.Status, "Messages": messages,
		"Timestamps": slices.Clone(r.Timestamps), "Values": slices.Clone(r.Values),
	}
}

func numbers(values []float64) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = strconv.FormatFloat(v, 'f', -1, 64)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func text(messages []message) string {
	parts := make([]string, len(messages))
	for i, m := range messages {
		parts[i] = m.Code + " " + m.Value
	}
	return strings.Join(parts, "; ")
}
