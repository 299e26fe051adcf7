package strategy

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// runs are the AnalysisRuns and the Experiment that speak of this moment of this update; nil where there is none.
type runs struct {
	step, background, pre, post *v1alpha1.AnalysisRun
	experiment                  *v1alpha1.Experiment
}

// sortRuns picks the runs that count now. A run that the status names counts; where it names none of this place, because a status was lost
// or never written, an unfinished one is adopted, and so is an ended one that is younger than the update itself: no step runs twice.
func sortRuns(o *Observation, p *position) runs {
	r := runs{experiment: pickExperiment(o, p)}
	s := &p.status
	if !p.atEnd() && p.steps[p.index()].Analysis != nil {
		r.step = pickRun(o, p, analysis.TypeStep, s.Canary.CurrentStepAnalysisRunStatus)
	}
	if c := o.Rollout.Spec.Strategy.Canary; c != nil && c.Analysis != nil {
		r.background = pickRun(o, p, analysis.TypeBackground, s.Canary.CurrentBackgroundAnalysisRunStatus)
	}
	b := blueGreen(o.Rollout)
	if b != nil && b.PrePromotionAnalysis != nil {
		r.pre = pickRun(o, p, analysis.TypePrePromotion, s.BlueGreen.PrePromotionAnalysisRunStatus)
	}
	if b != nil && b.PostPromotionAnalysis != nil {
		r.post = pickRun(o, p, analysis.TypePostPromotion, s.BlueGreen.PostPromotionAnalysisRunStatus)
	}
	return r
}

func pickRun(o *Observation, p *position, kind string, named *v1alpha1.RolloutAnalysisRunStatus) *v1alpha1.AnalysisRun {
	var adopted *v1alpha1.AnalysisRun
	for i := len(o.Runs) - 1; i >= 0; i-- {
		run := &o.Runs[i]
		switch {
		case !p.ownPlace(run, kind) || void(run):
		case named != nil && run.Name == named.Name:
			return run
		case adopted == nil && p.adoptable(run) && p.stillAsked(o, kind, run):
			adopted = run
		}
	}
	return adopted
}

// adoptable reports whether a run that the status does not name is one of this update whose verdict is still to be heard.
func (p *position) adoptable(run *v1alpha1.AnalysisRun) bool {
	if !run.Status.Phase.Completed() && !run.Spec.Terminate {
		return true
	}
	d := p.status.Duration
	return d != nil && d.RolloutStartedAt != nil && run.CreationTimestamp.After(d.RolloutStartedAt.Time) && !p.spent(run)
}

// stillAsked reports whether a run asks what one that is made now would: the steps or the templates may have been edited since. While the
// spec is invalid there is nothing to compare with, and nothing is lost.
func (p *position) stillAsked(o *Observation, kind string, run *v1alpha1.AnalysisRun) bool {
	if o.Invalid != "" {
		return true
	}
	want, err := p.composeRun(o, p.wishFor(kind))
	return err == nil && analysis.SameQuestion(run.Spec, want.Spec)
}

// ownPlace reports whether a run judges the current revision at the current place.
func (p *position) ownPlace(run *v1alpha1.AnalysisRun, kind string) bool {
	return run.Labels[v1alpha1.LabelRolloutType] == kind &&
		run.Labels[v1alpha1.LabelPodTemplateHash] == p.status.CurrentPodHash &&
		run.Annotations[v1alpha1.AnnotationRevision] == strconv.FormatInt(p.number, 10) &&
		(kind != analysis.TypeStep || run.Labels[v1alpha1.LabelStepIndex] == strconv.Itoa(int(p.index())))
}

// spent reports whether a run's verdict was answered already: it was stopped, or it was inconclusive and a client went on.
func (p *position) spent(run *v1alpha1.AnalysisRun) bool {
	return run.Spec.Terminate || run.Status.Phase == v1alpha1.AnalysisPhaseInconclusive
}

// hearVerdicts turns failed runs into an abort and inconclusive ones into a pause.
func (p *position) hearVerdicts(o *Observation) {
	if p.skipping() || p.status.Abort || p.done() {
		return
	}
	c := &p.status.Canary
	p.runs.step = p.hear(o, p.runs.step, &c.CurrentStepAnalysisRunStatus, analysis.TypeStep, "Step-based")
	p.runs.background = p.hear(o, p.runs.background, &c.CurrentBackgroundAnalysisRunStatus, analysis.TypeBackground, "Background")
	p.hearExperiment(o)
	b := &p.status.BlueGreen
	p.runs.pre = p.hear(o, p.runs.pre, &b.PrePromotionAnalysisRunStatus, analysis.TypePrePromotion, "Blue/green pre-promotion")
	p.runs.post = p.hear(o, p.runs.post, &b.PostPromotionAnalysisRunStatus, analysis.TypePostPromotion, "Blue/green post-promotion")
}

// hear records what a run says and returns the run if it still counts.
func (p *position) hear(o *Observation, run *v1alpha1.AnalysisRun, known **v1alpha1.RolloutAnalysisRunStatus, kind, words string) *v1alpha1.AnalysisRun {
	if run == nil {
		*known = nil
		return nil
	}
	if k := *known; run.Status.Phase == v1alpha1.AnalysisPhaseInconclusive && p.resumed && k != nil && k.Name == run.Name && k.Status == run.Status.Phase {
		// A client went on; the run that follows may have been started already, though the status does not name it yet.
		*known, p.answered = nil, true
		if run = pickRun(o, p, kind, nil); run == nil {
			return nil
		}
	}
	phase := run.Status.Phase
	p.tellChange(run, *known, kind)
	*known = &v1alpha1.RolloutAnalysisRunStatus{Name: run.Name, Status: phase, Message: run.Status.Message}
	if p.status.Abort {
		return run
	}
	switch phase {
	case v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError:
		cause := words + " analysis phase error/failed"
		if run.Status.Message != "" {
			cause += ": " + run.Status.Message
		}
		p.abort(o, cause)
	case v1alpha1.AnalysisPhaseInconclusive:
		p.pause(o, v1alpha1.PauseReasonInconclusiveAnalysis)
	}
	return run
}

func (p *position) tellChange(run *v1alpha1.AnalysisRun, known *v1alpha1.RolloutAnalysisRunStatus, kind string) {
	phase, previous := run.Status.Phase, "NoPreviousStatus"
	if known != nil && known.Name == run.Name {
		if known.Status == phase {
			return
		}
		previous = string(known.Status)
	}
	if phase == "" || phase == v1alpha1.AnalysisPhasePending {
		return
	}
	tell := normal
	if phase == v1alpha1.AnalysisPhaseFailed || phase == v1alpha1.AnalysisPhaseError {
		tell = warning
	}
	p.note(tell("AnalysisRun"+string(phase), fmt.Sprintf("%s Analysis Run '%s' Status New: '%s' Previous: '%s'", kind, run.Name, phase, previous)))
}

// wantedRuns lists the analyses that should have a run now and have none.
func wantedRuns(o *Observation, p *position) (wanted []runWish) {
	if !p.advances(o) {
		return nil
	}
	c := o.Rollout.Spec.Strategy.Canary
	if c == nil {
		return wantedBlueGreenRuns(o, p, blueGreen(o.Rollout))
	}
	if !p.atEnd() && p.steps[p.index()].Analysis != nil && p.runs.step == nil && len(p.status.PauseConditions) == 0 && p.prepared(o, p.steps[p.index()]) {
		wanted = append(wanted, p.wishFor(analysis.TypeStep))
	}
	if c.Analysis != nil && p.runs.background == nil && p.index() >= v1alpha1.StartingStep(c.Analysis) && receivesTraffic(o, p) {
		wanted = append(wanted, p.wishFor(analysis.TypeBackground))
	}
	return wanted
}

// advances reports whether this is an update that may go on step by step and be judged.
func (p *position) advances(o *Observation) bool {
	return !p.status.Abort && !p.done() && !p.skipping() && !p.held(o) && !p.undecided()
}

type runWish struct {
	kind string
	step *int32
	what v1alpha1.RolloutAnalysis
}

// wishFor is the run of a kind that the spec has at the current place; there must be such an analysis.
func (p *position) wishFor(kind string) runWish {
	c, b := p.rollout.Spec.Strategy.Canary, blueGreen(p.rollout)
	switch kind {
	case analysis.TypeStep:
		index := p.index()
		return runWish{kind: kind, step: &index, what: *p.steps[index].Analysis}
	case analysis.TypeBackground:
		return runWish{kind: kind, what: c.Analysis.RolloutAnalysis}
	case analysis.TypePrePromotion:
		return runWish{kind: kind, what: *b.PrePromotionAnalysis}
	}
	return runWish{kind: kind, what: *b.PostPromotionAnalysis}
}

func (p *position) composeRun(o *Observation, wish runWish) (*v1alpha1.AnalysisRun, error) {
	return analysis.ForRollout(o.Rollout, wish.what, o.Library, analysis.RunAt{
		Hash: p.status.CurrentPodHash, StableHash: p.status.StableRS, Revision: p.number,
		Type: wish.kind, Step: wish.step, InstanceID: o.InstanceID,
	})
}

// receivesTraffic reports whether requests really reach the current revision, and this plan does not take them away: a verdict would be about nothing.
func receivesTraffic(o *Observation, p *position) bool {
	if p.current == nil || p.current.Available == 0 || p.intended != nil && *p.intended == 0 {
		return false
	}
	if p.orphaned && o.Routed {
		return p.stableServes(o)
	}
	return !o.Routed || o.TrafficError == "" && o.Traffic.Lowest > 0 && p.canaryServes(o) && p.carries(o, o.Traffic.Lowest)
}

// backgroundIsPositive reports whether the background analysis, if there is one, has said something good about every metric that judges:
// an update must not complete because nobody looked.
func (p *position) backgroundIsPositive() bool {
	c := p.rollout.Spec.Strategy.Canary
	if c == nil || c.Analysis == nil || v1alpha1.StartingStep(c.Analysis) > int32(len(p.steps)) {
		return true
	}
	run := p.runs.background
	if run == nil {
		return false
	}
	if run.Status.Phase.Completed() {
		return run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful
	}
	return analysis.GoodSoFar(run)
}

// void reports whether a run was stopped before it had found anything: it ends as successful and yet says nothing.
func void(run *v1alpha1.AnalysisRun) bool {
	return run.Spec.Terminate && run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful && !analysis.GoodSoFar(run)
}

// planRuns fills in which runs to start, to stop and to forget, and names the started ones in the status.
func planRuns(o *Observation, p *position, plan *Plan) {
	for _, wish := range wantedRuns(o, p) {
		if p.unstopped(o, wish.kind) {
			continue
		}
		run, err := p.composeRun(o, wish)
		if err != nil {
			p.note(warning(v1alpha1.ReasonReconciliationError, err.Error()))
			continue
		}
		run, _ = analysis.Place(run, spentRuns(o))
		plan.Start = append(plan.Start, RunIntent{Run: run,
			Why: normal("AnalysisRunCreated", fmt.Sprintf("Created AnalysisRun %s (%s)", run.Name, wish.kind))})
		p.remember(wish.kind, &v1alpha1.RolloutAnalysisRunStatus{Name: run.Name})
	}
	if p.status.Abort || p.done() || p.skipping() {
		p.status.Canary.CurrentStepAnalysisRunStatus, p.status.Canary.CurrentBackgroundAnalysisRunStatus = nil, nil
		p.runs = runs{}
	}
	stopAndForget(o, p, plan)
}

// unstopped reports whether a run that does not count any more still goes on at a place; it is stopped before another one begins.
func (p *position) unstopped(o *Observation, kind string) bool {
	return slices.ContainsFunc(o.Runs, func(run v1alpha1.AnalysisRun) bool {
		return p.ownPlace(&run, kind) && !run.Status.Phase.Completed() && !run.Spec.Terminate
	})
}

// remember names the run of a place in the status.
func (p *position) remember(kind string, run *v1alpha1.RolloutAnalysisRunStatus) {
	s := &p.status
	switch kind {
	case analysis.TypeStep:
		s.Canary.CurrentStepAnalysisRunStatus = run
	case analysis.TypeBackground:
		s.Canary.CurrentBackgroundAnalysisRunStatus = run
	case analysis.TypePrePromotion:
		s.BlueGreen.PrePromotionAnalysisRunStatus = run
	case analysis.TypePostPromotion:
		s.BlueGreen.PostPromotionAnalysisRunStatus = run
	}
}

// spentRuns hides from Place the runs that must not be adopted: whatever may be adopted, pickRun has adopted already.
func spentRuns(o *Observation) []v1alpha1.AnalysisRun {
	existing := slices.Clone(o.Runs)
	for i := range existing {
		if !existing[i].Status.Phase.Completed() {
			existing[i].Status.Phase = v1alpha1.AnalysisPhaseInconclusive
		}
	}
	return existing
}

func stopAndForget(o *Observation, p *position, plan *Plan) {
	var current []string
	for _, run := range []*v1alpha1.AnalysisRun{p.runs.step, p.runs.background, p.runs.pre, p.runs.post} {
		if run != nil {
			current = append(current, run.Name)
		}
	}
	for _, run := range o.Runs {
		if !run.Status.Phase.Completed() && !run.Spec.Terminate && !slices.Contains(current, run.Name) {
			plan.Stop = append(plan.Stop, run.Name)
		}
	}
	for _, run := range p.surplus(o, o.Runs, current) {
		plan.Forget = append(plan.Forget, run.Name)
	}
}

// surplus lists the runs beyond the limits of the history, and those of revisions that are gone.
func (p *position) surplus(o *Observation, runs []v1alpha1.AnalysisRun, current []string) []v1alpha1.AnalysisRun {
	hashes := []string{p.status.CurrentPodHash} // even while somebody has deleted its ReplicaSet, which will be made again
	for _, r := range o.Revisions {
		if !r.Deleting {
			hashes = append(hashes, r.Hash)
		}
	}
	return analysis.Surplus(runs, current, hashes, analysis.Limits{
		Successful:   v1alpha1.SuccessfulRunHistoryLimit(o.Rollout),
		Unsuccessful: v1alpha1.UnsuccessfulRunHistoryLimit(o.Rollout),
	})
}
