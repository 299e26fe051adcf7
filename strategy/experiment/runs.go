package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func required(a v1alpha1.ExperimentAnalysisTemplateRef) bool { return a.RequiredForCompletion }

// hear brings the status of every analysis up to date, and finds those that should have a run and have none.
func (p *position) hear(o *Observation) {
	analyses := o.Experiment.Spec.Analyses
	p.runs = make([]*v1alpha1.AnalysisRun, len(analyses))
	var statuses []v1alpha1.ExperimentAnalysisRunStatus
	var missing []string
	for i, a := range analyses {
		known := p.analysis(a.Name)
		run := o.pick(a.Name, known)
		p.runs[i] = run
		switch {
		case run != nil:
			statuses = append(statuses, p.heard(a.Name, run, known))
		case known != nil && known.Phase.Completed():
			statuses = append(statuses, *known)
		default:
			missing = append(missing, a.Name)
		}
	}
	p.status.AnalysisRuns = statuses
	if len(missing) > 0 && o.Experiment.Status.AvailableAt != nil && !p.status.Phase.Completed() && !o.Experiment.Spec.Terminate {
		p.compose(o, missing)
	}
}

func (p *position) analysis(name string) *v1alpha1.ExperimentAnalysisRunStatus {
	i := slices.IndexFunc(p.status.AnalysisRuns, func(a v1alpha1.ExperimentAnalysisRunStatus) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &p.status.AnalysisRuns[i]
}

// heard is the status of an analysis with what its run says now.
func (p *position) heard(name string, run *v1alpha1.AnalysisRun, known *v1alpha1.ExperimentAnalysisRunStatus) v1alpha1.ExperimentAnalysisRunStatus {
	phase, before := run.Status.Phase, v1alpha1.AnalysisPhase("")
	if phase == "" {
		phase = v1alpha1.AnalysisPhasePending
	}
	if known != nil && known.AnalysisRun == run.Name {
		before = known.Phase
	}
	if before != phase {
		text := fmt.Sprintf("AnalysisRun '%s' transitioned from %s -> %s", name, before, phase)
		tell := normal
		if bad(phase) {
			tell = warning
		}
		p.notes = append(p.notes, tell("AnalysisRun"+string(phase), text))
	}
	return v1alpha1.ExperimentAnalysisRunStatus{Name: name, AnalysisRun: run.Name, Phase: phase, Message: run.Status.Message}
}

// pick finds the run of an analysis: the one that the status names, or else, because a status was lost or never written, one of this attempt:
// it is not over, or younger than the moment at which the analyses began.
func (o *Observation) pick(name string, known *v1alpha1.ExperimentAnalysisRunStatus) *v1alpha1.AnalysisRun {
	if known != nil && known.AnalysisRun != "" {
		return o.run(known.AnalysisRun)
	}
	begun := o.Experiment.Status.AvailableAt
	for i := len(o.Runs) - 1; i >= 0; i-- {
		run := &o.Runs[i]
		if !o.isRunOf(run, name) || run.DeletionTimestamp != nil {
			continue
		}
		if !run.Status.Phase.Completed() && !run.Spec.Terminate || begun != nil && !run.CreationTimestamp.Time.Before(begun.Time) {
			return run
		}
	}
	return nil
}

// isRunOf reports whether a run is an attempt of the analysis of that name.
func (o *Observation) isRunOf(run *v1alpha1.AnalysisRun, name string) bool {
	attempt, ok := strings.CutPrefix(run.Name, analysis.ExperimentRunName(o.Experiment, name))
	if !ok || attempt == "" {
		return ok
	}
	number, ok := strings.CutPrefix(attempt, ".")
	_, err := strconv.Atoi(number)
	return ok && err == nil
}

// compose makes the runs that are missing. Analyses that cannot be asked end the experiment.
func (p *position) compose(o *Observation, missing []string) {
	var groups []analysis.Group
	for _, t := range o.Experiment.Spec.Templates {
		if set := o.set(t.Name); set != nil {
			groups = append(groups, analysis.Group{Template: t.Name, ReplicaSet: set.Name, Hash: set.Hash})
		}
	}
	runs, err := analysis.ForExperiment(o.Experiment, o.Library, groups)
	if err != nil {
		p.end(o, v1alpha1.AnalysisPhaseError, err.Error())
		return
	}
	for i, a := range o.Experiment.Spec.Analyses {
		if slices.Contains(missing, a.Name) {
			run, _ := analysis.Place(runs[i], spent(o.Runs))
			p.due = append(p.due, run)
		}
	}
}

// spent hides from Place the runs that must not be adopted: whatever may be adopted, pick has adopted already.
func spent(runs []v1alpha1.AnalysisRun) []v1alpha1.AnalysisRun {
	runs = slices.Clone(runs)
	for i := range runs {
		if !runs[i].Status.Phase.Completed() {
			runs[i].Status.Phase = v1alpha1.AnalysisPhaseInconclusive
		}
	}
	return runs
}

// severity ranks phases that end an experiment early.
var severity = []v1alpha1.AnalysisPhase{v1alpha1.AnalysisPhaseInconclusive, v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseFailed}

// worst is the phase in which a template or an analysis ends the experiment before its time, and why; empty if none does.
func (p *position) worst() (phase v1alpha1.AnalysisPhase, message string) {
	consider := func(one v1alpha1.AnalysisPhase, why string) {
		if slices.Index(severity, one) > slices.Index(severity, phase) {
			phase, message = one, why
		}
	}
	for _, t := range p.status.TemplateStatuses {
		switch t.Status {
		case v1alpha1.TemplateStatusFailed:
			consider(v1alpha1.AnalysisPhaseFailed, t.Message)
		case v1alpha1.TemplateStatusError:
			consider(v1alpha1.AnalysisPhaseError, t.Message)
		}
	}
	for _, a := range p.status.AnalysisRuns {
		why := a.Message
		if why == "" {
			why = fmt.Sprintf("AnalysisRun %s is %s", a.AnalysisRun, a.Phase)
		}
		consider(a.Phase, why)
	}
	for _, run := range p.runs {
		if run != nil && run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful && !satisfied(run) {
			consider(v1alpha1.AnalysisPhaseInconclusive, fmt.Sprintf("AnalysisRun %s was stopped before it had found anything good", run.Name))
		}
	}
	return phase, message
}

// satisfied reports whether a run has ended well, or has found something good about every metric that judges so far. One that was stopped
// before ends as successful and yet says nothing.
func satisfied(run *v1alpha1.AnalysisRun) bool {
	if run == nil {
		return false
	}
	return run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful && !run.Spec.Terminate || analysis.GoodSoFar(run)
}

// unanswered says which analysis the end still waits for: one that is required has to succeed, any other has to have found something good.
func (p *position) unanswered(o *Observation) string {
	for i, a := range o.Experiment.Spec.Analyses {
		run := p.runs[i]
		status := p.analysis(a.Name)
		over := status != nil && status.Phase == v1alpha1.AnalysisPhaseSuccessful
		switch {
		case required(a) && !over:
			return fmt.Sprintf("waiting for the analysis %s, which is required, to complete", a.Name)
		case !satisfied(run) && (run != nil || !over):
			return fmt.Sprintf("waiting for the analysis %s to find something good", a.Name)
		}
	}
	return ""
}

// planRuns starts the runs that are missing, and stops those that nobody waits for any more.
func planRuns(o *Observation, p *position, plan *Plan) {
	if !p.status.Phase.Completed() {
		for _, run := range p.due {
			plan.Start = append(plan.Start, RunIntent{Run: run, Why: normal("AnalysisRunCreated", "Created AnalysisRun "+run.Name)})
			p.status.AnalysisRuns = append(p.status.AnalysisRuns, v1alpha1.ExperimentAnalysisRunStatus{
				Name: analysisOf(o, run), AnalysisRun: run.Name, Phase: v1alpha1.AnalysisPhasePending,
			})
		}
	}
	for i := range o.Runs {
		run := &o.Runs[i]
		counts := slices.ContainsFunc(p.runs, func(r *v1alpha1.AnalysisRun) bool { return r != nil && r.Name == run.Name })
		if !run.Status.Phase.Completed() && !run.Spec.Terminate && (o.over() || !counts) {
			plan.Stop = append(plan.Stop, run.Name)
		}
	}
}

func analysisOf(o *Observation, run *v1alpha1.AnalysisRun) string {
	for _, a := range o.Experiment.Spec.Analyses {
		if o.isRunOf(run, a.Name) {
			return a.Name
		}
	}
	return ""
}
