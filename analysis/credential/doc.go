// Package credential reads what a metric server wants to see from a Secret, at the moment of a measurement and by its name.
//
// Nothing is cached, and nothing that was read is in an error.
package credential
