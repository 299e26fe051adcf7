// Package invariant names what may never happen to a Rollout: each predicate answers with a sentence when it is broken and with "" while it holds.
//
// A predicate judges a Decision, a Write or a Moment, so the same ones serve the model of strategy/simulate and a live cluster.
// The identifiers I1 to I20 are those of the list of invariants; laws 3, 4 and 6 are those that package strategy promises.
// I13 and I16 speak of routes' bytes and of other objects, and half of I20 of notifications, which a Moment does not hold: they are kept where those are.
package invariant
