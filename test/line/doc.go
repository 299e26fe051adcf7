// Package line is the network between a client and an API server, which a test may cut, stall, or have answer in the server's place.
package line
