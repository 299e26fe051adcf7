// Package cluster starts and stops a real Kubernetes control plane and a real Prometheus for tests and the demo.
//
// Both are built from their Go modules on first use, in test/controlplane and test/prometheus, and kept in the user's
// cache folder, so a machine needs nothing but Go. A Cluster has an API server, etcd, the controllers that make sense
// without a cloud, and a scheduler; it has no nodes and no kubelet, so pods stay as they are until somebody says
// otherwise. Everything listens on the loopback interface only, and Stop ends exactly what Start began.
//
// Two variables that users of controller-runtime know are honoured: KUBEBUILDER_ASSETS names a folder whose etcd and
// kube-apiserver, and kube-controller-manager and kube-scheduler if it has them, are used in place of ours;
// USE_EXISTING_CLUSTER=true takes the cluster that the user's kubeconfig points at, and starts nothing.
package cluster
