package generate

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestStatusTellsWhatAPassCameTo(t *testing.T) {
	apps := []gitopsv1.Application{member("a", "1", "new", 1, synced)}
	for _, c := range []struct {
		name       string
		outcome    Outcome
		conditions []string
		health     gitopsv1.HealthCode
	}{
		{"all is well", Outcome{Applications: apps}, []string{
			"ErrorOccurred False NoError", "ParametersGenerated True ParametersGenerated", "ResourcesUpToDate True ApplicationSetUpToDate"}, "Healthy"},
		{"a generator failed", Outcome{Problem: &Error{gitopsv1.ReasonParamsError, errors.New("no such repository")}}, []string{
			"ErrorOccurred True ApplicationGenerationFromParamsError", "ParametersGenerated False ApplicationGenerationFromParamsError",
			"ResourcesUpToDate False ApplicationGenerationFromParamsError"}, "Degraded"},
		{"writing failed", Outcome{Problem: errors.New("conflict")}, []string{
			"ErrorOccurred True ErrorOccurred", "ParametersGenerated False ErrorOccurred", "ResourcesUpToDate False ErrorOccurred"}, "Degraded"},
		{"an Application was refused", Outcome{Plan: Plan{Refused: []Refusal{{"a", "why"}}}}, []string{
			"ErrorOccurred True ApplicationValidationError", "ParametersGenerated True ParametersGenerated",
			"ResourcesUpToDate False ApplicationValidationError"}, "Degraded"},
		{"steps are under way", Outcome{Rollout: &Rollout{Progressing: true}}, []string{
			"ErrorOccurred False NoError", "ParametersGenerated True ParametersGenerated", "ResourcesUpToDate True ApplicationSetUpToDate",
			"RolloutProgressing True ApplicationSetModified"}, "Progressing"},
		{"steps are done", Outcome{Rollout: &Rollout{}}, []string{
			"ErrorOccurred False NoError", "ParametersGenerated True ParametersGenerated", "ResourcesUpToDate True ApplicationSetUpToDate",
			"RolloutProgressing False ApplicationSetRolloutComplete"}, "Healthy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := StatusOf(&gitopsv1.ApplicationSet{}, c.outcome, time.Unix(9, 0))
			var conditions []string
			for _, one := range got.Conditions {
				conditions = append(conditions, fmt.Sprintf("%s %s %s", one.Type, one.Status, one.Reason))
			}
			if diff := cmp.Diff(c.conditions, conditions); diff != "" {
				t.Error(diff)
			}
			if got.Health.Status != c.health || got.ResourcesCount != int64(len(c.outcome.Applications)) || len(got.Resources) != len(c.outcome.Applications) {
				t.Errorf("health %s, %d resources", got.Health.Status, got.ResourcesCount)
			}
		})
	}
}

func TestStatusKeepsTheMomentOfAConditionThatStays(t *testing.T) {
	set := &gitopsv1.ApplicationSet{}
	set.Status = StatusOf(set, Outcome{}, time.Unix(9, 0))
	again := StatusOf(set, Outcome{Problem: errors.New("x")}, time.Unix(20, 0))
	for i, want := range []int64{20, 20, 20} {
		if got := again.Conditions[i].LastTransitionTime.Unix(); got != want {
			t.Errorf("%s changed at %d", again.Conditions[i].Type, got)
		}
	}
	if diff := cmp.Diff(set.Status, StatusOf(set, Outcome{}, time.Unix(30, 0))); diff != "" {
		t.Errorf("a pass that changes nothing changes the status: %s", diff)
	}
}

func TestStatusListsNoMoreThanItMay(t *testing.T) {
	got := StatusOf(&gitopsv1.ApplicationSet{}, Outcome{Applications: make([]gitopsv1.Application, gitopsv1.MaxApplicationSetResources+1)}, time.Unix(9, 0))
	if len(got.Resources) != gitopsv1.MaxApplicationSetResources || got.ResourcesCount != gitopsv1.MaxApplicationSetResources+1 {
		t.Errorf("%d resources listed of %d", len(got.Resources), got.ResourcesCount)
	}
	if got.Conditions[0].Status != metav1.ConditionFalse {
		t.Error("many Applications are an error")
	}
}
