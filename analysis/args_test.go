package analysis_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// given is an argument with a value of its own, secret one with a value in the key k of the Secret s.
func given(name, value string) v1alpha1.Argument {
	return v1alpha1.Argument{Name: name, Value: &value}
}

func secret(name string) v1alpha1.Argument {
	return v1alpha1.Argument{Name: name, ValueFrom: &v1alpha1.ValueFrom{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "s", Key: "k"}}}
}

func webMetric(name string) v1alpha1.Metric {
	return v1alpha1.Metric{Name: name, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check/"}}}
}

func promMetric(query string) v1alpha1.Metric {
	return v1alpha1.Metric{Name: "m", Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusMetric{Query: query}}}
}

func jobMetric(name, spec string) v1alpha1.Metric {
	return v1alpha1.Metric{Name: name, Provider: v1alpha1.MetricProvider{Job: &v1alpha1.JobMetric{Spec: runtime.RawExtension{Raw: []byte(spec)}}}}
}

func TestFill(t *testing.T) {
	url := func(s string) v1alpha1.Metric {
		m := webMetric("m")
		m.Provider.Web.URL = s
		return m
	}
	for name, c := range map[string]struct {
		metric    v1alpha1.Metric
		args      []v1alpha1.Argument
		secrets   map[string]string
		want      v1alpha1.Metric
		wantError string
	}{
		"a value stands for its argument, with and without blanks": {
			metric: url("http://{{args.host}}/{{ args.path }}"), args: []v1alpha1.Argument{given("host", "h"), given("path", "p")}, want: url("http://h/p"),
		},
		"an empty value is a value": {metric: url("x{{args.a}}y"), args: []v1alpha1.Argument{given("a", "")}, want: url("xy")},
		"braces that are no argument belong to somebody else": {
			metric: url("{{ .Host }} {{workflow.name}} {{unclosed"), want: url("{{ .Host }} {{workflow.name}} {{unclosed"),
		},
		"an argument after foreign braces is found": {
			metric: url("{{ {{args.a}}"), args: []v1alpha1.Argument{given("a", "v")}, want: url("{{ v"),
		},
		"a value that looks like an argument is not filled in again": {
			metric: url("{{args.a}}"), args: []v1alpha1.Argument{given("a", "{{args.b}}"), given("b", "no")}, want: url("{{args.b}}"),
		},
		"quotes in a value do not end the text": {
			metric: url("{{args.a}}"), args: []v1alpha1.Argument{given("a", `","insecure":true,"x":"`)}, want: url(`","insecure":true,"x":"`),
		},
		"numbers may be arguments": {
			metric: v1alpha1.Metric{Count: ptr.To(intstr.FromString("{{args.n}}")), Provider: webMetric("").Provider},
			args:   []v1alpha1.Argument{given("n", "3")},
			want:   v1alpha1.Metric{Count: ptr.To(intstr.FromString("3")), Provider: webMetric("").Provider},
		},
		"the keys and values of a job are filled, its numbers keep their digits": {
			metric: jobMetric("m", `{"{{args.a}}":["{{args.a}}",12345678901234567890]}`), args: []v1alpha1.Argument{given("a", `"`)},
			want: jobMetric("m", `{"\"":["\"",12345678901234567890]}`),
		},
		"two keys that become one are an error": {
			metric: jobMetric("m", `{"{{args.a}}":1,"x":2}`), args: []v1alpha1.Argument{given("a", "x")}, wantError: `two keys become "x"`,
		},
		"an argument that nobody gave is an error":            {metric: url("{{args.nobody}}"), wantError: "failed to resolve {{args.nobody}}"},
		"a secret stays as it is written while none are read": {metric: url("{{args.s}}"), args: []v1alpha1.Argument{secret("s")}, want: url("{{args.s}}")},
		"a secret is filled in for a measurement": {
			metric: url("{{args.s}}"), args: []v1alpha1.Argument{secret("s")}, secrets: map[string]string{"s": "v"}, want: url("v"),
		},
		"a secret that could not be read is an error": {
			metric: url("{{args.s}}"), args: []v1alpha1.Argument{secret("s")}, secrets: map[string]string{}, wantError: "failed to resolve {{args.s}}",
		},
		"a long value in many places is an error, not much memory": {
			metric: url(strings.Repeat("{{args.a}}", 100)), args: []v1alpha1.Argument{given("a", strings.Repeat("x", 100_000))},
			wantError: "the arguments fill more than 2097152 bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.metric.DeepCopy()
			got, err := analysis.Fill(c.metric, c.args, c.secrets)
			if diff := cmp.Diff(*before, c.metric); diff != "" {
				t.Errorf("the metric itself was changed:\n%s", diff)
			}
			if c.wantError != "" {
				if err == nil || err.Error() != c.wantError {
					t.Fatalf("got error %v, want %s", err, c.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFillReachesEveryPartOfAMetric(t *testing.T) {
	m := v1alpha1.Metric{
		Name: "{{args.a}}", Interval: "{{args.a}}", InitialDelay: "{{args.a}}", SuccessCondition: "{{args.a}}", FailureCondition: "{{args.a}}",
		Provider: v1alpha1.MetricProvider{
			Prometheus: &v1alpha1.PrometheusMetric{Address: "{{args.a}}", Query: "{{args.a}}", Headers: []v1alpha1.WebMetricHeader{{Key: "k", Value: "{{args.a}}"}}},
			Web: &v1alpha1.WebMetric{
				JSONBody:       &apiextensionsv1.JSON{Raw: []byte(`{"a":"{{args.a}}"}`)},
				Authentication: v1alpha1.Authentication{Basic: &v1alpha1.BasicAuth{Password: "{{args.a}}"}, OAuth2: &v1alpha1.OAuth2Config{ClientSecret: "{{args.a}}"}},
			},
		},
	}
	got, err := analysis.Fill(m, []v1alpha1.Argument{given("a", "value")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v %s %+v %+v", got, got.Provider.Web.JSONBody.Raw, *got.Provider.Prometheus, *got.Provider.Web.Authentication.OAuth2); strings.Contains(text, "args.a") {
		t.Error(text)
	}
}

// A label of a pod, an image or a branch may be any text; none of it may become part of the query that judges it.
func TestAValueStaysInsideOfItsPromQLLiteral(t *testing.T) {
	for name, c := range map[string]struct{ query, value, want, wantError string }{
		"a quote that would end the selector": {
			query: `rate(errors{app="{{args.a}}"}[1m])`, value: `"} or vector(0) #`, want: `rate(errors{app="\"} or vector(0) #"}[1m])`,
		},
		"a quote of the other kind is text":          {query: `x{app='{{args.a}}'}`, value: `it"s`, want: `x{app='it"s'}`},
		"a single quote in single quotes":            {query: `x{app='{{args.a}}'}`, value: `'} or y`, want: `x{app='\'} or y'}`},
		"a backslash at the end":                     {query: `x{a="{{args.a}}",b="} or y #"}`, value: `\`, want: `x{a="\\",b="} or y #"}`},
		"an escape of a pattern is kept":             {query: `x{app=~"{{args.a}}"}`, value: `web-\\d+`, want: `x{app=~"web-\\d+"}`},
		"an escaped quote is kept":                   {query: `x{app="{{args.a}}"}`, value: `\"} or y`, want: `x{app="\"} or y"}`},
		"a new line":                                 {query: `x{app="{{args.a}}"}`, value: "a\nb", want: `x{app="a\nb"}`},
		"a new line after a backslash":               {query: `x{app="{{args.a}}"}`, value: "a\\\nb", want: `x{app="a\\\nb"}`},
		"between backticks all but these is text":    {query: "x{app=~`{{args.a}}`}", value: `\d"'`, want: "x{app=~`\\d\"'`}"},
		"a backtick between backticks":               {query: "x{app=`{{args.a}}`}", value: "`} or y", wantError: "filling {{args.a}} into the query: its value has a backtick, which cannot stand between backticks"},
		"a comment does not end at a new line":       {query: "up # {{args.a}}", value: "\nor vector(0)", want: "up #  or vector(0)"},
		"nor at a carriage return":                   {query: "up # {{args.a}}", value: "\ror vector(0)", want: "up #  or vector(0)"},
		"a quote in a comment opens nothing":         {query: "# it's\nx{a=\"{{args.a}}\"}", value: `"`, want: "# it's\nx{a=\"\\\"\"}"},
		"an escaped quote before does not close":     {query: `x{a="\"{{args.a}}"}`, value: `"`, want: `x{a="\"\""}`},
		"a backslash before the argument":            {query: `x{a="\{{args.a}}"}`, value: `"`, wantError: "filling {{args.a}} into the query: a backslash stands before it"},
		"outside of literals a value is the query":   {query: "{{args.a}} > 1", value: `sum(x{a="b"})`, want: `sum(x{a="b"}) > 1`},
		"what such a value opens, the next stays in": {query: `{{args.a}}{{args.a}}"}`, value: `x{a="`, want: `x{a="x{a=\""}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := analysis.Fill(promMetric(c.query), []v1alpha1.Argument{given("a", c.value)}, nil)
			if c.wantError != "" {
				if err == nil || err.Error() != c.wantError {
					t.Fatalf("got error %v, want %s", err, c.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Provider.Prometheus.Query); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretsOfListsOnlyWhatIsInSecrets(t *testing.T) {
	field := v1alpha1.Argument{Name: "f", ValueFrom: &v1alpha1.ValueFrom{FieldRef: &v1alpha1.FieldRef{FieldPath: "metadata.name"}}}
	both := secret("both")
	both.Value = ptr.To("v")
	got := analysis.SecretsOf([]v1alpha1.Argument{given("v", "x"), secret("s"), field, both, {Name: "none"}})
	if diff := cmp.Diff([]v1alpha1.Argument{secret("s")}, got); diff != "" {
		t.Error(diff)
	}
}
