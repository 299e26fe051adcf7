package view

import (
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

func revision(r *v1alpha1.Rollout, of kube.Revision, now time.Time) Revision {
	v := Revision{Number: of.Number, Hash: of.Hash, Roles: roles(r, of.Hash)}
	if of.ReplicaSet != nil {
		v.ReplicaSet = replicaSet(of.ReplicaSet, of.Pods, now)
	}
	for i := range of.Runs {
		v.Runs = append(v.Runs, analysisRun(&of.Runs[i], now))
	}
	for i := range of.Experiments {
		v.Experiments = append(v.Experiments, OfExperiment(of.Experiments[i], now))
	}
	return v
}

func node(o metav1.Object, now time.Time) Node {
	return Node{Name: o.GetName(), Created: o.GetCreationTimestamp(), Age: age(o.GetCreationTimestamp(), now)}
}

func replicaSet(s *appsv1.ReplicaSet, pods []corev1.Pod, now time.Time) *ReplicaSet {
	v := &ReplicaSet{Node: node(s, now), Desired: ptr.Deref(s.Spec.Replicas, 1), Available: s.Status.AvailableReplicas}
	failure := failed(s)
	switch {
	case failure != "":
		v.Status, v.Tone, v.Message = "Degraded", ToneBad, failure
	case v.Desired == 0 && len(pods) == 0:
		v.Status, v.Tone = "ScaledDown", ToneIdle
	case v.Desired == 0:
		v.Status, v.Tone = "ScalingDown", ToneBusy
	case v.Available < v.Desired:
		v.Status, v.Tone = "Progressing", ToneBusy
	default:
		v.Status, v.Tone = "Healthy", ToneGood
	}
	// A deadline that cannot be read is the controller's to judge; there is nothing to count down.
	if at, err := time.Parse(time.RFC3339, s.Annotations[v1alpha1.AnnotationScaleDownDeadline]); err == nil && v.Desired > 0 {
		v.ScaleDownAt, v.ScaleDownIn = &metav1.Time{Time: at}, span(at.Sub(now))
	}
	for i := range pods {
		v.Pods = append(v.Pods, pod(&pods[i], now))
	}
	return v
}

func failed(s *appsv1.ReplicaSet) string {
	for _, c := range s.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}

func analysisTone(p v1alpha1.AnalysisPhase) Tone {
	switch p {
	case v1alpha1.AnalysisPhaseSuccessful:
		return ToneGood
	case v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError:
		return ToneBad
	case v1alpha1.AnalysisPhaseInconclusive:
		return ToneUnsure
	}
	return ToneBusy
}

// phaseWord is the phase of what nobody has looked at yet, too.
func phaseWord(p v1alpha1.AnalysisPhase) string {
	if p == "" {
		return string(v1alpha1.AnalysisPhasePending)
	}
	return string(p)
}

func analysisRun(r *v1alpha1.AnalysisRun, now time.Time) Run {
	v := Run{Node: node(r, now), Type: r.Labels[v1alpha1.LabelRolloutType]}
	v.Status, v.Tone, v.Message = phaseWord(r.Status.Phase), analysisTone(r.Status.Phase), r.Status.Message
	for _, m := range r.Status.MetricResults {
		metric := Metric{
			Name: m.Name, Phase: m.Phase, Tone: analysisTone(m.Phase), DryRun: m.DryRun, Message: m.Message,
			Successful: m.Successful, Failed: m.Failed, Inconclusive: m.Inconclusive, Error: m.Error,
		}
		if n := len(m.Measurements); n > 0 {
			last := m.Measurements[n-1]
			metric.Value = last.Value
			if metric.Message == "" && last.Phase == v1alpha1.AnalysisPhaseError {
				metric.Message = last.Message
			}
		}
		v.Metrics = append(v.Metrics, metric)
	}
	return v
}

// pod sums a pod up as kubectl does: the reason that keeps it from running, else its phase.
func pod(p *corev1.Pod, now time.Time) Pod {
	v := Pod{Node: node(p, now), Containers: int32(len(p.Spec.Containers))}
	v.Status, v.Message = string(p.Status.Phase), p.Status.Message
	if p.Status.Reason != "" {
		v.Status = p.Status.Reason
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			v.Message = c.Message
		}
	}
	for _, c := range p.Status.InitContainerStatuses {
		v.Restarts += c.RestartCount
		if why, message := held(c.State, true); why != "" {
			v.Status, v.Message = "Init:"+why, message
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		v.Restarts += c.RestartCount
		if c.Ready {
			v.Ready++
		}
		if why, message := held(c.State, false); why != "" {
			v.Status, v.Message = why, message
		}
	}
	v.Tone = podTone(p, v)
	if p.DeletionTimestamp != nil {
		v.Status, v.Tone, v.Message = "Terminating", ToneIdle, ""
	}
	return v
}

// held is the reason for which a container does not run; an init container that ended well is none.
func held(s corev1.ContainerState, init bool) (why, message string) {
	switch {
	case s.Waiting != nil && s.Waiting.Reason != "PodInitializing":
		return s.Waiting.Reason, s.Waiting.Message
	case s.Terminated != nil && (!init || s.Terminated.ExitCode != 0):
		return s.Terminated.Reason, s.Terminated.Message
	}
	return "", ""
}

func podTone(p *corev1.Pod, v Pod) Tone {
	for _, bad := range []string{"Back", "Err", "Error", "Invalid", "OOMKilled", "Evicted", "Unschedulable"} {
		if strings.Contains(v.Status, bad) {
			return ToneBad
		}
	}
	switch {
	case p.Status.Phase == corev1.PodFailed:
		return ToneBad
	case p.Status.Phase == corev1.PodRunning && v.Ready == v.Containers:
		return ToneGood
	}
	return ToneBusy
}
