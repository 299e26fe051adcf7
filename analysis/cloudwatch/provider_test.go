package cloudwatch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/providertest"
	"github.com/sluice-delivery/sluice/analysis/sigv4"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const token = "session-token-0123"

func world(_ *testing.T, address string) providertest.World {
	variables := map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-key-012345", "AWS_SESSION_TOKEN": token,
		"AWS_ENDPOINT_URL_CLOUDWATCH": address,
	}
	c := &v1alpha1.CloudWatchMetric{MetricDataQueries: []v1alpha1.CloudWatchMetricDataQuery{{ID: "rate", Expression: new("errors / requests")}}}
	return providertest.World{
		Provider: Provider{Signer: &sigv4.Signer{Getenv: func(name string) string { return variables[name] }}},
		Metric:   v1alpha1.Metric{Name: "errors", Provider: v1alpha1.MetricProvider{CloudWatch: c}},
		Secrets:  []string{token},
	}
}

func TestContract(t *testing.T) { providertest.Contract(t, world) }

// page is an answer with these results.
func page(results string) string {
	return `<GetMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricDataResult>` + results + `</GetMetricDataResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetMetricDataResponse>`
}

// one is a result.
func one(status string, values ...string) string {
	const id = "rate"
	text := "<MetricDataResults><member><Id>" + id + "</Id><Label>" + id + "</Label><StatusCode>" + status + "</StatusCode><Timestamps>"
	for range values {
		text += "<member>2026-01-01T00:00:00Z</member>"
	}
	text += "</Timestamps><Values>"
	for _, v := range values {
		text += "<member>" + v + "</member>"
	}
	return text + "</Values></member></MetricDataResults>"
}

func TestTheResultsAreNamedAsAWSNamesThem(t *testing.T) {
	const condition = "len(result[0].Values) == 0 or result[0].Values[0] <= 0.01"
	for name, test := range map[string]struct {
		answer, value, doubt string
		phase                v1alpha1.AnalysisPhase
	}{
		"values":               {page(one("Complete", "0.005", "0.5")), "[[0.005,0.5]]", "", v1alpha1.AnalysisPhaseSuccessful},
		"a bad value":          {page(one("Complete", "0.5")), "[[0.5]]", "", v1alpha1.AnalysisPhaseFailed},
		"no values":            {page(one("Complete")), "[[]]", "", v1alpha1.AnalysisPhaseSuccessful},
		"a value that is none": {page(one("Complete", "NaN")), "[[NaN]]", "", v1alpha1.AnalysisPhaseFailed},
		"no results":           {page(""), "[]", "", v1alpha1.AnalysisPhaseError},
		"partial data":         {page(one("PartialData", "0")), "[[0]]", "the data of query rate are partial", v1alpha1.AnalysisPhaseInconclusive},
		"a warning": {page(one("Complete", "0") + "<Messages><member><Code>MaxMetricsExceeded</Code><Value>too many</Value></member></Messages>"),
			"[[0]]", "CloudWatch warned: MaxMetricsExceeded too many", v1alpha1.AnalysisPhaseInconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, test.answer) }))
			defer server.Close()
			w := world(t, server.URL)
			w.Metric.SuccessCondition = condition
			got, err := w.Measure(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Value != test.value || got.Doubt != test.doubt {
				t.Errorf("%+v", got)
			}
			if phase, message := analysis.Evaluate(w.Metric, got); phase != test.phase {
				t.Errorf("%s: %s", phase, message)
			}
		})
	}
}

func TestEveryFieldOfAResultCanBeNamed(t *testing.T) {
	d := data{Results: []result{{ID: "a", Label: "b", Status: "Complete", Timestamps: []string{"t"}, Values: []float64{1}, Messages: []message{{"c", "v"}}}}}
	got, err := d.reading(true)
	if err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{
		"Id": "a", "Label": "b", "StatusCode": "Complete", "Timestamps": []string{"t"}, "Values": []float64{1},
		"Messages": []any{map[string]any{"Code": "c", "Value": "v"}},
	}}
	if diff := cmp.Diff(want, got.Result); diff != "" {
		t.Error(diff)
	}
}

func TestAQueryThatCloudWatchCannotRunIsAnError(t *testing.T) {
	for _, status := range []string{"InternalError", "Forbidden"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page(one(status))) }))
		defer server.Close()
		if got, err := world(t, server.URL).Measure(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "query rate: "+status) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestWithoutValuesNothingIsGoodUnlessAConditionSaysSo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page(one("Complete"))) }))
	defer server.Close()
	for condition, want := range map[string]v1alpha1.AnalysisPhase{"": v1alpha1.AnalysisPhaseInconclusive, "len(result[0].Values) == 0": v1alpha1.AnalysisPhaseSuccessful} {
		w := world(t, server.URL)
		w.Metric.SuccessCondition = condition
		got, err := w.Measure(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if phase, message := analysis.Evaluate(w.Metric, got); phase != want {
			t.Errorf("%q: %s: %s", condition, phase, message)
		}
	}
}

func TestPagesArePutTogether(t *testing.T) {
	var tokens []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, r.FormValue("NextToken"))
		if len(tokens) == 1 {
			fmt.Fprint(w, page(one("PartialData", "1", "2")+"<NextToken>more</NextToken>"))
			return
		}
		fmt.Fprint(w, page(one("Complete", "3")+"<NextToken/>"))
	}))
	defer server.Close()
	got, err := world(t, server.URL).Measure(t.Context(), nil)
	if err != nil || got.Value != "[[1,2,3]]" || got.Doubt != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"", "more"}, tokens); diff != "" {
		t.Error(diff)
	}
}

func TestPagesWithoutEndAreGivenUp(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, page(one("PartialData", "1")+"<NextToken>more</NextToken>"))
	}))
	defer server.Close()
	if got, err := world(t, server.URL).Measure(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "more than 10 pages") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheQueriesAreSentAsAFormOfTheirFields(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		from, _ := time.Parse(time.RFC3339, r.PostForm.Get("StartTime"))
		to, _ := time.Parse(time.RFC3339, r.PostForm.Get("EndTime"))
		if to.Sub(from) != 30*time.Minute || time.Since(to) > time.Minute {
			t.Errorf("from %s to %s", from, to)
		}
		r.PostForm.Del("StartTime")
		r.PostForm.Del("EndTime")
		const first, second = "MetricDataQueries.member.1.", "MetricDataQueries.member.2."
		want := map[string][]string{
			"Action": {"GetMetricData"}, "Version": {"2010-08-01"},
			first + "Id": {"rate"}, first + "Expression": {"errors / requests"}, first + "Label": {"the rate"}, first + "Period": {"60"},
			second + "Id": {"errors"}, second + "ReturnData": {"false"},
			second + "MetricStat.Metric.Namespace": {"app"}, second + "MetricStat.Metric.MetricName": {"errors"},
			second + "MetricStat.Metric.Dimensions.member.1.Name": {"service"}, second + "MetricStat.Metric.Dimensions.member.1.Value": {"web"},
			second + "MetricStat.Period": {"300"}, second + "MetricStat.Stat": {"Sum"}, second + "MetricStat.Unit": {"Count"},
		}
		if diff := cmp.Diff(want, map[string][]string(r.PostForm)); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/monitoring/aws4_request") {
			t.Errorf("signed by %q", r.Header.Get("Authorization"))
		}
		fmt.Fprint(w, page(one("Complete")))
	}))
	defer server.Close()
	w := world(t, server.URL)
	w.Metric.Provider.CloudWatch = &v1alpha1.CloudWatchMetric{Interval: "30m", MetricDataQueries: []v1alpha1.CloudWatchMetricDataQuery{
		{ID: "rate", Expression: new("errors / requests"), Label: new("the rate"), Period: new(intstr.FromInt32(60))},
		{ID: "errors", ReturnData: new(false), MetricStat: &v1alpha1.CloudWatchMetricStat{
			Metric: v1alpha1.CloudWatchMetricStatMetric{
				Namespace: new("app"), MetricName: "errors", Dimensions: []v1alpha1.CloudWatchMetricStatMetricDimension{{Name: "service", Value: "web"}},
			},
			Period: intstr.FromString("5m"), Stat: "Sum", Unit: "Count",
		}},
	}}
	if _, err := w.Measure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestAPeriodThatIsNoneIsRefused(t *testing.T) {
	for _, period := range []intstr.IntOrString{intstr.FromInt32(0), intstr.FromString("soon"), intstr.FromString("10ms"), intstr.FromString("")} {
		for _, q := range []v1alpha1.CloudWatchMetricDataQuery{{Period: &period}, {MetricStat: &v1alpha1.CloudWatchMetricStat{Period: period}}} {
			if got, err := form([]v1alpha1.CloudWatchMetricDataQuery{q}); err == nil || !strings.Contains(err.Error(), "metricDataQueries[0]") {
				t.Errorf("%s: %v, %v", period.String(), got, err)
			}
		}
	}
}
