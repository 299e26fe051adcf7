package generate

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Outcome is what one pass over a set came to.
type Outcome struct {
	// Problem is the error of Generate, or of writing what was planned; nil if there was none.
	Problem error
	Plan    Plan
	// Rollout is nil without RollingSync.
	Rollout *Rollout
	// Applications are those of the set as they were observed.
	Applications []gitopsv1.Application
}

// StatusOf is the whole status of a set after a pass. Moments of conditions that stay as they are stay too.
func StatusOf(set *gitopsv1.ApplicationSet, o Outcome, now time.Time) gitopsv1.ApplicationSetStatus {
	status := gitopsv1.ApplicationSetStatus{ResourcesCount: int64(len(o.Applications))}
	add := func(c gitopsv1.ApplicationSetCondition) {
		since := metav1.NewTime(now)
		for _, before := range set.Status.Conditions {
			if before.Type == c.Type && before.Status == c.Status && before.LastTransitionTime != nil {
				since = *before.LastTransitionTime
			}
		}
		c.LastTransitionTime = &since
		status.Conditions = append(status.Conditions, c)
	}
	reason, message := problemOf(o)
	add(condition(gitopsv1.ConditionErrorOccurred, reason != "", reason, "NoError", message, "the generators and the template could be used"))
	add(condition(gitopsv1.ConditionParametersGenerated, o.Problem == nil, "ParametersGenerated", reason, "every generator has given its parameters", message))
	add(condition(gitopsv1.ConditionResourcesUpToDate, reason == "", "ApplicationSetUpToDate", reason, "the Applications are as they should be", message))
	if reason == string(gitopsv1.ConditionInvalidRollout) {
		add(condition(gitopsv1.ConditionInvalidRollout, true, reason, "", message, ""))
	}
	if o.Rollout != nil {
		status.ApplicationStatus = o.Rollout.Statuses
		add(condition(gitopsv1.ConditionRolloutProgressing, o.Rollout.Progressing, "ApplicationSetModified", "ApplicationSetRolloutComplete",
			"Applications are being synced step by step", "every step is done"))
	}
	for _, app := range o.Applications[:min(len(o.Applications), gitopsv1.MaxApplicationSetResources)] {
		health := app.Status.Health
		status.Resources = append(status.Resources, gitopsv1.ResourceStatus{
			Group: gitopsv1.GroupVersion.Group, Version: gitopsv1.GroupVersion.Version, Kind: gitopsv1.ApplicationKind.Kind,
			Namespace: app.Namespace, Name: app.Name, Status: app.Status.Sync.Status, Health: &health,
		})
	}
	status.Health = healthOf(o, reason, message)
	return status
}

func condition(kind gitopsv1.ApplicationSetConditionType, holds bool, yes, no, yesMessage, noMessage string) gitopsv1.ApplicationSetCondition {
	if holds {
		return gitopsv1.ApplicationSetCondition{Type: kind, Status: metav1.ConditionTrue, Reason: yes, Message: yesMessage}
	}
	return gitopsv1.ApplicationSetCondition{Type: kind, Status: metav1.ConditionFalse, Reason: no, Message: noMessage}
}

// problemOf is the reason and the message of what went wrong; empty if nothing did.
func problemOf(o Outcome) (reason, message string) {
	if o.Problem != nil {
		reason = "ErrorOccurred"
		if failure := asError(o.Problem); failure != nil {
			reason = failure.Reason
		}
		return reason, o.Problem.Error()
	}
	switch n := len(o.Plan.Refused); n {
	case 0:
		return "", ""
	case 1:
		return gitopsv1.ReasonValidationError, fmt.Sprintf("Application %q is left as it is: %s", o.Plan.Refused[0].Application, o.Plan.Refused[0].Why)
	default:
		return gitopsv1.ReasonValidationError, fmt.Sprintf("%d Applications are left as they are, the first is %q: %s",
			n, o.Plan.Refused[0].Application, o.Plan.Refused[0].Why)
	}
}

func healthOf(o Outcome, reason, message string) gitopsv1.HealthStatus {
	switch {
	case reason != "":
		return gitopsv1.HealthStatus{Status: gitopsv1.HealthDegraded, Message: message}
	case o.Rollout != nil && o.Rollout.Progressing:
		return gitopsv1.HealthStatus{Status: gitopsv1.HealthProgressing, Message: "Applications are being synced step by step"}
	}
	return gitopsv1.HealthStatus{Status: gitopsv1.HealthHealthy}
}
