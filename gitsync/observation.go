package gitsync

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Key names an object whatever its version.
type Key struct{ Group, Kind, Namespace, Name string }

// KeyOf is the Key of an object. It is asked for so often that the accessors of an object, which search by paths, would be felt.
func KeyOf(o *unstructured.Unstructured) Key {
	apiVersion, _ := o.Object["apiVersion"].(string)
	kind, _ := o.Object["kind"].(string)
	group, version, grouped := strings.Cut(apiVersion, "/")
	switch {
	case !grouped:
		group = ""
	case strings.Contains(version, "/"):
		group, kind = "", "" // it is no version
	}
	metadata, _ := o.Object["metadata"].(map[string]any)
	namespace, _ := metadata["namespace"].(string)
	name, _ := metadata["name"].(string)
	return Key{Group: group, Kind: kind, Namespace: namespace, Name: name}
}

// annotation is the value of an annotation; empty if there is none.
func annotation(o *unstructured.Unstructured, name string) string {
	value, _ := annotationOf(o, name)
	return value
}

// annotationOf is the value of an annotation, and whether it is set. The accessor of an object would copy all its annotations.
func annotationOf(o *unstructured.Unstructured, name string) (value string, set bool) {
	metadata, _ := o.Object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	value, set = annotations[name].(string)
	return value, set
}

// Observation is everything that a decision about one Application rests on, gathered once and never changed by Decide.
type Observation struct {
	Now time.Time
	App *gitopsv1.Application
	// ControlNamespace is where projects live; Applications elsewhere need their project's sourceNamespaces.
	ControlNamespace string
	// Project is nil when there is no AppProject of that name.
	Project *gitopsv1.AppProject
	// Settings are what holds for all Applications.
	Settings Settings
	// Cluster is the destination; its Problem says why it cannot be used.
	Cluster Cluster
	// Secrets are the credentials of the destination, which nobody may be told even if it repeats them.
	Secrets []string
	// Target is what the spec asks for, and Running what the operation under way asks for; nil where that is the same.
	Target  Material
	Running *Material
	// Kinds tells what the cluster knows about each group and kind of all material and of Live.
	Kinds map[GroupKind]Kind
	// Live are the objects that the material names, those of status.resources, and those that carry the Application's tracking id, sorted by key.
	// Kinds that the settings exclude are not among them.
	Live []Live
	// Predicted is what a server-side dry run says that an apply would make of the objects that Questions asks for, by the Digest of each: the operation
	// under way may have another manifest of an object than the newest commit.
	Predicted map[string]Prediction
	// Holders are the tracking names on live objects whose Applications exist.
	Holders map[string]bool
	// Neighbours are what else is in the destination namespace; nil where that was not looked at.
	Neighbours *Neighbours
	// Reverted is what came of earlier Reverts, as far as it is remembered.
	Reverted []Reverted
	// Rollouts of the destination cluster know the fields that they run on other objects.
	Rollouts []*unstructured.Unstructured
}

// Material is manifests and where they are from.
type Material struct {
	// Revisions are the commits or versions that the sources resolve to, one for each source.
	Revisions []string
	Sources   []gitopsv1.Source
	// Problem says why the manifests could not be had; Objects is then empty and means nothing. Unreachable is true if only the repository
	// could not be asked, so that what is known stays true for a while.
	Problem     string
	Unreachable bool
	// Grace is how much longer that is.
	Grace time.Duration
	// Objects are the manifests of all sources in the order in which they were rendered, before tracking metadata.
	Objects     []*unstructured.Unstructured
	SourceTypes []gitopsv1.SourceType
	Warnings    []string

	// What was found on the way to a decision, so that it is not looked for again: prepared by Prepare, and items by Questions.
	prepared *Prepared
	items    []item
}

// GroupKind names a kind whatever its version.
type GroupKind struct{ Group, Kind string }

// Kind is what the destination cluster knows about a kind.
type Kind struct {
	Known, Namespaced bool
	// Unread says why objects of the kind cannot be read, where the credentials of the destination lack the right to.
	Unread string
}

// Cluster is a destination.
type Cluster struct {
	Server, Name string
	Problem      string
	// Silent says why the destination could not be read at present; what lives is then not known.
	Silent string
	// Gone is true if the destination is not configured any more.
	Gone bool
	// Namespaces are those that may be touched; all if it is empty. ClusterResources tells whether objects outside of namespaces may be touched besides.
	Namespaces       []string
	ClusterResources bool
}

// Live is an object as it exists.
type Live struct {
	Object *unstructured.Unstructured
	Health Health
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

// Health is a verdict on one object, given for the generation that it has; one on its way out is Progressing. An empty Status means that there is no check for its kind.
type Health struct {
	Status  HealthStatus
	Message string
	// Problem says why no verdict could be given, such as a check that is broken; the Status is then Unknown.
	Problem string
}
