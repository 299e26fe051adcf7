package cloudwatch

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// form writes queries as the Query API of AWS wants them: one parameter for each field, lists counted from 1.
func form(queries []v1alpha1.CloudWatchMetricDataQuery) (url.Values, error) {
	f := fields{url.Values{"Action": {"GetMetricData"}, "Version": {"2010-08-01"}}}
	for i, q := range queries {
		at := fmt.Sprintf("MetricDataQueries.member.%d.", i+1)
		f.text(at+"Id", q.ID)
		f.optional(at+"Expression", q.Expression)
		f.optional(at+"Label", q.Label)
		if q.ReturnData != nil {
			f.text(at+"ReturnData", strconv.FormatBool(*q.ReturnData))
		}
		if q.Period != nil {
			if err := f.period(at+"Period", *q.Period); err != nil {
				return nil, fmt.Errorf("metricDataQueries[%d].period: %w", i, err)
			}
		}
		if q.MetricStat == nil {
			continue
		}
		if err := f.stat(at+"MetricStat.", q.MetricStat); err != nil {
			return nil, fmt.Errorf("metricDataQueries[%d].metricStat.period: %w", i, err)
		}
	}
	return f.values, nil
}

// fields writes parameters; what is empty is left out.
type fields struct{ values url.Values }

func (f fields) text(key, value string) {
	if value != "" {
		f.values.Set(key, value)
	}
}

func (f fields) optional(key string, value *string) {
	if value != nil {
		f.text(key, *value)
	}
}

func (f fields) stat(at string, s *v1alpha1.CloudWatchMetricStat) error {
	f.optional(at+"Metric.Namespace", s.Metric.Namespace)
	f.text(at+"Metric.MetricName", s.Metric.MetricName)
	for i, d := range s.Metric.Dimensions {
		f.text(fmt.Sprintf("%sMetric.Dimensions.member.%d.Name", at, i+1), d.Name)
		f.text(fmt.Sprintf("%sMetric.Dimensions.member.%d.Value", at, i+1), d.Value)
	}
	f.text(at+"Stat", s.Stat)
	f.text(at+"Unit", s.Unit)
	return f.period(at+"Period", s.Period)
}

// period is given in seconds, or as a Go duration.
func (f fields) period(key string, p intstr.IntOrString) error {
	seconds, err := strconv.ParseInt(p.String(), 10, 32)
	if err != nil {
		d, err := time.ParseDuration(p.StrVal)
		if err != nil {
			return fmt.Errorf("%q is neither seconds nor a duration such as 5m", p.StrVal)
		}
		seconds = int64(d / time.Second)
	}
	if seconds < 1 {
		return fmt.Errorf("%q is less than a second", p.String())
	}
	f.text(key, strconv.FormatInt(seconds, 10))
	return nil
}
