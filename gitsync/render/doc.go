// Package render turns the files of an Application's sources into manifests: plain folders with YAML, JSON and Jsonnet, kustomizations, and Helm
// charts, with the settings of the sources and of the files beside the manifests.
//
// The work is done by a child process of our own program, which sees no credentials, reads nothing outside of the checkouts, reaches no
// network, and is bounded in memory, time and output. The child tells what it looked at; as long as all that is the same, whatever the
// commit, its answer is remembered and nothing is rendered. Config management plugins are refused by name.
package render
