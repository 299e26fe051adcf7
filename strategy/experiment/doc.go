// Package experiment decides for Experiments: from one Observation of an Experiment and everything around it, it derives the Plan of what to
// write next.
//
// Decide is pure and keeps the laws of package strategy: a write rests only on what was observed, never on an earlier write of the same plan;
// the status holds observations and decisions, not deeds; names are deterministic, so that a lost status starts nothing twice; all timers count
// from moments that are written down. Pods are kept for as long as a Rollout may still send them requests.
package experiment
