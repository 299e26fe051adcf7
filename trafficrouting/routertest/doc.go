// Package routertest holds the contract that every router must pass: what trafficrouting.Router promises, as tests over a world
// that the router's own package sets up.
package routertest
