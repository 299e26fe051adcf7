// Command image packs a folder into an archive of a container image, without a container engine. It is run by `make image`.
//
// It first adds what the controller needs besides itself: certificate authorities, and git and ssh of this machine with the libraries that they load.
//
// The archive is an OCI layout that docker load, podman load, ctr images import and kind load image-archive take; the same folder
// always gives the same bytes.
package main
