package validation

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Experiment checks an Experiment by itself. Whether its AnalysisTemplates exist is judged when its analyses begin.
func Experiment(e *v1alpha1.Experiment) field.ErrorList {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	if len(e.Spec.Templates) == 0 {
		errs = append(errs, field.Required(spec.Child("templates"), "needs at least one group of pods"))
	}
	names := map[string]bool{}
	for i := range e.Spec.Templates {
		t, at := &e.Spec.Templates[i], spec.Child("templates").Index(i)
		errs = append(errs, checkPartName(t.Name, names, at.Child("name"))...)
		errs = append(errs, checkExperimentTemplate(e, t, at)...)
	}
	errs = append(errs, checkDuration(string(e.Spec.Duration), spec.Child("duration"))...)
	errs = append(errs, nonNegative(e.Spec.ScaleDownDelaySeconds, spec.Child("scaleDownDelaySeconds"))...)
	names = map[string]bool{}
	for i, a := range e.Spec.Analyses {
		at := spec.Child("analyses").Index(i)
		errs = append(errs, checkPartName(a.Name, names, at.Child("name"))...)
		if a.TemplateName == "" {
			errs = append(errs, field.Required(at.Child("templateName"), "names the AnalysisTemplate"))
		}
	}
	return errs
}

// checkPartName checks the name of a template or an analysis, which becomes a part of names of objects.
func checkPartName(name string, taken map[string]bool, at *field.Path) field.ErrorList {
	if taken[name] {
		return field.ErrorList{field.Duplicate(at, name)}
	}
	taken[name] = true
	var errs field.ErrorList
	for _, reason := range utilvalidation.IsDNS1123Label(name) {
		errs = append(errs, field.Invalid(at, name, reason))
	}
	return errs
}

func checkExperimentTemplate(e *v1alpha1.Experiment, t *v1alpha1.TemplateSpec, at *field.Path) field.ErrorList {
	errs := nonNegative(t.Replicas, at.Child("replicas"))
	errs = append(errs, nonNegative(&t.MinReadySeconds, at.Child("minReadySeconds"))...)
	if deadline := v1alpha1.ExperimentProgressDeadlineSeconds(e); deadline <= t.MinReadySeconds {
		errs = append(errs, field.Invalid(at.Child("minReadySeconds"), t.MinReadySeconds,
			fmt.Sprintf("must be less than progressDeadlineSeconds, which is %d, or the experiment can never begin", deadline)))
	}
	selector, selectorErrs := checkSelector(t.Selector, at.Child("selector"))
	errs = append(errs, selectorErrs...)
	errs = append(errs, checkPodTemplate(t.Template, selector, at.Child("template"))...)
	if t.Service == nil {
		return errs
	}
	name := v1alpha1.ExperimentServiceName(e, t)
	for _, reason := range utilvalidation.IsDNS1035Label(name) {
		errs = append(errs, field.Invalid(at.Child("service", "name"), name, reason))
	}
	if template, err := v1alpha1.PodTemplate(t.Template); err == nil && e.Annotations[v1alpha1.AnnotationExperimentPortsOf] == "" && !hasPort(template.Spec) {
		errs = append(errs, field.Invalid(at.Child("service"), name, "a Service has the ports of the containers, and none of them declares one; add containerPort"))
	}
	return errs
}

func hasPort(s corev1.PodSpec) bool {
	return slices.ContainsFunc(s.Containers, func(c corev1.Container) bool { return len(c.Ports) > 0 })
}

// checkDuration checks a Go duration that may be absent.
func checkDuration(text string, at *field.Path) field.ErrorList {
	if d, err := v1alpha1.DurationString(text).Duration(); err != nil || d < 0 {
		return field.ErrorList{field.Invalid(at, text, "must be a duration such as 30s, 5m or 1h, and not negative")}
	}
	return nil
}

// checkExperimentStep checks a step of the kind experiment as far as the Rollout tells; templates of pods are its own.
func checkExperimentStep(r *v1alpha1.Rollout, index int, at *field.Path) field.ErrorList {
	e := r.Spec.Strategy.Canary.Steps[index].Experiment
	if e == nil {
		return nil
	}
	at = at.Child("experiment")
	var errs field.ErrorList
	if len(e.Templates) == 0 {
		errs = append(errs, field.Required(at.Child("templates"), "needs at least one group of pods"))
	}
	names, weight := map[string]bool{}, int64(0)
	for i, t := range e.Templates {
		template := at.Child("templates").Index(i)
		errs = append(errs, checkPartName(t.Name, names, template.Child("name"))...)
		errs = append(errs, nonNegative(t.Replicas, template.Child("replicas"))...)
		if t.SpecRef != v1alpha1.SpecRefStable && t.SpecRef != v1alpha1.SpecRefCanary {
			errs = append(errs, field.NotSupported(template.Child("specRef"), t.SpecRef, []string{v1alpha1.SpecRefStable, v1alpha1.SpecRefCanary}))
		}
		if t.Weight != nil {
			weight += int64(*t.Weight)
			errs = append(errs, nonNegative(t.Weight, template.Child("weight"))...)
		}
	}
	if full := int64(v1alpha1.MaxTrafficWeight(r)) - int64(weightBefore(r.Spec.Strategy.Canary.Steps, index)); weight > 0 && weight > full {
		errs = append(errs, field.Invalid(at.Child("templates"), weight, fmt.Sprintf("the weights sum up to more than the canary leaves, which is %d", full)))
	}
	errs = append(errs, checkDuration(e.Duration, at.Child("duration"))...)
	errs = append(errs, nonNegative(e.ScaleDownDelaySeconds, at.Child("scaleDownDelaySeconds"))...)
	names = map[string]bool{}
	for i, a := range e.Analyses {
		errs = append(errs, checkPartName(a.Name, names, at.Child("analyses").Index(i).Child("name"))...)
	}
	return errs
}

// weightBefore is the weight of the nearest setWeight before a step; 0 if there is none.
func weightBefore(steps []v1alpha1.CanaryStep, index int) int32 {
	for i := index - 1; i >= 0; i-- {
		if steps[i].SetWeight != nil {
			return *steps[i].SetWeight
		}
	}
	return 0
}
