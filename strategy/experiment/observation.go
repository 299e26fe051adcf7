package experiment

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// Observation is everything that a decision rests on, gathered once by whoever calls Decide and never changed by it.
type Observation struct {
	Now time.Time
	// Experiment is the object as it was read; its status serves as memory.
	Experiment *v1alpha1.Experiment
	// Invalid says what is wrong with the spec; empty if nothing is.
	Invalid string
	// Sets are the ReplicaSets that the Experiment owns.
	Sets []Set
	// Services are those that exist under the names which the templates ask for, whoever owns them.
	Services []Service
	// Runs are the AnalysisRuns that the Experiment owns, oldest first.
	Runs []v1alpha1.AnalysisRun
	// Library holds the templates that the analyses name.
	Library analysis.Library
}

// Set is the ReplicaSet of one template.
type Set struct {
	// Template is the name of the template; Hash the value of the pod-template-hash label.
	Template, Name, Hash string
	// Spec is spec.replicas; Replicas, Ready and Available are those of the status.
	Spec, Replicas, Ready, Available int32
	// Deadline is the scale-down deadline; nil if there is none.
	Deadline *time.Time
	// Failure is the ReplicaFailure condition's message; empty if there is none.
	Failure string
	// Deleting is true once the ReplicaSet carries a deletion timestamp.
	Deleting bool
}

// Service is the Service in front of one template.
type Service struct {
	Name string
	// Ours is true when the Experiment owns it and it is not being deleted.
	Ours bool
	// Hash is the pod-template-hash that its selector asks for.
	Hash string
}

func (o *Observation) set(template string) *Set {
	i := slices.IndexFunc(o.Sets, func(s Set) bool { return s.Template == template })
	if i < 0 {
		return nil
	}
	return &o.Sets[i]
}

func (o *Observation) service(name string) *Service {
	i := slices.IndexFunc(o.Services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &o.Services[i]
}

func (o *Observation) run(name string) *v1alpha1.AnalysisRun {
	i := slices.IndexFunc(o.Runs, func(r v1alpha1.AnalysisRun) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &o.Runs[i]
}

// over reports whether the status that was read says that the experiment has ended: only then is anything taken away.
func (o *Observation) over() bool { return o.Experiment.Status.Phase.Completed() }

// held reports whether a Rollout may still send requests to the pods.
func (o *Observation) held() bool {
	_, held := o.Experiment.Annotations[v1alpha1.AnnotationExperimentWeights]
	return held
}

// clock is the moment of the observation as the wire holds it, in whole seconds.
func (o *Observation) clock() metav1.Time { return metav1.NewTime(o.Now.Truncate(time.Second)) }

func normal(reason, message string) strategy.Note {
	return strategy.Note{Type: corev1.EventTypeNormal, Reason: reason, Message: message}
}

func warning(reason, message string) strategy.Note {
	return strategy.Note{Type: corev1.EventTypeWarning, Reason: reason, Message: message}
}
