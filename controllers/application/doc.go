// Package application is the loop of Applications: observe what Git says and what lives, let gitsync.Decide say what to do, do it, settle.
//
// Everything is read before anything is decided, and at most one wave is written in a pass; the next pass sees what came of it.
package application
