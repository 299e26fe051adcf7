// Package render turns the files of an Application's sources into manifests: plain folders and kustomizations.
//
// The work is done by a child process of our own program, which sees no credentials, reads nothing outside of the checkout, reaches no
// network, and is bounded in memory, time and output. Helm and Jsonnet are refused aloud.
package render
