package simulate_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/strategy/invariant"
)

// rounds is how often the world comes to rest and time passes before a journey must have arrived; breaths is how often pods come, gateways follow
// and passes are made before it must have come to rest, where pods may be replaced one by one.
const (
	rounds  = 12
	breaths = 100
)

func (m *model) lookAhead(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "now") == 0 {
		m.judgeJourneys()
	}
}

// judgeJourneys tries out, each time from the same state, where the world would come to rest.
func (m *model) judgeJourneys() {
	for _, j := range []struct {
		name string
		try  func(*model) string
	}{
		{"I4, an abort", (*model).abortJourney},
		{"I4, an abort of what never runs", (*model).deadAbortJourney},
		{"I4, a full promotion", (*model).fullJourney},
		{"I4, an update", (*model).updateJourney},
		{"I4, managed routes", (*model).routesJourney},
		{"I5, a rest", (*model).restJourney},
		{"I11, an autoscaler", (*model).scalerJourney},
		{"I15, an interruption", (*model).interruptedJourney},
		{"I19, a return", (*model).returnJourney},
	} {
		m.journeys++
		c := m.clone()
		c.log = append(c.log, entry{what: []any{"--- ", j.name}})
		if broken := j.try(c); broken != "" {
			c.fail(j.name, broken)
		}
	}
}

// rest passes, lets pods come and gateways follow until nothing is left to wait for but time and people.
func (m *model) rest(dead ...string) {
	for range breaths {
		m.settle()
		waits := m.w.Routed() && m.w.Reports && !m.w.Confirmed
		for _, s := range m.w.Sets {
			waits = waits || s.Available < s.Replicas && !slices.Contains(dead, s.Hash)
		}
		if !waits {
			return
		}
		m.podsCome(dead...)
		m.program()
	}
}

func (m *model) updating() bool {
	s := &m.w.Rollout.Status
	return m.w.Set(s.StableRS) != nil && s.StableRS != s.CurrentPodHash && s.CurrentPodHash == m.w.Image
}

// wholeStable reports whether the strategy keeps every pod of the stable revision during an update.
func (m *model) wholeStable() bool { return m.w.Routed() || m.w.Rollout.Spec.Strategy.BlueGreen != nil }

func (m *model) abortJourney() string { return m.abortWith() }

func (m *model) deadAbortJourney() string {
	current := m.w.Set(m.w.Rollout.Status.CurrentPodHash)
	if current == nil || !m.updating() {
		return ""
	}
	m.outside++
	current.Available, current.Ready = 0, 0
	m.touch("set/" + current.Name)
	m.changed("every canary pod is gone")
	return m.abortWith(current.Hash)
}

func (m *model) abortWith(dead ...string) string {
	if m.w.Unreadable || m.w.Trouble != "" && m.now().Stable.Hash != m.w.Rollout.Status.StableRS {
		m.mendRoutes() // otherwise it arrives wherever it can, though a route stays broken
	}
	if m.now().Stable.Name != "" && !m.now().Stable.Exists {
		m.makeServices()
	}
	m.settle() // what was aborted already may begin anew, and only then there is something to abort
	if !m.updating() {
		return ""
	}
	m.abort(m.t)
	for range rounds {
		m.rest(dead...)
	}
	return invariant.AbortArrives(&m.now().Moment)
}

// clear takes away what the user holds the update up with.
func (m *model) clear() {
	m.mendRoutes()
	m.makeServices()
	m.w.Invalid, m.edited().Spec.Paused = "", false
	m.edit("nothing is in the way")
	m.settle()
}

func (m *model) fullJourney() string {
	m.clear()
	m.promoteFull(m.t)
	for range rounds {
		m.rest()
		m.wait(time.Second + strategy.Decide(m.now().Observation).After)
	}
	return invariant.UpdateArrives(&m.now().Moment)
}

func (m *model) updateJourney() string {
	if replicasOf(m.w.Rollout) == 0 {
		return "" // without a pod no weight can be set and no analysis has anything to look at
	}
	m.clear()
	if m.w.Rollout.Status.Abort {
		m.retry(m.t)
	}
	most := rounds
	if c := m.w.Rollout.Spec.Strategy.Canary; c != nil {
		most += 3 * len(c.Steps)
	}
	for range most {
		m.goesWell()
	}
	m.settle()
	return invariant.UpdateArrives(&m.now().Moment)
}

func (m *model) routesJourney() string {
	m.mendRoutes()
	m.rest()
	return invariant.ManagedRoutesAreInPlace(&m.now().Moment)
}

// restJourney also asks whether a rollout that is at rest says when it wants to be looked at again.
func (m *model) restJourney() string {
	m.settle()
	wake := strategy.Decide(m.now().Observation).After
	if wake == 0 {
		wake = 240 * time.Hour
	}
	m.wait(wake - 1)
	if broken := invariant.Quiet(m.decide(m.fresh())); broken != "" {
		return fmt.Sprintf("%s, though nobody was to look before %s had passed", broken, wake)
	}
	m.wait(1)
	for range 5 {
		d := m.decide(m.fresh())
		if invariant.Quiet(d) != "" || d.Plan.After == 0 || d.Plan.After >= time.Second {
			return ""
		}
		m.wait(d.Plan.After)
	}
	return "it wakes for nothing again and again"
}

func (m *model) scalerJourney() string {
	if replicasOf(m.w.Rollout) == 0 {
		return ""
	}
	load := 10 * replicasOf(m.w.Rollout)
	for _, byStatus := range []bool{false} {
		c := m.clone()
		var recommended []int32
		for range rounds {
			c.rest()
			n := c.recommended(load, byStatus)
			recommended = append(recommended, n)
			c.edited().Spec.Replicas = &n
			c.edit("autoscaler")
		}
		if broken := invariant.AutoscalerSettles(recommended); broken != "" {
			return broken
		}
	}
	return ""
}

// interruptedJourney kills the controller after each write of one pass, one after the other.
func (m *model) interruptedJourney() string {
	m.mendRoutes() // while one is broken what was begun may have to wait
	whole := m.clone()
	whole.rest()
	most := 1
	for cut := 0; cut < most; cut++ {
		c := m.clone()
		v := c.fresh()
		d := c.decide(v)
		writes := c.w.Writes(d.Plan)
		most = len(writes)
		if d.Plan.Status.Abort && !v.Rollout.Status.Abort {
			return "" // it was aborted because nothing moved in time, and what was written before the abort may be what moves it
		}
		c.crashes++
		c.write(v, d, writes, upTo(cut))
		c.rest()
		if broken := invariant.SameOutcome(&c.now().Moment, &whole.now().Moment); broken != "" {
			m.log = c.log
			return broken
		}
	}
	return ""
}

func (m *model) returnJourney() string {
	if !m.updating() || !m.wholeStable() || m.w.Invalid != "" {
		return ""
	}
	s := &m.w.Rollout.Status
	stable := m.w.Set(s.StableRS)
	m.mendRoutes()
	m.settle()
	m.program()
	m.settle()
	if !m.updating() || stable.Available < replicasOf(m.w.Rollout) || m.w.Rollout.Spec.RestartAt != nil {
		return ""
	}
	pods := map[string]int32{}
	for _, set := range m.w.Sets {
		pods[set.Hash] = set.Spec
	}
	before := m.effects
	m.backToStable(m.t)
	for range rounds {
		m.rest()
		m.wait(time.Second + strategy.Decide(m.now().Observation).After)
	}
	r := invariant.Return{Writes: m.effects - before}
	for _, set := range m.w.Sets {
		r.Started += max(0, set.Spec-pods[set.Hash])
	}
	return invariant.ReturnIsCheap(r)
}
