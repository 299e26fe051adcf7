// Package kube reads and writes Kubernetes objects in the few ways that several controllers and commands share.
//
// What a controller writes goes through Fence, which refuses a leader past its lease, and through Recent, which never shows it anything older
// than its own writes; Settle ends a pass with its one write of the status. Attempts makes the writes of a plan. Tell tells
// people; Requests, Passes and Census count. LoopOptions are those of the loops.
// Family is a Rollout with all that it owns: Group is pure, Load only reads.
package kube
