package experiment_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy/experiment"
)

// The clock of a computer may be set back by an hour; what waits for moments of before would do nothing for so long.
func TestAClockThatIsSetBackStopsNoExperiment(t *testing.T) {
	decide := func(change func(o *experiment.Observation, hourLater time.Time)) experiment.Plan {
		o := newWorld(t, `{duration: 10m, progressDeadlineSeconds: 60, scaleDownDelaySeconds: 30, templates: TEMPLATES}`).observe()
		for i, name := range []string{"baseline", "canary"} {
			size := int32(2 - i)
			o.Sets = append(o.Sets, experiment.Set{Template: name, Name: "exp-" + name, Hash: name, Spec: size, Replicas: size, Ready: size, Available: size})
			o.Experiment.Status.TemplateStatuses = append(o.Experiment.Status.TemplateStatuses, v1alpha1.TemplateStatus{
				Name: name, Status: v1alpha1.TemplateStatusRunning, ReadyReplicas: size, AvailableReplicas: size})
		}
		o.Experiment.Status.Phase = v1alpha1.AnalysisPhaseRunning
		change(&o, o.Now.Add(time.Hour))
		return experiment.Decide(o)
	}
	for name, c := range map[string]struct {
		change func(o *experiment.Observation, hourLater time.Time)
		after  time.Duration
	}{
		"the duration begins anew": {func(o *experiment.Observation, later time.Time) {
			o.Experiment.Status.AvailableAt = ptr.To(metav1.NewTime(later))
		}, 10 * time.Minute},
		"the progress deadline begins anew": {func(o *experiment.Observation, later time.Time) {
			o.Sets[1].Available, o.Sets[1].Ready = 0, 0
			o.Experiment.Status.Phase = v1alpha1.AnalysisPhasePending
			o.Experiment.Status.TemplateStatuses[1] = v1alpha1.TemplateStatus{Name: "canary", Status: v1alpha1.TemplateStatusProgressing, LastTransitionTime: ptr.To(metav1.NewTime(later))}
		}, time.Minute + 1},
		"the delay of the pods begins anew": {func(o *experiment.Observation, later time.Time) {
			o.Experiment.Status.Phase = v1alpha1.AnalysisPhaseSuccessful
			o.Sets[0].Deadline, o.Sets[1].Deadline = &later, &later
		}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			plan := decide(c.change)
			if plan.After != c.after {
				t.Errorf("the next look is after %s, want %s", plan.After, c.after)
			}
			if a := plan.Status.AvailableAt; a != nil && a.After(decide(func(*experiment.Observation, time.Time) {}).Status.AvailableAt.Time) {
				t.Errorf("the status still says %s", a)
			}
		})
	}
}
