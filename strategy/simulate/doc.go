// Package simulate replays Decide in a toy world of ReplicaSets, Services, routes and runs, and tells what happens as a story.
//
// The world is a value: pods become available when it is told so, routes hold what was written to them, and time passes only by hand.
// It serves kubectl sluice plan, the golden stories and the model tests alike.
package simulate
