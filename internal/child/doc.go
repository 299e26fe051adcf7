// Package child does work on what strangers wrote in a process of its own: our own program, started again, without environment, network and
// other programs, bounded in time, memory and output.
package child
