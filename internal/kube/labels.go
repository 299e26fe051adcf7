package kube

import (
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
)

// Labels is a metric that shows labels of objects. The zero Labels shows none.
type Labels struct {
	desc  *prometheus.Desc
	shown []string
}

// notOfNames is what the names of the labels of a metric may not hold.
var notOfNames = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// NewLabels makes the metric of a name that shows some labels as label_…, besides what tells the objects apart. There is none where no label is shown.
func NewLabels(name, help string, shown []string, apart ...string) Labels {
	if len(shown) == 0 {
		return Labels{}
	}
	names := append([]string{}, apart...)
	for _, label := range shown {
		names = append(names, "label_"+notOfNames.ReplaceAllString(label, "_"))
	}
	return Labels{desc: prometheus.NewDesc(name, help, names, nil), shown: shown}
}

// Beside lists the metric, if there is one, with others.
func (l Labels) Beside(others ...*prometheus.Desc) []*prometheus.Desc {
	if l.desc == nil {
		return others
	}
	return append(others, l.desc)
}

// Show tells the labels of one object.
func (l Labels) Show(gauge Gauge, labels map[string]string, apart ...string) {
	if l.desc == nil {
		return
	}
	values := append([]string{}, apart...)
	for _, label := range l.shown {
		values = append(values, labels[label])
	}
	gauge(l.desc, 1, values...)
}
