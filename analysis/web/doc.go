// Package web takes measurements from an HTTP server that answers JSON.
package web
