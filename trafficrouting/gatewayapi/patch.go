package gatewayapi

import (
	"fmt"
	"reflect"
	"slices"
)

// operation is one line of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

func test(path string, value any) operation { return operation{Op: "test", Path: path, Value: value} }

// testName makes sure that a position holds what is meant. The resource version vouches for the rest: comparing whole
// objects would buy nothing, and the API server fails on such a test when they contain null.
func testName(path string, name any) operation { return test(path+"/name", name) }

// add also replaces a member that an object already has.
func add(path string, value any) operation { return operation{Op: "add", Path: path, Value: value} }
func replace(path string, value any) operation {
	return operation{Op: "replace", Path: path, Value: value}
}
func remove(path string) operation { return operation{Op: "remove", Path: path} }

func rulePath(i int) string { return fmt.Sprintf("/spec/rules/%d", i) }
func backendPath(rule int, at any) string {
	return fmt.Sprintf("%s/backendRefs/%v", rulePath(rule), at)
}

// patch says what to write so that the route holds the Split; nothing if it does.
// The first operation makes the whole patch fail when the route is no longer the one that was read.
func (s *scene) patch(rt route) ([]operation, error) {
	rules, err := s.rules(rt)
	if err != nil {
		return nil, err
	}
	bases, err := s.divided(rt, rules)
	if err != nil {
		return nil, err
	}
	var operations []operation
	for i := range bases {
		weighed, edits := s.weigh(rt, bases[i])
		bases[i], operations = weighed, append(operations, edits...)
	}
	managed, err := s.compose(rt, rules, bases)
	if err != nil {
		return nil, err
	}
	operations = append(operations, place(rules, managed)...)
	if len(operations) == 0 {
		return nil, nil
	}
	return append([]operation{test("/metadata/resourceVersion", rt.GetResourceVersion())}, operations...), nil
}

// place puts the managed rules in front of those of the user. Rules that are already there are changed where they stand.
func place(rules []rule, managed []managedRule) []operation {
	owned := slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return r.owner == "" })
	inFront := len(owned) == len(managed)
	for i := range owned {
		inFront = inFront && owned[i].at == i
	}
	var operations []operation
	if inFront {
		for i, m := range managed {
			if !reflect.DeepEqual(owned[i].body, m.body) {
				operations = append(operations, testName(rulePath(i), owned[i].name()), replace(rulePath(i), m.body))
			}
		}
		return operations
	}
	for _, r := range slices.Backward(owned) {
		operations = append(operations, testName(rulePath(r.at), r.name()), remove(rulePath(r.at)))
	}
	for i, m := range managed {
		operations = append(operations, add(rulePath(i), m.body))
	}
	return operations
}

// addsObjects reports whether a patch brings rules or backends that the API server has not seen yet.
func addsObjects(operations []operation) bool {
	return slices.ContainsFunc(operations, func(o operation) bool {
		_, isObject := o.Value.(map[string]any)
		return isObject && (o.Op == "add" || o.Op == "replace")
	})
}
