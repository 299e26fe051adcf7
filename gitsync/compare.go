package gitsync

import (
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Differs reports whether an apply of desired would change live, as far as that can be told without the server: no if every field of desired
// is in live, and nothing that was applied before has left desired. It says yes when in doubt, because then a dry run tells for certain.
// Fields that others added to live are no difference, as in a server-side apply.
func Differs(desired, live *unstructured.Unstructured, ignored Ignored) (bool, error) {
	differ, _, err := difference(desired, live, ignored)
	return differ, err
}

// difference reports as Differs does, and whether something that a client-side apply brought lives and is wanted no more. Of that no dry run can tell,
// because the first write makes the fields of such applies ours.
func difference(desired, live *unstructured.Unstructured, ignored Ignored) (differ, drops bool, err error) {
	if id := annotation(live, gitopsv1.AnnotationTrackingID); id == "" && live.GetLabels()[gitopsv1.LabelInstance] != "" {
		desired = untracked(desired)
	}
	want, have, err := ignored.strip(normal(desired), normal(live), live)
	if err != nil {
		return false, false, err
	}
	c := comparison{builtIn: isBuiltIn(desired)}
	last := lastOfOthers(live)
	if last != nil {
		if drops, err = c.drops(last, live, want, have, ignored); err != nil {
			return false, false, err
		}
	}
	differ = drops || emptied(desired.Object, have) || !c.holds(want, have, "") || last == nil && leftBehind(live, want, have)
	return differ, drops, nil
}

// lastOfOthers is what the last client-side apply asked for; nil if there was none, or if we have applied the object since.
func lastOfOthers(live *unstructured.Unstructured) *unstructured.Unstructured {
	if last := withLastApplied(live); last != nil && !appliedByUs(live) {
		return last
	}
	return nil
}

// drops reports whether something of the last client-side apply lives and is wanted no more.
func (c comparison) drops(last, live *unstructured.Unstructured, want, have any, ignored Ignored) (bool, error) {
	before, _, err := ignored.strip(normal(last), map[string]any{}, live)
	if err != nil {
		return false, err
	}
	for _, identity := range []string{"apiVersion", "kind"} {
		delete(before, identity)
	}
	unstructured.RemoveNestedField(before, "metadata", "namespace") // a manifest may leave it to the destination
	return !c.kept(before, want, have, ""), nil
}

// Changes reports whether a dry run changed an object. Both sides come from the server, so what is not equal is a difference.
func Changes(predicted, live *unstructured.Unstructured, ignored Ignored) (bool, error) {
	after, before, err := ignored.strip(normal(predicted), normal(live), live)
	if err != nil {
		return false, err
	}
	return !sameValue(after, before, ""), nil
}

// untracked gives a copy of a manifest without its tracking id, for an object that is held by a label still.
func untracked(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "metadata", "annotations", gitopsv1.AnnotationTrackingID)
	return o
}

// emptied reports whether a manifest asks for an empty list where there are items, which normal forms do not show.
func emptied(want, have any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, _ := have.(map[string]any)
		for key, item := range w {
			if there, present := h[key]; present && emptied(item, there) {
				return true
			}
		}
	case []any:
		h, _ := have.([]any)
		if len(w) == 0 {
			return len(h) > 0
		}
		for i := range min(len(w), len(h)) {
			if emptied(w[i], h[i]) {
				return true
			}
		}
	}
	return false
}

// isBuiltIn reports whether the server knows the list types of a kind from Kubernetes itself; lists of other kinds are compared item by item.
func isBuiltIn(o *unstructured.Unstructured) bool {
	group := o.GroupVersionKind().Group
	switch {
	case !strings.Contains(group, "."), strings.HasSuffix(group, ".k8s.io") && !strings.HasPrefix(group, "gateway."):
		return true
	}
	return false
}

// listKeys names the field that tells the items of a list apart, for the lists of built-in kinds that the server merges.
var listKeys = map[string]string{
	"containers": "name", "initContainers": "name", "ephemeralContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath",
	"volumeDevices": "devicePath", "imagePullSecrets": "name", "hostAliases": "ip", "ports": "", "conditions": "type", "secrets": "name",
	"topologySpreadConstraints": "topologyKey", "resourceClaims": "name", "webhooks": "name", "ownerReferences": "uid",
}

// unordered names lists whose order means nothing in any kind.
var unordered = map[string]bool{"accessModes": true, "finalizers": true, "headers": true, "queryParams": true, "imagePullSecrets": true, "ports": true,
	"subjects": true, "verbs": true, "tolerations": true, "hostnames": true, "parentRefs": true}

type comparison struct{ builtIn bool }

// holds reports whether have says all that want says; field is the name under which both are found.
func (c comparison) holds(want, have any, field string) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return len(w) == 0 && have == nil
		}
		for key, item := range w {
			if there, present := h[key]; !c.holds(item, there, key) || !present && slices.Contains(emptyIsMeant, key) {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		return ok && c.holdsList(w, h, field)
	}
	return sameScalar(want, have)
}

func (c comparison) holdsList(want, have []any, field string) bool {
	key, keyed := listKeys[field]
	if !c.builtIn || !keyed || !allMaps(want) {
		if len(want) != len(have) {
			return false
		}
		if unordered[field] {
			return matchedOneToOne(want, have, func(w, h any) bool { return c.holds(w, h, "") })
		}
		return slices.EqualFunc(want, have, func(w, h any) bool { return c.holds(w, h, "") })
	}
	last := -1
	for _, item := range want {
		at := slices.IndexFunc(have, func(h any) bool { return sameItem(item, h, key) && c.holds(item, h, "") })
		if at < 0 || at < last && !unordered[field] {
			return false
		}
		last = at
	}
	return true
}

// sameItem reports whether two items of a keyed list are the same one. Ports are told apart by number and protocol, one of which is a default.
func sameItem(a, b any, key string) bool {
	x, _ := a.(map[string]any)
	y, ok := b.(map[string]any)
	if key != "" {
		return ok && reflect.DeepEqual(x[key], y[key])
	}
	protocol := func(m map[string]any) any {
		if p, set := m["protocol"]; set {
			return p
		}
		return "TCP"
	}
	return ok && reflect.DeepEqual(x["port"], y["port"]) && reflect.DeepEqual(x["containerPort"], y["containerPort"]) && protocol(x) == protocol(y)
}

// kept reports whether everything that was applied before is still wanted, or gone already.
func (c comparison) kept(before, want, have any, field string) bool {
	switch b := before.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return true
		}
		w, _ := want.(map[string]any)
		for key, item := range b {
			there, present := h[key]
			if !present {
				continue
			}
			wanted, stays := w[key]
			if !stays || !c.kept(item, wanted, there, key) {
				return false
			}
		}
	case []any:
		w, _ := want.([]any)
		h, _ := have.([]any)
		return c.keptList(b, w, h, field)
	}
	return true
}

func (c comparison) keptList(before, want, have []any, field string) bool {
	key, keyed := listKeys[field]
	if !c.builtIn || !keyed {
		return len(want) >= len(before) || len(have) < len(before)
	}
	for _, item := range before {
		at := slices.IndexFunc(have, func(o any) bool { return sameItem(item, o, key) })
		in := slices.IndexFunc(want, func(o any) bool { return sameItem(item, o, key) })
		if at >= 0 && (in < 0 || !c.kept(item, want[in], have[at], "")) {
			return false
		}
	}
	return true
}

func allMaps(list []any) bool {
	return !slices.ContainsFunc(list, func(item any) bool { _, ok := item.(map[string]any); return !ok })
}

// sameValue reports whether two values mean the same: quantities by value, lists whose order means nothing in any order.
func sameValue(a, b any, field string) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key, item := range x {
			if other, present := y[key]; !present || !sameValue(item, other, key) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		same := func(v, w any) bool { return sameValue(v, w, "") }
		if unordered[field] {
			return matchedOneToOne(x, y, same)
		}
		return slices.EqualFunc(x, y, same)
	}
	return sameScalar(a, b)
}

// matchedOneToOne pairs the items of two lists of the same length in any order; the first free match is taken.
func matchedOneToOne(a, b []any, same func(x, y any) bool) bool {
	free := slices.Clone(b)
	for _, item := range a {
		at := slices.IndexFunc(free, func(other any) bool { return same(item, other) })
		if at < 0 {
			return false
		}
		free = slices.Delete(free, at, at+1)
	}
	return true
}

// longestQuantity is how long a text may be that is read as a quantity.
const longestQuantity = 32

// sameScalar compares texts and numbers; 1000m and 1 are the same quantity, and so are "1" and 1 where one side is a text that is no plain number.
func sameScalar(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, isText := a.(string)
	y, isTextToo := b.(string)
	if !isText || !isTextToo || len(x) > longestQuantity || len(y) > longestQuantity || x == "" || y == "" {
		return false
	}
	p, err := resource.ParseQuantity(x)
	if err != nil {
		return false
	}
	q, err := resource.ParseQuantity(y)
	return err == nil && p.Cmp(q) == 0
}
