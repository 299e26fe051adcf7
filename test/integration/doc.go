// Package integration tests the controller as it is shipped, against a real API server: the built binary with the rights of config/rbac,
// the definitions of config/crd, and around it the world that plays nodes and gateway. All suites share one control plane,
// and each test has a namespace of its own.
package integration
