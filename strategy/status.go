package strategy

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

func numberText(n int64) string { return strconv.FormatInt(n, 10) }

// revisionOf is the revision annotation of a Rollout; 0 if it is absent or not a number.
func revisionOf(r *v1alpha1.Rollout) int64 {
	n, err := strconv.ParseInt(r.Annotations[v1alpha1.AnnotationRevision], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// planStatus computes the whole status from what was observed and decided.
func planStatus(o *Observation, p *position, plan *Plan) {
	s := &p.status
	before := &o.Rollout.Status
	s.ObservedGeneration = numberText(o.Rollout.Generation)
	recordTraffic(o, p)
	planConditions(o, p)
	recordDuration(o, p)
	s.Phase, s.Message = Phase(&v1alpha1.Rollout{ObjectMeta: o.Rollout.ObjectMeta, Spec: o.Rollout.Spec, Status: *s})
	planSummary(o, p)
	plan.Calm = calm(before, s)
	plan.Status, plan.Notes, plan.After = *s, p.notes, p.after
}

// count sums up the replicas of all revisions.
func count(o *Observation, p *position) {
	s := &p.status
	s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas = 0, 0, 0, 0
	for _, r := range o.Revisions {
		s.Replicas += r.Replicas
		s.ReadyReplicas += r.Ready
		s.AvailableReplicas += r.Available
	}
	if p.current != nil {
		s.UpdatedReplicas = p.current.Replicas
	}
	s.HPAReplicas = s.Replicas
	if selector, err := metav1.LabelSelectorAsSelector(o.Rollout.Spec.Selector); err == nil && o.Rollout.Spec.Selector != nil {
		s.Selector = selector.String()
	}
	if blueGreen(o.Rollout) == nil {
		s.BlueGreen = v1alpha1.BlueGreenStatus{}
		return
	}
	s.BlueGreen.ActiveSelector, s.BlueGreen.PreviewSelector = o.Stable.Hash, o.Canary.Hash
	s.HPAReplicas, s.ReadyReplicas, s.AvailableReplicas = 0, 0, 0
	if a := p.active(o); a != nil {
		s.HPAReplicas, s.ReadyReplicas, s.AvailableReplicas = a.Replicas, a.Ready, a.Available
		if o.Rollout.Spec.Selector != nil {
			s.Selector += "," + v1alpha1.LabelPodTemplateHash + "=" + a.Hash
		}
	}
}

// recordTraffic writes down what the routes hold, not what they were asked to hold.
func recordTraffic(o *Observation, p *position) {
	s := &p.status
	if !o.Routed {
		s.Canary.Weights = nil
		return
	}
	if o.TrafficError != "" || o.Traffic.Confirmation == "" {
		return
	}
	full := v1alpha1.MaxTrafficWeight(o.Rollout)
	weights := &v1alpha1.TrafficWeights{
		Canary: v1alpha1.WeightDestination{Weight: o.Traffic.Highest, ServiceName: o.Canary.Name, PodTemplateHash: s.CurrentPodHash},
		Stable: v1alpha1.WeightDestination{Weight: full - o.Traffic.Highest, ServiceName: o.Stable.Name, PodTemplateHash: s.StableRS},
	}
	o.recordShares(s, weights)
	switch o.Traffic.Confirmation {
	case trafficrouting.Confirmed:
		weights.Verified = ptr.To(true)
	case trafficrouting.Pending:
		weights.Verified = ptr.To(false)
	}
	s.Canary.Weights = weights
}

// calm reports whether two statuses differ in nothing but what was counted and read back, and what only follows from that.
// Nobody acts on such a change, and nothing that the next decision needs would be lost with it.
func calm(before, after *v1alpha1.RolloutStatus) bool {
	a, b := before.DeepCopy(), after.DeepCopy()
	for _, s := range []*v1alpha1.RolloutStatus{a, b} {
		s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas, s.HPAReplicas = 0, 0, 0, 0, 0
		s.Message, s.Canary.Weights = "", &v1alpha1.TrafficWeights{Additional: recorded(s)} // these are what a lost Experiment is remembered by
		s.Conditions = slices.DeleteFunc(s.Conditions, func(c v1alpha1.RolloutCondition) bool {
			return c.Type == v1alpha1.ConditionReconciling || c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionTrafficVerified
		})
		for i := range s.Conditions {
			c := &s.Conditions[i]
			c.LastUpdateTime = metav1.Time{}
			if c.Type == v1alpha1.ConditionProgressing && c.Status == corev1.ConditionTrue && c.Reason != v1alpha1.ReasonNewReplicaSetAvailable {
				c.Reason, c.Message = "", ""
			}
		}
	}
	return equality.Semantic.DeepEqual(a, b)
}
