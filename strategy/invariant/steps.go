package invariant

import (
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// passed lists the steps that a decision counts as done because of what was observed.
func (d *Decision) passed() (from, to int) {
	before, after := &d.Seen.Rollout.Status, &d.Plan.Status
	if !d.sameAttempt() {
		before = &v1alpha1.RolloutStatus{}
	}
	if d.skipping() || after.Abort {
		return 0, 0
	}
	return min(indexOf(before), len(d.Seen.steps())), indexOf(after)
}

// began is when the update of a decision started; the clock counts in whole seconds.
func (d *Decision) began() metav1.Time {
	if t := d.Plan.Status.Duration; t != nil && t.RolloutStartedAt != nil {
		return *t.RolloutStartedAt
	}
	return metav1.Time{}
}

// about reports whether a run judges the revision of a decision in this very update: it is younger than its start, or the status that the
// decision goes on from names it, because it was taken over before that start could be written down.
func (d *Decision) about(run *v1alpha1.AnalysisRun, kind string) bool {
	if run.Labels[v1alpha1.LabelPodTemplateHash] != d.Plan.Status.CurrentPodHash || run.Labels[v1alpha1.LabelRolloutType] != kind {
		return false
	}
	c, b := &d.Seen.Rollout.Status.Canary, &d.Seen.Rollout.Status.BlueGreen
	for _, named := range []*v1alpha1.RolloutAnalysisRunStatus{
		c.CurrentStepAnalysisRunStatus, c.CurrentBackgroundAnalysisRunStatus, b.PrePromotionAnalysisRunStatus, b.PostPromotionAnalysisRunStatus,
	} {
		if named != nil && named.Name == run.Name && d.sameAttempt() {
			return true
		}
	}
	return !run.CreationTimestamp.Time.Before(d.began().Time)
}

// PromotesOnGoodNews is I10: a step with an analysis is passed, and an update completed, only on a verdict that is good, about this revision
// and of this update. No news, old news and news of somebody else are not good news.
func PromotesOnGoodNews(d *Decision) string {
	from, to := d.passed()
	for i := from; i < to; i++ {
		if broken := d.untried(i); broken != "" {
			return broken
		}
	}
	if !d.promotes() || d.skipping() {
		return ""
	}
	return d.unproven()
}

// unproven says which analysis of the whole update has yet to say something good.
func (d *Decision) unproven() string {
	if b := d.Seen.blueGreen(); b != nil {
		if b.PostPromotionAnalysis != nil && !d.saidGood(analysis.TypePostPromotion) {
			return "the update is completed and the analysis after the switch has not succeeded"
		}
		return ""
	}
	c := d.Seen.Rollout.Spec.Strategy.Canary
	if c == nil || c.Analysis == nil || int(v1alpha1.StartingStep(c.Analysis)) > len(c.Steps) {
		return ""
	}
	for i := range d.Seen.Runs {
		if run := &d.Seen.Runs[i]; d.about(run, analysis.TypeBackground) && positive(run) {
			return ""
		}
	}
	return "the update is completed and the background analysis has said nothing good"
}

// untried says which analysis or experiment of a step that is passed has not succeeded.
func (d *Decision) untried(step int) string {
	s := d.Seen.steps()[step]
	switch {
	case s.Analysis != nil && !d.succeeded(step):
		return fmt.Sprintf("step %d is passed and no analysis of it succeeded", step)
	case s.Experiment != nil && !d.tried(step):
		return fmt.Sprintf("step %d is passed and its experiment has not succeeded", step)
	}
	return ""
}

func (d *Decision) succeeded(step int) bool {
	for i := range d.Seen.Runs {
		run := &d.Seen.Runs[i]
		if d.about(run, analysis.TypeStep) && run.Labels[v1alpha1.LabelStepIndex] == strconv.Itoa(step) &&
			run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful && positive(run) && d.Seen.asks(run, d.Seen.steps()[step].Analysis) {
			return true
		}
	}
	return false
}

// asks reports whether a run measures what an analysis names, and not what it named before an edit.
func (m *Moment) asks(run *v1alpha1.AnalysisRun, a *v1alpha1.RolloutAnalysis) bool {
	for _, ref := range a.Templates {
		for _, want := range m.Library.Templates[ref.TemplateName].Metrics {
			if !slices.ContainsFunc(run.Spec.Metrics, func(metric v1alpha1.Metric) bool { return metric.Name == want.Name }) {
				return false
			}
		}
	}
	return true
}

// positive reports whether a run succeeded, or has found something good about every metric so far. One that was told to stop ends as
// successful, whatever it found.
func positive(run *v1alpha1.AnalysisRun) bool {
	if run.Status.Phase.Completed() && (!run.Spec.Terminate || run.Status.Phase != v1alpha1.AnalysisPhaseSuccessful) {
		return run.Status.Phase == v1alpha1.AnalysisPhaseSuccessful
	}
	for _, m := range run.Status.MetricResults {
		if !m.DryRun && m.Successful == 0 {
			return false
		}
	}
	return len(run.Status.MetricResults) == len(run.Spec.Metrics)
}

// StepsCountWhenConfirmed is I14: a weight counts as set, and an update as complete, only when requests are really divided so and the canary
// Service selects the revision in question. Routes that nobody has taken over yet say nothing about users.
func StepsCountWhenConfirmed(d *Decision) string {
	if !d.Seen.Routed {
		return ""
	}
	from, to := d.passed()
	for i := from; i < to; i++ {
		w := d.Seen.steps()[i].SetWeight
		if fixed := d.fixedAt(i); fixed != nil && *fixed == 0 {
			continue // without a single canary pod nobody can be sent there
		}
		if broken := d.routesMissing(i); broken != "" {
			return broken
		}
		if w != nil && !d.divided(*w) {
			return fmt.Sprintf("step %d counts as done while the canary %q really has %d and not %d", i, d.Seen.Canary.Hash, d.Seen.Weight, *w)
		}
	}
	if d.promotes() && d.Seen.replicas() > 0 && !d.divided(d.Seen.full()) {
		return fmt.Sprintf("the update is completed while the canary %q really has %d and not %d", d.Seen.Canary.Hash, d.Seen.Weight, d.Seen.full())
	}
	return ""
}

// routesMissing says which managed route requests do not really take, or still take, though its step counts as done. Where the
// user asks for no canary pod there are none.
func (d *Decision) routesMissing(step int) string {
	s := d.Seen.steps()[step]
	if s.SetHeaderRoute == nil && s.SetMirrorRoute == nil || d.asksForNobody(step) {
		return ""
	}
	headers, mirrors := d.Seen.managedAt(step)
	if d.Seen.takes(headers, mirrors) {
		return ""
	}
	return fmt.Sprintf("step %d counts as done while requests take the managed routes %v %v and not %v %v", step, d.Seen.Headers, d.Seen.Mirrors, headers, mirrors)
}

// asksForNobody reports whether the user asks for no canary pod at a step.
func (d *Decision) asksForNobody(step int) bool {
	fixed := d.fixedAt(step)
	return d.Seen.replicas() == 0 || fixed != nil && *fixed == 0
}

// takes reports whether requests really take exactly these managed routes.
func (m *Moment) takes(headers []v1alpha1.SetHeaderRoute, mirrors []v1alpha1.SetMirrorRoute) bool {
	return equality.Semantic.DeepEqual(headers, m.Headers) && equality.Semantic.DeepEqual(mirrors, m.Mirrors)
}

// managedAt are the managed routes that the steps up to one leave behind.
func (m *Moment) managedAt(step int) (headers []v1alpha1.SetHeaderRoute, mirrors []v1alpha1.SetMirrorRoute) {
	for _, s := range m.steps()[:min(step+1, len(m.steps()))] {
		if h := s.SetHeaderRoute; h != nil {
			headers = slices.DeleteFunc(headers, func(x v1alpha1.SetHeaderRoute) bool { return x.Name == h.Name })
			if len(h.Match) > 0 {
				headers = append(headers, *h)
			}
		}
		if r := s.SetMirrorRoute; r != nil {
			mirrors = slices.DeleteFunc(mirrors, func(x v1alpha1.SetMirrorRoute) bool { return x.Name == r.Name })
			if len(r.Match) > 0 {
				mirrors = append(mirrors, *r)
			}
		}
	}
	return headers, mirrors
}

func (d *Decision) divided(weight int32) bool {
	return d.Seen.Weight == weight && (weight == 0 || d.Seen.Canary.Hash == d.Plan.Status.CurrentPodHash)
}

// TimersAreAbsolute is I15: whoever decides, and however often it was restarted, a pause lasts from the moment that the status names,
// and neither that moment nor a deadline moves.
func TimersAreAbsolute(d *Decision) string {
	before, after := &d.Seen.Rollout.Status, &d.Plan.Status
	from, to := d.passed()
	for i := from; i < to; i++ {
		if pause := d.Seen.steps()[i].Pause; pause != nil {
			if broken := d.cutShort(i, pause); broken != "" {
				return broken
			}
		}
	}
	if d.sameAttempt() && indexOf(before) == indexOf(after) {
		if broken := movedStart(before.PauseConditions, after.PauseConditions); broken != "" {
			return broken
		}
	}
	for _, i := range d.Plan.Scale {
		if r := d.Seen.revision(i.Hash); r != nil && r.Deadline != nil && i.Deadline != nil && *i.Deadline != "" {
			return fmt.Sprintf("the deadline of ReplicaSet %s moves from %s to %s", i.Name, r.Deadline, *i.Deadline)
		}
	}
	return ""
}

// movedStart says which pause has another beginning than before.
func movedStart(before, after []v1alpha1.PauseCondition) string {
	for _, old := range before {
		for _, c := range after {
			if c.Reason == old.Reason && !c.StartTime.Equal(&old.StartTime) {
				return fmt.Sprintf("the pause %s began at %s and now at %s", c.Reason, old.StartTime, c.StartTime)
			}
		}
	}
	return ""
}

// cutShort says what is wrong if a pause ends before its time and nobody resumed.
func (d *Decision) cutShort(step int, pause *v1alpha1.RolloutPause) string {
	before := &d.Seen.Rollout.Status
	if before.ControllerPause && len(before.PauseConditions) == 0 {
		return ""
	}
	length, indefinite, valid := v1alpha1.PauseDuration(pause)
	for _, c := range before.PauseConditions {
		if c.Reason != v1alpha1.PauseReasonCanaryPauseStep {
			continue
		}
		if indefinite || !valid {
			return fmt.Sprintf("the pause of step %d ended by itself", step)
		}
		if end := c.StartTime.Add(length); d.Seen.Now.Before(end) {
			return fmt.Sprintf("the pause of step %d ended %s early", step, end.Sub(d.Seen.Now))
		}
		return ""
	}
	if !indefinite && valid && length == 0 {
		return ""
	}
	return fmt.Sprintf("the pause of step %d ended and had not begun", step)
}

// StartsOnce is I7 for analyses: no run is started for a place that has one which is unfinished, or which succeeded in this update.
// Each effect of a step has one name, so that a decision that is made twice takes effect once.
func StartsOnce(d *Decision) string {
	for _, start := range d.Plan.Start {
		kind, step := start.Run.Labels[v1alpha1.LabelRolloutType], start.Run.Labels[v1alpha1.LabelStepIndex]
		for i := range d.Seen.Runs {
			run := &d.Seen.Runs[i]
			if !d.about(run, kind) || run.Labels[v1alpha1.LabelStepIndex] != step || run.Spec.Terminate ||
				run.Annotations[v1alpha1.AnnotationRevision] != start.Run.Annotations[v1alpha1.AnnotationRevision] {
				continue
			}
			if !run.Status.Phase.Completed() {
				return fmt.Sprintf("AnalysisRun %s is started beside %s, which is not over", start.Run.Name, run.Name)
			}
		}
	}
	return ""
}

// TakesEffectOnce is I7 in the world: no write leads to two unfinished runs of one place, nor to two ReplicaSets of one revision,
// however stale the eyes were that saw neither.
func TakesEffectOnce(w *Write) string {
	if w.Before.doubled() != "" {
		return ""
	}
	return w.After.doubled()
}

// doubled says what there is twice.
func (m *Moment) doubled() string {
	for i := range m.Runs {
		for j := range i {
			if a, b := &m.Runs[j], &m.Runs[i]; measures(a) && measures(b) && place(a) == place(b) {
				return fmt.Sprintf("AnalysisRuns %s and %s both measure %s", a.Name, b.Name, place(a))
			}
		}
	}
	for i := range m.Revisions {
		for j := range i {
			if m.Revisions[i].Hash == m.Revisions[j].Hash {
				return "there are two ReplicaSets of revision " + m.Revisions[i].Hash
			}
		}
	}
	return ""
}

func measures(run *v1alpha1.AnalysisRun) bool {
	return !run.Status.Phase.Completed() && !run.Spec.Terminate
}

// place is what a run is about: its kind, the revision with its number, and the step.
func place(run *v1alpha1.AnalysisRun) string {
	return run.Labels[v1alpha1.LabelRolloutType] + "/" + run.Labels[v1alpha1.LabelPodTemplateHash] + "/" +
		run.Annotations[v1alpha1.AnnotationRevision] + "/" + run.Labels[v1alpha1.LabelStepIndex]
}
