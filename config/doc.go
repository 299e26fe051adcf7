// Package config holds the manifests of an installation, and samples. There is no code in it but the tests that keep them sound:
// rights that are no wider than they must be, a controller that runs restricted, and samples that are valid.
package config
