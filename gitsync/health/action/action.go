package action

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Action is one thing that can be done with an object.
type Action struct {
	Name string
	// Disabled is true while doing it would make no sense; it is refused then.
	Disabled bool
	// DisplayName and IconClass are for faces; empty for the name itself and no icon.
	DisplayName, IconClass string
	// Parameters are the names of what the action wants to be told.
	Parameters []string
}

// Change is what an action makes of an object.
type Change struct {
	// Create is true for a new object, and false for the object of the action as it should become. A field that is null goes.
	Create bool
	Object *unstructured.Unstructured
}

// Actions knows the actions of all kinds.
type Actions struct{ custom map[string]*scripted }

// New makes the actions that are built in and those of a team: YAML by group/Kind, or by Kind alone in the core group.
func New(custom map[string]string) (*Actions, error) {
	a := &Actions{custom: map[string]*scripted{}}
	for kinds, text := range custom {
		s, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("the actions for %s: %w", kinds, err)
		}
		a.custom[kinds] = s
	}
	return a, nil
}

// maker is an action that is built in.
type maker struct {
	Action
	// enabled reports whether it makes sense; always if it is nil.
	enabled func(o *unstructured.Unstructured) bool
	// make changes a copy of the object, or gives new ones.
	make func(o *unstructured.Unstructured, in input) ([]Change, error)
}

// input is what an action is told.
type input struct {
	now        time.Time
	parameters map[string]string
}

func kindOf(o *unstructured.Unstructured) string {
	k := o.GroupVersionKind()
	if k.Group == "" {
		return k.Kind
	}
	return k.Group + "/" + k.Kind
}

// List gives the actions for an object, sorted by name.
func (a *Actions) List(o *unstructured.Unstructured, now time.Time) ([]Action, error) {
	var all []Action
	custom := a.custom[kindOf(o)]
	if custom != nil {
		found, err := custom.discover(o, now)
		if err != nil {
			return nil, fmt.Errorf("finding the actions of %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		all = found
	}
	if custom == nil || custom.MergeBuiltIn {
		for _, m := range builtIn[kindOf(o)] {
			if slices.ContainsFunc(all, func(other Action) bool { return other.Name == m.Name }) {
				continue
			}
			one := m.Action
			one.Disabled = m.enabled != nil && !m.enabled(o)
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b Action) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Run does an action. The object is not changed. It is an error if there is no such action, or if it makes no sense now.
func (a *Actions) Run(o *unstructured.Unstructured, name string, parameters map[string]string, now time.Time) ([]Change, error) {
	fail := func(err error) ([]Change, error) {
		return nil, fmt.Errorf("running the action %s on %s %s: %w", name, o.GetKind(), o.GetName(), err)
	}
	all, err := a.List(o, now)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(one Action) bool { return one.Name == name })
	if at < 0 {
		return fail(fmt.Errorf("there is no such action; there are %s", names(all)))
	}
	if all[at].Disabled {
		return fail(errors.New("it makes no sense in the state that the object is in"))
	}
	in := input{now: now.UTC(), parameters: parameters}
	var changes []Change
	custom := a.custom[kindOf(o)]
	if custom != nil && custom.has(name) {
		changes, err = custom.run(o.DeepCopy(), name, in)
	} else {
		m := builtIn[kindOf(o)][slices.IndexFunc(builtIn[kindOf(o)], func(m maker) bool { return m.Name == name })]
		changes, err = m.make(o.DeepCopy(), in)
	}
	if err == nil {
		err = check(o, changes)
	}
	if err != nil {
		return fail(err)
	}
	return changes, nil
}

func names(all []Action) string {
	if len(all) == 0 {
		return "none"
	}
	var names []string
	for _, one := range all {
		names = append(names, one.Name)
	}
	return strings.Join(names, ", ")
}

// check refuses changes of another object than the one of the action, and new ones in another namespace.
func check(o *unstructured.Unstructured, changes []Change) error {
	for _, c := range changes {
		same := c.Object.GroupVersionKind() == o.GroupVersionKind() && c.Object.GetName() == o.GetName()
		switch {
		case c.Object.GetNamespace() != o.GetNamespace():
			return fmt.Errorf("the action reaches into namespace %q, and its object is in %q", c.Object.GetNamespace(), o.GetNamespace())
		case !c.Create && !same:
			return fmt.Errorf("the action changes %s %s, which is not its object; it can only create others", c.Object.GetKind(), c.Object.GetName())
		}
	}
	return nil
}
