package analysis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func refs(names ...string) []v1alpha1.AnalysisTemplateRef {
	var out []v1alpha1.AnalysisTemplateRef
	for _, name := range names {
		name, cluster := strings.CutSuffix(name, "@cluster")
		out = append(out, v1alpha1.AnalysisTemplateRef{TemplateName: name, ClusterScope: &cluster})
	}
	return out
}

func metrics(names ...string) []v1alpha1.Metric {
	var out []v1alpha1.Metric
	for _, name := range names {
		out = append(out, webMetric(name))
	}
	return out
}

// template has metrics and names other templates.
func template(metric string, others ...string) v1alpha1.AnalysisTemplateSpec {
	return v1alpha1.AnalysisTemplateSpec{Metrics: metrics(metric), Templates: refs(others...)}
}

func withArgs(t v1alpha1.AnalysisTemplateSpec, args ...v1alpha1.Argument) v1alpha1.AnalysisTemplateSpec {
	t.Args = args
	return t
}

type library = map[string]v1alpha1.AnalysisTemplateSpec

func TestCompose(t *testing.T) {
	chain := func(n int) library {
		all := library{}
		for i := range n {
			all[fmt.Sprintf("t%d", i)] = template(fmt.Sprintf("m%d", i), fmt.Sprintf("t%d", i+1))
		}
		all[fmt.Sprintf("t%d", n)] = template("last")
		return all
	}
	crowd := func(n int) (library, []string) {
		all, names := library{}, []string{}
		for i := range n {
			names = append(names, fmt.Sprintf("t%d", i))
			all[names[i]] = template(fmt.Sprintf("m%d", i))
		}
		return all, names
	}
	fifty, fiftyNames := crowd(50)
	more, moreNames := crowd(51)
	for name, c := range map[string]struct {
		templates, cluster library
		analysis           v1alpha1.RolloutAnalysis
		args               []v1alpha1.Argument
		want               v1alpha1.AnalysisRunSpec
		metrics            int // where want would be long
		wantError          string
	}{
		"two templates are merged in their order": {
			templates: library{"a": template("one"), "b": template("two")}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a", "b")},
			want: v1alpha1.AnalysisRunSpec{Metrics: metrics("one", "two")},
		},
		"a template of the cluster is another one than that of the namespace": {
			templates: library{"a": template("one")}, cluster: library{"a": template("two")},
			analysis: v1alpha1.RolloutAnalysis{Templates: refs("a@cluster")}, want: v1alpha1.AnalysisRunSpec{Metrics: metrics("two")},
		},
		"nested templates follow the one that names them": {
			templates: library{"a": template("one", "b"), "b": template("two", "c@cluster"), "d": template("four")}, cluster: library{"c": template("three")},
			analysis: v1alpha1.RolloutAnalysis{Templates: refs("a", "d")}, want: v1alpha1.AnalysisRunSpec{Metrics: metrics("one", "two", "three", "four")},
		},
		"a template that is named twice counts once": {
			templates: library{"a": template("one", "c"), "b": template("two", "c"), "c": template("three")},
			analysis:  v1alpha1.RolloutAnalysis{Templates: refs("a", "b", "a")}, want: v1alpha1.AnalysisRunSpec{Metrics: metrics("one", "three", "two")},
		},
		"rules are added to those of the templates": {
			templates: library{"a": {Metrics: metrics("one"), DryRun: []v1alpha1.DryRun{{MetricName: "one"}}, MeasurementRetention: []v1alpha1.MeasurementRetention{{MetricName: "one", Limit: 3}}}},
			analysis: v1alpha1.RolloutAnalysis{
				Templates: refs("a"), DryRun: []v1alpha1.DryRun{{MetricName: ".*"}}, MeasurementRetention: []v1alpha1.MeasurementRetention{{MetricName: ".*", Limit: 5}},
			},
			want: v1alpha1.AnalysisRunSpec{
				Metrics: metrics("one"), DryRun: []v1alpha1.DryRun{{MetricName: "one"}, {MetricName: ".*"}},
				MeasurementRetention: []v1alpha1.MeasurementRetention{{MetricName: "one", Limit: 3}, {MetricName: ".*", Limit: 5}},
			},
		},
		"a value that is given wins over the default, and one that nobody declares is left out": {
			templates: library{"a": withArgs(template("one"), given("x", "default"), given("y", "default"))}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a")},
			args: []v1alpha1.Argument{given("x", "mine"), given("z", "nobody")},
			want: v1alpha1.AnalysisRunSpec{Metrics: metrics("one"), Args: []v1alpha1.Argument{given("x", "mine"), given("y", "default")}},
		},
		"the default of one template serves another": {
			templates: library{"a": withArgs(template("one"), v1alpha1.Argument{Name: "x"}), "b": withArgs(template("two"), given("x", "default")), "c": withArgs(template("three"), v1alpha1.Argument{Name: "x"})},
			analysis:  v1alpha1.RolloutAnalysis{Templates: refs("a", "b", "c")},
			want:      v1alpha1.AnalysisRunSpec{Metrics: metrics("one", "two", "three"), Args: []v1alpha1.Argument{given("x", "default")}},
		},
		"equal defaults are no quarrel": {
			templates: library{"a": withArgs(template("one"), secret("x")), "b": withArgs(template("two"), secret("x"))},
			analysis:  v1alpha1.RolloutAnalysis{Templates: refs("a", "b")},
			want:      v1alpha1.AnalysisRunSpec{Metrics: metrics("one", "two"), Args: []v1alpha1.Argument{secret("x")}},
		},
		"an empty value is a value": {
			templates: library{"a": withArgs(template("one"), given("x", ""))}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a")},
			want: v1alpha1.AnalysisRunSpec{Metrics: metrics("one"), Args: []v1alpha1.Argument{given("x", "")}},
		},
		"ten templates below one another":              {templates: chain(9), analysis: v1alpha1.RolloutAnalysis{Templates: refs("t0")}, metrics: 10},
		"fifty templates":                              {templates: fifty, analysis: v1alpha1.RolloutAnalysis{Templates: refs(fiftyNames...)}, metrics: 50},
		"a template that is not there":                 {analysis: v1alpha1.RolloutAnalysis{Templates: refs("a")}, wantError: "AnalysisTemplate a: not found"},
		"a cluster template that is not there":         {templates: library{"a": template("one")}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a@cluster")}, wantError: "ClusterAnalysisTemplate a: not found"},
		"a template that names itself":                 {templates: library{"a": template("one", "a")}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a")}, wantError: "AnalysisTemplate a refers to itself: a -> a"},
		"a circle":                                     {templates: library{"a": template("one", "b"), "b": template("two", "c"), "c": template("three", "b")}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a")}, wantError: "AnalysisTemplate b refers to itself: b -> c -> b"},
		"eleven templates below one another":           {templates: chain(10), analysis: v1alpha1.RolloutAnalysis{Templates: refs("t0")}, wantError: "AnalysisTemplate t10 is one too many: at most 50 templates, and 10 below one another, make a run"},
		"fifty-one templates":                          {templates: more, analysis: v1alpha1.RolloutAnalysis{Templates: refs(moreNames...)}, wantError: "AnalysisTemplate t50 is one too many: at most 50 templates, and 10 below one another, make a run"},
		"two metrics of one name":                      {templates: library{"a": template("one"), "b": template("one")}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a", "b")}, wantError: "AnalysisTemplate b has a metric one, which AnalysisTemplate a has as well: rename one of them"},
		"two metrics of one name in one template":      {templates: library{"a": {Metrics: metrics("one", "one")}}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a")}, wantError: "AnalysisTemplate a has a metric one, which AnalysisTemplate a has as well: rename one of them"},
		"two defaults that differ":                     {templates: library{"a": withArgs(template("one"), given("x", "1")), "b": withArgs(template("two"), given("x", "2"))}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a", "b")}, wantError: "AnalysisTemplate b has a default for argument x that differs from that of AnalysisTemplate a: make them equal"},
		"an argument that nobody gives":                {templates: library{"a": withArgs(template("one"), v1alpha1.Argument{Name: "x"})}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a")}, wantError: "argument x of AnalysisTemplate a has no value: give it one in args"},
		"a template of nothing makes a run of nothing": {templates: library{"a": {}}, analysis: v1alpha1.RolloutAnalysis{Templates: refs("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := analysis.Compose(c.analysis, analysis.Library{Templates: c.templates, ClusterTemplates: c.cluster}, c.args)
			switch {
			case c.wantError != "":
				if err == nil || err.Error() != c.wantError {
					t.Fatalf("got error %v, want %s", err, c.wantError)
				}
				if missing := strings.HasSuffix(c.wantError, "not found"); errors.Is(err, analysis.ErrNoTemplate) != missing {
					t.Errorf("the chain of %v holds ErrNoTemplate: %t", err, !missing)
				}
			case err != nil:
				t.Fatal(err)
			case c.metrics > 0:
				if len(got.Metrics) != c.metrics {
					t.Errorf("got %d metrics, want %d", len(got.Metrics), c.metrics)
				}
			default:
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestComposingChangesNoTemplate(t *testing.T) {
	templates := library{"a": withArgs(template("one", "b"), given("x", "1")), "b": withArgs(template("two"), v1alpha1.Argument{Name: "y"})}
	spec, err := analysis.Compose(v1alpha1.RolloutAnalysis{Templates: refs("a")}, analysis.Library{Templates: templates}, []v1alpha1.Argument{given("x", "2"), given("y", "3")})
	if err != nil {
		t.Fatal(err)
	}
	spec.Metrics[0].Provider.Web.URL = "elsewhere"
	*spec.Args[0].Value = "elsewhere"
	want := library{"a": withArgs(template("one", "b"), given("x", "1")), "b": withArgs(template("two"), v1alpha1.Argument{Name: "y"})}
	if diff := cmp.Diff(want, templates); diff != "" {
		t.Error(diff)
	}
}
