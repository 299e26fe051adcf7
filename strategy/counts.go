package strategy

import "github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"

// counts are the numbers that the replica arithmetic of one pass works on.
// The formulas are those of section 1.4 of the wire contract; existing Rollouts must not change size when the controller does.
type counts struct {
	replicas, surge, unavailable int32
	weight, max                  int32 // the canary's weight and the weight that means everything
	// fresh is true when the new revision is the stable one or there is no stable one.
	fresh                       bool
	newSpec, newAvailable       int32
	stableSpec, stableAvailable int32
	otherSpec, otherAvailable   int32
	// newHeld and stableHeld are the pods that a Service which points at the revision keeps.
	newHeld, stableHeld int32
}

// targets are the sizes towards which a step of the update works: basicPair, but that no Service is left without a pod.
// Where maxSurge leaves no room for that pod, the other side does without one.
func (c counts) targets() (canary, stable int32) {
	canary, stable = basicPair(c)
	canary, stable = max(canary, c.newHeld), max(stable, c.stableHeld)
	over := max(0, canary+stable-c.replicas-c.surge)
	if canary > stable {
		return canary - over, stable
	}
	return canary, stable - over
}

// basicPair splits the replicas between canary and stable so that the share of pods comes closest to the weight; of equally close ones the
// first counts.
func basicPair(c counts) (canary, stable int32) {
	if c.replicas == 0 {
		return 0, 0
	}
	w, m := int64(c.weight), int64(c.max)
	var best pair
	// |n*max/of - weight| is compared as |n*max - weight*of|/of, so that no two fractions of different size look alike.
	off := func(p pair) int64 { return max(int64(p.canary)*m-w*int64(p.of), w*int64(p.of)-int64(p.canary)*m) }
	for _, p := range pairs(c) {
		if best.of == 0 || off(p)*int64(best.of) < off(best)*int64(p.of) {
			best = p
		}
	}
	return best.canary, best.of - best.canary
}

// pair is a number of canary pods out of so many in all.
type pair struct{ canary, of int32 }

// pairs lists the candidates of basicPair: the share rounded up and down, of the replicas and of one more where there is a surge. A share that
// lies just between two numbers is not rounded down, and only a weight of nothing or everything leaves a side empty, or a single pod without surge.
func pairs(c counts) (candidates []pair) {
	r, w, m := int64(c.replicas), int64(c.weight), int64(c.max)
	low, high := int32(r*w/m), int32((r*w+m-1)/m)
	mayBeEmpty := c.weight == 0 || c.weight == c.max || c.replicas == 1 && c.surge == 0
	lowCounts := func(of int64) bool { return of*w%m*2 != m && (low > 0 || mayBeEmpty) }
	if high < c.replicas || mayBeEmpty {
		candidates = append(candidates, pair{high, c.replicas})
	}
	if lowCounts(r) {
		candidates = append(candidates, pair{low, c.replicas})
	}
	if c.surge > 0 {
		candidates = append(candidates, pair{high, c.replicas + 1})
		if lowCounts(r + 1) {
			candidates = append(candidates, pair{low, c.replicas + 1})
		}
	}
	if len(candidates) == 0 {
		candidates = append(candidates, pair{max(low, 1), c.replicas})
	}
	return candidates
}

// basicStep is what one pass may change towards the targets within maxSurge and maxUnavailable: first up, then down by what is available.
func basicStep(c counts) (canary, stable int32) {
	wantNew, wantStable := c.targets()
	if c.fresh {
		wantNew, wantStable = c.replicas, 0
	}
	canary, stable = c.newSpec, c.stableSpec
	room := c.replicas + c.surge - (c.newSpec + c.stableSpec + c.otherSpec)
	if !c.fresh && stable < wantStable && room > 0 {
		stable = min(wantStable, stable+room)
		room -= stable - c.stableSpec
	}
	if canary < wantNew && room > 0 {
		canary = min(wantNew, canary+room)
	}
	if c.otherSpec > 0 {
		return canary, stable
	}
	return basicDrain(c, wantNew, wantStable, canary, stable)
}

func basicDrain(c counts, wantNew, wantStable, canary, stable int32) (int32, int32) {
	floor := c.replicas - c.unavailable
	rising := wantNew >= c.newSpec
	counted := min(c.newSpec, c.newAvailable) + c.stableSpec
	if !rising {
		counted = c.newSpec + min(c.stableSpec, c.stableAvailable)
	}
	if counted <= floor {
		return canary, stable
	}
	budget := counted - floor
	if rising {
		if !c.fresh && c.stableSpec > wantStable {
			stable = max(wantStable, c.stableSpec-budget)
		}
		canary, stable = clampToSurge(c, floor, canary, c.newAvailable, stable, c.stableAvailable)
		return canary, stable
	}
	if c.newSpec > wantNew {
		canary = max(wantNew, c.newSpec-budget)
	}
	stable, canary = clampToSurge(c, floor, stable, c.stableAvailable, canary, c.newAvailable)
	return canary, stable
}

// clampToSurge keeps both sides within replicas+surge: the kept side gives way first, but never below what availability asks for.
func clampToSurge(c counts, floor, kept, keptAvailable, drained, drainedAvailable int32) (int32, int32) {
	limit := c.replicas + c.surge
	kept -= max(0, kept+drained-limit)
	missing := floor - (min(drainedAvailable, drained) + min(keptAvailable, kept))
	kept += min(max(0, keptAvailable-kept), max(0, missing))
	drained -= max(0, kept+drained-limit)
	return kept, drained
}

// routedCanary is the number of canary pods behind a router: a fixed one where a step says so, else the weight's share rounded up.
func routedCanary(r *v1alpha1.Rollout, weight int32, fixed *int32, raiseFixed bool) int32 {
	if fixed != nil {
		if raiseFixed {
			return leastPods(r, *fixed)
		}
		return *fixed
	}
	return leastPods(r, shareUp(v1alpha1.Replicas(r), weight, v1alpha1.MaxTrafficWeight(r)))
}

// leastPods raises a count that is not zero to minPodsPerReplicaSet, which itself is capped at spec.replicas.
func leastPods(r *v1alpha1.Rollout, n int32) int32 {
	canary := r.Spec.Strategy.Canary
	if n == 0 || canary == nil || canary.MinPodsPerReplicaSet == nil {
		return n
	}
	return max(n, min(*canary.MinPodsPerReplicaSet, v1alpha1.Replicas(r)))
}

// shareUp is n*weight/max rounded up, in 64 bits, so that no weight or count overflows.
func shareUp(n, weight, max int32) int32 {
	if max <= 0 {
		return 0
	}
	return int32((int64(n)*int64(weight) + int64(max) - 1) / int64(max))
}

// shareDown is n*weight/max rounded down.
func shareDown(n, weight, max int32) int32 {
	if max <= 0 {
		return 0
	}
	return int32(int64(n) * int64(weight) / int64(max))
}
