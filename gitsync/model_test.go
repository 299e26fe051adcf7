package gitsync

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/repeat"
)

// modelChecks walks of modelSteps steps on average explore some 100,000 states in some ten seconds of one core.
const (
	modelChecks = "240"
	modelSteps  = "120"
	modelSeed   = "1"
)

func TestMain(m *testing.M) { os.Exit(repeat.Main(m, modelChecks, modelSteps, modelSeed)) }

// tally counts what the walks explored.
type tally struct{ states, decisions, writes, faults int }

// model plays random people, faults and crashes to three Applications in one cluster: shop and rival want some of the same objects, and bystander has
// nothing to do with either. It holds each decision against what may never happen.
type model struct {
	actors []*actor
	// history holds the states of the cluster, the newest last.
	history []map[Key]*unstructured.Unstructured
	commits int
	t       *rapid.T
	tally   *tally
}

// actor is one Application and the process that serves it.
type actor struct {
	*world
	name string
	// lag is how many states of the cluster the cache is behind; it never shows anything older than what stood at since, or than what the process
	// wrote itself, which is in own by the number of the state.
	lag, since int
	own        map[Key]written
	// attempt tells one attempt of an operation from all others; ran are the hooks that were created in one, and hooked those that were written.
	operations  int
	attempt     string
	ran, hooked map[string]bool
	// busy is true while the process writes, and gone once the Application is.
	busy, gone bool
}

type written struct {
	object *unstructured.Unstructured
	state  int
}

func newModel(t *rapid.T, count *tally) *model {
	m := &model{t: t, tally: count, history: []map[Key]*unstructured.Unstructured{{}}}
	for i, name := range []string{"shop", "rival", "bystander"} {
		a := &actor{world: newWorld(automated + "  retry: {limit: 2}\n"), name: name, own: map[Key]written{}, ran: map[string]bool{}, hooked: map[string]bool{}}
		a.app.Name, a.version = name, i*1_000_000
		if i > 0 {
			first := m.actors[0]
			a.objects, a.health, a.broken, a.invalid, a.holders = first.objects, first.health, first.broken, first.invalid, first.holders
		}
		a.holders[name] = true
		a.seen = func() map[Key]*unstructured.Unstructured { return m.seen(a) }
		a.recorded = func(k Key, o *unstructured.Unstructured) { m.record(a, k, o) }
		a.witness = func(o Observation, plan *Plan) { m.judge(a, o, plan) }
		m.actors = append(m.actors, a)
	}
	for _, a := range m.actors {
		m.push(a)
	}
	return m
}

func (m *model) shop() *actor  { return m.actors[0] }
func (m *model) other() *actor { return m.actors[2] }

// anyone is mostly the Application shop.
func (m *model) anyone(t *rapid.T) *actor {
	return m.actors[rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "who")]
}

// record notes a state of the cluster, which a process made or somebody else.
func (m *model) record(a *actor, k Key, o *unstructured.Unstructured) {
	m.tally.states++
	m.history = append(m.history, maps.Clone(a.objects))
	if !a.busy {
		return
	}
	if o == nil {
		delete(a.own, k) // that something is gone is not remembered
		return
	}
	a.own[k] = written{o, len(m.history) - 1}
	before := m.history[len(m.history)-2][k]
	runs, _ := HooksOf(o)
	for _, phase := range runs {
		run := hookRun(a.attempt, phase, k)
		a.hooked[run] = a.hooked[run] || held(o)
		a.ran[run] = a.ran[run] || before == nil || before.GetUID() != o.GetUID()
	}
}

func hookRun(attempt string, phase Phase, k Key) string {
	return fmt.Sprintf("%s: %s %s", attempt, phase, title(k))
}

// seen is what the cache of a process shows.
func (m *model) seen(a *actor) map[Key]*unstructured.Unstructured {
	at := max(len(m.history)-1-a.lag, a.since, 0)
	shown := maps.Clone(m.history[at])
	for k, w := range a.own {
		if w.state > at {
			shown[k] = w.object
		}
	}
	return shown
}

// judge holds a decision against all predicates.
func (m *model) judge(a *actor, o Observation, plan *Plan) {
	m.tally.decisions++
	attempt := fmt.Sprint("operation ", a.operations)
	if s := o.App.Status.OperationState; s != nil {
		attempt += fmt.Sprint(", attempt ", s.RetryCount)
	}
	now := moment{o: o, shown: a.shown, plan: plan, attempt: attempt, ran: a.ran, hooked: a.hooked, merged: a.merged}
	for _, p := range predicates {
		if why := p.fails(now); why != "" {
			m.t.Fatalf("%s: %s\n%s", p.name, why, a.tail())
		}
	}
	a.attempt = attempt
}

// pass lets a process look once.
func (m *model) pass(a *actor) (wrote bool, after time.Duration) {
	if a.gone {
		return false, 0
	}
	before, app := a.writes, a.app
	a.now, a.busy = m.shop().now, true
	told := len(a.story)
	wrote, after = a.world.pass()
	a.busy = false
	m.tally.writes += a.writes - before
	if a.app != app {
		m.tally.states++
		if slices.ContainsFunc(a.story[min(told, len(a.story)):], func(line string) bool { return strings.HasPrefix(line, "OperationStarted") }) {
			a.operations++
		}
	}
	if a.app.DeletionTimestamp != nil && len(a.app.Finalizers) == 0 {
		a.gone, a.holders[a.name] = true, false
	}
	if a.died {
		m.tally.faults++
		a.died, a.own, a.lag, a.since = false, map[Key]written{}, 0, len(m.history)-1
	}
	return wrote, after
}

func (a *actor) tail() string {
	return a.name + ":\n" + strings.Join(a.story[max(0, len(a.story)-40):], "\n")
}

// set stores a state of an object that somebody else makes.
func (m *model) set(o *unstructured.Unstructured) { m.shop().store(o) }

func (m *model) unset(k Key) {
	if m.shop().objects[k] != nil {
		delete(m.shop().objects, k)
		m.record(m.shop(), k, nil)
	}
}

// collect takes away what is on its way out.
func (m *model) collect() {
	for _, k := range slices.SortedFunc(maps.Keys(m.shop().objects), compareKeys) {
		if m.shop().objects[k].GetDeletionTimestamp() != nil {
			m.unset(k)
		}
	}
}

// rest lets everybody look until nobody writes, and then sees that a look more changes nothing (I5), and that the bystander has what Git holds (I16).
func (m *model) rest() {
	for _, a := range m.actors {
		a.lag, a.lingers = 0, false
	}
	m.collect()
	for rounds, quiet := 0, false; !quiet; rounds++ {
		if rounds == 200 {
			m.t.Fatalf("I5: no rest after %d rounds\n%s\n%s", rounds, m.shop().tail(), m.actors[1].tail())
		}
		quiet = true
		for _, a := range m.actors {
			wrote, after := m.pass(a)
			if after > 0 && after <= time.Second {
				m.shop().now = m.shop().now.Add(after)
				wrote = true
			}
			quiet = quiet && !wrote
		}
	}
	if s := m.other().app.Status; s.Sync.Status != gitopsv1.SyncSynced || s.Health.Status != gitopsv1.HealthHealthy || s.Sync.Revision != m.other().head {
		m.t.Fatalf("I16: the bystander does not have %s\n%s\n%s", m.other().head, toYAML(s), m.other().tail())
	}
}
