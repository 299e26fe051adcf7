// Package invariant names what may never happen to a Rollout: each predicate answers with a sentence when it is broken and with "" while it holds.
//
// A predicate judges a Decision, a Write or a Moment, so the same ones serve the model of strategy/simulate and a live cluster.
// The identifiers I1 to I19 are those of the list of invariants; laws 3, 4 and 6 are those that package strategy promises.
// I13, I16, I17 and I20 speak of routes' bytes, of other objects and of notifications, which a Moment does not hold.
package invariant
