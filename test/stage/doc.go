// Package stage puts up all that a release needs: a control plane that knows our definitions and rights, the world around it, a Prometheus
// if one is asked for, a Git server, and the built controller at work as its service account.
//
// The demo and the benchmark play on it. Everything is on this machine's loopback interface, and Down leaves nothing of it.
package stage
