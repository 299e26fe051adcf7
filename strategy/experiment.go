package strategy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// TemplatesNeeded lists the revisions whose pod templates a decision needs: those that a step of the kind experiment names which has no Experiment
// yet, or whose Experiment was made for the steps as they were before an edit.
func TemplatesNeeded(r *v1alpha1.Rollout) []string {
	s, c := &r.Status, r.Spec.Strategy.Canary
	if c == nil || s.StableRS == "" || s.StableRS == s.CurrentPodHash {
		return nil
	}
	index := indexOf(s)
	switch {
	case s.CurrentStepHash != v1alpha1.StepHash(r):
		index = 0
	case s.Abort || s.PromoteFull || s.Canary.CurrentExperiment != "":
		return nil
	}
	e := experimentAt(c.Steps, index)
	if e == nil {
		return nil
	}
	var hashes []string
	for _, t := range e.Templates {
		if hash := revisionNamed(s, t.SpecRef); !slices.Contains(hashes, hash) {
			hashes = append(hashes, hash)
		}
	}
	return hashes
}

func experimentAt(steps []v1alpha1.CanaryStep, index int32) *v1alpha1.RolloutExperimentStep {
	if index < 0 || int(index) >= len(steps) {
		return nil
	}
	return steps[index].Experiment
}

// revisionNamed is the hash of the revision that a specRef stands for.
func revisionNamed(s *v1alpha1.RolloutStatus, specRef string) string {
	if specRef == v1alpha1.SpecRefStable {
		return s.StableRS
	}
	return s.CurrentPodHash
}

// pickExperiment finds the Experiment of the current step: the one that the status names, or else, because a status was lost or never
// written, one of this update that is not over or whose verdict is still to be heard.
func pickExperiment(o *Observation, p *position) *v1alpha1.Experiment {
	if experimentAt(p.steps, p.index()) == nil {
		return nil
	}
	var adopted *v1alpha1.Experiment
	for i := len(o.Experiments) - 1; i >= 0; i-- {
		e := &o.Experiments[i]
		switch {
		case !p.isTrial(e.Name) || e.DeletionTimestamp != nil:
		case e.Name == p.status.Canary.CurrentExperiment:
			return e
		case adopted == nil && p.adoptableTrial(e) && p.stillTried(o, e):
			adopted = e
		}
	}
	return adopted
}

// trialName is the name of the first Experiment of the current step; later attempts have a number behind it.
func (p *position) trialName() string {
	return analysis.RunName(p.rollout.Name, p.status.CurrentPodHash, p.number, strconv.Itoa(int(p.index())), 0)
}

func (p *position) isTrial(name string) bool {
	attempt, ok := strings.CutPrefix(name, p.trialName())
	if !ok || attempt == "" {
		return ok
	}
	number, ok := strings.CutPrefix(attempt, "-")
	_, err := strconv.Atoi(number)
	return ok && err == nil
}

func (p *position) adoptableTrial(e *v1alpha1.Experiment) bool {
	switch d := p.status.Duration; {
	case e.Spec.Terminate || e.Status.Phase == v1alpha1.AnalysisPhaseInconclusive:
		return false // it was stopped, or a person has gone on from it
	case !e.Status.Phase.Completed():
		return true
	default:
		return d != nil && d.RolloutStartedAt != nil && e.CreationTimestamp.After(d.RolloutStartedAt.Time)
	}
}

// stillTried reports whether an Experiment is what would be made now. After an edit of the steps it must be the same in everything; where the
// status was lost, the pod templates were not read and there is nothing to compare with.
func (p *position) stillTried(o *Observation, e *v1alpha1.Experiment) bool {
	known := o.Rollout.Status.CurrentStepHash
	if o.Invalid != "" || known == "" || known == p.status.CurrentStepHash {
		return true
	}
	step := experimentAt(p.steps, p.index())
	if !p.templatesRead(o, step) {
		return false
	}
	want, err := p.composeExperiment(o, step)
	return err == nil && sameJSON(e.Spec, want.Spec) &&
		e.Annotations[v1alpha1.AnnotationExperimentWeights] == want.Annotations[v1alpha1.AnnotationExperimentWeights]
}

// sameJSON compares what two values are on the wire, where the order of fields means nothing.
func sameJSON(a, b any) bool {
	var trees [2]any
	for i, value := range []any{a, b} {
		text, err := json.Marshal(value)
		if err != nil || json.Unmarshal(text, &trees[i]) != nil {
			return false
		}
	}
	return reflect.DeepEqual(trees[0], trees[1])
}

func (p *position) templatesRead(o *Observation, step *v1alpha1.RolloutExperimentStep) bool {
	return !slices.ContainsFunc(step.Templates, func(t v1alpha1.RolloutExperimentTemplate) bool {
		return o.template(revisionNamed(&p.status, t.SpecRef)) == nil
	})
}

// hearExperiment turns a failed Experiment into an abort and an inconclusive one into a pause.
func (p *position) hearExperiment(o *Observation) {
	e := p.runs.experiment
	if e == nil {
		p.status.Canary.CurrentExperiment = ""
		if p.orphaned && p.standsIn(o) && !p.status.Abort && experimentAt(p.steps, p.index()) != nil && !p.resumed {
			p.pause(o, v1alpha1.PauseReasonInconclusiveExperiment) // without the stable revision there is nothing to try the new one beside
		}
		return
	}
	p.status.Canary.CurrentExperiment = e.Name
	if p.status.Abort {
		return
	}
	switch e.Status.Phase {
	case v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError:
		cause := "Experiment analysis phase is error/failed"
		if e.Status.Message != "" {
			cause += ": " + e.Status.Message
		}
		p.abort(o, cause)
	case v1alpha1.AnalysisPhaseInconclusive:
		if !p.resumed {
			p.pause(o, v1alpha1.PauseReasonInconclusiveExperiment)
		}
	}
}

// experimentOver reports whether the Experiment of the current step has succeeded, or a person has gone on from one that came to no verdict.
func (p *position) experimentOver() bool {
	e := p.runs.experiment
	if e == nil {
		return p.orphaned && p.resumed
	}
	return e.Status.Phase == v1alpha1.AnalysisPhaseSuccessful || e.Status.Phase == v1alpha1.AnalysisPhaseInconclusive && p.resumed
}

// planExperiments creates the Experiment of the current step, ends those that nobody waits for, lets go of those that get no request any
// more, and forgets old ones.
func planExperiments(o *Observation, p *position, plan *Plan) {
	current := p.runs.experiment
	p.status.Canary.CurrentExperiment = ""
	if current != nil {
		p.status.Canary.CurrentExperiment = current.Name
	} else if p.wantsExperiment(o) {
		p.planTrial(o, plan)
	}
	for i := range o.Experiments {
		e := &o.Experiments[i]
		counts := current != nil && current.Name == e.Name
		if !e.Status.Phase.Completed() && !e.Spec.Terminate && !counts {
			plan.StopExperiments = append(plan.StopExperiments, e.Name)
		}
		if inRoutes(e) && (!counts || e.Status.Phase.Completed()) && o.freeOf(e) {
			plan.ReleaseExperiments = append(plan.ReleaseExperiments, e.Name)
		}
	}
	planForgetting(o, p, plan)
}

func (p *position) wantsExperiment(o *Observation) bool {
	return p.advances(o) && experimentAt(p.steps, p.index()) != nil && len(p.status.PauseConditions) == 0 && p.current != nil && p.stable != nil &&
		p.prepared(o, p.steps[p.index()])
}

// planTrial creates the Experiment of the current step, if the templates were read that it is to have.
func (p *position) planTrial(o *Observation, plan *Plan) {
	step := experimentAt(p.steps, p.index())
	if !p.templatesRead(o, step) || p.untold(o) {
		return // the status is to say first that the update stands at this step; then whoever observes reads them
	}
	e, err := p.composeExperiment(o, step)
	if err != nil {
		p.note(warning(v1alpha1.ReasonReconciliationError, fmt.Sprintf("Experiment %s cannot be made: %v", p.trialName(), err)))
		return
	}
	for attempt := 1; slices.ContainsFunc(o.Experiments, func(x v1alpha1.Experiment) bool { return x.Name == e.Name }); attempt++ {
		e.Name = fmt.Sprintf("%s-%d", p.trialName(), attempt)
	}
	plan.StartExperiment = &ExperimentIntent{Experiment: e, Why: normal(v1alpha1.ReasonExperimentCreated, fmt.Sprintf("Created Experiment '%s'", e.Name))}
	p.status.Canary.CurrentExperiment = e.Name
}

// untold reports whether an Experiment of the current step that does not count any more was not told to end yet, which comes first.
func (p *position) untold(o *Observation) bool {
	return slices.ContainsFunc(o.Experiments, func(e v1alpha1.Experiment) bool {
		return p.isTrial(e.Name) && !e.Status.Phase.Completed() && !e.Spec.Terminate
	})
}

func (p *position) composeExperiment(o *Observation, step *v1alpha1.RolloutExperimentStep) (*v1alpha1.Experiment, error) {
	r := o.Rollout
	e := &v1alpha1.Experiment{Spec: v1alpha1.ExperimentSpec{
		Duration: v1alpha1.DurationString(step.Duration), ProgressDeadlineSeconds: r.Spec.ProgressDeadlineSeconds,
		ScaleDownDelaySeconds: step.ScaleDownDelaySeconds, DryRun: step.DryRun, AnalysisRunMetadata: step.AnalysisRunMetadata,
	}}
	e.Name, e.Namespace = p.trialName(), r.Namespace
	e.Labels = map[string]string{}
	maps.Copy(e.Labels, r.Labels)
	e.Labels[v1alpha1.LabelPodTemplateHash] = p.status.CurrentPodHash
	e.Annotations = map[string]string{v1alpha1.AnnotationRevision: numberText(p.number)}
	e.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(r, v1alpha1.RolloutKind)}
	weights := map[string]int32{}
	for _, t := range step.Templates {
		template, err := p.composeTemplate(o, t)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", t.Name, err)
		}
		if t.Weight != nil && *t.Weight > 0 {
			weights[t.Name] = *t.Weight
		}
		e.Spec.Templates = append(e.Spec.Templates, template)
	}
	if err := routeExperiment(e, weights, o.Canary.Name); err != nil {
		return nil, err
	}
	for _, a := range step.Analyses {
		args, err := analysis.Arguments(r, a.Args, analysis.RunAt{Hash: p.status.CurrentPodHash, StableHash: p.status.StableRS})
		if err != nil {
			return nil, fmt.Errorf("analysis %s: %w", a.Name, err)
		}
		e.Spec.Analyses = append(e.Spec.Analyses, v1alpha1.ExperimentAnalysisTemplateRef{
			Name: a.Name, TemplateName: a.TemplateName, ClusterScope: a.ClusterScope, Args: args, RequiredForCompletion: a.RequiredForCompletion,
		})
	}
	return e, nil
}

// routeExperiment marks an Experiment whose templates get a share of the traffic: until the mark is taken away it keeps its pods.
func routeExperiment(e *v1alpha1.Experiment, weights map[string]int32, like string) error {
	if len(weights) == 0 {
		return nil
	}
	text, err := json.Marshal(weights)
	if err != nil {
		return fmt.Errorf("writing the weights as JSON: %w", err)
	}
	e.Annotations[v1alpha1.AnnotationExperimentWeights] = string(text)
	e.Annotations[v1alpha1.AnnotationExperimentPortsOf] = like
	return nil
}

func (p *position) composeTemplate(o *Observation, t v1alpha1.RolloutExperimentTemplate) (v1alpha1.TemplateSpec, error) {
	out := v1alpha1.TemplateSpec{
		Name: t.Name, Replicas: t.Replicas, MinReadySeconds: o.Rollout.Spec.MinReadySeconds, Selector: o.Rollout.Spec.Selector.DeepCopy(), Service: t.Service,
	}
	if t.Selector != nil {
		out.Selector = t.Selector.DeepCopy()
	}
	if out.Service == nil && t.Weight != nil {
		out.Service = &v1alpha1.TemplateService{}
	}
	var err error
	out.Template, err = withMetadata(o.template(revisionNamed(&p.status, t.SpecRef)).Template, t.Metadata)
	return out, err
}

// withMetadata adds labels and annotations to a pod template, whose other fields stay as they were written.
func withMetadata(template runtime.RawExtension, add v1alpha1.PodTemplateMetadata) (runtime.RawExtension, error) {
	if len(add.Labels)+len(add.Annotations) == 0 {
		return template, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(template.Raw))
	decoder.UseNumber()
	tree := map[string]any{}
	if err := decoder.Decode(&tree); err != nil {
		return template, fmt.Errorf("reading the pod template: %w", err)
	}
	metadata := childOf(tree, "metadata")
	for field, values := range map[string]map[string]string{"labels": add.Labels, "annotations": add.Annotations} {
		if len(values) == 0 {
			continue
		}
		carried := childOf(metadata, field)
		for key, value := range values {
			carried[key] = value
		}
	}
	raw, err := json.Marshal(tree)
	if err != nil {
		return template, fmt.Errorf("writing the pod template: %w", err)
	}
	return runtime.RawExtension{Raw: raw}, nil
}

func childOf(tree map[string]any, name string) map[string]any {
	child, ok := tree[name].(map[string]any)
	if !ok {
		child = map[string]any{}
		tree[name] = child
	}
	return child
}

// planForgetting deletes Experiments beyond the limits of the history, and those of revisions that are gone. One that may be sent requests stays.
func planForgetting(o *Observation, p *position, plan *Plan) {
	var current []string
	shells := make([]v1alpha1.AnalysisRun, 0, len(o.Experiments))
	for i := range o.Experiments {
		e := &o.Experiments[i]
		shells = append(shells, v1alpha1.AnalysisRun{ObjectMeta: e.ObjectMeta, Status: v1alpha1.AnalysisRunStatus{Phase: e.Status.Phase}})
		// One that the status names still says whether its step is over, until that is written down.
		if inRoutes(e) || e.Name == p.status.Canary.CurrentExperiment || e.Name == o.Rollout.Status.Canary.CurrentExperiment {
			current = append(current, e.Name)
		}
	}
	for _, e := range p.surplus(o, shells, current) {
		plan.ForgetExperiments = append(plan.ForgetExperiments, e.Name)
	}
}

// inRoutes reports whether the routes may send requests to an Experiment.
func inRoutes(e *v1alpha1.Experiment) bool {
	_, marked := e.Annotations[v1alpha1.AnnotationExperimentWeights]
	return marked
}

// freeOf reports whether the routes were seen to send an Experiment nothing, and whoever programs them has followed.
func (o *Observation) freeOf(e *v1alpha1.Experiment) bool {
	if !o.Routed {
		return true
	}
	t := o.Traffic
	if o.TrafficError != "" || !t.Exact || t.Confirmation == "" || t.Confirmation == trafficrouting.Pending {
		return false
	}
	for _, name := range servicesIn(e) {
		if slices.ContainsFunc(o.Asked, func(s trafficrouting.Share) bool { return s.Service == name && s.Weight > 0 }) {
			return false
		}
	}
	return true
}
