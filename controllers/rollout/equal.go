package rollout

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
)

// sameTemplate reports whether two pod templates are the same. Both must come from the API server, which fills in every default
// and has one way to write a quantity; so nothing but an explicit null is taken for an absent field.
func sameTemplate(a, b map[string]any) bool {
	return reflect.DeepEqual(withoutNulls(a), withoutNulls(b))
}

func withoutNulls(node any) any {
	switch n := node.(type) {
	case map[string]any:
		kept := make(map[string]any, len(n))
		for key, value := range n {
			if value != nil {
				kept[key] = withoutNulls(value)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(n))
		for i := range n {
			kept[i] = withoutNulls(n[i])
		}
		return kept
	}
	return node
}

// covers reports whether every field that is written in the first template stands in the second with a value that may mean the same.
// Fields that hold nothing, such as false, 0 or an empty list, need not stand there, because the API server leaves most of them out.
// It is generous: it only spares the API server questions whose answer is no.
func covers(written, stored any) bool {
	switch w := written.(type) {
	case map[string]any:
		s, ok := stored.(map[string]any)
		if !ok {
			return stored == nil && hollow(w)
		}
		for key, value := range w {
			if !covers(value, s[key]) {
				return false
			}
		}
		return true
	case []any:
		s, ok := stored.([]any)
		if len(w) != len(s) {
			return false
		}
		if !ok {
			return stored == nil
		}
		for i := range w {
			if !covers(w[i], s[i]) {
				return false
			}
		}
		return true
	}
	if stored == nil {
		return hollow(written)
	}
	return sameValue(written, stored)
}

// hollow reports whether a value says nothing.
func hollow(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		for _, inner := range v {
			if !hollow(inner) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return reflect.ValueOf(value).IsZero()
}

// sameValue compares two scalars; texts and numbers that are the same quantity, such as "1000m", "1" and 1, are the same.
func sameValue(a, b any) bool {
	if a == b {
		return true
	}
	textA, textB := fmt.Sprint(a), fmt.Sprint(b)
	if textA == textB {
		return true
	}
	quantityA, err := resource.ParseQuantity(textA)
	if err != nil {
		return false
	}
	quantityB, err := resource.ParseQuantity(textB)
	return err == nil && quantityA.Cmp(quantityB) == 0
}
