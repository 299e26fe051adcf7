package main

import "math"

// momentPattern admits what Go reads as RFC 3339; the format date-time alone also admits lower-case letters and offsets of 25 hours.
const momentPattern = `T.*(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`

// bound adds to each schema at or below node the limits of the Go type that it is decoded into. Without them, one object that can be
// stored and not decoded would blind the controller to all objects of its kind; controller-gen cannot set them on these two types.
func bound(node any) {
	switch n := node.(type) {
	case map[string]any:
		if n["format"] == "date-time" {
			n["pattern"] = momentPattern
			// The API server takes lists for texts with a format; no list has at least one item and at most none.
			n["minItems"], n["maxItems"] = 1, 0
		}
		if n["x-kubernetes-int-or-string"] == true {
			n["minimum"], n["maximum"] = math.MinInt32, math.MaxInt32
		}
		for _, child := range n {
			bound(child)
		}
	case []any:
		for _, child := range n {
			bound(child)
		}
	}
}

// large is the size in bytes from which on a CRD keeps no descriptions below its status: kubectl apply fails from 256 KiB on, and people
// write no status.
const large = 200 << 10

// hush takes descriptions away from everything below a schema's status and operation.
func hush(node any, below bool) {
	switch n := node.(type) {
	case map[string]any:
		if below {
			if _, text := n["description"].(string); text {
				delete(n, "description")
			}
		}
		for name, child := range n {
			hush(child, below || name == "status" || name == "operation")
		}
	case []any:
		for _, child := range n {
			hush(child, below)
		}
	}
}
