package analysis

import (
	"fmt"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// questions are the metrics of a run with their arguments, except for secrets, and the rules about them.
type questions struct {
	metrics []v1alpha1.Metric
	dryRun  map[string]bool
	keep    map[string]int
}

func (q questions) metric(name string) *v1alpha1.Metric {
	i := slices.IndexFunc(q.metrics, func(m v1alpha1.Metric) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &q.metrics[i]
}

// resolve reads what a run asks; the error is what its status says if that is no sense.
func resolve(spec v1alpha1.AnalysisRunSpec) (questions, error) {
	q := questions{dryRun: map[string]bool{}, keep: map[string]int{}}
	f := newFiller(spec.Args, nil)
	for _, m := range spec.Metrics {
		filled, err := f.metric(m)
		if err == nil {
			err = fixed(filled)
		}
		if err != nil {
			return q, fmt.Errorf("Unable to resolve metric arguments: %w", err) //nolint:staticcheck // the wording of the wire contract
		}
		q.metrics = append(q.metrics, filled)
	}
	if err := q.rules(spec); err != nil {
		return q, fmt.Errorf("Analysis spec invalid: %w", err) //nolint:staticcheck // the wording of the wire contract
	}
	for i, e := range Validate(q.metrics) {
		if i == 0 {
			return q, fmt.Errorf("Analysis spec invalid: %s: %s", e.Field, e.Detail) //nolint:staticcheck // the wording of the wire contract
		}
	}
	return q, nil
}

// fixed refuses a metric of which it is not known yet what it is called, when it is due and when it ends.
func fixed(m v1alpha1.Metric) error {
	texts := []struct{ name, value string }{{"name", m.Name}, {"interval", string(m.Interval)}, {"initialDelay", string(m.InitialDelay)}}
	for _, n := range []struct {
		name  string
		value *intstr.IntOrString
	}{
		{"count", m.Count}, {"failureLimit", m.FailureLimit}, {"inconclusiveLimit", m.InconclusiveLimit},
		{"consecutiveErrorLimit", m.ConsecutiveErrorLimit}, {"consecutiveSuccessLimit", m.ConsecutiveSuccessLimit},
	} {
		if n.value != nil {
			texts = append(texts, struct{ name, value string }{n.name, n.value.String()})
		}
	}
	for _, t := range texts {
		if templated(t.value) {
			return fmt.Errorf("metric %s: %s is %s, which is no argument with a value of its own", m.Name, t.name, shorten(t.value, maxName))
		}
	}
	return nil
}

func (q *questions) rules(spec v1alpha1.AnalysisRunSpec) error {
	for i, rule := range spec.DryRun {
		names, err := matching("dryRun", i, rule.MetricName, q.metrics)
		if err != nil {
			return err
		}
		for _, name := range names {
			q.dryRun[name] = true
		}
	}
	for i, rule := range spec.MeasurementRetention {
		names, err := matching("measurementRetention", i, rule.MetricName, q.metrics)
		if err != nil {
			return err
		}
		for _, name := range names {
			q.keep[name] = max(1, int(rule.Limit))
		}
	}
	return nil
}

// matching compiles the metricName of a dryRun or measurementRetention rule, and finds the metrics that it names.
func matching(rule string, index int, pattern string, metrics []v1alpha1.Metric) ([]string, error) {
	if len(pattern) > maxSource {
		return nil, fmt.Errorf("%s[%d]: metricName has %d bytes, at most %d are allowed", rule, index, len(pattern), maxSource)
	}
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s[%d]: metricName is no regular expression: %w", rule, index, err)
	}
	var names []string
	for _, m := range metrics {
		if expression.MatchString(m.Name) {
			names = append(names, m.Name)
		}
	}
	if names == nil {
		return nil, fmt.Errorf("%s[%d]: Rule didn't match any metric name(s)", rule, index)
	}
	return names, nil
}
