// Package validation says what is wrong with a Rollout, all of it at once, each with its path and in words that help.
//
// Rollout and References hold the rules of the wire contract; Unsupported names what this controller does not do yet.
// They are kept apart because the first two judge the user's manifest and the last one judges us.
// All of it is pure: the same manifest gives the same errors in the controller, in a lint without a cluster, and in a test.
package validation
