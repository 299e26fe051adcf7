package validation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func checkStep(r *v1alpha1.Rollout, s v1alpha1.CanaryStep, at *field.Path) field.ErrorList {
	t := r.Spec.Strategy.Canary.TrafficRouting
	errs := checkStepKind(s, at)
	if s.SetCanaryScale != nil && t == nil {
		errs = append(errs, field.Invalid(at.Child("setCanaryScale"), "", "has a meaning only with trafficRouting"))
	}
	errs = append(errs, checkHeaderRoute(s.SetHeaderRoute, t, at.Child("setHeaderRoute"))...)
	errs = append(errs, checkMirrorRoute(s.SetMirrorRoute, t, at.Child("setMirrorRoute"))...)
	if limit := v1alpha1.MaxTrafficWeight(r); s.SetWeight != nil && (*s.SetWeight < 0 || *s.SetWeight > limit) {
		errs = append(errs, field.Invalid(at.Child("setWeight"), *s.SetWeight, fmt.Sprintf("must be from 0 to %d", limit)))
	}
	if s.Pause != nil {
		if _, _, valid := v1alpha1.PauseDuration(s.Pause); !valid {
			errs = append(errs, field.Invalid(at.Child("pause", "duration"), s.Pause.Duration.String(), "must be seconds, or a duration such as 30s, 5m or 1h, and not negative"))
		}
	}
	if s.Analysis != nil {
		errs = append(errs, checkFieldRefs(s.Analysis.Args, at.Child("analyses"))...)
	}
	if s.Experiment != nil {
		errs = append(errs, checkExperiment(s.Experiment, t, at)...)
	}
	return errs
}

// checkStepKind lets a step combine what the wire contract lets it combine: only four kinds exclude each other.
func checkStepKind(s v1alpha1.CanaryStep, at *field.Path) field.ErrorList {
	exclusive := count(s.SetWeight != nil, s.Pause != nil, s.Experiment != nil, s.Analysis != nil)
	others := count(s.SetCanaryScale != nil, s.SetHeaderRoute != nil, s.SetMirrorRoute != nil, s.Plugin != nil)
	if exclusive > 1 || exclusive+others == 0 {
		return field.ErrorList{field.Invalid(at, v1alpha1.StepText(s),
			"must be one of setWeight, pause, setCanaryScale, analysis, experiment, setHeaderRoute, setMirrorRoute and plugin")}
	}
	return nil
}

func count(facts ...bool) int {
	n := 0
	for _, fact := range facts {
		if fact {
			n++
		}
	}
	return n
}

func checkHeaderRoute(h *v1alpha1.SetHeaderRoute, t *v1alpha1.RolloutTrafficRouting, at *field.Path) field.ErrorList {
	if h == nil {
		return nil
	}
	var errs field.ErrorList
	if !uses(t, "gatewayAPI", "istio", "alb", "apisix", "plugins") {
		errs = append(errs, field.Invalid(at, h.Name, "needs the router gatewayAPI, istio, alb, apisix or a plugin"))
	}
	for i, m := range h.Match {
		match := at.Child("match").Index(i)
		switch {
		case m.HeaderValue == nil:
			errs = append(errs, field.Invalid(match, m.HeaderName, "needs headerValue with exact, prefix or regex"))
		case uses(t, "alb") && (m.HeaderValue.Exact == "" || m.HeaderValue.Prefix != "" || m.HeaderValue.Regex != ""):
			errs = append(errs, field.Invalid(match, m.HeaderName, "the router alb compares headers by exact only"))
		case !uses(t, "alb"):
			errs = append(errs, checkStringMatch(m.HeaderValue, match)...)
		}
	}
	return append(errs, checkManagedRoute(h.Name, t, at)...)
}

func checkMirrorRoute(m *v1alpha1.SetMirrorRoute, t *v1alpha1.RolloutTrafficRouting, at *field.Path) field.ErrorList {
	if m == nil {
		return nil
	}
	var errs field.ErrorList
	if !uses(t, "gatewayAPI", "istio", "plugins") {
		errs = append(errs, field.Invalid(at, m.Name, "needs the router gatewayAPI, istio or a plugin"))
	}
	for i, match := range m.Match {
		errs = append(errs, checkStringMatch(match.Method, at.Child("match").Index(i))...)
		errs = append(errs, checkStringMatch(match.Path, at.Child("match").Index(i))...)
	}
	return append(errs, checkManagedRoute(m.Name, t, at)...)
}

func checkStringMatch(m *v1alpha1.StringMatch, at *field.Path) field.ErrorList {
	if m == nil {
		return nil
	}
	switch count(m.Exact != "", m.Prefix != "", m.Regex != "") {
	case 0:
		return field.ErrorList{field.Invalid(at, "", "needs exact, prefix or regex")}
	case 1:
		return nil
	}
	return field.ErrorList{field.Invalid(at, "exact, prefix, regex", "has room for one of exact, prefix and regex")}
}

// checkManagedRoute reports a missing list of routes at the list, and a name that is not in it at the step.
func checkManagedRoute(name string, t *v1alpha1.RolloutTrafficRouting, step *field.Path) field.ErrorList {
	if t == nil {
		return nil
	}
	if len(t.ManagedRoutes) == 0 {
		return field.ErrorList{field.Required(field.NewPath("spec", "strategy", "trafficRouting", "managedRoutes"),
			fmt.Sprintf("must list %q, because a step sets that route", name))}
	}
	known := func(route v1alpha1.ManagedRoute) bool { return route.Name == name }
	if !slices.ContainsFunc(t.ManagedRoutes, known) {
		return field.ErrorList{field.Invalid(step, name, "is not listed in trafficRouting.managedRoutes")}
	}
	return nil
}

// metadataField matches what a field reference may read of the metadata; the wire contract checks no other path in advance.
var metadataField = regexp.MustCompile(`^metadata\.(name|namespace|uid|(labels|annotations)(\['[^']+'\])?)$`)

func checkFieldRefs(args []v1alpha1.AnalysisRunArgument, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, arg := range args {
		if arg.ValueFrom == nil || arg.ValueFrom.FieldRef == nil {
			continue
		}
		path := arg.ValueFrom.FieldRef.FieldPath
		if strings.HasPrefix(path, "metadata") && !metadataField.MatchString(path) {
			errs = append(errs, field.Invalid(at, path, fmt.Sprintf("argument %s can read metadata.name, .namespace, .uid, .labels['key'] and .annotations['key']", arg.Name)))
		}
	}
	return errs
}

func checkExperiment(e *v1alpha1.RolloutExperimentStep, t *v1alpha1.RolloutTrafficRouting, step *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, template := range e.Templates {
		at := step.Child("experiment", "templates").Index(i).Child("weight")
		switch {
		case template.Weight == nil:
		case t == nil:
			errs = append(errs, field.Invalid(at, *template.Weight, "has a meaning only with trafficRouting"))
		case !uses(t, "gatewayAPI", "istio", "alb", "smi", "plugins"):
			errs = append(errs, field.Invalid(at, *template.Weight, "needs the router gatewayAPI, istio, alb, smi or a plugin"))
		}
	}
	for _, analysis := range e.Analyses {
		errs = append(errs, checkFieldRefs(analysis.Args, step.Child("analyses"))...)
	}
	return errs
}
