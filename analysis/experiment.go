package analysis

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Group is what an analysis may ask about the pods of one template of an Experiment: {{templates.NAME.podTemplateHash}} and
// {{templates.NAME.replicaset.name}}.
type Group struct{ Template, ReplicaSet, Hash string }

// ForExperiment composes the runs of all analyses of an Experiment, in their order. They are not yet created, and their secrets are not
// read. The errors are those of Compose, a placeholder that names no group, a rule of dryRun or measurementRetention that no metric of any
// analysis meets, a metric without an end in an analysis that is required, and a run that is too large for one object.
func ForExperiment(e *v1alpha1.Experiment, lib Library, groups []Group) ([]*v1alpha1.AnalysisRun, error) {
	rules, err := newExperimentRules(e)
	if err != nil {
		return nil, err
	}
	var runs []*v1alpha1.AnalysisRun
	for _, a := range e.Spec.Analyses {
		run, err := rules.run(a, lib, groups)
		if err != nil {
			return nil, fmt.Errorf("analysis %s: %w", a.Name, err)
		}
		runs = append(runs, run)
	}
	return runs, rules.unmet()
}

// ExperimentRunName names the run of one analysis of an Experiment.
func ExperimentRunName(e *v1alpha1.Experiment, analysis string) string {
	return e.Name + "-" + analysis
}

// experimentRules are the rules of an Experiment about the metrics of all of its analyses.
type experimentRules struct {
	*v1alpha1.Experiment
	patterns []*regexp.Regexp // of dryRun, then of measurementRetention
	met      []bool
}

func newExperimentRules(e *v1alpha1.Experiment) (*experimentRules, error) {
	r := &experimentRules{Experiment: e}
	var names []string
	for _, rule := range e.Spec.DryRun {
		names = append(names, rule.MetricName)
	}
	for _, rule := range e.Spec.MeasurementRetention {
		names = append(names, rule.MetricName)
	}
	for _, name := range names {
		if len(name) > maxSource {
			return nil, fmt.Errorf("a metricName of dryRun or measurementRetention has %d bytes, at most %d are allowed", len(name), maxSource)
		}
		pattern, err := regexp.Compile(name)
		if err != nil {
			return nil, fmt.Errorf("a metricName of dryRun or measurementRetention is no regular expression: %w", err)
		}
		r.patterns = append(r.patterns, pattern)
	}
	r.met = make([]bool, len(r.patterns))
	return r, nil
}

func (r *experimentRules) run(a v1alpha1.ExperimentAnalysisTemplateRef, lib Library, groups []Group) (*v1alpha1.AnalysisRun, error) {
	args, err := placed(a.Args, groups)
	if err != nil {
		return nil, err
	}
	spec, err := Compose(v1alpha1.RolloutAnalysis{
		Templates: []v1alpha1.AnalysisTemplateRef{{TemplateName: a.TemplateName, ClusterScope: &a.ClusterScope}},
	}, lib, args)
	if err != nil {
		return nil, err
	}
	for i := range spec.Args {
		if err := fixField("experiment", r.Experiment, &spec.Args[i]); err != nil {
			return nil, err
		}
	}
	if spec.Metrics, err = placed(spec.Metrics, groups); err != nil {
		return nil, err
	}
	r.apply(&spec)
	q, err := resolve(spec)
	if err != nil {
		return nil, err
	}
	if a.RequiredForCompletion {
		if err := ends(q); err != nil {
			return nil, err
		}
	}
	return r.wrap(a.Name, spec), fits(spec)
}

// apply adds the rules that any metric of a run meets.
func (r *experimentRules) apply(spec *v1alpha1.AnalysisRunSpec) {
	for i, pattern := range r.patterns {
		if !slices.ContainsFunc(spec.Metrics, func(m v1alpha1.Metric) bool { return pattern.MatchString(m.Name) }) {
			continue
		}
		r.met[i] = true
		if i < len(r.Spec.DryRun) {
			spec.DryRun = append(spec.DryRun, r.Spec.DryRun[i])
		} else {
			spec.MeasurementRetention = append(spec.MeasurementRetention, r.Spec.MeasurementRetention[i-len(r.Spec.DryRun)])
		}
	}
}

func (r *experimentRules) unmet() error {
	for i, met := range r.met {
		if !met {
			return fmt.Errorf("no metric of any analysis is called %s, for which dryRun or measurementRetention has a rule: correct or remove it", r.patterns[i])
		}
	}
	return nil
}

// wrap puts a spec into the run of an analysis.
func (r *experimentRules) wrap(name string, spec v1alpha1.AnalysisRunSpec) *v1alpha1.AnalysisRun {
	run := &v1alpha1.AnalysisRun{Spec: spec}
	run.Namespace, run.Name = r.Namespace, ExperimentRunName(r.Experiment, name)
	run.Labels, run.Annotations = map[string]string{}, map[string]string{}
	maps.Copy(run.Labels, r.Spec.AnalysisRunMetadata.Labels)
	maps.Copy(run.Annotations, r.Spec.AnalysisRunMetadata.Annotations)
	for _, key := range []string{v1alpha1.LabelInstanceID, v1alpha1.LabelPodTemplateHash} {
		delete(run.Labels, key)
		if value, ok := r.Labels[key]; ok {
			run.Labels[key] = value
		}
	}
	run.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(r.Experiment, v1alpha1.ExperimentKind)}
	return run
}

// placeholder is what stands for a fact about a group of pods. Facts are names and hashes, so they can stand in any JSON text as they are.
var placeholder = regexp.MustCompile(`\{\{\s*templates\.([^{}]*?)\s*\}\}`)

// placed replaces the placeholders in all texts of a value.
func placed[T any](value T, groups []Group) (T, error) {
	var out T
	data, err := json.Marshal(value)
	if err != nil {
		return out, fmt.Errorf("writing it as JSON: %w", err)
	}
	var unknown error
	data = placeholder.ReplaceAllFunc(data, func(found []byte) []byte {
		path := string(placeholder.FindSubmatch(found)[1])
		for _, g := range groups {
			switch path {
			case g.Template + ".podTemplateHash":
				return []byte(g.Hash)
			case g.Template + ".replicaset.name":
				return []byte(g.ReplicaSet)
			}
		}
		unknown = fmt.Errorf("{{templates.%s}} names no fact of a template: there are .podTemplateHash and .replicaset.name of each", shorten(path, maxName))
		return found
	})
	if unknown != nil {
		return out, unknown
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("reading it with the facts of the templates: %w", err)
	}
	return out, nil
}
