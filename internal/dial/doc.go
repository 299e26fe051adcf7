// Package dial says which addresses a connection may lead to when a user has named the server.
package dial
