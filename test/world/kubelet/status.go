package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// facts are what is known of a pod's containers.
type facts struct {
	ip, node string
	started  time.Time
	// delay is the time from started until the probes pass.
	delay    time.Duration
	restarts int32
	// waiting says why the containers do not run; nil where they do.
	waiting *corev1.ContainerStateWaiting
	// ended has the outcome of each container, once all have one.
	ended map[string]*corev1.ContainerStateTerminated
}

func (f *facts) probed(now time.Time) bool {
	return !now.Before(f.started.Add(f.delay))
}

// status is what the pod's status should be. A condition that says what it said in before keeps its time.
func (f *facts) status(pod *corev1.Pod, probed bool, now metav1.Time, before corev1.PodStatus) corev1.PodStatus {
	started := metav1.NewTime(f.started)
	running := f.waiting == nil && f.ended == nil
	s := corev1.PodStatus{
		Phase: f.phase(), StartTime: &started,
		HostIP: f.node, HostIPs: []corev1.HostIP{{IP: f.node}},
		PodIP: f.ip, PodIPs: []corev1.PodIP{{IP: f.ip}},
	}
	for i := range pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, f.container(&pod.Spec.Containers[i], running && probed))
	}
	reason := "ContainersNotReady"
	if s.Phase == corev1.PodSucceeded {
		reason = "PodCompleted"
	}
	s.Conditions = []corev1.PodCondition{
		condition(corev1.PodInitialized, true, ""),
		condition(corev1.ContainersReady, running && probed, reason),
		condition(corev1.PodReady, running && probed && gatesOpen(pod), readyReason(running && probed, reason)),
	}
	for i := range s.Conditions {
		s.Conditions[i].LastTransitionTime = since(s.Conditions[i], before.Conditions, now)
	}
	return s
}

func (f *facts) phase() corev1.PodPhase {
	if f.ended == nil {
		if f.waiting != nil && f.restarts == 0 {
			return corev1.PodPending
		}
		return corev1.PodRunning
	}
	for _, end := range f.ended {
		if end.ExitCode != 0 {
			return corev1.PodFailed
		}
	}
	return corev1.PodSucceeded
}

func (f *facts) container(c *corev1.Container, ready bool) corev1.ContainerStatus {
	up := f.waiting == nil && f.ended == nil
	s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: ready, Started: &up, RestartCount: f.restarts}
	switch end := f.ended[c.Name]; {
	case end != nil:
		s.State.Terminated = end
	case f.waiting != nil:
		s.State.Waiting = f.waiting
	default:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(f.started)}
	}
	return s
}

func condition(kind corev1.PodConditionType, good bool, reason string) corev1.PodCondition {
	if good {
		return corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue}
	}
	return corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason}
}

func readyReason(containersReady bool, otherwise string) string {
	if containersReady {
		return "ReadinessGatesNotReady"
	}
	return otherwise
}

func gatesOpen(pod *corev1.Pod) bool {
	open := map[corev1.PodConditionType]bool{}
	for _, c := range pod.Status.Conditions {
		open[c.Type] = c.Status == corev1.ConditionTrue
	}
	for _, gate := range pod.Spec.ReadinessGates {
		if !open[gate.ConditionType] {
			return false
		}
	}
	return true
}

func since(c corev1.PodCondition, before []corev1.PodCondition, now metav1.Time) metav1.Time {
	for _, b := range before {
		if b.Type == c.Type && b.Status == c.Status {
			return b.LastTransitionTime
		}
	}
	return now
}
