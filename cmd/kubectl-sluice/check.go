package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/json"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/validation"
)

// check finds the mistakes of manifests, one line each, in their order. It tells how many of which kind it has looked at; nothing if there were none.
func check(all manifests) (found []string, looked string) {
	around, faults := collect(all)
	kinds := map[string]int{}
	for i, m := range all {
		tell := func(words string) { found = append(found, m.at+": "+words) }
		for _, fault := range faults[i] {
			tell(fault.Error())
		}
		if o := around.objects[i]; o != nil {
			kinds[m.kind]++
			mistakesOfGit(o, tell)
		}
		switch o := around.objects[i].(type) {
		case *v1alpha1.Rollout:
			for _, err := range around.mistakes(o) {
				tell(err.Error())
			}
		case *v1alpha1.Experiment:
			for _, err := range around.mistakesOfExperiment(o) {
				tell(err.Error())
			}
		case *v1alpha1.AnalysisTemplate:
			tellAll(tell, templateMistakes(o.Spec))
		case *v1alpha1.ClusterAnalysisTemplate:
			tellAll(tell, templateMistakes(o.Spec))
		}
	}
	return found, tally(kinds)
}

// tally counts kinds for people. Services are looked at for others only.
func tally(kinds map[string]int) string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		switch n := kinds[kind]; {
		case kind == "Service":
		case n == 1:
			all = append(all, "1 "+kind)
		default:
			all = append(all, fmt.Sprintf("%d %ss", n, kind))
		}
	}
	return strings.Join(all, ", ")
}

func tellAll(tell func(string), errs field.ErrorList) {
	for _, err := range errs {
		tell("spec." + err.Error())
	}
}

// templateMistakes judges the metrics; a template that only names others has none.
func templateMistakes(spec v1alpha1.AnalysisTemplateSpec) field.ErrorList {
	if len(spec.Metrics) == 0 && len(spec.Templates) > 0 {
		return nil
	}
	return analysis.Validate(spec.Metrics)
}

// surroundings are the objects of the manifests, by the place of their document, and those that Rollouts may refer to.
type surroundings struct {
	objects   []any
	services  map[string]map[string]*corev1.Service
	templates map[string]map[string]v1alpha1.AnalysisTemplateSpec
	cluster   map[string]v1alpha1.AnalysisTemplateSpec
}

// collect decodes what lint knows; faults are those of the document itself, fields that do not exist among them.
func collect(all manifests) (around surroundings, faults [][]error) {
	around = surroundings{
		objects: make([]any, len(all)), services: map[string]map[string]*corev1.Service{},
		templates: map[string]map[string]v1alpha1.AnalysisTemplateSpec{}, cluster: map[string]v1alpha1.AnalysisTemplateSpec{},
	}
	faults = make([][]error, len(all))
	for i, m := range all {
		switch m.kind {
		case "":
			faults[i] = []error{m.fault}
		case "Service":
			s := &corev1.Service{}
			if faults[i] = decode(m.raw, s, &around.objects[i]); around.objects[i] != nil {
				put(around.services, s.Namespace, s.Name, s)
			}
		case v1alpha1.RolloutKind.Kind:
			faults[i] = decode(m.raw, &v1alpha1.Rollout{}, &around.objects[i])
		case v1alpha1.ExperimentKind.Kind:
			faults[i] = decode(m.raw, &v1alpha1.Experiment{}, &around.objects[i])
		case "AnalysisTemplate":
			t := &v1alpha1.AnalysisTemplate{}
			if faults[i] = decode(m.raw, t, &around.objects[i]); around.objects[i] != nil {
				put(around.templates, t.Namespace, t.Name, t.Spec)
			}
		case "ClusterAnalysisTemplate":
			t := &v1alpha1.ClusterAnalysisTemplate{}
			if faults[i] = decode(m.raw, t, &around.objects[i]); around.objects[i] != nil {
				around.cluster[t.Name] = t.Spec
			}
		default:
			faults[i] = m.decodeOfGit(&around.objects[i])
		}
	}
	return around, faults
}

// decode fills o and puts it where it can be found, unless it cannot be read at all.
func decode(raw []byte, o any, at *any) []error {
	strict, err := json.UnmarshalStrict(raw, o)
	if err != nil {
		return []error{err}
	}
	*at = o
	// A status is no work of people, and that of another controller may have fields of its own.
	return slices.DeleteFunc(strict, func(fault error) bool { return strings.HasPrefix(fault.Error(), `unknown field "status.`) })
}

func put[T any](in map[string]map[string]T, namespace, name string, t T) {
	if in[namespace] == nil {
		in[namespace] = map[string]T{}
	}
	in[namespace][name] = t
}

// library holds the templates that an object of a namespace can use. It is a copy, so that its user may add to it.
func (a surroundings) library(namespace string) analysis.Library {
	l := analysis.Library{Templates: map[string]v1alpha1.AnalysisTemplateSpec{}, ClusterTemplates: map[string]v1alpha1.AnalysisTemplateSpec{}}
	maps.Copy(l.Templates, a.templates[namespace])
	maps.Copy(l.ClusterTemplates, a.cluster)
	return l
}

// mistakes of a Rollout by itself, and beside the Services and templates of its own namespace that are among the manifests.
// What is not among them may well be in the cluster.
func (a surroundings) mistakes(r *v1alpha1.Rollout) field.ErrorList {
	library := a.library(r.Namespace)
	errs := append(validation.Rollout(r), validation.Unsupported(r)...)
	return append(errs, validation.References(r, validation.Referenced{
		Services: a.services[r.Namespace],
		Compose: func(of v1alpha1.RolloutAnalysis) (*v1alpha1.AnalysisRun, error) {
			run, err := analysis.ForRollout(r, of, library, analysis.RunAt{Hash: "latest", StableHash: "stable", Type: analysis.TypeBackground})
			if errors.Is(err, analysis.ErrNoTemplate) {
				return &v1alpha1.AnalysisRun{}, nil
			}
			if err != nil {
				return nil, fmt.Errorf("cannot be run: %w", err)
			}
			return run, nil
		},
	})...)
}

// mistakesOfExperiment are those of an Experiment by itself, and beside the templates of its own namespace that are among the manifests.
func (a surroundings) mistakesOfExperiment(e *v1alpha1.Experiment) []error {
	var found []error
	for _, err := range validation.Experiment(e) {
		found = append(found, err)
	}
	if len(found) > 0 {
		return found
	}
	var groups []analysis.Group
	for _, t := range e.Spec.Templates {
		groups = append(groups, analysis.Group{Template: t.Name, ReplicaSet: v1alpha1.ExperimentSetName(e, t.Name), Hash: "latest"})
	}
	if _, err := analysis.ForExperiment(e, a.library(e.Namespace), groups); err != nil && !errors.Is(err, analysis.ErrNoTemplate) {
		found = append(found, fmt.Errorf("spec.analyses: %w", err))
	}
	return found
}
