// Package analysisrun is the loop of AnalysisRuns: it takes the measurements that are due and writes what they mean.
//
// It is the one loop with a middle: Due says what to measure, providers measure, Assess says what came of it. Measurements of one
// run are taken side by side; those of different runs do not wait for each other.
package analysisrun
