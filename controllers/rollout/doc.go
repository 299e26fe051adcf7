// Package rollout is the loop of a Rollout: it observes the object and all around it, lets strategy decide, and writes what is left to write.
//
// Files follow that order. observe*.go and current.go only read; apply.go, replicaset.go and dress.go only write, each write on the condition that
// the object is still as it was observed; nothing is decided here. workload.go reads and scales
// what workloadRef names, experiment.go reads and makes Experiments. Parts of a plan that are independent of each other fail independently,
// and the status is written in any case, because it tells what was seen and decided.
package rollout
