// Command kubectl-sluice is the text face of Sluice, used as kubectl sluice.
//
// Each file holds one command. A command reads its arguments, calls console/view or console/verb, and prints; it decides nothing.
// Everything that users wrote is cleaned of control characters before it reaches a terminal (see clean).
package main
