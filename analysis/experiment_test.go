package analysis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// trial is an Experiment with one group of pods and these analyses.
func trial(analyses ...v1alpha1.ExperimentAnalysisTemplateRef) *v1alpha1.Experiment {
	return &v1alpha1.Experiment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "trial", UID: "uid", Labels: map[string]string{
			v1alpha1.LabelInstanceID: "one", v1alpha1.LabelPodTemplateHash: "abc", "team": "blue",
		}},
		Spec: v1alpha1.ExperimentSpec{Analyses: analyses, AnalysisRunMetadata: v1alpha1.AnalysisRunMetadata{
			Labels: map[string]string{"why": "trial", v1alpha1.LabelInstanceID: "another"}, Annotations: map[string]string{"note": "n"},
		}},
	}
}

var trialGroups = []Group{{Template: "new", ReplicaSet: "trial-new", Hash: "5f6"}}

func webMetric(name, url string) v1alpha1.Metric {
	return v1alpha1.Metric{Name: name, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: url}}}
}

func trialLibrary() Library {
	endless := webMetric("endless", "http://check.example/")
	endless.Interval = "1m"
	return Library{
		Templates: map[string]v1alpha1.AnalysisTemplateSpec{
			"rate":    {Args: []v1alpha1.Argument{{Name: "hash"}}, Metrics: []v1alpha1.Metric{webMetric("rate", "http://check.example/{{args.hash}}/{{ templates.new.replicaset.name }}")}},
			"endless": {Metrics: []v1alpha1.Metric{endless}},
			"team":    {Args: []v1alpha1.Argument{{Name: "team", ValueFrom: &v1alpha1.ValueFrom{FieldRef: &v1alpha1.FieldRef{FieldPath: "metadata.labels['team']"}}}}, Metrics: []v1alpha1.Metric{webMetric("team", "http://check.example/{{args.team}}")}},
		},
		ClusterTemplates: map[string]v1alpha1.AnalysisTemplateSpec{"rate": {Metrics: []v1alpha1.Metric{webMetric("everywhere", "http://check.example/")}}},
	}
}

func rate(hash string) v1alpha1.ExperimentAnalysisTemplateRef {
	return v1alpha1.ExperimentAnalysisTemplateRef{Name: "rate", TemplateName: "rate", Args: []v1alpha1.Argument{{Name: "hash", Value: &hash}}}
}

func TestForExperimentFillsInWhatTheGroupsAre(t *testing.T) {
	e := trial(rate("{{templates.new.podTemplateHash}}"), v1alpha1.ExperimentAnalysisTemplateRef{Name: "all", TemplateName: "rate", ClusterScope: true},
		v1alpha1.ExperimentAnalysisTemplateRef{Name: "team", TemplateName: "team"})
	e.Spec.DryRun = []v1alpha1.DryRun{{MetricName: "every.*"}}
	e.Spec.MeasurementRetention = []v1alpha1.MeasurementRetention{{MetricName: ".*", Limit: 3}}
	runs, err := ForExperiment(e, trialLibrary(), trialGroups)
	if err != nil || len(runs) != 3 {
		t.Fatalf("got %d runs, %v", len(runs), err)
	}
	first := runs[0]
	if *first.Spec.Args[0].Value != "5f6" || first.Spec.Metrics[0].Provider.Web.URL != "http://check.example/{{args.hash}}/trial-new" {
		t.Errorf("the first run asks %+v", first.Spec)
	}
	if len(first.Spec.DryRun) != 0 || len(runs[1].Spec.DryRun) != 1 || len(first.Spec.MeasurementRetention) != 1 {
		t.Errorf("the rules went to %+v and %+v", first.Spec, runs[1].Spec)
	}
	if *runs[2].Spec.Args[0].Value != "blue" {
		t.Errorf("the field of the Experiment is %+v", runs[2].Spec.Args)
	}
	want := metav1.ObjectMeta{
		Namespace: "shop", Name: "trial-rate", Annotations: map[string]string{"note": "n"},
		Labels:          map[string]string{"why": "trial", v1alpha1.LabelInstanceID: "one", v1alpha1.LabelPodTemplateHash: "abc"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(e, v1alpha1.ExperimentKind)},
	}
	if diff := cmp.Diff(want, first.ObjectMeta); diff != "" {
		t.Error(diff)
	}
}

func TestForExperimentSaysWhatCannotBeAsked(t *testing.T) {
	required := v1alpha1.ExperimentAnalysisTemplateRef{Name: "x", TemplateName: "endless", RequiredForCompletion: true}
	for name, c := range map[string]struct {
		e    *v1alpha1.Experiment
		edit func(*v1alpha1.Experiment)
		want string
	}{
		"a template that is not there":         {e: trial(v1alpha1.ExperimentAnalysisTemplateRef{Name: "x", TemplateName: "nowhere"}), want: "analysis x: AnalysisTemplate nowhere: not found"},
		"a group that is not there":            {e: trial(rate("{{templates.old.podTemplateHash}}")), want: "{{templates.old.podTemplateHash}} names no fact of a template"},
		"a fact that there is not":             {e: trial(rate("{{templates.new.image}}")), want: "{{templates.new.image}} names no fact of a template"},
		"an endless metric that is waited for": {e: trial(required), want: "metric endless has an interval and no count"},
		"an argument without a value":          {e: trial(v1alpha1.ExperimentAnalysisTemplateRef{Name: "x", TemplateName: "rate"}), want: "argument hash of AnalysisTemplate rate has no value"},
		"a rule that no metric meets":          {e: trial(rate("a")), edit: func(e *v1alpha1.Experiment) { e.Spec.DryRun = []v1alpha1.DryRun{{MetricName: "latency"}} }, want: "no metric of any analysis is called latency"},
		"a rule that is no regular expression": {e: trial(rate("a")), edit: func(e *v1alpha1.Experiment) { e.Spec.DryRun = []v1alpha1.DryRun{{MetricName: "("}} }, want: "is no regular expression"},
		"a rule that is longer than any name is ": {e: trial(rate("a")), edit: func(e *v1alpha1.Experiment) {
			e.Spec.DryRun = []v1alpha1.DryRun{{MetricName: strings.Repeat("a", 1<<20)}}
		}, want: "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.edit != nil {
				c.edit(c.e)
			}
			if _, err := ForExperiment(c.e, trialLibrary(), trialGroups); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
