// Package build tells which build of Sluice is running.
package build
