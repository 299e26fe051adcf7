// Package outbound makes the HTTP clients of metric providers: bounded in the size of what they read, and with credentials that never
// follow a redirect to another host.
package outbound
