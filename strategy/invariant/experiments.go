package invariant

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// ExperimentsFollowPods is law 3 for experiments: no template gets a share of the traffic that does not belong to the Experiment of the current
// step, or behind whose Service nobody is available.
func ExperimentsFollowPods(d *Decision) string {
	t := d.Plan.Traffic
	if t == nil {
		return ""
	}
	for _, share := range t.Split.Additional {
		if share.Weight == 0 {
			continue
		}
		e, available := d.Seen.experimentBehind(share.Service)
		switch {
		case e == nil:
			return fmt.Sprintf("Service %s gets %d and belongs to no Experiment", share.Service, share.Weight)
		case available == 0:
			return fmt.Sprintf("Service %s gets %d and has no available pod", share.Service, share.Weight)
		case d.Plan.Status.Abort || d.Plan.Status.PromoteFull || !marked(e) || e.Status.Phase.Completed() || e.Spec.Terminate:
			return fmt.Sprintf("Service %s gets %d, and Experiment %s is over", share.Service, share.Weight, e.Name)
		}
	}
	return ""
}

// experimentBehind is the Experiment that a Service belongs to, and how many of the pods behind it are available.
func (m *Moment) experimentBehind(service string) (*v1alpha1.Experiment, int32) {
	for i := range m.Experiments {
		e := &m.Experiments[i]
		for _, s := range e.Status.TemplateStatuses {
			if s.ServiceName == service {
				return e, s.AvailableReplicas
			}
		}
	}
	return nil, 0
}

// marked reports whether an Experiment keeps its pods because the routes may send them requests.
func marked(e *v1alpha1.Experiment) bool {
	_, marked := e.Annotations[v1alpha1.AnnotationExperimentWeights]
	return marked
}

// ExperimentsStayWhileReached is I1 and I2 for experiments: no write lets the pods of an Experiment go, or the Experiment itself, as long as requests
// may be sent to them. Routes that the spec does not name any more are nobody's to read.
func ExperimentsStayWhileReached(w *Write) string {
	name, is := strings.CutPrefix(w.Object, "experiment/")
	before := experimentNamed(w.Before.Experiments, name)
	if !w.After.Routed || !is || before == nil || !marked(before) {
		return ""
	}
	if after := experimentNamed(w.After.Experiments, name); after != nil && marked(after) {
		return ""
	}
	for _, share := range w.After.Reached {
		if e, _ := w.Before.experimentBehind(share.Service); e != nil && e.Name == name {
			return fmt.Sprintf("Experiment %s may go, and Service %s may still be sent %d", name, share.Service, share.Weight)
		}
	}
	return ""
}

func experimentNamed(all []v1alpha1.Experiment, name string) *v1alpha1.Experiment {
	if i := slices.IndexFunc(all, func(e v1alpha1.Experiment) bool { return e.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// trialOf reports whether an Experiment is an attempt of a step of the update that a decision is about.
func (d *Decision) trialOf(e *v1alpha1.Experiment, step int) bool {
	number, err := strconv.ParseInt(e.Annotations[v1alpha1.AnnotationRevision], 10, 64)
	if err != nil {
		return false
	}
	base := analysis.RunName(d.Seen.Rollout.Name, d.Plan.Status.CurrentPodHash, number, strconv.Itoa(step), 0)
	rest, ok := strings.CutPrefix(e.Name, base)
	return ok && (rest == "" || strings.HasPrefix(rest, "-"))
}

// tried reports whether the experiment of a step has succeeded in this update, or a person went on from one without a verdict.
func (d *Decision) tried(step int) bool {
	before := &d.Seen.Rollout.Status
	for i := range d.Seen.Experiments {
		e := &d.Seen.Experiments[i]
		if !d.trialOf(e, step) || e.CreationTimestamp.Time.Before(d.began().Time) && before.Canary.CurrentExperiment != e.Name {
			continue
		}
		resumed := before.ControllerPause && len(before.PauseConditions) == 0
		if e.Status.Phase == v1alpha1.AnalysisPhaseSuccessful || e.Status.Phase == v1alpha1.AnalysisPhaseInconclusive && resumed {
			return true
		}
	}
	return false
}

// ExperimentsStartOnce is I7 for experiments: none is created for a step that has one which is not over.
func ExperimentsStartOnce(d *Decision) string {
	start := d.Plan.StartExperiment
	if start == nil {
		return ""
	}
	step := indexOf(&d.Plan.Status)
	if !d.trialOf(start.Experiment, step) {
		return fmt.Sprintf("Experiment %s is not named after step %d of revision %s", start.Experiment.Name, step, d.Plan.Status.CurrentPodHash)
	}
	for i := range d.Seen.Experiments {
		e := &d.Seen.Experiments[i]
		same := e.Annotations[v1alpha1.AnnotationRevision] == start.Experiment.Annotations[v1alpha1.AnnotationRevision]
		if same && d.trialOf(e, step) && !e.Status.Phase.Completed() && !e.Spec.Terminate {
			return fmt.Sprintf("Experiment %s is created beside %s, which is not over", start.Experiment.Name, e.Name)
		}
	}
	return ""
}

// reaches reports whether requests may be sent to any experiment.
func (m *Moment) reaches() bool {
	return slices.ContainsFunc(m.Reached, func(s trafficrouting.Share) bool { return s.Weight > 0 })
}

// ExperimentsTakeEffectOnce is I7 in the world: there are never two Experiments of one step that are not over, however stale the eyes were that saw
// neither.
func ExperimentsTakeEffectOnce(w *Write) string {
	steps := map[string]string{}
	for i := range w.After.Experiments {
		e := &w.After.Experiments[i]
		if e.Status.Phase.Completed() || e.Spec.Terminate {
			continue
		}
		for step := range w.After.steps() {
			if !w.trialOf(e, step) {
				continue
			}
			place := fmt.Sprint(e.Annotations[v1alpha1.AnnotationRevision], "/", step)
			if other, ok := steps[place]; ok {
				return fmt.Sprintf("Experiments %s and %s both try step %s", other, e.Name, place)
			}
			steps[place] = e.Name
		}
	}
	return ""
}
