// Package discovery tells Prometheus where the sample app's pods are, over its HTTP service discovery.
//
// Each target has the labels namespace, pod and all labels of the pod, with names that Prometheus takes unquoted
// (app.kubernetes.io/name becomes app_kubernetes_io_name). The label service is the pod's label app where the pod
// has none of that name, since many dashboards select by it.
package discovery
