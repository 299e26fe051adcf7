// Command bench measures what Sluice costs and how fast it reacts, with the built controller on a real API server, and writes
// docs/benchmarks.md.
//
// API requests are counted from the audit log by user agent. Nodes and gateway are played by this process, on the same machine as everything
// else, so that times are those of a machine that is busy with all of it.
package main
