package simulate_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// drawExperiment draws a step that tries the revisions beside each other, with shares of the traffic where there is a router.
func drawExperiment(t *rapid.T, routed bool) *v1alpha1.RolloutExperimentStep {
	e := &v1alpha1.RolloutExperimentStep{Templates: []v1alpha1.RolloutExperimentTemplate{
		{Name: "old", SpecRef: v1alpha1.SpecRefStable}, {Name: "new", SpecRef: v1alpha1.SpecRefCanary},
	}}
	if rapid.Bool().Draw(t, "a Service of its own") {
		e.Templates[1].Service = &v1alpha1.TemplateService{Name: "trial"}
	}
	if routed {
		for i := range e.Templates {
			if n := rapid.SampledFrom([]int32{-1, 0, 1, 2, 5}).Draw(t, "experiment weight"); n >= 0 {
				e.Templates[i].Weight = &n
			}
		}
	}
	return e
}

// fitWeights leaves experiments out of the routes where the canary leaves no room, which the validation would refuse.
func fitWeights(steps []v1alpha1.CanaryStep, full int32) {
	weight := int32(0)
	for _, s := range steps {
		if s.SetWeight != nil {
			weight = *s.SetWeight
		}
		if s.Experiment == nil {
			continue
		}
		left := full - weight
		for i := range s.Experiment.Templates {
			if t := &s.Experiment.Templates[i]; t.Weight != nil && *t.Weight > left {
				t.Weight = nil
			} else if t.Weight != nil {
				left -= *t.Weight
			}
		}
	}
}

// experimentsBegin lets the pods of new Experiments become available, and those come back that died.
func (m *model) experimentsBegin() {
	m.w.Begin()
	for _, e := range m.w.Experiments {
		for _, t := range e.Status.TemplateStatuses {
			if t.AvailableReplicas == 0 && !e.Status.Phase.Completed() {
				m.w.ChangeTemplate(e.Name, t.Name, func(t *v1alpha1.TemplateStatus) { t.AvailableReplicas, t.Status = 1, v1alpha1.TemplateStatusRunning })
			}
		}
	}
	m.touchExperiments()
}

func (m *model) touchExperiments() {
	for i := range m.w.Experiments {
		m.touch("experiment/" + m.w.Experiments[i].Name)
	}
}

func (m *model) experimentVerdict(t *rapid.T) {
	if len(m.w.Experiments) == 0 {
		t.Skip()
	}
	m.judgeExperiments(rapid.SampledFrom([]v1alpha1.AnalysisPhase{
		v1alpha1.AnalysisPhaseSuccessful, v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive,
	}).Draw(t, "verdict of experiments"))
}

func (m *model) judgeExperiments(phase v1alpha1.AnalysisPhase) {
	m.w.JudgeExperiments(phase, "")
	m.touchExperiments()
	m.changed("experiments say ", phase)
}

func (m *model) experimentDies(t *rapid.T) {
	if len(m.w.Experiments) == 0 {
		t.Skip()
	}
	e := rapid.SampledFrom(m.w.Experiments).Draw(t, "pods of experiment")
	m.w.ChangeTemplate(e.Name, "new", func(t *v1alpha1.TemplateStatus) {
		t.AvailableReplicas, t.Status = 0, v1alpha1.TemplateStatusProgressing
	})
	m.meddle("pods of Experiment "+e.Name+" die", "experiment/"+e.Name)
}

func (m *model) deleteExperiment(t *rapid.T) {
	if len(m.w.Experiments) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(m.w.Experiments)-1).Draw(t, "experiment")
	m.w.Experiments = slices.Delete(slices.Clone(m.w.Experiments), i, i+1)
	m.forgetGone()
	m.dropForgotten()
	m.meddle("somebody deletes an Experiment", "route")
}

// dropForgotten takes backends out of the routes that neither an Experiment nor the status knows any more: nobody could tell them from those of the
// user, so somebody has to remove them by hand.
func (m *model) dropForgotten() {
	known := strategy.Split(m.w.Rollout, m.w.Experiments...).Additional
	forgotten := func(share trafficrouting.Share) bool {
		return !slices.ContainsFunc(known, func(x trafficrouting.Share) bool { return x.Service == share.Service })
	}
	m.w.Additional = slices.DeleteFunc(slices.Clone(m.w.Additional), forgotten)
	m.w.Routes.Reached = slices.DeleteFunc(slices.Clone(m.w.Routes.Reached), forgotten)
}

func (m *model) terminateExperiment(t *rapid.T) {
	if len(m.w.Experiments) == 0 {
		t.Skip()
	}
	e := rapid.SampledFrom(m.w.Experiments).Draw(t, "experiment")
	m.w.Experiments = slices.Clone(m.w.Experiments)
	for i := range m.w.Experiments {
		if m.w.Experiments[i].Name == e.Name {
			m.w.Experiments[i].Spec.Terminate = true
		}
	}
	m.meddle("somebody terminates Experiment "+e.Name, "experiment/"+e.Name)
}

// withExperiments lets a view that was put together of several caches hold what a controller would have read by them.
func (m *model) withExperiments(v *view, experiments []v1alpha1.Experiment) {
	v.Experiments, v.Templates = experiments, m.w.Templates(v.Rollout)
	v.Asked = strategy.Split(v.Rollout, experiments...).Additional
}
