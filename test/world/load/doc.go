// Package load sends requests at a constant rate to a loopback address, and remembers what became of each of them.
//
// The rate does not follow the answers: a request is due at its time whether or not the ones before it are answered,
// so a stall shows as what it is. A driver ends by itself, after a time and a number of requests that are bounded.
package load
