// Package cluster is the hands of Git-sync in destination clusters: it finds what lives, asks dry runs, applies, and deletes.
//
// Only kinds that an Application names are watched, from the first time until no Application names them any more, and of objects that no
// Application holds only the names are kept. Each destination stands alone: one that cannot be reached fails its own Applications and no others.
package cluster
