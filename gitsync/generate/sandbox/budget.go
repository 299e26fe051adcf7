package sandbox

import (
	"fmt"
	"reflect"
)

// What a template may cost. A step is the start of a loop body, a call, or 64 bytes that are read or written.
const (
	stepWeight = 64
	textSteps  = 200_000   // for one text, which bounds memory as well: about 12 MiB pass through it
	baseSteps  = 1_000_000 // for one ApplicationSet
	setSteps   = 2_000     // and for each set of parameters that is rendered
	// maxWeight is how heavy the arguments of one call may be; a byte weighs one, and each value 16 more.
	maxWeight = 1 << 20
	// maxGrowth is the size up to which a function may blow its arguments up.
	maxGrowth   = 4 << 20
	maxText     = 1 << 20   // bytes of one rendered text
	maxTemplate = 256 << 10 // bytes of one template
	nodeWeight  = 16
)

// budget counts the steps that templates take, so that a pass ends after the same work on every machine.
type budget struct {
	total, text int
}

func newBudget() *budget {
	return &budget{total: baseSteps}
}

// open starts the account of one text.
func (b *budget) open() { b.text = textSteps }

// spend takes one step and those of a weight.
func (b *budget) spend(weight int) error {
	steps := 1 + weight/stepWeight
	b.total -= steps
	b.text -= steps
	if b.total < 0 || b.text < 0 {
		return fmt.Errorf("it takes more than %d steps in one text, or more than is allowed in all; make its loops and values smaller", textSteps)
	}
	return nil
}

// weigh is the weight of a value with everything in it; weights above maxWeight are told as maxWeight+1. A value that is used in several
// places counts each time, as it would be written each time.
func weigh(value any) int {
	left := maxWeight
	weighInto(reflect.ValueOf(value), &left)
	return maxWeight - left
}

func weighInto(v reflect.Value, left *int) {
	*left -= nodeWeight
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() && v.Kind() == reflect.Interface {
			weighInto(v.Elem(), left)
		}
	case reflect.String:
		*left -= v.Len()
	case reflect.Slice, reflect.Array:
		for i := 0; i < v.Len() && *left >= 0; i++ {
			weighInto(v.Index(i), left)
		}
	case reflect.Map:
		for entries := v.MapRange(); *left >= 0 && entries.Next(); {
			weighInto(entries.Key(), left)
			weighInto(entries.Value(), left)
		}
	}
	*left = max(*left, -1)
}

// depth is how many maps and lists lie inside each other.
func depth(v reflect.Value) int {
	deepest := 0
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			return depth(v.Elem())
		}
		return 0
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			deepest = max(deepest, depth(v.Index(i)))
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			deepest = max(deepest, depth(entries.Value()))
		}
	default:
		return 0
	}
	return deepest + 1
}
