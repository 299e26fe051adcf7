package gitsync

import (
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// Names of the wire contract of Rollouts that this package needs; Rollouts are read untyped, because it knows all kinds alike.
const (
	groupRollouts      = "argoproj.io"
	kindRollout        = "Rollout"
	groupGateway       = "gateway.networking.k8s.io"
	pluginGateway      = "argoproj-labs/gatewayAPI"
	selectorHash       = "rollouts-pod-template-hash"
	annotationManaged  = "argo-rollouts.argoproj.io/managed-by-rollouts"
	annotationsRollout = "rollout.argoproj.io/"
)

// Adopt gives a copy of a manifest in which the fields that a Rollout runs on the living object have the values that they have there, so that
// neither a comparison nor an apply touches them. These are the weights of its routes and its managed rules, the selector hash of its Services,
// replicas that an autoscaler or a workloadRef moves, and its own annotations. The manifest itself comes back if there is nothing of the kind.
func Adopt(desired, live *unstructured.Unstructured, rollouts []*unstructured.Unstructured) *unstructured.Unstructured {
	key := KeyOf(desired)
	a := adoption{desired: desired, live: live, key: KeyOf(live)}
	switch {
	case key.Group == "" && key.Kind == "Service":
		a.service(rollouts)
	case key.Group == groupGateway && strings.HasSuffix(key.Kind, "Route"):
		a.route(rollouts)
	case isRollout(key):
		a.annotations()
		if scaled(live) {
			a.take("spec", "replicas")
		}
	case slices.ContainsFunc(rollouts, func(r *unstructured.Unstructured) bool { return refersTo(r, a.key) }):
		a.take("spec", "replicas")
	case key.Group == "rbac.authorization.k8s.io" && key.Kind == "ClusterRole" && has(desired, "aggregationRule"):
		a.take("rules")
	}
	return a.desired
}

type adoption struct {
	desired, live *unstructured.Unstructured
	key           Key
	copied        bool
}

// mine copies the manifest before its first change.
func (a *adoption) mine() map[string]any {
	if !a.copied {
		a.desired, a.copied = a.desired.DeepCopy(), true
	}
	return a.desired.Object
}

// take gives a field of the manifest the value that lives; if it does not live, the manifest loses it. A field that we once applied stays in the
// manifest, because an apply without it would remove it.
func (a *adoption) take(path ...string) {
	value, lives, _ := unstructured.NestedFieldCopy(a.live.Object, path...)
	switch {
	case !lives && has(a.desired, path...):
		unstructured.RemoveNestedField(a.mine(), path...)
	case lives && (has(a.desired, path...) || isOurs(a.live, path)):
		// A path through something that is no object is left for the server to refuse.
		if err := unstructured.SetNestedField(a.mine(), value, path...); err != nil {
			return
		}
	}
}

func has(o *unstructured.Unstructured, path ...string) bool {
	_, found, err := unstructured.NestedFieldNoCopy(o.Object, path...)
	return found && err == nil
}

// service leaves the hash in the selector, and the mark that says who put it there, to the Rollout. A Service that carries the mark is run by one
// whether or not that one was observed.
func (a *adoption) service(rollouts []*unstructured.Unstructured) {
	_, marked := annotationOf(a.live, annotationManaged)
	if !marked && !slices.ContainsFunc(rollouts, func(r *unstructured.Unstructured) bool {
		return r.GetNamespace() == a.key.Namespace && slices.Contains(servicesOf(r), a.key.Name)
	}) {
		return
	}
	a.take("spec", "selector", selectorHash)
	a.take("metadata", "annotations", annotationManaged)
}

// servicesOf lists the Services whose selectors a Rollout runs.
func servicesOf(r *unstructured.Unstructured) (names []string) {
	for _, path := range [][]string{{"canary", "stableService"}, {"canary", "canaryService"}, {"blueGreen", "activeService"}, {"blueGreen", "previewService"}} {
		if name, _, _ := unstructured.NestedString(r.Object, append([]string{"spec", "strategy"}, path...)...); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// annotations leaves to a Rollout what its controller notes on it.
func (a *adoption) annotations() {
	for name := range a.desired.GetAnnotations() {
		if strings.HasPrefix(name, annotationsRollout) {
			a.take("metadata", "annotations", name)
		}
	}
}

// scaled reports whether somebody moves replicas through the scale subresource, as autoscalers do.
func scaled(live *unstructured.Unstructured) bool {
	return slices.ContainsFunc(live.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
		return e.Subresource == "scale" && e.FieldsV1 != nil && strings.Contains(e.FieldsV1.GetRawString(), `"f:replicas"`)
	})
}

// refersTo reports whether the workloadRef of a Rollout names an object, which then is scaled by the Rollout.
func refersTo(r *unstructured.Unstructured, k Key) bool {
	ref, _, _ := unstructured.NestedStringMap(r.Object, "spec", "workloadRef")
	group, _, _ := strings.Cut(ref["apiVersion"], "/")
	return ref["kind"] == k.Kind && ref["name"] == k.Name && group == k.Group && r.GetNamespace() == k.Namespace
}

// route leaves weights and managed rules of a route to the Rollouts that name it.
func (a *adoption) route(rollouts []*unstructured.Unstructured) {
	var services, managed []string
	for _, r := range rollouts {
		if !routes(r, a.live) {
			continue
		}
		services = append(services, servicesOf(r)...)
		managed = append(managed, managedRoutes(r)...)
	}
	if len(services) == 0 {
		return
	}
	want, _, err := unstructured.NestedSlice(a.desired.Object, "spec", "rules")
	if err != nil {
		return // the server says what is wrong with it
	}
	have, _, _ := unstructured.NestedSlice(a.live.Object, "spec", "rules")
	if err := unstructured.SetNestedSlice(a.mine(), mergeRules(want, have, services, managed), "spec", "rules"); err != nil {
		return
	}
}

// routes reports whether a Rollout divides its traffic in a route.
func routes(r, route *unstructured.Unstructured) bool {
	config, found, _ := unstructured.NestedMap(r.Object, "spec", "strategy", "canary", "trafficRouting", "plugins", pluginGateway)
	if !found {
		config, _, _ = unstructured.NestedMap(r.Object, "spec", "strategy", "canary", "trafficRouting", "gatewayAPI")
	}
	namespace, _ := config["namespace"].(string)
	if namespace == "" {
		namespace = r.GetNamespace()
	}
	if len(config) == 0 || namespace != route.GetNamespace() {
		return false
	}
	field := strings.ToLower(strings.TrimSuffix(route.GetKind(), "Route")) + "Route"
	if config[field] == route.GetName() {
		return true
	}
	several, _ := config[field+"s"].([]any)
	for _, one := range several {
		if m, ok := one.(map[string]any); ok && m["name"] == route.GetName() {
			return true
		}
	}
	return selects(config[field+"Selector"], route)
}

func selects(selector any, o *unstructured.Unstructured) bool {
	m, ok := selector.(map[string]any)
	if !ok {
		return false
	}
	s := metav1.LabelSelector{MatchLabels: map[string]string{}}
	equal, _, _ := unstructured.NestedStringMap(m, "matchLabels")
	s.MatchLabels = equal
	expressions, _, _ := unstructured.NestedSlice(m, "matchExpressions")
	for _, e := range expressions {
		one, _ := e.(map[string]any)
		key, _ := one["key"].(string)
		operator, _ := one["operator"].(string)
		values, _, _ := unstructured.NestedStringSlice(one, "values")
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOperator(operator), Values: values})
	}
	compiled, err := metav1.LabelSelectorAsSelector(&s)
	return err == nil && !compiled.Empty() && compiled.Matches(labels.Set(o.GetLabels()))
}

func managedRoutes(r *unstructured.Unstructured) (names []string) {
	list, _, _ := unstructured.NestedSlice(r.Object, "spec", "strategy", "canary", "trafficRouting", "managedRoutes")
	for _, one := range list {
		if m, ok := one.(map[string]any); ok {
			name, _ := m["name"].(string)
			names = append(names, name)
		}
	}
	return names
}

// mergeRules writes the rules of Git with the weights that live, and keeps managed rules where they stand: before the rule that they refine.
func mergeRules(want, have []any, services, managed []string) []any {
	named := map[string]bool{}
	for _, rule := range want {
		named[nameOf(rule)] = true
	}
	var users, merged []any
	next := 0
	for _, rule := range have {
		if name := nameOf(rule); !named[name] && isManaged(name, managed) {
			merged = append(merged, rule)
			continue
		}
		users = append(users, rule)
		if next < len(want) {
			merged, next = append(merged, want[next]), next+1
		}
	}
	merged = append(merged, want[next:]...)
	for i, rule := range want {
		weigh(rule, i, users, services)
	}
	return merged
}

// isManaged reports whether a rule belongs to a managed route: it has its name, or its name, a dash and a number.
func isManaged(name string, managed []string) bool {
	return slices.ContainsFunc(managed, func(m string) bool {
		rest, found := strings.CutPrefix(name, m)
		if !found || m == "" {
			return false
		}
		_, err := strconv.Atoi(strings.TrimPrefix(rest, "-"))
		return rest == "" || strings.HasPrefix(rest, "-") && err == nil
	})
}

// weigh gives the backends of a rule that are Services of a Rollout the weights that they have in the rule at the same place, or else in the
// first rule that has them: all rules of a Rollout are divided alike. A backend that is new keeps the weight from Git.
func weigh(rule any, at int, users []any, services []string) {
	ordered := users
	if at < len(users) {
		ordered = append([]any{users[at]}, users...)
	}
	for _, backend := range backends(rule) {
		name := nameOf(backend)
		if !slices.Contains(services, name) {
			continue
		}
		for _, user := range ordered {
			i := slices.IndexFunc(backends(user), func(b map[string]any) bool { return nameOf(b) == name })
			if i < 0 {
				continue
			}
			if weight, set := backends(user)[i]["weight"]; set {
				backend["weight"] = weight
			} else {
				delete(backend, "weight")
			}
			break
		}
	}
}

func backends(rule any) (all []map[string]any) {
	m, _ := rule.(map[string]any)
	list, _ := m["backendRefs"].([]any)
	for _, one := range list {
		if backend, ok := one.(map[string]any); ok {
			all = append(all, backend)
		}
	}
	return all
}

func nameOf(of any) string {
	m, _ := of.(map[string]any)
	name, _ := m["name"].(string)
	return name
}
