// Package process runs a program as a child that does not outlive this one: started with a log of its own, waited for until it is ready,
// and ended politely and then by force.
package process
