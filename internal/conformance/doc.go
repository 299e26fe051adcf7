// Package conformance holds our answers against vectors that were recorded from the reference controller.
//
// The vectors lie outside of the repository, in the folders that the environment variables VECTORS (Rollouts) and GITOPS_VECTORS
// (files named gitops/…) give; the tests that use this package carry the build tag conformance. A case on which we differ on purpose stands with its id and reason in a page under docs/compatibility,
// which is read here, so that the page and the tests cannot part.
package conformance
