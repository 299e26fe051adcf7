package experiment

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// readTemplates brings the status of every template up to date.
func (p *position) readTemplates(o *Observation) {
	var statuses []v1alpha1.TemplateStatus
	for i := range o.Experiment.Spec.Templates {
		t := &o.Experiment.Spec.Templates[i]
		status := v1alpha1.TemplateStatus{Name: t.Name}
		if known := p.template(t.Name); known != nil {
			status = *known
		}
		p.readTemplate(o, t, &status)
		statuses = append(statuses, status)
	}
	p.status.TemplateStatuses = statuses
}

func (p *position) template(name string) *v1alpha1.TemplateStatus {
	i := slices.IndexFunc(p.status.TemplateStatuses, func(t v1alpha1.TemplateStatus) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &p.status.TemplateStatuses[i]
}

func (p *position) readTemplate(o *Observation, t *v1alpha1.TemplateSpec, status *v1alpha1.TemplateStatus) {
	before := *status
	set := o.set(t.Name)
	status.Replicas, status.UpdatedReplicas, status.ReadyReplicas, status.AvailableReplicas = 0, 0, 0, 0
	if set != nil {
		status.Replicas, status.UpdatedReplicas = set.Replicas, set.Replicas
		status.ReadyReplicas, status.AvailableReplicas = set.Ready, set.Available
		status.PodTemplateHash = set.Hash
	}
	status.ServiceName = ""
	if name := v1alpha1.ExperimentServiceName(o.Experiment, t); o.serves(name, set) {
		status.ServiceName = name
	}
	if templateOver(status.Status) || p.status.Phase.Completed() {
		return
	}
	state, message := o.stateOf(t, set)
	p.moveTemplate(o, status, state, message)
	if status.ReadyReplicas > before.ReadyReplicas || status.AvailableReplicas > before.AvailableReplicas {
		status.LastTransitionTime = ptr.To(o.clock())
	}
	p.meetDeadline(o, status)
}

// stateOf says how far the pods of a template are, and what keeps them from being there.
func (o *Observation) stateOf(t *v1alpha1.TemplateSpec, set *Set) (state, message string) {
	name := v1alpha1.ExperimentServiceName(o.Experiment, t)
	switch {
	case set == nil:
		return v1alpha1.TemplateStatusPending, ""
	case set.Deleting:
		return v1alpha1.TemplateStatusPending, fmt.Sprintf("ReplicaSet %s is being deleted", set.Name)
	case set.Failure != "":
		message = set.Failure
	case name != "" && o.service(name) != nil && !o.service(name).Ours:
		message = fmt.Sprintf("Service %s exists and does not belong to this Experiment; rename or delete it", name)
	}
	if set.Spec == v1alpha1.TemplateReplicas(t) && set.Available >= set.Spec && (name == "" || o.serves(name, set)) {
		return v1alpha1.TemplateStatusRunning, message
	}
	return v1alpha1.TemplateStatusProgressing, message
}

// serves reports whether the Service of that name was seen to select the pods of a set.
func (o *Observation) serves(name string, set *Set) bool {
	s := o.service(name)
	return set != nil && s != nil && s.Ours && s.Hash == set.Hash
}

// moveTemplate changes the state of a template and tells of it.
func (p *position) moveTemplate(o *Observation, t *v1alpha1.TemplateStatus, state, message string) {
	if t.Status == state {
		if message != "" || state == v1alpha1.TemplateStatusRunning {
			t.Message = message // otherwise what was said last still explains best why nothing moves
		}
		return
	}
	t.Message = message
	text := fmt.Sprintf("Template '%s' transitioned from %s -> %s", t.Name, t.Status, state)
	if message != "" {
		text += ": " + message
	}
	tell := normal
	if state == v1alpha1.TemplateStatusFailed || state == v1alpha1.TemplateStatusError {
		tell = warning
	}
	p.notes = append(p.notes, tell("Template"+state, text))
	t.Status, t.LastTransitionTime = state, ptr.To(o.clock())
}

// meetDeadline fails a template that has come no nearer to being available for progressDeadlineSeconds.
func (p *position) meetDeadline(o *Observation, t *v1alpha1.TemplateStatus) {
	if t.Status == v1alpha1.TemplateStatusRunning || t.LastTransitionTime == nil {
		return
	}
	if strategy.Ahead(t.LastTransitionTime.Time, o.Now) {
		t.LastTransitionTime = ptr.To(o.clock())
	}
	seconds := v1alpha1.ExperimentProgressDeadlineSeconds(o.Experiment)
	end := t.LastTransitionTime.Add(time.Duration(seconds) * time.Second)
	if !o.Now.After(end) {
		p.look(end.Sub(o.Now) + 1)
		return
	}
	message := fmt.Sprintf("Template '%s' exceeded its progressDeadlineSeconds (%d)", t.Name, seconds)
	if t.Message != "" {
		message += ": " + t.Message
	}
	p.moveTemplate(o, t, v1alpha1.TemplateStatusFailed, message)
}

func templateOver(state string) bool {
	switch state {
	case v1alpha1.TemplateStatusSuccessful, v1alpha1.TemplateStatusFailed, v1alpha1.TemplateStatusError:
		return true
	}
	return false
}

func (p *position) allRunning() bool {
	return !slices.ContainsFunc(p.status.TemplateStatuses, func(t v1alpha1.TemplateStatus) bool { return t.Status != v1alpha1.TemplateStatusRunning })
}

// slowest is the message of the first template that has one.
func (p *position) slowest() string {
	for _, t := range p.status.TemplateStatuses {
		if t.Message != "" {
			return t.Message
		}
	}
	return ""
}

// planSets creates, sizes and finally empties the ReplicaSets.
func planSets(o *Observation, p *position, plan *Plan) {
	for i := range o.Experiment.Spec.Templates {
		t := &o.Experiment.Spec.Templates[i]
		set := o.set(t.Name)
		switch {
		case set == nil && !p.status.Phase.Completed():
			planCreate(o, t, plan)
		case set == nil || set.Deleting:
		case o.over() && p.status.Phase.Completed():
			planEnd(o, p, set, plan)
		case !p.status.Phase.Completed():
			planSize(set, v1alpha1.TemplateReplicas(t), plan)
		}
	}
}

func planCreate(o *Observation, t *v1alpha1.TemplateSpec, plan *Plan) {
	size, name := v1alpha1.TemplateReplicas(t), v1alpha1.ExperimentSetName(o.Experiment, t.Name)
	hash, err := hashOf(o.Experiment, t)
	if err != nil {
		return // a template that is no object is an invalid spec
	}
	plan.Sets = append(plan.Sets, SetIntent{Template: t.Name, Name: name, Hash: hash, Create: true, Replicas: &size,
		Why: ptr.To(normal(v1alpha1.ReasonNewReplicaSetCreated, fmt.Sprintf("Created ReplicaSet %s of template '%s' with %d pods", name, t.Name, size)))})
}

// hashOf names the pods of a template. The hash covers the names of the experiment and the template too: pods of an experiment must never be
// taken for those of the revision that they resemble, or the Services of the Rollout would send them requests.
func hashOf(e *v1alpha1.Experiment, t *v1alpha1.TemplateSpec) (string, error) {
	all, err := json.Marshal(map[string]any{"experiment": e.Name, "template": t.Name, "pods": json.RawMessage(t.Template.Raw)})
	if err != nil {
		return "", fmt.Errorf("hashing template %s: %w", t.Name, err)
	}
	return v1alpha1.PodTemplateHash(runtime.RawExtension{Raw: all}, nil)
}

// planSize gives a set the size that its template asks for, and takes away the deadline that an earlier end has left.
func planSize(set *Set, size int32, plan *Plan) {
	intent := SetIntent{Template: set.Template, Name: set.Name, Hash: set.Hash, From: set.Spec}
	if set.Spec != size {
		intent.resize(size)
	}
	if set.Deadline != nil {
		intent.Deadline = ptr.To("")
	}
	plan.change(intent)
}

// planEnd keeps the pods of an experiment that has ended for the scale-down delay, which begins when no request can reach them any more.
func planEnd(o *Observation, p *position, set *Set, plan *Plan) {
	intent := SetIntent{Template: set.Template, Name: set.Name, Hash: set.Hash, From: set.Spec}
	delay := time.Duration(v1alpha1.ExperimentScaleDownDelaySeconds(o.Experiment)) * time.Second
	begun := o.delays(set, delay)
	switch {
	case o.held() || set.Spec == 0 && set.Deadline == nil:
		return
	case set.Spec > 0 && !begun && delay > 0:
		end := o.Now.Add(delay)
		intent.Deadline = ptr.To(end.UTC().Format(time.RFC3339))
		p.look(delay)
	case set.Spec > 0 && begun && o.Now.Before(*set.Deadline):
		p.look(set.Deadline.Sub(o.Now))
		return
	default:
		if set.Spec > 0 {
			intent.resize(0)
		}
		if set.Deadline != nil {
			intent.Deadline = ptr.To("")
		}
	}
	plan.change(intent)
}

// delays reports whether the delay of a set has begun; a deadline beyond it was set before the clock was set back.
func (o *Observation) delays(set *Set, delay time.Duration) bool {
	return set.Deadline != nil && !strategy.Ahead(*set.Deadline, o.Now.Add(delay))
}

func (i *SetIntent) resize(size int32) {
	direction := "up"
	if size < i.From {
		direction = "down"
	}
	i.Replicas = &size
	i.Why = ptr.To(normal(v1alpha1.ReasonScalingReplicaSet, fmt.Sprintf("Scaled %s ReplicaSet %s from %d to %d", direction, i.Name, i.From, size)))
}

func (p *Plan) change(i SetIntent) {
	if i.Replicas != nil || i.Deadline != nil {
		p.Sets = append(p.Sets, i)
	}
}

// planServices puts a Service in front of each template that asks for one, and takes it away once no pod stands behind it.
func planServices(o *Observation, plan *Plan) {
	for i := range o.Experiment.Spec.Templates {
		t := &o.Experiment.Spec.Templates[i]
		name, set := v1alpha1.ExperimentServiceName(o.Experiment, t), o.set(t.Name)
		switch service := o.service(name); {
		case name == "":
		case o.over():
			if service != nil && service.Ours && !o.held() && (set == nil || set.Spec == 0) {
				plan.Close = append(plan.Close, name)
			}
		case service == nil || service.Ours:
			o.planService(t.Name, name, set, plan)
		}
	}
}

// planService lets a Service that is ours, or does not exist, select the pods of a set.
func (o *Observation) planService(template, name string, set *Set, plan *Plan) {
	if set == nil || set.Deleting || o.Invalid != "" || o.serves(name, set) {
		return
	}
	plan.Serve = append(plan.Serve, ServiceIntent{Template: template, Name: name, Hash: set.Hash, Create: o.service(name) == nil,
		Why: normal(v1alpha1.ReasonSwitchService, fmt.Sprintf("Service %s stands in front of template '%s'", name, template))})
}
