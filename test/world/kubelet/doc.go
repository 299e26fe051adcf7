// Package kubelet stands in for the nodes of a cluster and for the kubelet on each of them.
//
// It registers nodes, keeps them alive, and gives each pod that is bound to one of them a life, with as few writes
// as that takes: one status when its containers start and one when it is ready. What becomes of a pod:
//
//   - An image whose tag holds "broken-image" is never pulled (ImagePullBackOff); the environment CRASH=true makes
//     the container crash for ever (CrashLoopBackOff). Such a pod never becomes ready.
//   - With restartPolicy Never or OnFailure, the command of each container runs as a process of this machine, once.
//     The exit codes decide between Succeeded and Failed; the end of its output is the termination message.
//   - Every other pod runs the sample app (package app) on each TCP port that its containers declare, and becomes
//     ready after Options.ReadyAfter and the scaled initial delay of its readiness probe, once its readiness gates
//     are true as well.
//
// A pod that is being deleted goes on serving for Options.Drain, or for its own grace period where that is shorter,
// and its object is then removed. As with the real kubelet its condition Ready stays as it was meanwhile: it is the
// deletion timestamp that takes it out of the endpoints, and whoever counts ready pods has to know that.
// Init containers, volumes and probes of the network are not played.
package kubelet
