// Package analysis says which measurements of an AnalysisRun are due and what the ones taken mean.
//
// It is pure: a run is composed from templates (ForRollout), asked what to measure (Due) and judged (Assess) as values;
// who reads secrets, asks a server or writes a status is elsewhere. Sources of measurements are Providers, in packages below this one.
package analysis
