// Package suite holds what the tests of Git-sync against a real API server begin with, and how they wait.
package suite
