// Package strategy decides: from one Observation of a Rollout and everything around it, it derives the Plan of what to write next.
//
// Decide is pure. It asks three questions in turn: where does the rollout stand (advance), what should be true there (target),
// and what is left to write (difference). Targets are derived from the step index and never scripted as transitions,
// so a restart, a missed event or a hand-edited Service heals by itself.
//
// The laws that every plan keeps: a write rests only on what was observed, never on an earlier write of the same plan;
// no share of the traffic is raised beyond what the receiving revision's available pods carry; a Service that carries weight is pointed
// only at a revision that can carry it; capacity shrinks only once the routes were seen not to need it; when nothing changes
// outside, Decide reaches an empty plan.
package strategy
