package gatewayapi

import (
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// Limits of the Gateway API for one route.
const (
	maxRules           = 16
	maxMatchesOfRule   = 64
	maxMatchesOfRoute  = 128
	maxHeadersOfMatch  = 16
	maxFiltersOfRule   = 16
	maxMirrorPercent   = 100
	weightOfOneBackend = int64(1)
)

// managedRule is a rule that should exist for a managed route.
type managedRule struct {
	owner string
	body  map[string]any
}

// compose says which managed rules refine the dividing rules of a route, in their order of precedence.
func (s *scene) compose(rt route, rules, bases []rule) ([]managedRule, error) {
	if !rt.headers {
		return nil, nil
	}
	taken := map[string]bool{}
	for _, r := range rules {
		if r.owner == "" {
			taken[r.name()] = true
		}
	}
	var managed []managedRule
	for _, name := range s.managed {
		refined, err := s.refine(rt, name, bases)
		if err != nil {
			return nil, err
		}
		for i, body := range s.named(name, refined, taken) {
			if problems := validation.IsDNS1123Subdomain(body["name"].(string)); len(problems) > 0 {
				return nil, rt.unusable("the managed route %q cannot name rule %d: %s", name, i, problems[0])
			}
			managed = append(managed, managedRule{owner: name, body: body})
		}
	}
	return managed, s.checkLimits(rt, rules, managed)
}

// refine makes the rules of one managed route, one for each dividing rule that its matches can refine.
func (s *scene) refine(rt route, name string, bases []rule) ([]map[string]any, error) {
	for _, h := range s.wantedHeaders() {
		if h.Name == name {
			return collect(rt, name, bases, func(base rule) (map[string]any, error) { return s.headerRule(rt, base, h) })
		}
	}
	for _, m := range s.wantedMirrors() {
		if m.Name == name {
			return collect(rt, name, bases, func(base rule) (map[string]any, error) { return s.mirrorRule(rt, base, m) })
		}
	}
	return nil, nil
}

func collect(rt route, name string, bases []rule, of func(rule) (map[string]any, error)) ([]map[string]any, error) {
	var bodies []map[string]any
	for _, base := range bases {
		body, err := of(base)
		if err != nil {
			return nil, rt.unusable("managed route %q on %s: %v", name, base.title(), err)
		}
		if body != nil {
			bodies = append(bodies, body)
		}
	}
	if len(bodies) == 0 {
		return nil, rt.unusable("managed route %q matches no request that a rule with both Services matches", name)
	}
	return bodies, nil
}

// headerRule sends what a rule matches, with these headers besides, to the canary alone; nil if nothing can match.
func (s *scene) headerRule(rt route, base rule, h v1alpha1.SetHeaderRoute) (map[string]any, error) {
	var headers []any
	for _, m := range h.Match {
		header, err := headerMatch(m.HeaderName, m.HeaderValue)
		if err != nil {
			return nil, err
		}
		headers = append(headers, header)
	}
	body := runtime.DeepCopyJSON(base.body)
	matches, err := refineMatches(base.body, func(match map[string]any) (bool, error) { return mergeHeaders(match, headers) })
	if err != nil || len(matches) == 0 {
		return nil, err
	}
	at := s.find(rt, base.body, s.want.Canary.Service)[0]
	canary := objects(body["backendRefs"])[at]
	canary["weight"] = weightOfOneBackend
	body["matches"], body["backendRefs"] = matches, []any{canary}
	return body, nil
}

// mirrorRule divides what a rule matches, narrowed by the mirror's matches, as the rule does, and copies a percentage to the canary;
// nil if nothing can match.
func (s *scene) mirrorRule(rt route, base rule, m v1alpha1.SetMirrorRoute) (map[string]any, error) {
	var matches []any
	for _, narrow := range m.Match {
		refined, err := refineMatches(base.body, func(match map[string]any) (bool, error) {
			return mergeRequest(rt.GetKind(), match, narrow)
		})
		if err != nil {
			return nil, err
		}
		matches = append(matches, refined...)
	}
	if len(matches) == 0 {
		return nil, nil
	}
	if replacesPrefix(base.body) && !samePaths(matches, base.body) {
		return nil, fmt.Errorf("the rule replaces the path prefix that it matches, so a narrower path would be rewritten differently; match the mirror by header or method")
	}
	mirror, err := s.mirrorFilter(rt, base, m.Percentage)
	if err != nil {
		return nil, err
	}
	body := runtime.DeepCopyJSON(base.body)
	filters, _ := body["filters"].([]any)
	body["matches"], body["filters"] = matches, append(filters, mirror)
	return body, nil
}

func (s *scene) mirrorFilter(rt route, base rule, percentage *int32) (map[string]any, error) {
	at := s.find(rt, base.body, s.want.Canary.Service)[0]
	canary := objects(base.body["backendRefs"])[at]
	ref := map[string]any{"group": "", "kind": "Service", "name": s.want.Canary.Service}
	for _, key := range []string{"namespace", "port"} {
		if value, ok := canary[key]; ok {
			ref[key] = value
		}
	}
	mirror := map[string]any{"backendRef": ref}
	if percentage != nil {
		if *percentage < 0 || *percentage > maxMirrorPercent {
			return nil, fmt.Errorf("a mirror of %d%% is not between 0 and %d", *percentage, maxMirrorPercent)
		}
		mirror["percent"] = int64(*percentage)
	}
	return map[string]any{"type": "RequestMirror", "requestMirror": mirror}, nil
}

// named gives the rules of a managed route their names: the route's own, then with a number behind it. Names of
// the user's rules and of other managed routes are left out, because a name is unique within a route.
func (s *scene) named(route string, bodies []map[string]any, taken map[string]bool) []map[string]any {
	next := 0
	for _, body := range bodies {
		name := route
		for {
			if next > 0 {
				name = fmt.Sprintf("%s-%d", route, next)
			}
			next++
			if !taken[name] && (name == route || !slices.Contains(s.managed, name)) {
				break
			}
		}
		body["name"] = name
	}
	return bodies
}

// checkLimits looks at what the managed rules add; what the user wrote was admitted already.
func (s *scene) checkLimits(rt route, rules []rule, managed []managedRule) error {
	if len(managed) == 0 {
		return nil
	}
	count, matches := 0, 0
	for _, r := range rules {
		if r.owner == "" {
			count, matches = count+1, matches+len(objects(r.body["matches"]))
		}
	}
	for _, m := range managed {
		count, matches = count+1, matches+len(objects(m.body["matches"]))
		if err := checkRule(rt, m.body); err != nil {
			return err
		}
	}
	if count > maxRules {
		return rt.unusable("with the managed routes it would have %d rules, and a route may have %d; split the route or use fewer managed routes", count, maxRules)
	}
	if matches > maxMatchesOfRoute {
		return rt.unusable("with the managed routes it would have %d matches, and a route may have %d; split the route or use fewer managed routes", matches, maxMatchesOfRoute)
	}
	return nil
}

func checkRule(rt route, body map[string]any) error {
	matches := objects(body["matches"])
	if len(matches) > maxMatchesOfRule {
		return rt.unusable("managed rule %v would have %d matches, and a rule may have %d; use fewer matches", body["name"], len(matches), maxMatchesOfRule)
	}
	for _, match := range matches {
		if n := len(objects(match["headers"])); n > maxHeadersOfMatch {
			return rt.unusable("managed rule %v would match %d headers at once, and a match may have %d; use fewer headers", body["name"], n, maxHeadersOfMatch)
		}
	}
	if n := len(objects(body["filters"])); n > maxFiltersOfRule {
		return rt.unusable("managed rule %v would have %d filters, and a rule may have %d; the mirror needs one of them", body["name"], n, maxFiltersOfRule)
	}
	return nil
}

// compare tells which managed routes are in place as they should be, and which exist although or otherwise than they should.
func (s *scene) compare(o *trafficrouting.Observed, rt route, rules []rule, managed []managedRule) {
	headers, mirrors := s.wantedNames()
	ordered := inOrder(s.managed, rules)
	for _, name := range s.managed {
		owned := ownedBy(name, rules)
		held := rt.headers && ordered && len(owned) > 0 &&
			slices.EqualFunc(owned, bodiesOf(name, managed), func(a, b map[string]any) bool { return reflect.DeepEqual(a, b) })
		if held && slices.Contains(headers, name) {
			o.Headers = append(o.Headers, name)
		}
		if held && slices.Contains(mirrors, name) {
			o.Mirrors = append(o.Mirrors, name)
		}
		if len(owned) > 0 && !held {
			o.Extra = append(o.Extra, name)
		}
	}
}

// inOrder reports whether the managed rules stand before those of the user and in the order of precedence.
func inOrder(precedence []string, rules []rule) bool {
	last, users := -1, false
	for _, r := range rules {
		if r.owner == "" {
			users = true
			continue
		}
		rank := slices.Index(precedence, r.owner)
		if users || rank < last {
			return false
		}
		last = rank
	}
	return true
}

func ownedBy(name string, rules []rule) []map[string]any {
	var bodies []map[string]any
	for _, r := range rules {
		if r.owner == name {
			bodies = append(bodies, r.body)
		}
	}
	return bodies
}

func bodiesOf(name string, managed []managedRule) []map[string]any {
	var bodies []map[string]any
	for _, m := range managed {
		if m.owner == name {
			bodies = append(bodies, m.body)
		}
	}
	return bodies
}
