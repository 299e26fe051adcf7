// Package podnet gives pods their addresses and says where on this machine each address is served.
//
// Kubernetes refuses endpoints in the loopback range, so a pod is given an address in 10.244.0.0/16 that exists on
// no interface, and whoever wants to reach it (the gateway, Prometheus) is told the loopback address behind it:
// 127.244.0.0/16 with the same last two bytes. Linux lets any process bind any address of 127.0.0.0/8.
package podnet
