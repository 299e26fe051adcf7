package strategy

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// Observation is everything that a decision rests on, gathered once by whoever calls Decide and never changed by it.
type Observation struct {
	Now time.Time
	// Rollout is the object as it was read; its status serves as memory and as the mailbox of clients' commands.
	Rollout *v1alpha1.Rollout
	// Invalid says what is wrong with the spec or with an object that it names; with it set nothing advances,
	// but what is running goes on being scaled, aborted and routed.
	Invalid string
	// Current is the hash of the revision that the spec asks for, whether or not its ReplicaSet exists.
	// With an invalid spec it is the revision that was current last.
	Current string
	// Revisions are the ReplicaSets of the Rollout, newest revision first.
	Revisions []Revision
	// Stable and Canary are the Services that the strategy names; zero where it names none.
	Stable, Canary Service
	// Routed is true when the Rollout divides its traffic through routes; Traffic is then what they hold.
	Routed  bool
	Traffic trafficrouting.Observed
	// TrafficError says why the routes could not be read or used; nothing that needs them happens meanwhile.
	TrafficError string
	// Runs are the AnalysisRuns of the Rollout, oldest first.
	Runs []v1alpha1.AnalysisRun
	// Experiments are those of the Rollout, oldest first.
	Experiments []v1alpha1.Experiment
	// Asked are the shares of experiments that the routes were compared with, as Split gave them.
	Asked []trafficrouting.Share
	// Templates are the pod templates of revisions that TemplatesNeeded names, as far as they could be read.
	Templates []Template
	// Library holds the templates that the strategy names.
	Library analysis.Library
	// Pods are observed only while a restart is under way, oldest first.
	Pods []Pod
	// Workload is the object that workloadRef names; nil without a workloadRef.
	Workload *Workload
	// InstanceID is copied onto the runs; empty for none.
	InstanceID string
}

// Revision is one ReplicaSet of a Rollout.
type Revision struct {
	// Name of the ReplicaSet, and the value of its pod-template-hash label.
	Name, Hash string
	// Number is the revision annotation; 0 if absent. History lists the earlier numbers.
	Number  int64
	History string
	Created time.Time
	// Spec is spec.replicas; Replicas, Ready and Available are those of the status.
	Spec, Replicas, Ready, Available int32
	// MinReadySeconds is that of the ReplicaSet.
	MinReadySeconds int32
	// Metadata is what the ReplicaSet's pods carry for their role; see canaryMetadata and its siblings.
	Metadata v1alpha1.PodTemplateMetadata
	// Desired is the desired-replicas annotation; -1 if absent.
	Desired int32
	// Deadline is the scale-down deadline; nil if there is none.
	Deadline *time.Time
	// Failure is the ReplicaFailure condition's message; empty if there is none.
	Failure string
	// Deleting is true once the ReplicaSet carries a deletion timestamp.
	Deleting bool
}

// Template is the pod template of a revision as it was written, without anything that the controller put into it.
type Template struct {
	Hash     string
	Template runtime.RawExtension
}

// Workload is a Deployment, ReplicaSet or PodTemplate that holds the pod template of a Rollout.
type Workload struct {
	Kind, Name string
	Generation int64
	// Replicas is spec.replicas; nil for a kind that has none.
	Replicas *int32
}

// Service is a Service whose selector the Rollout switches.
type Service struct {
	Name string
	// Exists is false when the Service was not found.
	Exists bool
	// Hash is the pod-template-hash that its selector asks for; empty when it selects pods of every revision.
	Hash string
	// Managed is true when the Service is marked as this Rollout's.
	Managed bool
}

// Pod is a pod as a restart needs it.
type Pod struct {
	Name, Hash string
	Created    time.Time
	Available  bool
	Deleting   bool
}

// Note is a decision in words: it becomes the event, the log line and the line of a golden story.
type Note struct {
	// Type is Normal or Warning.
	Type string
	// Reason is one of the wire contract's event reasons.
	Reason  string
	Message string
}

func normal(reason, message string) Note {
	return Note{Type: corev1.EventTypeNormal, Reason: reason, Message: message}
}

func warning(reason, message string) Note {
	return Note{Type: corev1.EventTypeWarning, Reason: reason, Message: message}
}

// revision finds a revision by its hash; nil if there is none.
func (o *Observation) revision(hash string) *Revision {
	if hash == "" {
		return nil
	}
	for i := range o.Revisions {
		if o.Revisions[i].Hash == hash {
			return &o.Revisions[i]
		}
	}
	return nil
}

// template is the pod template of a revision; nil if it was not read.
func (o *Observation) template(hash string) *Template {
	for i := range o.Templates {
		if o.Templates[i].Hash == hash {
			return &o.Templates[i]
		}
	}
	return nil
}
