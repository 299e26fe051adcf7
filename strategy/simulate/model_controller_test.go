package simulate_test

import (
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/strategy/invariant"
	"github.com/sluice-delivery/sluice/strategy/simulate"
)

// view is what a controller sees in one pass.
type view struct {
	invariant.Moment
	version func(object string) int64
	// outside and written are how much it knows of what others did, and of what controllers wrote.
	outside, written int
}

// landing is a write whose author is gone.
type landing struct {
	write    simulate.Write
	seen     view
	decision *invariant.Decision
}

func kindOf(object string) string {
	kind, _, _ := strings.Cut(object, "/")
	return kind
}

func (m *model) fresh() view {
	s := m.now()
	return view{Moment: s.Moment, version: func(o string) int64 { return s.versions[o] }, outside: s.outside, written: s.written}
}

// lagging is what caches show that each lag behind in their own way, though never behind what this controller wrote itself.
func (m *model) lagging() view {
	m.counts.lagging++
	by := map[string]*shot{}
	for _, kind := range []string{"rollout", "set", "service", "route", "run", "workload", "experiment"} {
		floor := max(m.floors[kind], m.first)
		at := rapid.IntRange(floor, m.first+len(m.shots)-1).Draw(m.t, "cache of "+kind)
		m.floors[kind] = at
		by[kind] = m.shots[at-m.first]
	}
	by["pod"] = m.now()
	v := view{outside: m.outside, written: m.written, version: func(o string) int64 { return by[kindOf(o)].versions[o] }}
	for _, s := range by {
		v.outside = min(v.outside, s.outside)
	}
	v.Moment = by["rollout"].Moment
	v.Revisions, v.Runs = by["set"].Revisions, by["run"].Runs
	v.Stable, v.Canary = by["service"].Stable, by["service"].Canary
	v.Workload, v.Lent = by["workload"].Workload, by["workload"].Lent
	route := by["route"]
	v.Headers, v.Mirrors = route.Headers, route.Mirrors
	m.withExperiments(&v, by["experiment"].Experiments)
	if v.Routed {
		v.Traffic, v.Weight = route.routes.Observe(v.Rollout, v.Experiments...), route.routes.Sent(v.Rollout)
		v.TrafficError = route.routes.Trouble
	}
	return v
}

// deposed is what a controller sees that came to life behind the others.
func (m *model) deposed() view {
	m.counts.deposed++
	s := m.shots[rapid.IntRange(0, len(m.shots)-1).Draw(m.t, "lags at")]
	return view{Moment: s.Moment, version: func(o string) int64 { return s.versions[o] }, outside: s.outside, written: s.written}
}

// decide makes a plan and checks it against what was seen.
func (m *model) decide(v view) *invariant.Decision {
	m.decisions++
	v.Now, v.Pods = m.w.Now, nil
	if strategy.Restarting(v.Rollout, v.Now) {
		v.Pods = slices.Clone(m.w.Pods) // pods are read past the caches
	}
	d := &invariant.Decision{Seen: v.Moment, Plan: strategy.Decide(v.Observation)}
	d.Seen.Revisions = m.known(v)
	if len(m.log)%16 == 0 {
		seen := deepCopy(v.Observation)
		again := strategy.Decide(v.Observation)
		if broken := invariant.SeenStaysUntouched(&seen, &v.Observation, &d.Plan, &again); broken != "" {
			m.fail("I6, law 6: seen stays untouched", broken)
		}
	}
	if name, broken := invariant.Check(invariant.OfDecisions(), d); broken != "" {
		m.fail(name, broken)
	}
	return d
}

// known are the revisions with no more available pods than were seen themselves.
func (m *model) known(v view) []strategy.Revision {
	if len(v.Pods) == 0 {
		return v.Revisions
	}
	available := map[string]int32{}
	for _, p := range v.Pods {
		if p.Available {
			available[p.Hash]++
		}
	}
	revisions := slices.Clone(v.Revisions)
	for i := range revisions {
		revisions[i].Available = min(revisions[i].Available, available[revisions[i].Hash])
	}
	return revisions
}

func deepCopy(o strategy.Observation) strategy.Observation {
	o.Rollout = o.Rollout.DeepCopy()
	o.Revisions, o.Pods = slices.Clone(o.Revisions), slices.Clone(o.Pods)
	o.Runs = slices.Clone(o.Runs)
	for i := range o.Runs {
		o.Runs[i] = *o.Runs[i].DeepCopy()
	}
	o.Experiments = slices.Clone(o.Experiments)
	for i := range o.Experiments {
		o.Experiments[i] = *o.Experiments[i].DeepCopy()
	}
	return o
}

// pass decides once and writes as much as fate allows.
func (m *model) pass(v view) {
	d := m.decide(v)
	writes := m.w.Writes(d.Plan)
	order := upTo(len(writes))
	switch rapid.IntRange(0, 5).Draw(m.t, "fate") {
	case 0:
		m.crashes++
		cut := rapid.IntRange(0, len(writes)-1).Draw(m.t, "crashes after")
		if kindOf(writes[cut].Object) != "pod" && rapid.IntRange(0, 3).Draw(m.t, "one write is on its way") == 0 {
			m.late = append(m.late, landing{write: writes[cut], seen: v, decision: d})
		}
		order = order[:cut]
	case 1:
		order = rapid.Permutation(order).Draw(m.t, "order")
		order = order[:rapid.IntRange(0, len(order)).Draw(m.t, "so many")]
	}
	m.write(v, d, writes, order)
}

// passWhole decides once and writes everything; it reports whether there was anything.
func (m *model) passWhole() bool {
	v := m.fresh()
	d := m.decide(v)
	if invariant.Quiet(d) == "" {
		return false
	}
	writes := m.w.Writes(d.Plan)
	m.write(v, d, writes, upTo(len(writes)))
	return true
}

func upTo(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

func (m *model) write(v view, d *invariant.Decision, writes []simulate.Write, order []int) {
	own := map[string]int64{}
	before, beyond, version := m.written, m.outside, v.version
	v.version = func(o string) int64 {
		if n, ok := own[o]; ok {
			return n
		}
		return version(o)
	}
	for _, i := range order {
		v.written, v.outside = v.written+m.written-before, v.outside+m.outside-beyond // it knows what it has just written itself
		before, beyond = m.written, m.outside
		if m.land(v, d, writes[i]) && writes[i].Object == "rollout" {
			own["rollout"] = m.versions["rollout"]
		}
	}
}

// land makes one write if nobody changed the object since it was seen, and checks what it did to the world.
func (m *model) land(v view, d *invariant.Decision, write simulate.Write) bool {
	object := write.Object
	seen, met := v.version(object), m.versions[object]
	if kindOf(object) == "pod" {
		seen, met = 0, 0
		if !slices.ContainsFunc(m.w.Pods, func(p strategy.Pod) bool { return "pod/"+p.Name == object }) {
			return false
		}
	}
	if seen != met {
		m.conflicts++
		return false
	}
	m.writes, m.written = m.writes+1, m.written+1
	before := m.now().Moment
	m.touch(object)
	if kindOf(object) == "pod" {
		m.touchSetOf(object)
		m.outside, v.outside = m.outside+1, v.outside+1 // its ReplicaSet counts it out later, and is read from a cache
	}
	write.Do()
	m.forgetGone()
	if kind := kindOf(object); kind != "rollout" && kind != "run" && m.versions[object] != 0 {
		m.effects++
	}
	m.changed("   writes ", object, " ", write.Lines)
	m.floors[kindOf(object)] = m.first + len(m.shots) - 1
	w := &invariant.Write{Decision: d, Before: before, After: m.now().Moment, Object: object, SeenVersion: seen, Version: met}
	predicates := invariant.OfWrites
	switch {
	case v.outside < m.outside:
		predicates = invariant.OfBlindWrites
	case v.written < m.written-1:
		predicates = invariant.OfStaleWrites
	}
	if name, broken := invariant.Check(predicates(), w); broken != "" {
		m.fail(name, broken)
	}
	if broken := m.journal.Twice(w); broken != "" && v.outside == m.outside {
		m.fail("I7: nothing begins twice", broken)
	}
	return true
}

// touchSetOf gives the ReplicaSet of a pod a new version, as its status changes with its pods.
func (m *model) touchSetOf(object string) {
	for _, p := range m.w.Pods {
		if set := m.w.Set(p.Hash); "pod/"+p.Name == object && set != nil {
			m.touch("set/" + set.Name)
		}
	}
}

// forgetGone drops the versions of objects that are no more.
func (m *model) forgetGone() {
	for object := range m.versions {
		kind, name, _ := strings.Cut(object, "/")
		gone := false
		switch kind {
		case "set":
			gone = !slices.ContainsFunc(m.w.Sets, func(s *strategy.Revision) bool { return s.Name == name })
		case "service":
			gone = m.w.Services[name] == nil
		case "run":
			gone = !slices.ContainsFunc(m.w.Runs, func(r v1alpha1.AnalysisRun) bool { return r.Name == name })
		case "experiment":
			gone = !slices.ContainsFunc(m.w.Experiments, func(e v1alpha1.Experiment) bool { return e.Name == name })
		}
		if gone {
			delete(m.versions, object)
		}
	}
}

// settle passes until nothing is left to write while nothing happens.
func (m *model) settle() {
	for range 40 {
		if !m.passWhole() {
			return
		}
	}
	m.fail("I5: comes to rest", "it never does")
}
