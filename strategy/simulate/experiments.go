package simulate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// templateOf is the pod template of a revision, which its hash stands for.
func templateOf(hash string) runtime.RawExtension {
	return runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"` + hash + `"}]}}`)}
}

func (w *World) experimentWrites(plan *strategy.Plan, add func(object string, do func(), lines ...string)) {
	if i := plan.StartExperiment; i != nil {
		add("experiment/"+i.Experiment.Name, func() { w.try(i.Experiment) }, line(i.Why))
	}
	for _, name := range plan.StopExperiments {
		add("experiment/"+name, func() { w.changeExperiment(name, func(e *v1alpha1.Experiment) { e.Spec.Terminate = true }) }, "Terminated: "+name)
	}
	for _, name := range plan.ReleaseExperiments {
		add("experiment/"+name, func() {
			w.changeExperiment(name, func(e *v1alpha1.Experiment) {
				e.Annotations = maps.Clone(e.Annotations)
				delete(e.Annotations, v1alpha1.AnnotationExperimentWeights)
			})
		}, "Released: "+name)
	}
	for _, name := range plan.ForgetExperiments {
		add("experiment/"+name, func() {
			w.Experiments = slices.DeleteFunc(slices.Clone(w.Experiments), func(e v1alpha1.Experiment) bool { return e.Name == name })
		}, "Deleted: "+name)
	}
}

// try creates an Experiment unless one of that name exists, as an API server would. Experiments are kept in the order in which they are observed.
func (w *World) try(e *v1alpha1.Experiment) {
	if slices.ContainsFunc(w.Experiments, func(x v1alpha1.Experiment) bool { return x.Name == e.Name }) {
		return
	}
	made := *e
	made.CreationTimestamp = w.made()
	w.Experiments = append(slices.Clone(w.Experiments), made)
	slices.SortFunc(w.Experiments, func(a, b v1alpha1.Experiment) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
}

// changeExperiment puts a changed Experiment in the place of one; the old one stays as whoever observed it holds it.
func (w *World) changeExperiment(name string, change func(*v1alpha1.Experiment)) {
	w.Experiments = slices.Clone(w.Experiments)
	for i := range w.Experiments {
		if w.Experiments[i].Name == name {
			change(&w.Experiments[i])
		}
	}
}

// Templates are the pod templates that a decision about a Rollout needs, as they can be read now.
func (w *World) Templates(r *v1alpha1.Rollout) (templates []strategy.Template) {
	for _, hash := range strategy.TemplatesNeeded(r) {
		if w.Set(hash) != nil {
			templates = append(templates, strategy.Template{Hash: hash, Template: templateOf(hash)})
		}
	}
	return templates
}

// Begin lets the pods of Experiments go that are over and in no route, and those of new ones become available, as soon as no other has a Service of
// the same name.
func (w *World) Begin() (lines []string) {
	for i := range w.Experiments {
		if e := &w.Experiments[i]; e.Status.Phase.Completed() && e.Annotations[v1alpha1.AnnotationExperimentWeights] == "" {
			w.changeExperiment(e.Name, func(e *v1alpha1.Experiment) { e.Status.TemplateStatuses = nil })
		}
	}
	for i := range w.Experiments {
		e := &w.Experiments[i]
		if e.Status.Phase != "" || e.Spec.Terminate || w.taken(e) {
			continue
		}
		lines = append(lines, fmt.Sprintf("experiment %s runs", e.Name))
		w.changeExperiment(e.Name, func(e *v1alpha1.Experiment) { e.Status = running(e) })
	}
	return lines
}

// taken reports whether another Experiment still has a Service that one asks for.
func (w *World) taken(e *v1alpha1.Experiment) bool {
	for i := range w.Experiments {
		for _, s := range w.Experiments[i].Status.TemplateStatuses {
			for t := range e.Spec.Templates {
				if s.ServiceName != "" && s.ServiceName == v1alpha1.ExperimentServiceName(e, &e.Spec.Templates[t]) {
					return true
				}
			}
		}
	}
	return false
}

// running is the status of an Experiment all of whose pods are available.
func running(e *v1alpha1.Experiment) v1alpha1.ExperimentStatus {
	s := v1alpha1.ExperimentStatus{Phase: v1alpha1.AnalysisPhaseRunning}
	for i := range e.Spec.Templates {
		t := &e.Spec.Templates[i]
		s.TemplateStatuses = append(s.TemplateStatuses, v1alpha1.TemplateStatus{
			Name: t.Name, Status: v1alpha1.TemplateStatusRunning, AvailableReplicas: v1alpha1.TemplateReplicas(t),
			ServiceName: v1alpha1.ExperimentServiceName(e, t), PodTemplateHash: t.Name,
		})
	}
	return s
}

// ChangeTemplate changes what an Experiment says of one of its templates.
func (w *World) ChangeTemplate(experiment, template string, change func(*v1alpha1.TemplateStatus)) {
	w.changeExperiment(experiment, func(e *v1alpha1.Experiment) {
		e.Status = *e.Status.DeepCopy()
		for i := range e.Status.TemplateStatuses {
			if t := &e.Status.TemplateStatuses[i]; t.Name == template {
				change(t)
			}
		}
	})
}

// JudgeExperiments gives every Experiment that is not over a verdict, and ends those that were told to stop.
func (w *World) JudgeExperiments(phase v1alpha1.AnalysisPhase, message string) {
	for i := range w.Experiments {
		e := &w.Experiments[i]
		if e.Status.Phase.Completed() {
			continue
		}
		w.changeExperiment(e.Name, func(e *v1alpha1.Experiment) {
			e.Status.Phase, e.Status.Message = phase, message
			if e.Spec.Terminate {
				e.Status.Phase, e.Status.Message = v1alpha1.AnalysisPhaseSuccessful, "Experiment terminated"
			}
		})
	}
}
