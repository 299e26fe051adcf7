package gitsync

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// TrackingName is the name by which objects are bound to an Application: its own, after its namespace where that is not the control namespace.
func TrackingName(app *gitopsv1.Application, controlNamespace string) string {
	if app.Namespace == "" || app.Namespace == controlNamespace {
		return app.Name
	}
	return app.Namespace + "_" + app.Name
}

// TrackingID binds an object to an Application. A cluster-scoped object is written with the destination namespace, as the wire contract has it.
func TrackingID(name string, k Key, destination string) string {
	namespace := k.Namespace
	if namespace == "" {
		namespace = destination
	}
	return name + ":" + k.Group + "/" + k.Kind + ":" + namespace + "/" + k.Name
}

// NamedBy is the tracking name that an object carries: in its id or, without one, in the label of older installations, which charts set as well.
func NamedBy(o *unstructured.Unstructured) string {
	if name, labelled := labelledFor(o); labelled {
		return name
	}
	return TrackedBy(o)
}

// labelledFor is the name in the label of older installations on an object that has no id.
func labelledFor(o *unstructured.Unstructured) (name string, labelled bool) {
	if _, hasID := annotationOf(o, gitopsv1.AnnotationTrackingID); hasID {
		return "", false
	}
	name, labelled = o.GetLabels()[gitopsv1.LabelInstance]
	return name, labelled
}

// holds reports whether an object is the Application's: by its id, or by the label of older installations if the Application has synced before and has
// listed the object as synced since. The label alone says nothing, because a chart that somebody installs by hand sets it to a name of his choice, and
// neither does a listing alone, for all that Git wants is listed.
func (o Observation) holds(object *unstructured.Unstructured) bool {
	own := TrackingName(o.App, o.ControlNamespace)
	if name, labelled := labelledFor(object); labelled {
		key := KeyOf(object)
		return name == own && hasSynced(o.App) && slices.ContainsFunc(o.App.Status.Resources, func(r gitopsv1.ResourceStatus) bool {
			return keyOfStatus(r) == key && (r.Status == gitopsv1.SyncSynced || r.RequiresPruning)
		})
	}
	return TrackedBy(object) == own
}

// hasSynced reports whether an Application has brought anything so far.
func hasSynced(app *gitopsv1.Application) bool {
	s := app.Status.OperationState
	return len(app.Status.History) > 0 || s != nil && s.Phase == gitopsv1.OperationSucceeded && s.SyncResult != nil
}

// TrackedBy is the tracking name of the Application whose id an object carries; empty if it carries none. The id must name the object itself, because
// ids come along when objects are copied.
func TrackedBy(o *unstructured.Unstructured) string {
	id, hasID := annotationOf(o, gitopsv1.AnnotationTrackingID)
	if !hasID {
		return ""
	}
	parts := strings.Split(id, ":")
	if len(parts) != 3 {
		return ""
	}
	group, kind, ok := strings.Cut(parts[1], "/")
	namespace, name, ok2 := strings.Cut(parts[2], "/")
	key := KeyOf(o)
	if !ok || !ok2 || strings.Contains(kind, "/") || strings.Contains(name, "/") || group != key.Group || kind != key.Kind || name != key.Name ||
		key.Namespace != "" && namespace != key.Namespace {
		return ""
	}
	return parts[0]
}

// inherit gives a manifest the label by which an older installation has bound an object, wherever that one put it, because without it in the template
// all pods would begin anew. The manifest itself comes back if there is nothing of the kind.
func inherit(desired, live *unstructured.Unstructured, trackingName string) *unstructured.Unstructured {
	kept := desired
	for _, above := range [][]string{{"metadata"}, {"spec", "template", "metadata"}} {
		path := append(above, "labels", gitopsv1.LabelInstance)
		if value, _, _ := unstructured.NestedString(live.Object, path...); value != trackingName || has(desired, path...) {
			continue
		}
		if kept == desired {
			kept = desired.DeepCopy()
		}
		// Something else in the place of labels is left for the server to refuse.
		_ = unstructured.SetNestedField(kept.Object, trackingName, path...)
	}
	return kept
}

// isCRD reports whether an object defines a kind. Definitions carry no tracking id and so are never pruned, because their objects would go along.
func isCRD(k Key) bool {
	return k.Group == "apiextensions.k8s.io" && k.Kind == "CustomResourceDefinition"
}

// track puts its tracking id on a manifest.
func track(o *unstructured.Unstructured, name, destination string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[gitopsv1.AnnotationTrackingID] = TrackingID(name, KeyOf(o), destination)
	o.SetAnnotations(annotations)
}
