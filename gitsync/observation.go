package gitsync

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Key names an object whatever its version.
type Key struct{ Group, Kind, Namespace, Name string }

// KeyOf is the Key of an object.
func KeyOf(o *unstructured.Unstructured) Key {
	k := o.GroupVersionKind()
	return Key{Group: k.Group, Kind: k.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// Observation is everything that a decision about one Application rests on, gathered once and never changed by Decide.
type Observation struct {
	Now time.Time
	App *gitopsv1.Application
	// Project is nil when there is no AppProject of that name.
	Project *gitopsv1.AppProject
	// Cluster is the destination; its Problem says why it cannot be used.
	Cluster Cluster
	// Revisions are the commits or versions that the sources resolve to, one for each source.
	Revisions []string
	// SourceProblem says why the manifests of Revisions could not be had; Desired is then empty and means nothing.
	SourceProblem string
	// Desired are the manifests of all sources in the order in which they were rendered, before tracking metadata.
	Desired []*unstructured.Unstructured
	// Kinds tells what the cluster knows about each group and kind of Desired and Live.
	Kinds map[GroupKind]Kind
	// Live are the objects that Desired names and those that carry the Application's tracking id, sorted by key.
	Live []Live
	// Predicted is what a server-side dry run says that an apply would make of each desired object that lives already and may differ.
	Predicted map[Key]Prediction
	// Operation is App.Operation or the operation under way; nil if there is none.
	Operation *gitopsv1.Operation
}

// GroupKind names a kind whatever its version.
type GroupKind struct{ Group, Kind string }

// Kind is what the destination cluster knows about a kind.
type Kind struct {
	Known, Namespaced bool
}

// Cluster is a destination.
type Cluster struct {
	Server, Name string
	Problem      string
}

// Live is an object as it exists.
type Live struct {
	Object *unstructured.Unstructured
	Health Health
	// OwnedFields are field paths that a Rollout of the same Application runs on this object, such as weights of a route.
	OwnedFields []string
}

// Prediction is the outcome of a server-side dry run.
type Prediction struct {
	Object  *unstructured.Unstructured
	Problem string
}

// HealthStatus is the health of an object or an Application.
type HealthStatus string

// Health from best to worst; an object without a check has none and holds nothing up.
const (
	Healthy     HealthStatus = "Healthy"
	Suspended   HealthStatus = "Suspended"
	Progressing HealthStatus = "Progressing"
	Missing     HealthStatus = "Missing"
	Degraded    HealthStatus = "Degraded"
	Unknown     HealthStatus = "Unknown"
)

// Health is a verdict on one object, given for the generation that it has. An empty Status means that there is no check for its kind.
type Health struct {
	Status  HealthStatus
	Message string
}
