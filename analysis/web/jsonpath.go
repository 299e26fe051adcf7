package web

import (
	"errors"
	"fmt"

	"k8s.io/client-go/util/jsonpath"
)

// wholeDocument is a path that finds everything.
const wholeDocument = "{$}"

const (
	// maxPath bounds a path, in bytes.
	maxPath = 1 << 10
	// maxVisits bounds how much of a document a path may look at, in bytes, counting again what it looks at again.
	maxVisits = 4 << 20
	// descentVisits is what .. costs: it lists each part of the document, down to the letters of its texts.
	descentVisits = 4
)

// find gives what a path finds first in a document of so many bytes. Null is found; that there is nothing is an error.
func find(document any, size int, path string) (value any, err error) {
	if path == "" || path == wholeDocument {
		return document, nil
	}
	defer func() {
		if p := recover(); p != nil { // the library looks into a null as if it were a list
			value, err = nil, fmt.Errorf("it does not fit: %v", p)
		}
	}()
	if err := affordable(path, size); err != nil {
		return nil, err
	}
	p := jsonpath.New("metric")
	if err := p.Parse(path); err != nil {
		return nil, err
	}
	found, err := p.FindResults(document)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || len(found[0]) == 0 {
		return nil, errors.New("there is nothing")
	}
	return found[0][0].Interface(), nil
}

// affordable refuses what could look at a document again and again: a path is short, but a union of a union of a union, or a descent
// within a descent, multiplies what it finds.
func affordable(path string, size int) error {
	if len(path) > maxPath {
		return fmt.Errorf("it has %d bytes, at most %d are allowed", len(path), maxPath)
	}
	tree, err := jsonpath.Parse("metric", path)
	if err != nil {
		return err
	}
	if len(tree.Root.Nodes) == 0 || tree.Root.Nodes[0].Type() == jsonpath.NodeText {
		return errors.New("it begins with text; write it in braces, such as {.data.value}")
	}
	visits, descents := 0, 0
	for _, action := range tree.Root.Nodes {
		v, d := weigh(action)
		visits, descents = visits+v, descents+d
	}
	if descents > 1 {
		return errors.New("it has more than one ..; name the fields instead")
	}
	if visits > 1 && visits*size > maxVisits {
		return fmt.Errorf("it looks at too much of an answer of %d bytes; name the fields instead", size)
	}
	return nil
}

// weigh says how often a part of a path looks at its document, and how often it descends.
func weigh(part jsonpath.Node) (visits, descents int) {
	visits = 1
	each := func(parts []jsonpath.Node) {
		for _, p := range parts {
			v, d := weigh(p)
			visits, descents = min(visits*v, maxVisits), descents+d
		}
	}
	switch n := part.(type) {
	case *jsonpath.ListNode:
		each(n.Nodes)
	case *jsonpath.FilterNode:
		each(n.Left.Nodes)
		each(n.Right.Nodes)
	case *jsonpath.RecursiveNode:
		return descentVisits, 1
	case *jsonpath.UnionNode:
		visits = 0
		for _, member := range n.Nodes {
			v, d := weigh(member)
			visits, descents = min(visits+v, maxVisits), descents+d
		}
	}
	return visits, descents
}
