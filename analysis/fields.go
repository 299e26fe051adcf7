package analysis

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Arguments gives the values that a Rollout has for the arguments of its templates. Of the place it reads the hashes alone.
// The error tells of a field that the Rollout does not have.
func Arguments(r *v1alpha1.Rollout, args []v1alpha1.AnalysisRunArgument, at RunAt) ([]v1alpha1.Argument, error) {
	out := make([]v1alpha1.Argument, 0, len(args))
	for _, a := range args {
		value := a.Value
		switch from := a.ValueFrom; {
		case from == nil:
		case from.FieldRef != nil:
			var err error
			if value, err = fieldOf("rollout", r, from.FieldRef.FieldPath); err != nil {
				return nil, fmt.Errorf("argument %s: %w", a.Name, err)
			}
		case from.PodTemplateHashValue == nil:
			return nil, fmt.Errorf("argument %s: valueFrom is empty: set podTemplateHashValue or fieldRef", a.Name)
		case *from.PodTemplateHashValue == v1alpha1.PodTemplateHashStable:
			value = at.StableHash
		case *from.PodTemplateHashValue == v1alpha1.PodTemplateHashLatest:
			value = at.Hash
		default:
			return nil, fmt.Errorf("argument %s: podTemplateHashValue must be Stable or Latest, but is %q", a.Name, *from.PodTemplateHashValue)
		}
		out = append(out, v1alpha1.Argument{Name: a.Name, Value: &value})
	}
	return out, nil
}

// fixField replaces a reference to a field of the owner of a run, which is of the given kind, by its value.
func fixField(kind string, owner metav1.Object, a *v1alpha1.Argument) error {
	if a.Value != nil || a.ValueFrom.FieldRef == nil {
		return nil
	}
	value, err := fieldOf(kind, owner, a.ValueFrom.FieldRef.FieldPath)
	if err != nil {
		return fmt.Errorf("argument %s: %w", a.Name, err)
	}
	a.Value, a.ValueFrom = &value, nil
	return nil
}

// fieldOf reads the text, number or boolean at a path such as metadata.labels['app'], spec.replicas or
// spec.template.spec.containers[0].image.
func fieldOf(kind string, o metav1.Object, path string) (string, error) {
	parts, err := split(path)
	if err != nil {
		return "", fmt.Errorf("fieldPath %q: %w", path, err)
	}
	data, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("fieldPath %q: writing the %s as JSON: %w", path, kind, err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	var node any
	if err := decoder.Decode(&node); err != nil {
		return "", fmt.Errorf("fieldPath %q: reading the %s as JSON: %w", path, kind, err)
	}
	for _, part := range parts {
		if node = child(node, part); node == nil {
			return "", fmt.Errorf("fieldPath %q: %s %s has no %s there", path, kind, o.GetName(), part)
		}
	}
	switch value := node.(type) {
	case string:
		return value, nil
	case json.Number, bool:
		return fmt.Sprint(value), nil
	}
	return "", fmt.Errorf("fieldPath %q: %s %s holds more than one value there; only text, numbers and booleans can be arguments", path, kind, o.GetName())
}

func child(node any, part string) any {
	switch n := node.(type) {
	case map[string]any:
		return n[part]
	case []any:
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n) {
			return n[i]
		}
	}
	return nil
}

// split cuts a path into names and indexes: a.b, a[0] and a['k'] or a["k"].
func split(path string) ([]string, error) {
	var parts []string
	for rest := strings.TrimPrefix(path, "."); rest != ""; {
		part, after := rest, ""
		switch {
		case rest[0] == '[':
			end := closing(rest)
			if end < 0 {
				return nil, fmt.Errorf("a bracket is not closed")
			}
			part, after = strings.Trim(rest[1:end], `'"`), strings.TrimPrefix(rest[end+1:], ".")
		default:
			if i := strings.IndexAny(rest, ".["); i >= 0 {
				part, after = rest[:i], strings.TrimPrefix(rest[i:], ".")
			}
		}
		if part == "" {
			return nil, fmt.Errorf("a name is missing")
		}
		parts, rest = append(parts, part), after
	}
	if parts == nil {
		return nil, fmt.Errorf("it is empty")
	}
	return parts, nil
}

// closing finds the bracket that ends a part; one within quotes does not.
func closing(s string) int {
	if len(s) > 1 && (s[1] == '\'' || s[1] == '"') {
		if i := strings.Index(s[2:], string(s[1])+"]"); i >= 0 {
			return i + 3
		}
		return -1
	}
	return strings.IndexByte(s, ']')
}
