package view

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Tone is how a state should strike the eye; a face chooses sign and colour by it.
type Tone string

// Tones, from the best to what can be left out.
const (
	ToneGood   Tone = "good"
	ToneBusy   Tone = "busy"
	TonePaused Tone = "paused"
	ToneUnsure Tone = "unsure"
	ToneBad    Tone = "bad"
	ToneIdle   Tone = "idle"
)

// Action is a verb that makes sense for a Rollout as it stands.
type Action string

// Actions, named as their commands are.
const (
	ActionPromote     Action = "promote"
	ActionPromoteFull Action = "promote --full"
	ActionAbort       Action = "abort"
	ActionRetry       Action = "retry"
	ActionUndo        Action = "undo"
)

// Rollout is everything that a face shows of a Rollout. Texts may hold whatever users wrote: a face must escape them.
type Rollout struct {
	Namespace string      `json:"namespace"`
	Name      string      `json:"name"`
	Created   metav1.Time `json:"created"`
	Age       string      `json:"age"`

	Phase   v1alpha1.RolloutPhase `json:"phase"`
	Message string                `json:"message,omitempty"`
	Tone    Tone                  `json:"tone"`
	// Waiting says what it takes for the update to go on; empty if there is nothing to say beyond Message.
	Waiting string `json:"waiting,omitempty"`
	// Actions are the verbs that make sense now, the likeliest first.
	Actions []Action `json:"actions,omitempty"`

	// Strategy is Canary, BlueGreen or empty.
	Strategy string `json:"strategy,omitempty"`
	// Step counts the steps that are done, such as "2/8"; empty without steps.
	Step  string `json:"step,omitempty"`
	Steps []Step `json:"steps,omitempty"`
	// Traffic is absent for a strategy other than canary.
	Traffic *Traffic `json:"traffic,omitempty"`

	Images    []Image    `json:"images,omitempty"`
	Replicas  Replicas   `json:"replicas"`
	Revisions []Revision `json:"revisions,omitempty"`

	Paused      bool                        `json:"paused,omitempty"`
	Aborted     bool                        `json:"aborted,omitempty"`
	PromoteFull bool                        `json:"promoteFull,omitempty"`
	Conditions  []v1alpha1.RolloutCondition `json:"conditions,omitempty"`
}

// StepState is where the update stands relative to a step.
type StepState string

// States of a step.
const (
	StepDone    StepState = "done"
	StepCurrent StepState = "current"
	StepPending StepState = "pending"
)

// Step is one rung of the ladder.
type Step struct {
	// Text names the step as events do, such as "setWeight: 20".
	Text  string    `json:"text"`
	State StepState `json:"state"`
	// Info says how far the current step is, such as "3m12s left".
	Info string `json:"info,omitempty"`
}

// Traffic is the share of the canary in units of Full.
type Traffic struct {
	// Full is the weight that means everything; 100 unless the Rollout sets maxTrafficWeight.
	Full int32 `json:"full"`
	// Wanted is the share that the current step asks for.
	Wanted int32 `json:"wanted"`
	// Actual is the share that routes were seen to hold or, without a router, that available pods make up; absent if unknown.
	Actual *int32 `json:"actual,omitempty"`
	// Verified is absent when nothing can confirm the routes.
	Verified *bool `json:"verified,omitempty"`
}

// Image is a container image and the roles of the revisions that run it.
type Image struct {
	Image string   `json:"image"`
	Roles []string `json:"roles,omitempty"`
}

// Replicas counts pods.
type Replicas struct {
	Desired   int32 `json:"desired"`
	Current   int32 `json:"current"`
	Updated   int32 `json:"updated"`
	Ready     int32 `json:"ready"`
	Available int32 `json:"available"`
}

// Revision is one pod template and what was made for it.
type Revision struct {
	Number int64  `json:"number"`
	Hash   string `json:"hash"`
	// Roles are stable, canary, active or preview.
	Roles []string `json:"roles,omitempty"`
	// ReplicaSet is absent once it was deleted while runs of the revision remain.
	ReplicaSet  *ReplicaSet  `json:"replicaSet,omitempty"`
	Runs        []Run        `json:"runs,omitempty"`
	Experiments []Experiment `json:"experiments,omitempty"`
}

// Node is what every object of the tree shows.
type Node struct {
	Name    string      `json:"name"`
	Status  string      `json:"status"`
	Tone    Tone        `json:"tone"`
	Created metav1.Time `json:"created,omitzero"`
	Age     string      `json:"age,omitempty"`
	// Message says why, where there is something to explain.
	Message string `json:"message,omitempty"`
}

// ReplicaSet is the pods of one revision.
type ReplicaSet struct {
	Node
	Desired   int32 `json:"desired"`
	Available int32 `json:"available"`
	// ScaleDownAt is when the pods of a revision that is no longer needed go away.
	ScaleDownAt *metav1.Time `json:"scaleDownAt,omitempty"`
	// ScaleDownIn is the time until then, in words.
	ScaleDownIn string `json:"scaleDownIn,omitempty"`
	Pods        []Pod  `json:"pods,omitempty"`
}

// Pod is one pod.
type Pod struct {
	Node
	Ready      int32 `json:"ready"`
	Containers int32 `json:"containers"`
	Restarts   int32 `json:"restarts,omitempty"`
}

// Run is an AnalysisRun.
type Run struct {
	Node
	// Type is Step, Background, PrePromotion or PostPromotion.
	Type    string   `json:"type,omitempty"`
	Metrics []Metric `json:"metrics,omitempty"`
}

// Metric is what one metric of a run came to.
type Metric struct {
	Name    string                 `json:"name"`
	Phase   v1alpha1.AnalysisPhase `json:"phase"`
	Tone    Tone                   `json:"tone"`
	DryRun  bool                   `json:"dryRun,omitempty"`
	Message string                 `json:"message,omitempty"`
	// Value is that of the last measurement.
	Value        string `json:"value,omitempty"`
	Successful   int32  `json:"successful,omitempty"`
	Failed       int32  `json:"failed,omitempty"`
	Inconclusive int32  `json:"inconclusive,omitempty"`
	Error        int32  `json:"error,omitempty"`
}

// Experiment is several groups of pods beside each other.
type Experiment struct {
	Node
	Namespace string `json:"namespace,omitempty"`
	// Duration is how long it is to run, empty for no limit; Left is what of that is still to come, in words.
	Duration string  `json:"duration,omitempty"`
	Left     string  `json:"left,omitempty"`
	Groups   []Group `json:"groups,omitempty"`
	Runs     []Run   `json:"runs,omitempty"`
}

// Group is the pods of one template of an Experiment.
type Group struct {
	Name string `json:"name"`
	// Images are those of its containers.
	Images []string `json:"images,omitempty"`
	// ReplicaSet is absent before it is made.
	ReplicaSet *ReplicaSet `json:"replicaSet,omitempty"`
}
