// Package providertest is the contract that every provider of measurements must pass that asks a server over HTTP: what it does when the server
// is broken, overloaded, hostile or somebody else.
package providertest
