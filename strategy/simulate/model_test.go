package simulate_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/repeat"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/strategy/invariant"
	"github.com/sluice-delivery/sluice/strategy/simulate"
)

// Unless flags or variables of rapid say otherwise, the model always walks the same paths, and as many as a minute allows.
const (
	modelChecks = "2400"
	modelSteps  = "50"
	modelSeed   = "1"
)

// memory is how many states of the world a stale cache may lag behind.
const memory = 8

func TestMain(m *testing.M) { os.Exit(repeat.Main(m, modelChecks, modelSteps, modelSeed)) }

// TestModel walks random orders of edits, commands, pod events, verdicts, gateway lag, stale reads and crashes, and checks every
// predicate after every single write and event.
func TestModel(t *testing.T) {
	counts := &counts{}
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, counts)
		t.Repeat(m.actions())
		m.judgeJourneys()
	})
	fmt.Println(counts)
}

// counts are what the walks did so far.
type counts struct {
	states, decisions, writes, effects, journeys        int
	crashes, conflicts, lagging, deposed, late, meddled int
}

func (c *counts) String() string {
	faults := c.crashes + c.conflicts + c.lagging + c.deposed + c.late + c.meddled
	return fmt.Sprintf("model: %d states explored, %d decisions, %d writes, %d journeys to an end; %d faults injected: %d crashes between writes, "+
		"%d writes refused as outdated, %d decisions of lagging caches, %d of deposed leaders, %d writes of the dead, %d deeds of others",
		c.states, c.decisions, c.writes, c.journeys, faults, c.crashes, c.conflicts, c.lagging, c.deposed, c.late, c.meddled)
}

// model is a world, what controllers have seen of it, and what happened.
type model struct {
	*counts
	t *rapid.T
	w *simulate.World
	// versions of all objects, as an API server numbers them; clock is the last one given.
	versions map[string]int64
	clock    int64
	// shots are the latest states of the world, the newest last; first is the number of the oldest.
	shots []*shot
	first int
	// floors are the oldest shots that the controller's caches may still show, by kind: they never go back, nor behind its own writes.
	floors map[string]int
	// outside counts what others did to pods, routes, Services and the strategy, written what controllers wrote. One that missed some of either
	// is not to blame for the world: nobody can foresee others, and what its predecessor wrote is kept from it by the lease alone.
	outside, written int
	journal          invariant.Journal
	// late is a write of a controller that is gone, still on its way.
	late []landing
	log  []entry
}

// shot is one state of the world.
type shot struct {
	invariant.Moment
	routes           simulate.Routes
	versions         map[string]int64
	outside, written int
}

func newModel(t *rapid.T, c *counts) *model {
	m := &model{counts: c, t: t, versions: map[string]int64{}, floors: map[string]int{}}
	r := drawRollout(t)
	m.w = newWorld(r)
	m.w.Reports = m.w.Routed() && rapid.Bool().Draw(t, "a gateway reports")
	m.w.Ahead = rapid.SampledFrom([]time.Duration{0, 0, 2 * time.Second}).Draw(t, "the API server is ahead")
	drawWorkload(t, m.w)
	m.touch("rollout", "route", "workload")
	for name := range m.w.Services {
		m.touch("service/" + name)
	}
	m.changed("a new Rollout: " + specText(r))
	if rapid.IntRange(0, 9).Draw(t, "begins") > 0 {
		for range 4 {
			m.settle()
			m.podsCome()
		}
	}
	return m
}

// touch gives objects a new version.
func (m *model) touch(objects ...string) {
	for _, o := range objects {
		m.clock++
		m.versions[o] = m.clock
	}
}

// changed records the state that an event or a write led to.
func (m *model) changed(what ...any) {
	m.states++
	if m.w.Routed() && !m.w.Reports {
		m.w.Program()
	}
	m.syncPods()
	m.missServices()
	s := &shot{
		Moment: invariant.Moment{Observation: m.w.Observe(), Weight: m.w.Sent(m.w.Rollout), Headers: m.w.Followed.Headers, Mirrors: m.w.Followed.Mirrors,
			Reached: m.w.Reaches()},
		routes: m.w.Routes, versions: maps.Clone(m.versions), outside: m.outside, written: m.written,
	}
	if m.w.Workload != nil {
		s.Lent = m.w.Workload.Available
	}
	m.log = append(m.log, entry{what: what, at: s})
	m.shots = append(m.shots, s)
	if len(m.shots) > memory {
		m.shots, m.first = m.shots[1:], m.first+1
	}
}

func (m *model) now() *shot { return m.shots[len(m.shots)-1] }

// edited is the Rollout, copied for a change, because the states that were recorded share the old one.
func (m *model) edited() *v1alpha1.Rollout {
	m.w.Rollout = m.w.Rollout.DeepCopy()
	return m.w.Rollout
}

// fail tells what is broken. Only the name is the error, so that a smaller walk to the same one counts as the same.
func (m *model) fail(name, broken string) {
	var story strings.Builder
	for _, e := range m.log {
		story.WriteString(e.String() + "\n")
	}
	m.t.Logf("%s: %s\n%s", name, broken, story.String())
	m.t.Fatal(name)
}

// clone is the same model, to try out what would become of it.
func (m *model) clone() *model {
	c := *m
	c.w = cloneWorld(m.w)
	c.versions, c.floors = maps.Clone(m.versions), maps.Clone(m.floors)
	c.shots, c.log = slices.Clip(m.shots), slices.Clip(m.log)
	c.journal = m.journal.Clone()
	c.late = nil
	return &c
}

func cloneWorld(w *simulate.World) *simulate.World {
	c := *w
	c.Sets, c.Services = nil, map[string]*strategy.Service{}
	for _, s := range w.Sets {
		set := *s
		c.Sets = append(c.Sets, &set)
	}
	for name, s := range w.Services {
		service := *s
		c.Services[name] = &service
	}
	c.Pods = slices.Clone(w.Pods)
	if w.Workload != nil {
		workload := *w.Workload
		c.Workload = &workload
	}
	return &c
}
