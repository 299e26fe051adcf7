// Package soak draws random operations from a seed, and judges what was answered under them: which revision may have answered a request at
// which time. It is pure; the tests of the integration suite perform the operations on a real control plane under load.
package soak
