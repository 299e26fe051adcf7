// Command sluice-controller runs the loops of Sluice against one cluster.
//
// One process at a time works, the others stand by with warm caches. This package only wires: what the loops do is in controllers/.
package main
