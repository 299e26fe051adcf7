package validation

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Referenced is what a Rollout refers to, as it was found.
type Referenced struct {
	// Services by name. A nil one was looked for and does not exist; a name that is absent was not looked for and is not judged.
	Services map[string]*corev1.Service
	// Compose makes the run that an analysis of the Rollout asks for, or says why it cannot be made. It must let endless metrics
	// pass, as for a background analysis: which analyses may be endless is judged here. Nil leaves analyses unjudged.
	Compose func(v1alpha1.RolloutAnalysis) (*v1alpha1.AnalysisRun, error)
}

// References checks a Rollout against what it refers to. Its paths name the strategy (spec.strategy.canary.stableService), as the
// wire contract has it for these errors.
func References(r *v1alpha1.Rollout, found Referenced) field.ErrorList {
	var errs field.ErrorList
	template, _ := v1alpha1.PodTemplate(r.Spec.Template) // Rollout reports what is wrong with the template
	for _, named := range serviceNames(r) {
		service, looked := found.Services[named.name]
		switch {
		case named.name == "" || !looked:
		case service == nil:
			errs = append(errs, field.Invalid(named.at, named.name, "no such Service in this namespace; create it"))
		default:
			errs = append(errs, checkService(r, service, template.Labels, named.at)...)
		}
	}
	if found.Compose == nil {
		return errs
	}
	for _, a := range analyses(r) {
		errs = append(errs, checkAnalysis(a, found.Compose)...)
	}
	return errs
}

type namedService struct {
	at   *field.Path
	name string
}

func serviceNames(r *v1alpha1.Rollout) []namedService {
	at := field.NewPath("spec", "strategy")
	switch s := r.Spec.Strategy; {
	case s.BlueGreen != nil:
		return []namedService{
			{at.Child("blueGreen", "activeService"), s.BlueGreen.ActiveService},
			{at.Child("blueGreen", "previewService"), s.BlueGreen.PreviewService},
		}
	case s.Canary != nil:
		named := []namedService{
			{at.Child("canary", "canaryService"), s.Canary.CanaryService},
			{at.Child("canary", "stableService"), s.Canary.StableService},
		}
		if p := s.Canary.PingPong; p != nil {
			named = append(named,
				namedService{at.Child("canary", "pingPong", "pingService"), p.PingService},
				namedService{at.Child("canary", "pingPong", "pongService"), p.PongService})
		}
		return named
	}
	return nil
}

func checkService(r *v1alpha1.Rollout, s *corev1.Service, pods map[string]string, at *field.Path) field.ErrorList {
	if owner, managed := s.Annotations[v1alpha1.AnnotationManagedByRollouts]; managed && owner != r.Name {
		return field.ErrorList{field.Invalid(at, s.Name, fmt.Sprintf("is managed by Rollout %q; give each Rollout Services of its own", owner))}
	}
	if r.Spec.WorkloadRef != nil && len(r.Spec.Template.Raw) == 0 {
		return nil // the labels stand in the workload
	}
	for _, key := range slices.Sorted(maps.Keys(s.Spec.Selector)) {
		if key == v1alpha1.LabelPodTemplateHash {
			continue
		}
		if value, ok := pods[key]; !ok || value != s.Spec.Selector[key] {
			return field.ErrorList{field.Invalid(at, s.Name, fmt.Sprintf("selects pods with %s=%s, which is no label of spec.template", key, s.Spec.Selector[key]))}
		}
	}
	return nil
}

type namedAnalysis struct {
	at       *field.Path
	analysis v1alpha1.RolloutAnalysis
	// endless is true if the analysis may go on for as long as the release.
	endless bool
}

func analyses(r *v1alpha1.Rollout) []namedAnalysis {
	at := field.NewPath("spec", "strategy")
	var all []namedAnalysis
	if b := r.Spec.Strategy.BlueGreen; b != nil {
		if b.PrePromotionAnalysis != nil {
			all = append(all, namedAnalysis{at.Child("blueGreen", "prePromotionAnalysis"), *b.PrePromotionAnalysis, false})
		}
		if b.PostPromotionAnalysis != nil {
			all = append(all, namedAnalysis{at.Child("blueGreen", "postPromotionAnalysis"), *b.PostPromotionAnalysis, false})
		}
	}
	if c := r.Spec.Strategy.Canary; c != nil {
		for i, s := range c.Steps {
			if s.Analysis != nil {
				all = append(all, namedAnalysis{at.Child("canary", "steps").Index(i).Child("analysis"), *s.Analysis, false})
			}
			all = append(all, analysesOfExperiment(s.Experiment, at.Child("canary", "steps").Index(i).Child("experiment", "analyses"))...)
		}
		if c.Analysis != nil {
			all = append(all, namedAnalysis{at.Child("canary", "analysis"), c.Analysis.RolloutAnalysis, true})
		}
	}
	return all
}

// analysesOfExperiment lists the analyses of a step of the kind experiment. Only one that the experiment waits for has to end by itself.
func analysesOfExperiment(e *v1alpha1.RolloutExperimentStep, at *field.Path) []namedAnalysis {
	if e == nil {
		return nil
	}
	var all []namedAnalysis
	for i, a := range e.Analyses {
		all = append(all, namedAnalysis{at.Index(i), v1alpha1.RolloutAnalysis{
			Templates: []v1alpha1.AnalysisTemplateRef{{TemplateName: a.TemplateName, ClusterScope: &a.ClusterScope}}, Args: a.Args,
		}, !a.RequiredForCompletion})
	}
	return all
}

func checkAnalysis(a namedAnalysis, compose func(v1alpha1.RolloutAnalysis) (*v1alpha1.AnalysisRun, error)) field.ErrorList {
	at := a.at.Child("templates")
	run, err := compose(a.analysis)
	if err != nil {
		return field.ErrorList{field.Invalid(at, templateNames(a.analysis), err.Error())}
	}
	var errs field.ErrorList
	for _, metric := range run.Spec.Metrics {
		if !a.endless && metric.Interval != "" && metric.Count == nil {
			errs = append(errs, field.Invalid(at, templateNames(a.analysis),
				fmt.Sprintf("metric %s has an interval and no count, so it would never end; give it a count", metric.Name)))
		}
	}
	return errs
}

func templateNames(a v1alpha1.RolloutAnalysis) []string {
	names := make([]string, 0, len(a.Templates))
	for _, t := range a.Templates {
		names = append(names, t.TemplateName)
	}
	return names
}
