package analysis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// maxMetrics bounds a run, so that its status fits into one object.
const maxMetrics = 200

// Validate finds what is wrong with the metrics of a run or template. Paths name the metric, as the wire contract has it; the
// detail names the field. A text that still holds an argument is not judged.
func Validate(metrics []v1alpha1.Metric) field.ErrorList {
	root := field.NewPath("metrics")
	if len(metrics) == 0 {
		return field.ErrorList{field.Required(root, "no metrics specified")}
	}
	if len(metrics) > maxMetrics {
		return field.ErrorList{field.TooMany(root, len(metrics), maxMetrics)}
	}
	var all field.ErrorList
	seen := map[string]bool{}
	for i, m := range metrics {
		v := validator{at: root.Index(i), name: m.Name}
		if seen[m.Name] {
			v.add("two metrics have the name %q", m.Name)
		}
		seen[m.Name] = true
		v.schedule(m)
		v.limits(m)
		v.conditions(m)
		v.provider(m.Provider)
		all = append(all, v.errs...)
	}
	return all
}

// validator collects what is wrong with one metric.
type validator struct {
	at   *field.Path
	name string
	errs field.ErrorList
}

func (v *validator) add(format string, args ...any) {
	v.errs = append(v.errs, field.Invalid(v.at, v.name, fmt.Sprintf(format, args...)))
}

func templated(s string) bool { return strings.Contains(s, "{{") }

func (v *validator) schedule(m v1alpha1.Metric) {
	if number(m.Count, 0) > 1 && m.Interval == "" {
		v.add("interval must be specified when count > 1")
	}
	if s := string(m.Interval); s != "" && !templated(s) {
		d, err := time.ParseDuration(s)
		if err != nil {
			v.add("invalid interval string: %v", err)
		} else if d <= 0 {
			v.add("interval must be > 0, but is %s", s)
		}
	}
	if s := string(m.InitialDelay); s != "" && !templated(s) {
		d, err := time.ParseDuration(s)
		if err != nil {
			v.add("invalid startDelay string: %v", err)
		} else if d < 0 {
			v.add("initialDelay must be >= 0, but is %s", s)
		}
	}
}

func (v *validator) limits(m v1alpha1.Metric) {
	before := len(v.errs)
	v.atLeast("count", m.Count, 0, "count must be >= 0")
	v.atLeast("failureLimit", m.FailureLimit, -1, "failureLimit must be >= 0, or -1 to be disabled")
	v.atLeast("inconclusiveLimit", m.InconclusiveLimit, 0, "inconclusiveLimit must be >= 0")
	v.atLeast("consecutiveErrorLimit", m.ConsecutiveErrorLimit, 0, "consecutiveErrorLimit must be >= 0")
	v.atLeast("consecutiveSuccessLimit", m.ConsecutiveSuccessLimit, 0, "consecutiveSuccessLimit must be >= 0")
	if len(v.errs) > before {
		return
	}
	count, failures, successes := number(m.Count, 0), number(m.FailureLimit, 0), number(m.ConsecutiveSuccessLimit, 0)
	if failures < 0 && successes == 0 {
		v.add("failureLimit and consecutiveSuccessLimit cannot both be disabled: nothing could decide the metric")
	}
	if count == 0 {
		return
	}
	switch {
	case failures >= 0 && count < failures+successes:
		v.add("count (%d) must be >= failureLimit + consecutiveSuccessLimit (%d + %d) if both >= 0", count, failures, successes)
	case failures < 0 && count < successes:
		v.add("count (%d) must be >= consecutiveSuccessLimit (%d)", count, successes)
	}
	if limit := number(m.InconclusiveLimit, 0); count < limit {
		v.add("count (%d) must be >= inconclusiveLimit (%d)", count, limit)
	}
}

func (v *validator) atLeast(name string, value *intstr.IntOrString, least int, text string) {
	if value == nil || value.Type == intstr.String && templated(value.StrVal) {
		return
	}
	if _, err := strconv.ParseInt(value.String(), 10, 32); err != nil {
		v.add("%s must be a whole number, but is %q", name, value.String())
	} else if value.IntValue() < least {
		v.add("%s", text)
	}
}

func (v *validator) conditions(m v1alpha1.Metric) {
	for _, c := range []struct{ name, source string }{{"successCondition", m.SuccessCondition}, {"failureCondition", m.FailureCondition}} {
		if c.source == "" || templated(c.source) {
			continue
		}
		if err := compiles(c.source, unknown{}); err != nil {
			v.add("%s %s cannot be evaluated: %v", c.name, shorten(c.source, maxQuoted), err)
		}
	}
}

func (v *validator) provider(p v1alpha1.MetricProvider) {
	kinds := kindsOf(p)
	switch {
	case len(kinds) == 0:
		v.add("no provider specified")
		return
	case len(kinds) > 1:
		v.add("multiple providers specified")
		return
	}
	switch kinds[0] {
	case KindPrometheus:
		v.prometheus(p.Prometheus)
	case KindWeb:
		v.web(p.Web)
	case KindJob:
		if len(p.Job.Spec.Raw) == 0 {
			v.add("provider.job.spec is missing")
		}
	case kindPlugin:
		v.add("provider plugin is not supported; use one of the providers that are built in, or web or job in its stead")
	default:
		v.vendor(p)
	}
}

func (v *validator) prometheus(p *v1alpha1.PrometheusMetric) {
	v.authentication("prometheus", p.Authentication)
	if p.Query == "" {
		v.add("provider.prometheus.query is missing")
	}
	if p.RangeQuery == nil {
		return
	}
	for _, bound := range []struct{ name, source string }{{"start", p.RangeQuery.Start}, {"end", p.RangeQuery.End}} {
		if templated(bound.source) {
			continue
		}
		if _, err := Moment(bound.source, time.Unix(0, 0)); err != nil {
			v.add("provider.prometheus.rangeQuery.%s: %v", bound.name, err)
		}
	}
	if s := p.RangeQuery.Step; !templated(s) {
		if d, err := time.ParseDuration(s); err != nil || d <= 0 {
			v.add("provider.prometheus.rangeQuery.step must be a duration > 0, but is %q", s)
		}
	}
}

func (v *validator) web(w *v1alpha1.WebMetric) {
	v.authentication("web", w.Authentication)
	switch w.Method {
	case "", "GET", "POST", "PUT":
	default:
		if !templated(w.Method) {
			v.add("provider.web.method must be GET, POST or PUT, but is %q", w.Method)
		}
	}
	if w.Body != "" && w.JSONBody != nil {
		v.add("provider.web has both body and jsonBody; use one of them")
	}
	if (w.Body != "" || w.JSONBody != nil) && (w.Method == "" || w.Method == "GET") {
		v.add("provider.web has a body, which a GET request cannot carry; set method to POST or PUT")
	}
}

func (v *validator) authentication(kind string, a v1alpha1.Authentication) {
	if a.Sigv4 != nil && kind != KindPrometheus {
		v.add("provider.%s.authentication.sigv4 is not supported; put a signing proxy in front of the server", kind)
	}
	ways := 0
	for _, used := range []bool{a.Basic != nil, a.OAuth2 != nil, a.Sigv4 != nil} {
		if used {
			ways++
		}
	}
	if ways > 1 {
		v.add("provider.%s.authentication has more than one of basic, oauth2 and sigv4; use one of them", kind)
	}
}

// Kinds of providers, as their fields are named.
const (
	KindPrometheus = "prometheus"
	KindWeb        = "web"
	KindJob        = "job"
	KindKayenta    = "kayenta"
	KindDatadog    = "datadog"
	KindWavefront  = "wavefront"
	KindNewRelic   = "newRelic"
	KindCloudWatch = "cloudWatch"
	KindGraphite   = "graphite"
	KindInfluxdb   = "influxdb"
	KindSkyWalking = "skywalking"
	kindPlugin     = "plugin"
)

// KindOf names the provider of a metric by its field; empty if there is not exactly one.
func KindOf(p v1alpha1.MetricProvider) string {
	if kinds := kindsOf(p); len(kinds) == 1 {
		return kinds[0]
	}
	return ""
}

func kindsOf(p v1alpha1.MetricProvider) []string {
	var kinds []string
	for _, candidate := range []struct {
		name string
		set  bool
	}{
		{KindPrometheus, p.Prometheus != nil}, {KindWeb, p.Web != nil}, {KindJob, p.Job != nil},
		{KindKayenta, p.Kayenta != nil}, {KindDatadog, p.Datadog != nil}, {KindWavefront, p.Wavefront != nil},
		{KindNewRelic, p.NewRelic != nil}, {KindCloudWatch, p.CloudWatch != nil}, {KindGraphite, p.Graphite != nil},
		{KindInfluxdb, p.Influxdb != nil}, {KindSkyWalking, p.SkyWalking != nil},
	} {
		if candidate.set {
			kinds = append(kinds, candidate.name)
		}
	}
	for range p.Plugin {
		kinds = append(kinds, kindPlugin)
	}
	return kinds
}

// number reads a count or limit; what is absent, or still an argument, is the fallback.
func number(v *intstr.IntOrString, fallback int) int {
	if v == nil {
		return fallback
	}
	n, err := strconv.ParseInt(v.String(), 10, 32)
	if err != nil {
		return fallback
	}
	return int(n)
}

// shorten cuts a text for people to read at limit bytes, between two characters.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + fmt.Sprintf("... (%d bytes in all)", len(s))
}
