// Package chart renders Helm charts with Helm's own engine, from files that it is given.
//
// It reads no file and asks no network: templates find an empty answer to lookup, schemas may only refer to themselves, and values come
// from the caller. A chart may still run for long or ask for much memory, so it belongs into a process whose time and memory are bounded.
package chart
