package gatewayapi

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-delivery/sluice/trafficrouting"
)

// divided gives the rules of the user that divide the traffic; there is at least one, or an error that says what is missing.
func (s *scene) divided(rt route, rules []rule) ([]rule, error) {
	var found []rule
	for _, r := range rules {
		if r.owner != "" || !s.holdsBoth(rt, r) {
			continue
		}
		if err := s.checkBackends(rt, r); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	if len(found) == 0 {
		return nil, s.explainNoRule(rt, rules)
	}
	return found, nil
}

func (s *scene) holdsBoth(rt route, r rule) bool {
	return len(s.find(rt, r.body, s.want.Stable.Service)) > 0 && len(s.find(rt, r.body, s.want.Canary.Service)) > 0
}

func (s *scene) checkBackends(rt route, r rule) error {
	for _, share := range s.shares() {
		at := s.find(rt, r.body, share.Service)
		if len(at) > 1 {
			return rt.unusable("%s lists the Service %s %d times; keep one of these backends, else its share would count twice", r.title(), share.Service, len(at))
		}
		for _, i := range at {
			if w, ok := weightOf(objects(r.body["backendRefs"])[i]); !ok {
				return rt.unusable("%s gives the backend %s the weight %v; write a whole number from 0 to %d", r.title(), share.Service, w, maxWeight)
			}
		}
	}
	return nil
}

func (s *scene) shares() []trafficrouting.Share {
	return append([]trafficrouting.Share{s.want.Stable, s.want.Canary}, s.want.Additional...)
}

// explainNoRule says what a user has to change so that some rule divides the traffic.
func (s *scene) explainNoRule(rt route, rules []rule) error {
	stable, canary := s.want.Stable.Service, s.want.Canary.Service
	var missing []string
	for _, service := range []string{stable, canary} {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.owner == "" && len(s.find(rt, r.body, service)) > 0 }) {
			missing = append(missing, service)
		}
	}
	hint := ""
	if rt.GetNamespace() != s.rollout.Namespace {
		hint = fmt.Sprintf(" and the namespace %s", s.rollout.Namespace)
	}
	switch {
	case len(missing) == 2:
		return rt.unusable("no rule has the Services %s and %s as backends; add both to the rule whose traffic is to be divided%s", stable, canary, hint)
	case len(missing) == 1 && missing[0] == canary:
		return rt.unusable("no rule has the canary Service %s as a backend; add it with weight 0 beside %s%s", canary, stable, hint)
	case len(missing) == 1:
		return rt.unusable("no rule has the stable Service %s as a backend; add it beside %s%s", stable, canary, hint)
	}
	return rt.unusable("%s and %s are backends of different rules, so no rule can divide its traffic; add the canary with weight 0 beside %s", stable, canary, stable)
}

// weightOf reads the weight of a backend, which is 1 if absent; false if it is no weight of the Gateway API.
func weightOf(ref map[string]any) (any, bool) {
	value, written := ref["weight"]
	if !written {
		return int64(1), true
	}
	w, ok := value.(int64)
	return value, ok && w >= 0 && w <= maxWeight
}

// weights reads the weights of all shares in a rule, 0 where a Service is no backend, in the order of shares.
func (s *scene) weights(rt route, r rule) (weights []int64, sum int64) {
	refs := objects(r.body["backendRefs"])
	for _, share := range s.shares() {
		w := int64(0)
		for _, i := range s.find(rt, r.body, share.Service) {
			if value, ok := weightOf(refs[i]); ok {
				w += value.(int64)
			}
		}
		weights, sum = append(weights, w), sum+w
	}
	return weights, sum
}

// measure says which weight the canary has in one rule. Backends of others are left out, which can only overstate a demand.
// A rule whose weights are all 0 sends nothing to the canary, and is never exact.
func (s *scene) measure(rt route, r rule) trafficrouting.Observed {
	weights, sum := s.weights(rt, r)
	if sum == 0 {
		return trafficrouting.Observed{}
	}
	o := trafficrouting.Observed{
		Lowest:  int32(weights[1] * s.total / sum),
		Highest: int32((weights[1]*s.total + sum - 1) / sum),
		Exact:   sum == s.total,
	}
	for i, share := range s.want.Additional {
		held := len(s.find(rt, r.body, share.Service)) > 0
		if weights[i+2] != int64(share.Weight) || held != (share.Weight > 0) {
			o.Exact = false
		} else if held {
			o.Additional = append(o.Additional, share)
		}
	}
	return o
}

// weigh gives a rule the weights of the Split: the rule as it should be, and the operations that make it so.
func (s *scene) weigh(rt route, r rule) (rule, []operation) {
	weighed := rule{at: r.at, owner: r.owner, body: runtime.DeepCopyJSON(r.body)}
	refs := weighed.body["backendRefs"].([]any)
	var tests, edits []operation
	var gone []int
	for i, share := range s.shares() {
		at := s.find(rt, r.body, share.Service)
		switch {
		case len(at) == 0 && share.Weight > 0:
			added := s.copyOfCanary(rt, r, share)
			refs, edits = append(refs, added), append(edits, add(backendPath(r.at, "-"), added))
		case len(at) == 1 && i > 1 && share.Weight == 0:
			gone = append(gone, at[0])
		case len(at) == 1:
			ref := refs[at[0]].(map[string]any)
			if current, _ := weightOf(ref); current == int64(share.Weight) {
				continue
			}
			ref["weight"] = int64(share.Weight)
			tests = append(tests, testName(backendPath(r.at, at[0]), share.Service))
			edits = append(edits, add(backendPath(r.at, at[0])+"/weight", ref["weight"]))
		}
	}
	slices.SortFunc(gone, func(a, b int) int { return b - a })
	for _, i := range gone {
		tests = append(tests, testName(backendPath(r.at, i), refs[i].(map[string]any)["name"]))
		edits = append(edits, remove(backendPath(r.at, i)))
		refs = slices.Delete(refs, i, i+1)
	}
	weighed.body["backendRefs"] = refs
	return weighed, append(tests, edits...)
}

// copyOfCanary is a backend for an experiment: its Service takes the place of the canary's, port and filters are the same.
func (s *scene) copyOfCanary(rt route, r rule, share trafficrouting.Share) map[string]any {
	at := s.find(rt, r.body, s.want.Canary.Service)[0]
	ref := runtime.DeepCopyJSON(objects(r.body["backendRefs"])[at])
	ref["name"], ref["weight"] = share.Service, int64(share.Weight)
	return ref
}
