// Package kube reads and writes Kubernetes objects in the few ways that several rooms share.
//
// Family is a Rollout with all that it owns. Group is pure; Load only reads.
package kube
