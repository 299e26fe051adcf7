// Package webhook reads what Git hosts and registries send when something was pushed, and tells which Applications and ApplicationSets it concerns.
//
// Admit judges a delivery by its headers alone, so that nobody who is not known makes us read a body; Read verifies the body and finds in it
// the few fields that matter. Every provider must be configured with a secret: a delivery for one that has none is refused. What was pushed
// is only a hint to look: nothing of a payload is ever applied.
package webhook
