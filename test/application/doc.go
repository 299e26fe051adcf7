// Package application tests the loop of Applications against a real API server, with a repository that is a map.
package application
