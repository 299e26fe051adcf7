// Package kubetest breaks calls to an API server in tests: Calls counts what a controller asks of a server in memory and lets one of the calls go
// wrong in each of the ways of Faults, and Server is such a server for clients that want a real connection.
package kubetest
