// Package sources holds the tests of Applications whose manifests come from charts and from several repositories, with a real API server, git and Helm.
package sources
