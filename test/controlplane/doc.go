// Command controlplane is etcd and the Kubernetes control plane in one binary, built from their Go modules.
//
// The first argument names the server to be: etcd, kube-apiserver, kube-controller-manager or kube-scheduler; the
// rest are that server's own flags. One binary links the code they share once, which saves most of the build time.
package main
