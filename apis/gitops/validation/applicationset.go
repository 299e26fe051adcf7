package validation

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// ApplicationSet refuses what is not built in an ApplicationSet, and strategies that cannot be followed. What is wrong with a generator or a
// template otherwise is told when it is used.
func ApplicationSet(set *gitopsv1.ApplicationSet) field.ErrorList {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	for i, g := range set.Spec.Generators {
		errs = append(errs, generator(g, spec.Child("generators").Index(i))...)
	}
	errs = append(errs, applicationSpec(set.Spec.Template.Spec, spec.Child("template", "spec"))...)
	return append(errs, Strategy(set)...)
}

// Strategy is what ApplicationSet refuses in the strategy.
func Strategy(set *gitopsv1.ApplicationSet) field.ErrorList {
	s, at := set.Spec.Strategy, field.NewPath("spec", "strategy")
	if s == nil {
		return nil
	}
	errs := oneOf(at.Child("type"), s.Type, gitopsv1.StrategyAllAtOnce, gitopsv1.StrategyRollingSync)
	errs = append(errs, oneOf(at.Child("deletionOrder"), s.DeletionOrder, gitopsv1.DeletionOrderAllAtOnce, gitopsv1.DeletionOrderReverse)...)
	rolling := s.Type == gitopsv1.StrategyRollingSync
	switch steps := s.RollingSync; {
	case rolling && (steps == nil || len(steps.Steps) == 0):
		errs = append(errs, field.Required(at.Child("rollingSync", "steps"), "without steps no Application would ever be synced"))
	case !rolling && s.DeletionOrder == gitopsv1.DeletionOrderReverse:
		errs = append(errs, invalid(at.Child("deletionOrder"), s.DeletionOrder, "only the steps of a RollingSync have an order")...)
	case rolling:
		for i, step := range steps.Steps {
			errs = append(errs, rollingStep(step, at.Child("rollingSync", "steps").Index(i))...)
		}
	}
	return errs
}

func rollingStep(step gitopsv1.RollingSyncStep, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, e := range step.MatchExpressions {
		at := at.Child("matchExpressions").Index(i)
		if e.Key == "" {
			errs = append(errs, field.Required(at.Child("key"), "name a label"))
		}
		if e.Operator != "In" && e.Operator != "NotIn" {
			errs = append(errs, field.NotSupported(at.Child("operator"), e.Operator, []string{"In", "NotIn"}))
		}
	}
	if limit := step.MaxUpdate; limit != nil && !isShare(*limit) {
		errs = append(errs, invalid(at.Child("maxUpdate"), limit.String(), "write a number of Applications, or a percentage from 0%% to 100%%")...)
	}
	return errs
}

func isShare(limit intstr.IntOrString) bool {
	if limit.Type == intstr.Int {
		return limit.IntVal >= 0
	}
	digits, ok := strings.CutSuffix(limit.StrVal, "%")
	percent, err := strconv.Atoi(digits)
	return ok && err == nil && percent >= 0 && percent <= 100
}
