// Package newrelic takes measurements from New Relic by NRQL, which it sends to NerdGraph.
package newrelic
