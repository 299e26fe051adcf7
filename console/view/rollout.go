package view

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// Of builds the model of a Rollout as it looks at a moment. A family without revisions gives a model without a tree, as lists need it.
func Of(f kube.Family, now time.Time) Rollout {
	r, s := f.Rollout, &f.Rollout.Status
	v := Rollout{
		Namespace: r.Namespace, Name: r.Name, Created: r.CreationTimestamp, Age: age(r.CreationTimestamp, now),
		Replicas: Replicas{
			Desired: v1alpha1.Replicas(r), Current: s.Replicas, Updated: s.UpdatedReplicas, Ready: s.ReadyReplicas, Available: s.AvailableReplicas,
		},
		Paused: r.Spec.Paused, Aborted: s.Abort, PromoteFull: s.PromoteFull, Conditions: s.Conditions,
	}
	v.Phase, v.Message = Phase(r)
	v.Tone = phaseTone(v.Phase)
	v.Waiting, v.Actions = waiting(r, now)
	switch {
	case r.Spec.Strategy.Canary != nil:
		v.Strategy = "Canary"
		v.Step, v.Steps = ladder(r, now)
		v.Traffic = traffic(f)
	case r.Spec.Strategy.BlueGreen != nil:
		v.Strategy = "BlueGreen"
	}
	v.Images = images(f)
	for _, of := range f.Revisions {
		v.Revisions = append(v.Revisions, revision(r, of, now))
	}
	return v
}

func phaseTone(p v1alpha1.RolloutPhase) Tone {
	switch p {
	case v1alpha1.RolloutPhaseHealthy:
		return ToneGood
	case v1alpha1.RolloutPhasePaused:
		return TonePaused
	case v1alpha1.RolloutPhaseDegraded:
		return ToneBad
	}
	return ToneBusy
}

func age(since metav1.Time, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return span(now.Sub(since.Time))
}

// span puts a length of time as kubectl does; clocks that disagree give 0s.
func span(d time.Duration) string { return duration.HumanDuration(max(d, 0)) }

// updating reports whether a revision is on its way that is not the stable one.
func updating(r *v1alpha1.Rollout) bool {
	s := &r.Status
	return s.StableRS != "" && s.CurrentPodHash != s.StableRS
}

// roles are the parts that a revision plays; none for one that is over.
func roles(r *v1alpha1.Rollout, hash string) []string {
	s := &r.Status
	var all []string
	add := func(role string, is bool) {
		if is && hash != "" {
			all = append(all, role)
		}
	}
	if r.Spec.Strategy.BlueGreen != nil {
		add("active", hash == s.BlueGreen.ActiveSelector)
		add("preview", hash == s.BlueGreen.PreviewSelector && hash != s.BlueGreen.ActiveSelector)
	} else {
		add("canary", updating(r) && hash == s.CurrentPodHash)
	}
	add("stable", hash == s.StableRS)
	return all
}

// traffic compares the share that the step asks for with the one that is there.
func traffic(f kube.Family) *Traffic {
	r, s := f.Rollout, &f.Rollout.Status
	t := &Traffic{Full: v1alpha1.MaxTrafficWeight(r)}
	t.Wanted = wantedWeight(r, t.Full)
	switch {
	case !updating(r): // the routes send everything to the stable Service, behind which the current revision stands
		t.Actual = &t.Full
	case v1alpha1.HasRouter(r):
		if s.Canary.Weights != nil {
			t.Actual, t.Verified = &s.Canary.Weights.Canary.Weight, s.Canary.Weights.Verified
		}
	default:
		t.Actual = podShare(f, t.Full)
	}
	return t
}

// wantedWeight is the share that the update asks for: that of the nearest setWeight up to the current step, everything at the end.
func wantedWeight(r *v1alpha1.Rollout, full int32) int32 {
	steps, i := r.Spec.Strategy.Canary.Steps, stepIndex(r)
	switch {
	case !updating(r) || r.Status.PromoteFull:
		return full
	case r.Status.Abort:
		return 0
	case i >= len(steps):
		return full
	}
	for ; i >= 0; i-- {
		if steps[i].SetWeight != nil {
			return *steps[i].SetWeight
		}
	}
	return 0
}

// podShare is the canary's part of all available pods, in units of full; nil while there is none to compare.
func podShare(f kube.Family, full int32) *int32 {
	var canary, all int64
	for _, of := range f.Revisions {
		if of.ReplicaSet == nil {
			continue
		}
		n := int64(of.ReplicaSet.Status.AvailableReplicas)
		all += n
		if of.Hash == f.Rollout.Status.CurrentPodHash {
			canary += n
		}
	}
	if all == 0 {
		return nil
	}
	return ptr.To(int32(canary * int64(full) / all))
}

// images lists what the revisions run that have a part to play or pods, newest first.
func images(f kube.Family) []Image {
	var all []Image
	at := map[string]int{}
	for _, of := range f.Revisions {
		roles := roles(f.Rollout, of.Hash)
		if of.ReplicaSet == nil || len(roles) == 0 && ptr.Deref(of.ReplicaSet.Spec.Replicas, 0) == 0 && len(of.Pods) == 0 {
			continue
		}
		for _, c := range of.ReplicaSet.Spec.Template.Spec.Containers {
			i, known := at[c.Image]
			if !known {
				i = len(all)
				at[c.Image] = i
				all = append(all, Image{Image: c.Image})
			}
			all[i].Roles = union(all[i].Roles, roles)
		}
	}
	return all
}

func union(have, more []string) []string {
	for _, m := range more {
		if !slices.Contains(have, m) {
			have = append(have, m)
		}
	}
	return have
}
