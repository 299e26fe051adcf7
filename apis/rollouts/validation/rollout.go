package validation

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Rollout checks a Rollout by itself. Paths of errors in a strategy leave out its name (spec.strategy.steps[1], not
// spec.strategy.canary.steps[1]), because clients of the wire contract look for them in this form.
//
// Pod templates are checked as far as a release depends on them; the API server checks the rest in a dry run.
func Rollout(r *v1alpha1.Rollout) field.ErrorList {
	spec := field.NewPath("spec")
	errs := nonNegative(r.Spec.Replicas, spec.Child("replicas"))
	selector, selectorErrs := checkSelector(r.Spec.Selector, spec.Child("selector"))
	if r.Spec.WorkloadRef == nil || r.Spec.Selector != nil { // without one it is taken from the workload
		errs = append(errs, selectorErrs...)
	}
	errs = append(errs, checkWorkloadRef(r.Spec.WorkloadRef, spec.Child("workloadRef"))...)
	errs = append(errs, checkTemplate(r, selector, spec.Child("template"))...)
	errs = append(errs, nonNegative(&r.Spec.MinReadySeconds, spec.Child("minReadySeconds"))...)
	errs = append(errs, nonNegative(r.Spec.RevisionHistoryLimit, spec.Child("revisionHistoryLimit"))...)
	if deadline := v1alpha1.ProgressDeadlineSeconds(r); deadline <= r.Spec.MinReadySeconds {
		errs = append(errs, field.Invalid(spec.Child("progressDeadlineSeconds"), deadline,
			fmt.Sprintf("must be greater than minReadySeconds, which is %d, or no update can ever succeed", r.Spec.MinReadySeconds)))
	}
	return append(errs, checkStrategy(r, spec.Child("strategy"))...)
}

// Message is the message of the condition InvalidSpec: every error, in the form that clients of the wire contract look for.
func Message(name string, errs field.ErrorList) string {
	return fmt.Sprintf("The Rollout %q is invalid: %s", name, joined(errs))
}

// ExperimentMessage is the message of the condition InvalidSpec of an Experiment: every error.
func ExperimentMessage(name string, errs field.ErrorList) string {
	return fmt.Sprintf("The Experiment %q is invalid: %s", name, joined(errs))
}

func joined(errs field.ErrorList) string {
	text := ""
	for i, err := range errs {
		if i > 0 {
			text += "; "
		}
		text += err.Error()
	}
	return text
}

func nonNegative(n *int32, at *field.Path) field.ErrorList {
	if n == nil {
		return nil
	}
	return apivalidation.ValidateNonnegativeField(int64(*n), at)
}

// checkSelector also returns the parsed selector; one that matches nothing if it is absent or cannot be parsed.
func checkSelector(s *metav1.LabelSelector, at *field.Path) (labels.Selector, field.ErrorList) {
	if s == nil {
		return labels.Nothing(), field.ErrorList{field.Required(at, "names the labels of the pods, as in a Deployment")}
	}
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return labels.Everything(), field.ErrorList{field.Invalid(at, s, "must not be empty, because it would select every pod of the namespace")}
	}
	errs := metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, at)
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, append(errs, field.Invalid(at, s, "cannot be read: "+err.Error()))
	}
	return selector, errs
}

// checkTemplate skips the match of labels if selector is nil, because the selector itself was refused.
func checkTemplate(r *v1alpha1.Rollout, selector labels.Selector, at *field.Path) field.ErrorList {
	if r.Spec.WorkloadRef != nil {
		if len(r.Spec.Template.Raw) > 0 && string(r.Spec.Template.Raw) != "{}" {
			return field.ErrorList{field.InternalError(at, errors.New("template must be empty for workload reference rollout"))}
		}
		return nil
	}
	return checkPodTemplate(r.Spec.Template, selector, at)
}

func checkPodTemplate(raw runtime.RawExtension, selector labels.Selector, at *field.Path) field.ErrorList {
	template, err := v1alpha1.PodTemplate(raw)
	var dropped *v1alpha1.DroppedError
	if err != nil && !errors.As(err, &dropped) {
		return field.ErrorList{field.Invalid(at, "", err.Error())}
	}
	var errs field.ErrorList
	if selector != nil && !selector.Matches(labels.Set(template.Labels)) {
		errs = append(errs, field.Invalid(at.Child("metadata", "labels"), template.Labels, "must match the selector"))
	}
	return append(errs, checkPodSpec(template.Spec, at.Child("spec"))...)
}

// checkWorkloadRef takes any version of a kind, because the API server says which ones it serves.
func checkWorkloadRef(ref *v1alpha1.ObjectRef, at *field.Path) field.ErrorList {
	if ref == nil {
		return nil
	}
	var errs field.ErrorList
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	group, known := map[string]string{"Deployment": "apps", "ReplicaSet": "apps", "PodTemplate": ""}[ref.Kind]
	switch {
	case !known:
		errs = append(errs, field.NotSupported(at.Child("kind"), ref.Kind, []string{"Deployment", "ReplicaSet", "PodTemplate"}))
	case err != nil || version.Version == "" || version.Group != group:
		errs = append(errs, field.Invalid(at.Child("apiVersion"), ref.APIVersion, "must be that of kind "+ref.Kind+": "+schema.GroupVersion{Group: group, Version: "v1"}.String()))
	}
	if ref.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), "names the workload that holds the pod template"))
	}
	return errs
}

func checkPodSpec(s corev1.PodSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(s.Containers) == 0 {
		errs = append(errs, field.Required(at.Child("containers"), "a pod needs at least one container"))
	}
	names := sets.New[string]()
	for i, c := range s.InitContainers {
		errs = append(errs, checkContainer(c, names, at.Child("initContainers").Index(i))...)
	}
	for i, c := range s.Containers {
		errs = append(errs, checkContainer(c, names, at.Child("containers").Index(i))...)
	}
	if s.RestartPolicy != "" && s.RestartPolicy != corev1.RestartPolicyAlways {
		errs = append(errs, field.NotSupported(at.Child("restartPolicy"), s.RestartPolicy, []corev1.RestartPolicy{corev1.RestartPolicyAlways}))
	}
	if s.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(at.Child("activeDeadlineSeconds"), "pods of a ReplicaSet have no deadline"))
	}
	return errs
}

func checkContainer(c corev1.Container, names sets.Set[string], at *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch {
	case c.Name == "":
		errs = append(errs, field.Required(at.Child("name"), "each container needs a name"))
	case names.Has(c.Name):
		errs = append(errs, field.Duplicate(at.Child("name"), c.Name))
	default:
		for _, reason := range utilvalidation.IsDNS1123Label(c.Name) {
			errs = append(errs, field.Invalid(at.Child("name"), c.Name, reason))
		}
	}
	names.Insert(c.Name)
	if c.Image == "" {
		errs = append(errs, field.Required(at.Child("image"), "each container needs an image"))
	}
	for i, p := range c.Ports {
		port := at.Child("ports").Index(i).Child("containerPort")
		if p.ContainerPort == 0 {
			errs = append(errs, field.Required(port, "is a number from 1 to 65535"))
			continue
		}
		for _, reason := range utilvalidation.IsValidPortNum(int(p.ContainerPort)) {
			errs = append(errs, field.Invalid(port, p.ContainerPort, reason))
		}
	}
	return errs
}

func checkStrategy(r *v1alpha1.Rollout, at *field.Path) field.ErrorList {
	switch s := r.Spec.Strategy; {
	case s.Canary == nil && s.BlueGreen == nil:
		return field.ErrorList{field.Required(at.Child("strategy"), "needs canary or blueGreen")}
	case s.Canary != nil && s.BlueGreen != nil:
		return field.ErrorList{field.Invalid(at.Child("strategy"), "canary, blueGreen", "has room for one strategy; remove the other")}
	case s.BlueGreen != nil:
		return checkBlueGreen(r, at)
	default:
		return checkCanary(r, at)
	}
}

func checkBlueGreen(r *v1alpha1.Rollout, at *field.Path) field.ErrorList {
	b := r.Spec.Strategy.BlueGreen
	var errs field.ErrorList
	if b.ActiveService == b.PreviewService {
		errs = append(errs, field.Invalid(at.Child("activeService"), b.ActiveService, "must be given and differ from previewService"))
	}
	if limit := b.ScaleDownDelayRevisionLimit; limit != nil && *limit > v1alpha1.RevisionHistoryLimit(r) {
		errs = append(errs, field.Invalid(at.Child("scaleDownDelayRevisionLimit"), *limit,
			fmt.Sprintf("must not exceed revisionHistoryLimit, which is %d", v1alpha1.RevisionHistoryLimit(r))))
	}
	return append(errs, checkAntiAffinity(b.AntiAffinity, at.Child("antiAffinity"))...)
}

func checkAntiAffinity(a *v1alpha1.AntiAffinity, at *field.Path) field.ErrorList {
	if a == nil {
		return nil
	}
	preferred, required := a.PreferredDuringSchedulingIgnoredDuringExecution, a.RequiredDuringSchedulingIgnoredDuringExecution
	if (preferred == nil) == (required == nil) {
		return field.ErrorList{field.Invalid(at, a, "needs exactly one of the preferred and the required rule")}
	}
	if preferred != nil && (preferred.Weight < 1 || preferred.Weight > 100) {
		return field.ErrorList{field.Invalid(at.Child("weight"), preferred.Weight, "must be from 1 to 100")}
	}
	return nil
}
