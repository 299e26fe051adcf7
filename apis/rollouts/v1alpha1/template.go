package v1alpha1

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// DroppedError lists values of a pod template that could not be read and were left out; the rest of the template is usable.
//
// +kubebuilder:object:generate=false
type DroppedError struct{ Values field.ErrorList }

// Error names every value that was left out.
func (e *DroppedError) Error() string { return e.Values.ToAggregate().Error() }

// PodTemplate decodes a pod template as far as it can be: a quantity that cannot be read is left out and named in a DroppedError,
// as the wire contract asks, so that a typing error in one limit stops nothing. Any other error leaves the result empty.
// Fields that our Kubernetes types do not know are lost here; whoever writes a template must write the raw one.
func PodTemplate(raw runtime.RawExtension) (corev1.PodTemplateSpec, error) {
	if len(raw.Raw) == 0 {
		return corev1.PodTemplateSpec{}, nil
	}
	var template corev1.PodTemplateSpec
	first := json.Unmarshal(raw.Raw, &template)
	if first == nil {
		return template, nil
	}
	var tree map[string]any
	if err := json.Unmarshal(raw.Raw, &tree); err != nil {
		return corev1.PodTemplateSpec{}, fmt.Errorf("reading the pod template: %w", err)
	}
	dropped := dropBadQuantities(tree, field.NewPath("spec", "template"))
	if len(dropped) == 0 {
		return corev1.PodTemplateSpec{}, fmt.Errorf("reading the pod template: %w", first)
	}
	cleaned, err := json.Marshal(tree)
	if err != nil {
		return corev1.PodTemplateSpec{}, fmt.Errorf("reading the pod template: %w", err)
	}
	template = corev1.PodTemplateSpec{}
	if err := json.Unmarshal(cleaned, &template); err != nil {
		return corev1.PodTemplateSpec{}, fmt.Errorf("reading the pod template: %w", err)
	}
	return template, &DroppedError{Values: dropped}
}

// dropBadQuantities removes from node, at any depth, the quantities that cannot be parsed and reports each with its path.
func dropBadQuantities(node any, at *field.Path) field.ErrorList {
	var dropped field.ErrorList
	switch n := node.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(n)) {
			path := at.Child(key)
			switch key {
			case "limits", "requests", "overhead":
				if list, ok := n[key].(map[string]any); ok {
					for _, name := range slices.Sorted(maps.Keys(list)) {
						dropped = append(dropped, dropIfBad(list, name, path.Key(name))...)
					}
					continue
				}
			case "sizeLimit", "divisor":
				dropped = append(dropped, dropIfBad(n, key, path)...)
				continue
			}
			dropped = append(dropped, dropBadQuantities(n[key], path)...)
		}
	case []any:
		for i := range n {
			dropped = append(dropped, dropBadQuantities(n[i], at.Index(i))...)
		}
	}
	return dropped
}

func dropIfBad(in map[string]any, key string, at *field.Path) field.ErrorList {
	text := strings.Trim(fmt.Sprint(in[key]), `"`)
	if in[key] == nil {
		return nil
	}
	if _, err := resource.ParseQuantity(text); err == nil {
		return nil
	}
	bad := in[key]
	delete(in, key)
	return field.ErrorList{field.Invalid(at, bad, "is not a quantity such as 500m or 1Gi, so it is left out")}
}

// PodTemplateHash names a revision: the value of the pod-template-hash label and the end of its ReplicaSet's name.
//
// It covers the template as the user wrote it, keys sorted, and nothing of any library, so that an upgrade of this controller cannot
// restart pods. What tools add without a meaning does not count: null values, and empty resources.
// A collisionCount moves the hash away from a name that is taken by a ReplicaSet of somebody else.
func PodTemplateHash(template runtime.RawExtension, collisionCount *int32) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(template.Raw))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return "", fmt.Errorf("hashing the pod template: %w", err)
	}
	canonical, err := json.Marshal(significant(tree)) // encoding/json sorts the keys of maps
	if err != nil {
		return "", fmt.Errorf("hashing the pod template: %w", err)
	}
	if collisionCount != nil {
		canonical = fmt.Appendf(canonical, "#%d", *collisionCount)
	}
	sum := sha256.Sum256(canonical)
	return encodeHash(binary.BigEndian.Uint64(sum[:8])), nil
}

// significant returns the tree without the parts that PodTemplateHash ignores.
func significant(node any) any {
	switch n := node.(type) {
	case map[string]any:
		kept := make(map[string]any, len(n))
		for key, value := range n {
			if value == nil || key == "resources" && isEmptyObject(value) {
				continue
			}
			kept[key] = significant(value)
		}
		return kept
	case []any:
		kept := make([]any, len(n))
		for i := range n {
			kept[i] = significant(n[i])
		}
		return kept
	}
	return node
}

func isEmptyObject(value any) bool {
	object, ok := value.(map[string]any)
	return ok && len(object) == 0
}

// hashAlphabet holds no vowels and no digits that look like them, so that no word appears in a name; Kubernetes uses the same.
const hashAlphabet = "bcdfghjklmnpqrstvwxz2456789"

// encodeHash gives ten characters, as many as the hashes of the reference have, so that names stay as long as they were.
func encodeHash(sum uint64) string {
	text := make([]byte, 10)
	for i := range text {
		text[i] = hashAlphabet[sum%uint64(len(hashAlphabet))]
		sum /= uint64(len(hashAlphabet))
	}
	return string(text)
}
