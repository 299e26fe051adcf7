// Package experiment is the loop of an Experiment: it observes the object and all around it, lets strategy/experiment decide, and writes what is
// left to write.
//
// observe.go only reads; apply.go and compose.go only write, each write on the condition that the object is still as it was observed; nothing is
// decided here. Parts of a plan fail independently, and the status is written in any case, because it tells what was seen and decided.
package experiment
