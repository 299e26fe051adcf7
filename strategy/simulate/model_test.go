package simulate_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/strategy/invariant"
	"github.com/sluice-delivery/sluice/strategy/simulate"
)

// Unless flags or variables of rapid say otherwise, the model always walks the same paths, and as many as a minute allows.
const (
	modelChecks = "600"
	modelSteps  = "50"
	modelSeed   = "1"
)

// memory is how many states of the world a stale cache may lag behind.
const memory = 8

func TestMain(m *testing.M) {
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"checks": modelChecks, "steps": modelSteps, "seed": modelSeed, "nofailfile": "true"} {
		if _, set := os.LookupEnv("RAPID_" + strings.ToUpper(name)); !set && !given["rapid."+name] {
			if err := flag.Set("rapid."+name, value); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

// TestModel walks random orders of edits, commands, pod events, verdicts, gateway lag, stale reads and crashes, and checks every
// predicate after every single write and event.
func TestModel(t *testing.T) {
	counts := &counts{}
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, counts)
		t.Repeat(m.actions())
		m.judgeJourneys()
	})
	fmt.Printf("model: %d states, %d writes, %d crashes, %d conflicts, %d decisions, %d journeys\n",
		counts.states, counts.writes, counts.crashes, counts.conflicts, counts.decisions, counts.journeys)
}

type counts struct{ states, writes, statuses, crashes, conflicts, decisions, journeys int }

// model is a world, what controllers have seen of it, and what happened.
type model struct {
	*counts
	t *rapid.T
	w *simulate.World
	// versions of all objects, as an API server numbers them; clock is the last one given.
	versions map[string]int64
	clock    int64
	// shots are the latest states of the world, the newest last; first is the number of the oldest.
	shots []shot
	first int
	// floors are the oldest shots that the controller's caches may still show, by kind: they never go back, nor behind its own writes.
	floors map[string]int
	// outside counts what others did to pods, routes and Services, written what controllers wrote. One that missed some of either is not to
	// blame for the world: nobody can foresee others, and what its predecessor wrote is kept from it by the lease alone.
	outside, written int
	// late is a write of a controller that is gone, still on its way.
	late []landing
	log  []string
}

// shot is one state of the world.
type shot struct {
	invariant.Moment
	versions         map[string]int64
	outside, written int
}

func newModel(t *rapid.T, c *counts) *model {
	m := &model{counts: c, t: t, versions: map[string]int64{}, floors: map[string]int{}}
	r := drawRollout(t)
	m.w = newWorld(r)
	m.w.Reports = m.w.Routed && rapid.Bool().Draw(t, "a gateway reports")
	m.touch("rollout", "route")
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
func (m *model) changed(what string) {
	m.states++
	if m.w.Routed && !m.w.Reports {
		m.w.Program()
	}
	m.syncPods()
	m.log = append(m.log, what+m.digest())
	m.shots = append(m.shots, shot{
		Moment: invariant.Moment{Observation: m.w.Observe(), Weight: m.w.Data}, versions: maps.Clone(m.versions), outside: m.outside, written: m.written,
	})
	if len(m.shots) > memory {
		m.shots, m.first = m.shots[1:], m.first+1
	}
}

func (m *model) now() *shot { return &m.shots[len(m.shots)-1] }

// digest is the world in one line.
func (m *model) digest() string {
	var b strings.Builder
	s := &m.w.Rollout.Status
	fmt.Fprintf(&b, "  [R=%d", replicasOf(m.w.Rollout))
	for _, set := range m.w.Sets {
		fmt.Fprintf(&b, " %s:%d/%d", set.Hash, set.Available, set.Spec)
		if set.Deadline != nil {
			fmt.Fprintf(&b, "(until %s)", set.Deadline.Format("05:04"))
		}
	}
	fmt.Fprintf(&b, " held=%d data=%d", m.w.Held, m.w.Data)
	for _, name := range []string{"stable", "canary"} {
		if service := m.w.Services[name]; service != nil {
			fmt.Fprintf(&b, " %s→%q", name, service.Hash)
		}
	}
	step := int32(-1)
	if s.CurrentStepIndex != nil {
		step = *s.CurrentStepIndex
	}
	fmt.Fprintf(&b, " step=%d cur=%s stable=%s", step, s.CurrentPodHash, s.StableRS)
	for _, flag := range []struct {
		name string
		on   bool
	}{
		{"abort", s.Abort}, {"full", s.PromoteFull}, {"pausing", len(s.PauseConditions) > 0}, {"user-paused", m.w.Rollout.Spec.Paused},
		{"invalid", m.w.Invalid != ""}, {"unconfirmed", m.w.Reports && !m.w.Confirmed},
	} {
		if flag.on {
			b.WriteString(" " + flag.name)
		}
	}
	for _, run := range m.w.Runs {
		fmt.Fprintf(&b, " %s=%s", run.Name, run.Status.Phase)
	}
	return b.String() + "]"
}

// fail tells what is broken. Only the name is the error, so that a smaller walk to the same one counts as the same.
func (m *model) fail(name, broken string) {
	m.t.Logf("%s: %s\n%s", name, broken, strings.Join(m.log, "\n"))
	m.t.Fatal(name)
}

// clone is the same model, to try out what would become of it.
func (m *model) clone() *model {
	c := *m
	c.w = cloneWorld(m.w)
	c.versions, c.floors = maps.Clone(m.versions), maps.Clone(m.floors)
	c.shots = append([]shot(nil), m.shots...)
	c.late = nil
	c.log = append([]string(nil), m.log...)
	return &c
}

func cloneWorld(w *simulate.World) *simulate.World {
	c := *w
	c.Rollout = w.Rollout.DeepCopy()
	c.Sets, c.Services = nil, map[string]*strategy.Service{}
	for _, s := range w.Sets {
		set := *s
		c.Sets = append(c.Sets, &set)
	}
	for name, s := range w.Services {
		service := *s
		c.Services[name] = &service
	}
	c.Runs = nil
	for i := range w.Runs {
		c.Runs = append(c.Runs, *w.Runs[i].DeepCopy())
	}
	c.Pods = append([]strategy.Pod(nil), w.Pods...)
	return &c
}
