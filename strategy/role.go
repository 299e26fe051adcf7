package strategy

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// roleMetadata is what the pods of a revision carry for the role that they play now: canary or preview while they are tried,
// stable or active once they are promoted, nothing for any other. A nil revision is the one about to be created.
func (p *position) roleMetadata(o *Observation, r *Revision) v1alpha1.PodTemplateMetadata {
	tried, serving := roles(o.Rollout)
	isNew := r == nil || r.Hash == p.status.CurrentPodHash
	isStable := isNew && (p.first() || p.done()) || r != nil && p.stable != nil && r.Hash == p.stable.Hash
	switch {
	case isStable && serving != nil:
		return *serving
	case isNew && !isStable && tried != nil:
		return *tried
	}
	return v1alpha1.PodTemplateMetadata{}
}

// roles are the metadata of a revision that is tried and of the one that serves; nil for none.
func roles(r *v1alpha1.Rollout) (tried, serving *v1alpha1.PodTemplateMetadata) {
	switch s := r.Spec.Strategy; {
	case s.Canary != nil:
		return s.Canary.CanaryMetadata, s.Canary.StableMetadata
	case s.BlueGreen != nil:
		return s.BlueGreen.PreviewMetadata, s.BlueGreen.ActiveMetadata
	}
	return nil, nil
}

// redress writes the metadata of a role where it differs.
func (i *ReplicaSetIntent) redress(r *Revision, want v1alpha1.PodTemplateMetadata) {
	if !equality.Semantic.DeepEqual(want, r.Metadata) {
		i.Metadata = &want
	}
}

func antiAffinity(r *v1alpha1.Rollout) *v1alpha1.AntiAffinity {
	switch s := r.Spec.Strategy; {
	case s.Canary != nil:
		return s.Canary.AntiAffinity
	case s.BlueGreen != nil:
		return s.BlueGreen.AntiAffinity
	}
	return nil
}

// Values of workloadRef.scaleDown.
const (
	scaleDownOnSuccess     = "onsuccess"
	scaleDownProgressively = "progressively"
)

// planWorkload scales the workload down that the first revision takes over from: pod for pod as ours become available, or at the end.
// It is never scaled up, and never touched by a later revision.
func planWorkload(o *Observation, p *position, plan *Plan) {
	ref, w := o.Rollout.Spec.WorkloadRef, o.Workload
	if ref == nil || w == nil {
		return
	}
	p.status.WorkloadObservedGeneration = numberText(w.Generation)
	if p.number != 1 || w.Replicas == nil || *w.Replicas == 0 || o.Invalid != "" || p.current == nil {
		return
	}
	left := p.leftOfWorkload(o, ref.ScaleDown, *w.Replicas)
	if left >= *w.Replicas {
		return
	}
	plan.Workload = &WorkloadIntent{Replicas: left, Why: normal(v1alpha1.ReasonScalingReplicaSet,
		fmt.Sprintf("Scaled down %s %s from %d to %d", w.Kind, w.Name, ptr.Deref(w.Replicas, 0), left))}
}

// leftOfWorkload is how many pods of the workload are still needed, of as many as it has.
func (p *position) leftOfWorkload(o *Observation, mode string, has int32) int32 {
	switch {
	case mode != scaleDownOnSuccess && mode != scaleDownProgressively:
		return has
	case p.current.Available >= p.replicas && p.done() && p.servicesFollow(o):
		return 0
	case mode == scaleDownProgressively:
		// One pod stays until every Service points at ours, because it may still select only those of the workload.
		return max(p.replicas-p.current.Available, 1)
	}
	return has
}

// servicesFollow reports whether every Service of the Rollout was seen to select our pods only.
func (p *position) servicesFollow(o *Observation) bool {
	for _, s := range []Service{o.Stable, o.Canary} {
		if s.Exists && s.Hash != p.status.CurrentPodHash {
			return false
		}
	}
	return true
}
