package v1alpha1

import (
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// Defaults of optional fields, as the wire contract sets them. Times are in seconds.
const (
	DefaultReplicas                   int32 = 1
	DefaultRevisionHistoryLimit       int32 = 10
	DefaultProgressDeadlineSeconds    int32 = 600
	DefaultScaleDownDelaySeconds      int32 = 30
	DefaultAbortScaleDownDelaySeconds int32 = 30
	DefaultAnalysisRunHistoryLimit    int32 = 5
	DefaultMaxTrafficWeight           int32 = 100
	defaultFence                            = "25%"
)

// Replicas is the number of pods that the spec asks for; 1 if absent.
func Replicas(r *Rollout) int32 {
	return ptr.Deref(r.Spec.Replicas, DefaultReplicas)
}

// RevisionHistoryLimit is the number of old ReplicaSets without pods that are kept; 10 if absent.
func RevisionHistoryLimit(r *Rollout) int32 {
	return ptr.Deref(r.Spec.RevisionHistoryLimit, DefaultRevisionHistoryLimit)
}

// ProgressDeadlineSeconds is how long an update may stand still; 600 if absent.
func ProgressDeadlineSeconds(r *Rollout) int32 {
	return ptr.Deref(r.Spec.ProgressDeadlineSeconds, DefaultProgressDeadlineSeconds)
}

// SuccessfulRunHistoryLimit is the number of successful AnalysisRuns and Experiments that are kept; 5 if absent.
func SuccessfulRunHistoryLimit(r *Rollout) int32 {
	if r.Spec.Analysis == nil {
		return DefaultAnalysisRunHistoryLimit
	}
	return ptr.Deref(r.Spec.Analysis.SuccessfulRunHistoryLimit, DefaultAnalysisRunHistoryLimit)
}

// UnsuccessfulRunHistoryLimit is the number of failed, broken and inconclusive AnalysisRuns and Experiments that are kept; 5 if absent.
func UnsuccessfulRunHistoryLimit(r *Rollout) int32 {
	if r.Spec.Analysis == nil {
		return DefaultAnalysisRunHistoryLimit
	}
	return ptr.Deref(r.Spec.Analysis.UnsuccessfulRunHistoryLimit, DefaultAnalysisRunHistoryLimit)
}

// HasRouter reports whether the strategy is a canary that divides traffic by a router and not by pod counts.
func HasRouter(r *Rollout) bool {
	return r.Spec.Strategy.Canary != nil && r.Spec.Strategy.Canary.TrafficRouting != nil
}

// MaxTrafficWeight is the weight that means all traffic; 100 if absent.
func MaxTrafficWeight(r *Rollout) int32 {
	if !HasRouter(r) {
		return DefaultMaxTrafficWeight
	}
	return ptr.Deref(r.Spec.Strategy.Canary.TrafficRouting.MaxTrafficWeight, DefaultMaxTrafficWeight)
}

// ScaleDownDelaySeconds is how long an old revision keeps its pods after a promotion: 30 if absent, 0 for a canary without a router.
func ScaleDownDelaySeconds(r *Rollout) int32 {
	switch s := r.Spec.Strategy; {
	case s.BlueGreen != nil:
		return ptr.Deref(s.BlueGreen.ScaleDownDelaySeconds, DefaultScaleDownDelaySeconds)
	case HasRouter(r):
		return ptr.Deref(s.Canary.ScaleDownDelaySeconds, DefaultScaleDownDelaySeconds)
	}
	return 0
}

// ScaleDownDelayRevisionLimit is how many old revisions may keep their pods at the same time; no limit if absent.
func ScaleDownDelayRevisionLimit(r *Rollout) int32 {
	switch s := r.Spec.Strategy; {
	case s.BlueGreen != nil:
		return ptr.Deref(s.BlueGreen.ScaleDownDelayRevisionLimit, math.MaxInt32)
	case s.Canary != nil:
		return ptr.Deref(s.Canary.ScaleDownDelayRevisionLimit, math.MaxInt32)
	}
	return math.MaxInt32
}

// AbortScaleDownDelaySeconds is how long the pods of an aborted revision are kept: 30 if absent, and for ever if it is an explicit 0.
// A canary without a router has no such delay and gives 0, false.
func AbortScaleDownDelaySeconds(r *Rollout) (seconds int32, explicit bool) {
	var delay *int32
	switch s := r.Spec.Strategy; {
	case s.BlueGreen != nil:
		delay = s.BlueGreen.AbortScaleDownDelaySeconds
	case HasRouter(r):
		delay = s.Canary.AbortScaleDownDelaySeconds
	default:
		return 0, false
	}
	return ptr.Deref(delay, DefaultAbortScaleDownDelaySeconds), delay != nil
}

// KeepsAborted reports whether the pods of an aborted revision stay until the spec changes, which an explicit delay of 0 asks for.
func KeepsAborted(r *Rollout) bool {
	seconds, explicit := AbortScaleDownDelaySeconds(r)
	return explicit && seconds == 0
}

// PreviewReplicaCount is the size of a blue-green preview before promotion; all replicas if absent.
func PreviewReplicaCount(r *Rollout) int32 {
	if b := r.Spec.Strategy.BlueGreen; b != nil && b.PreviewReplicaCount != nil {
		return *b.PreviewReplicaCount
	}
	return Replicas(r)
}

// AutoPromotion reports whether a blue-green update needs no promote command; true if absent.
func AutoPromotion(r *Rollout) bool {
	return r.Spec.Strategy.BlueGreen == nil || ptr.Deref(r.Spec.Strategy.BlueGreen.AutoPromotionEnabled, true)
}

// StartingStep is the step index from which on the background analysis runs; 0 if absent.
func StartingStep(a *RolloutAnalysisBackground) int32 {
	if a == nil {
		return 0
	}
	return ptr.Deref(a.StartingStep, 0)
}

// InCluster reports whether the reference is to a ClusterAnalysisTemplate.
func (r AnalysisTemplateRef) InCluster() bool {
	return ptr.Deref(r.ClusterScope, false)
}

// MaxSurge is the number of pods above spec.replicas that a canary may use; 25% rounded up if absent, 0 for other strategies.
func MaxSurge(r *Rollout) int32 {
	surge, _ := fences(r)
	return surge
}

// MaxUnavailable is the number of pods below spec.replicas that an update or a restart may leave; 25% rounded down if absent.
// It is 1 where surge and unavailability would both come to 0, so that an update can move, and never more than spec.replicas.
func MaxUnavailable(r *Rollout) int32 {
	_, unavailable := fences(r)
	return unavailable
}

// fences resolves surge and unavailability together because each quirk of the wire contract concerns both:
// one text that is no number makes both 0, and both must not be 0 at the same time.
func fences(r *Rollout) (surge, unavailable int32) {
	replicas := Replicas(r)
	var surgeField, unavailableField *intstr.IntOrString
	switch s := r.Spec.Strategy; {
	case s.Canary != nil:
		surgeField, unavailableField = s.Canary.MaxSurge, s.Canary.MaxUnavailable
	case s.BlueGreen != nil:
		none := intstr.FromInt32(0)
		surgeField, unavailableField = &none, s.BlueGreen.MaxUnavailable
	default:
		return 0, 0
	}
	if replicas <= 0 {
		surge, _ = ScaleFence(surgeField, 0, math.Ceil)
		return surge, 0
	}
	surge, surgeOK := ScaleFence(surgeField, replicas, math.Ceil)
	unavailable, unavailableOK := ScaleFence(unavailableField, replicas, math.Floor)
	if !surgeOK || !unavailableOK {
		return 0, 0
	}
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, min(unavailable, replicas)
}

// ScaleFence turns maxSurge or maxUnavailable into a number of pods: a number as it is, a text as that percentage of replicas,
// with or without a percent sign, 25% if absent. A text that is no number gives 0, false. Nothing is below 0.
func ScaleFence(f *intstr.IntOrString, replicas int32, round func(float64) float64) (pods int32, ok bool) {
	text := defaultFence
	if f != nil {
		if f.Type == intstr.Int {
			return max(f.IntVal, 0), true
		}
		text = f.StrVal
	}
	percent, err := strconv.ParseInt(strings.TrimSuffix(text, "%"), 10, 32)
	if err != nil {
		return 0, false
	}
	scaled := round(float64(percent) * float64(replicas) / 100)
	return int32(min(max(scaled, 0), math.MaxInt32)), true
}
