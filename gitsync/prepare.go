package gitsync

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Prepared is manifests as they are to be applied: in their namespaces, each once, bound to their Application.
type Prepared struct {
	Objects []*unstructured.Unstructured
	// Warnings are conditions that the manifests gave rise to.
	Warnings []gitopsv1.ApplicationCondition
}

// Prepare fills in what all manifests leave to their Application, once it is known what the cluster knows of their kinds. It need not be called
// before Decide, which does it where that was not done.
func (o *Observation) Prepare() {
	for _, m := range []*Material{&o.Target, o.Running} {
		if m != nil {
			p := prepare(*o, *m)
			m.prepared = &p
		}
	}
}

// Wanted lists the manifests as they would be applied, with those that run when the Application is deleted.
func (o Observation) Wanted() []*unstructured.Unstructured {
	all := slices.Clone(o.prepared(o.Target).Objects)
	if o.Running != nil {
		all = append(all, o.prepared(*o.Running).Objects...)
	}
	return append(all, farewellsOf(o)...)
}

// prepared is what Prepare makes of some material.
func (o Observation) prepared(m Material) Prepared {
	if m.prepared != nil {
		return *m.prepared
	}
	return prepare(o, m)
}

// prepare fills in what manifests leave to their Application. A cluster-scoped object loses its namespace, a namespaced one without gets the
// destination's; of two manifests of one object the last counts.
func prepare(o Observation, m Material) (p Prepared) {
	destination := o.App.Spec.Destination.Namespace
	name := TrackingName(o.App, o.ControlNamespace)
	kinds := withDefined(o.Kinds, m.Objects)
	places, times := map[Key]int{}, map[Key]int{}
	for _, manifest := range m.Objects {
		if o.excludes(manifest) {
			p.warn(gitopsv1.ConditionExcludedResourceWarning, excludedWarning(KeyOf(manifest)))
			continue
		}
		one := place(manifest, destination, kinds)
		if misspelt := unknownHooks(one); misspelt != "" {
			p.warn(gitopsv1.ConditionExcludedResourceWarning, fmt.Sprintf(
				"%s has the hook annotation %q, which names no hook that is known: it is neither applied nor compared nor pruned", title(KeyOf(one)), misspelt))
		}
		if !isCRD(KeyOf(one)) {
			track(one, name, destination)
		}
		key := KeyOf(one)
		if key.Name == "" {
			p.Objects = append(p.Objects, one)
			continue
		}
		times[key]++
		if at, repeated := places[key]; repeated {
			p.Objects[at] = one
			continue
		}
		places[key] = len(p.Objects)
		p.Objects = append(p.Objects, one)
	}
	for _, o := range p.Objects {
		if k := KeyOf(o); times[k] > 1 {
			p.warn(gitopsv1.ConditionRepeatedResourceWarning, fmt.Sprintf("Resource %s/%s/%s/%s appeared %d times among application resources.",
				k.Group, k.Kind, k.Namespace, k.Name, times[k]))
		}
	}
	for _, w := range m.Warnings {
		p.warn(gitopsv1.ConditionExcludedResourceWarning, w)
	}
	return p
}

// digest identifies manifests in any order.
func (p Prepared) digest() string {
	var all []string
	for _, o := range p.Objects {
		all = append(all, Digest(o))
	}
	slices.Sort(all)
	sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
	return hex.EncodeToString(sum[:16])
}

func (p *Prepared) warn(kind gitopsv1.ApplicationConditionType, message string) {
	p.Warnings = append(p.Warnings, gitopsv1.ApplicationCondition{Type: kind, Message: message})
}

// place gives a copy of a manifest in its namespace.
func place(manifest *unstructured.Unstructured, destination string, kinds map[GroupKind]Kind) *unstructured.Unstructured {
	one := manifest.DeepCopy()
	key := KeyOf(one)
	kind := kinds[GroupKind{key.Group, key.Kind}]
	switch {
	case kind.Known && !kind.Namespaced:
		one.SetNamespace("")
	case key.Namespace == "" && kind.Namespaced:
		one.SetNamespace(destination)
	}
	return one
}

// withDefined adds the scopes of kinds that the cluster does not know yet and whose definitions are among some manifests. They stay unknown.
func withDefined(known map[GroupKind]Kind, manifests []*unstructured.Unstructured) map[GroupKind]Kind {
	kinds := map[GroupKind]Kind{}
	maps.Copy(kinds, known)
	for _, o := range manifests {
		if !isCRD(KeyOf(o)) {
			continue
		}
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
		scope, _, _ := unstructured.NestedString(o.Object, "spec", "scope")
		if defined := (GroupKind{group, kind}); !kinds[defined].Known {
			kinds[defined] = Kind{Namespaced: scope == "Namespaced"}
		}
	}
	return kinds
}

// unknownHooks gives the hook annotation of a manifest that names no hook; empty if it names one or has none.
func unknownHooks(o *unstructured.Unstructured) string {
	phases, isHook := HooksOf(o)
	if !isHook || len(phases) > 0 || len(deleteHooksOf(o)) > 0 {
		return ""
	}
	text := annotation(o, gitopsv1.AnnotationHook)
	if slices.Contains(listed(text), "Skip") {
		return ""
	}
	return cmp.Or(text, annotation(o, gitopsv1.AnnotationHelmHook), "(empty)")
}

// title names an object for people.
func title(k Key) string {
	if k.Namespace == "" {
		return k.Kind + " " + k.Name
	}
	return k.Kind + " " + k.Namespace + "/" + k.Name
}

// titleOfWire names an object as the texts of the wire contract do.
func titleOfWire(k Key) string { return k.Group + "/" + k.Kind + "/" + k.Name }

// compareKeys sorts as status.resources is sorted.
func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
