package experiment

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// Decide says what is left to write so that the world becomes what the Experiment asks for.
// It reads nothing but the Observation, changes nothing in it, and gives the same plan for the same input.
func Decide(o Observation) Plan {
	at := advance(&o)
	var plan Plan
	planSets(&o, at, &plan)
	planServices(&o, &plan)
	planRuns(&o, at, &plan)
	planStatus(&o, at, &plan)
	return plan
}

// position is where an experiment stands: the status as it is after the observations and verdicts of this pass.
type position struct {
	status v1alpha1.ExperimentStatus
	// runs are the AnalysisRuns that count, in the order of spec.analyses; nil where there is none.
	runs []*v1alpha1.AnalysisRun
	// due are the runs to start.
	due   []*v1alpha1.AnalysisRun
	notes []strategy.Note
	after time.Duration
}

// advance reads the world and moves on as far as what was observed allows.
func advance(o *Observation) *position {
	p := &position{status: *o.Experiment.Status.DeepCopy()}
	if p.refused(o) {
		return p
	}
	p.readTemplates(o)
	p.hear(o)
	p.judge(o)
	return p
}

// refused notices that the spec makes no sense. An experiment that ended for this alone begins anew once the spec is mended.
func (p *position) refused(o *Observation) bool {
	wasInvalid := condition(&p.status, conditionInvalidSpec) != nil
	switch {
	case o.Invalid == "" && wasInvalid:
		p.status = v1alpha1.ExperimentStatus{}
		return false
	case o.Invalid == "":
		return false
	case !p.status.Phase.Completed() || wasInvalid:
		p.end(o, v1alpha1.AnalysisPhaseError, o.Invalid)
	}
	return true
}

// judge says whether the experiment has begun, goes on or has ended, and how.
func (p *position) judge(o *Observation) {
	if p.status.Phase.Completed() {
		return
	}
	if phase, message := p.worst(); phase != "" {
		p.end(o, phase, message)
		return
	}
	switch {
	case o.Experiment.Spec.Terminate:
		p.terminate(o)
	case p.status.AvailableAt == nil && p.allRunning():
		p.status.AvailableAt = ptr.To(o.clock())
		p.become(v1alpha1.AnalysisPhaseRunning, "")
	case p.status.AvailableAt == nil:
		p.become(v1alpha1.AnalysisPhasePending, p.slowest())
	default:
		p.run(o)
	}
}

// run ends an experiment whose time is over and whose analyses are content, and says otherwise what it waits for.
func (p *position) run(o *Observation) {
	e := o.Experiment
	if e.Spec.Duration == "" && !slices.ContainsFunc(e.Spec.Analyses, required) {
		p.become(v1alpha1.AnalysisPhaseRunning, "")
		return
	}
	if left := p.left(o); left > 0 {
		p.look(left)
		p.become(v1alpha1.AnalysisPhaseRunning, "")
		return
	}
	if waits := p.unanswered(o); waits != "" {
		p.become(v1alpha1.AnalysisPhaseRunning, waits)
		return
	}
	p.end(o, v1alpha1.AnalysisPhaseSuccessful, "")
}

// left is how much of the duration is still to come; 0 without one. It begins anew where the clock was set back.
func (p *position) left(o *Observation) time.Duration {
	d, err := o.Experiment.Spec.Duration.Duration()
	if err != nil || d == 0 {
		return 0
	}
	if strategy.Ahead(p.status.AvailableAt.Time, o.Now) {
		p.status.AvailableAt = ptr.To(o.clock())
	}
	return p.status.AvailableAt.Add(d).Sub(o.Now)
}

// terminate ends an experiment because somebody asked for it. It counts as successful only if nothing that was required is unanswered: whoever
// waits for it must not take an end for a proof.
func (p *position) terminate(o *Observation) {
	if p.status.AvailableAt == nil {
		p.end(o, v1alpha1.AnalysisPhaseInconclusive, "Experiment terminated before all of its pods were available")
		return
	}
	for i, a := range o.Experiment.Spec.Analyses {
		if required(a) && !satisfied(p.runs[i]) {
			p.end(o, v1alpha1.AnalysisPhaseInconclusive, fmt.Sprintf("Experiment terminated before the analysis %s, which it requires, had found anything good", a.Name))
			return
		}
	}
	p.end(o, v1alpha1.AnalysisPhaseSuccessful, "Experiment terminated")
}

// end gives the experiment its last phase.
func (p *position) end(o *Observation, phase v1alpha1.AnalysisPhase, message string) {
	p.become(phase, message)
	for i := range p.status.TemplateStatuses {
		if t := &p.status.TemplateStatuses[i]; !templateOver(t.Status) {
			p.moveTemplate(o, t, v1alpha1.TemplateStatusSuccessful, "")
		}
	}
}

// become changes the phase and tells of it.
func (p *position) become(phase v1alpha1.AnalysisPhase, message string) {
	s := &p.status
	s.Message = message
	if s.Phase == phase {
		return
	}
	text := fmt.Sprintf("Experiment transitioned from %s -> %s", s.Phase, phase)
	if message != "" && phase.Completed() {
		text += ": " + message
	}
	tell := normal
	if bad(phase) {
		tell = warning
	}
	p.notes = append(p.notes, tell("Experiment"+string(phase), text))
	s.Phase = phase
}

func bad(phase v1alpha1.AnalysisPhase) bool {
	return phase == v1alpha1.AnalysisPhaseFailed || phase == v1alpha1.AnalysisPhaseError
}

// look asks for another pass after d, unless an earlier one is due anyway.
func (p *position) look(d time.Duration) {
	if d > 0 && (p.after == 0 || d < p.after) {
		p.after = d
	}
}
