// Package prometheus takes measurements from a Prometheus server, or one that speaks its HTTP API.
package prometheus
