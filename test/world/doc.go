// Package world puts together what surrounds a controller in a real cluster and is missing in an embedded one: nodes
// that run pods (package kubelet), the app in them (app), a gateway that sends requests to it (gateway), and the list
// of targets by which Prometheus finds it (discovery). Package load sends the requests.
//
// All of it runs in this process, on loopback addresses, against any control plane that a rest.Config leads to, and
// ends with its context.
package world
