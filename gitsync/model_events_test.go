package gitsync

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// shared is what shop and rival both want; the rest of what an Application may hold is its own.
var holdings = map[string][]string{"shop": {"shared", "a", "b"}, "rival": {"shared", "r"}, "bystander": {"calm"}}

// randomCommit is some objects with some content, a hook or a Rollout among them now and then.
func (m *model) randomCommit(a *actor, fresh string) string {
	t, all := m.t, []string{}
	image := func() string { return fmt.Sprintf("v%d%s", rapid.IntRange(1, 3).Draw(t, "image"), fresh) }
	for _, name := range holdings[a.name] {
		if rapid.IntRange(0, 3).Draw(t, "holds "+name) == 0 {
			continue
		}
		wave := rapid.IntRange(-1, 1).Draw(t, "wave")
		all = append(all, manifest("Deployment", name, fmt.Sprint("sync-wave=", wave))+"spec: {image: "+image()+"}\n")
	}
	if a == m.shop() {
		if rapid.IntRange(0, 2).Draw(t, "hook") == 0 {
			all = append(all, manifest("Job", "hook", "hook="+rapid.SampledFrom([]string{"PreSync", "Sync", "PostSync", "SyncFail"}).Draw(t, "phase"),
				"hook-delete-policy="+rapid.SampledFrom([]string{"HookSucceeded", "HookFailed", "BeforeHookCreation"}).Draw(t, "policy")))
		}
		if rapid.Bool().Draw(t, "rollout") {
			all = append(all, manifest("Rollout", "web")+"spec: {strategy: {canary: {}}, image: "+image()+"}\n")
		}
	}
	all = append(all, manifest("ConfigMap", a.name)+"spec: {v: "+image()+"}\n")
	return docs(all...)
}

func (m *model) push(a *actor) {
	m.commits++
	m.tally.states++
	a.push(fmt.Sprintf("%040d", m.commits), m.randomCommit(a, ""))
}

// object is one that shop or rival may hold.
func (m *model) object() Key {
	return key("apps", "Deployment", rapid.SampledFrom([]string{"shared", "a", "b", "r"}).Draw(m.t, "name"))
}

// drift is somebody who changes an object in the cluster.
func (m *model) drift() func() {
	k, image := m.object(), rapid.SampledFrom([]string{"v1", "v2", "drift"}).Draw(m.t, "to")
	return func() {
		if o := m.shop().objects[k]; o != nil {
			o = o.DeepCopy()
			o.Object["spec"] = map[string]any{"image": image}
			m.shop().put(o, m.shop().objects[k])
		}
	}
}

// poison makes an object what no server should store.
func (m *model) poison(t *rapid.T) {
	k := rapid.SampledFrom([]Key{key("apps", "Deployment", "a"), key("apps", "Deployment", "shared"), rolloutKey, key("", "ConfigMap", "shop")}).Draw(t, "victim")
	live := m.shop().objects[k]
	if live == nil {
		return
	}
	m.tally.faults++
	o := live.DeepCopy()
	switch rapid.IntRange(0, 3).Draw(t, "poison") {
	case 0:
		o.Object["spec"] = "no map"
	case 1:
		o.Object["spec"], o.Object["status"] = []any{nil, int64(-1)}, "no map"
	case 2:
		o.Object["status"] = map[string]any{"conditions": map[string]any{}, "abort": "yes", "observedGeneration": "1"}
	case 3:
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: gitopsv1.FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(`[1]`)}})
	}
	m.set(o)
}

// roll is a step of the canary.
func (m *model) roll(t *rapid.T) {
	live := m.shop().objects[rolloutKey]
	if live == nil {
		return
	}
	state := rapid.SampledFrom([]HealthStatus{Healthy, Suspended, Progressing, Degraded}).Draw(t, "canary")
	m.rolled(live, state)
}

func (m *model) rolled(live *unstructured.Unstructured, state HealthStatus) {
	o := live.DeepCopy()
	o.Object["status"] = map[string]any{"observedGeneration": o.GetGeneration(), "abort": state == Degraded, "message": "error rate"}
	m.shop().health[rolloutKey] = Health{Status: state}
	m.set(o)
}

// client changes an Application as people and commands do.
func (m *model) client(a *actor, change func(*gitopsv1.Application)) {
	app := a.app.DeepCopy()
	change(app)
	a.app = app
	m.tally.states++
}

// ask is somebody who starts a sync by hand.
func (m *model) ask(t *rapid.T) func() {
	op := gitopsv1.SyncOperation{Prune: rapid.Bool().Draw(t, "prune")}
	switch rapid.IntRange(0, 4).Draw(t, "sync") {
	case 0:
		op.Revision = rapid.SampledFrom(slices.Sorted(maps.Keys(m.shop().commits))).Draw(t, "revision")
	case 1:
		op.Resources = []gitopsv1.SyncResource{{Group: "apps", Kind: "Deployment", Name: m.object().Name}}
	case 2:
		op.DryRun = true
	case 3:
		op.SyncStrategy = &gitopsv1.SyncStrategy{Apply: &gitopsv1.SyncStrategyApply{}}
	}
	retry := gitopsv1.RetryStrategy{Limit: rapid.Int64Range(0, 1).Draw(t, "retries")}
	return func() {
		m.client(m.shop(), func(app *gitopsv1.Application) {
			app.Operation = &gitopsv1.Operation{Sync: &op, InitiatedBy: gitopsv1.OperationInitiator{Username: "ada"}, Retry: retry}
		})
	}
}

// events are what may happen besides a look.
func (m *model) events() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":     func(t *rapid.T) { m.pass(m.anyone(t)) },
		"push": func(t *rapid.T) { m.push(m.anyone(t)) },
		"push back": func(t *rapid.T) { // a revert, and a commit of what was there before
			m.shop().head = rapid.SampledFrom(slices.Sorted(maps.Keys(m.shop().commits))).Draw(t, "to")
		},
		"drift":  func(*rapid.T) { m.drift()() },
		"race":   func(*rapid.T) { m.fault(); m.shop().meanwhile = m.drift() },
		"break":  func(*rapid.T) { m.fault(); m.shop().broken[m.object()] = "quota exceeded" },
		"refuse": func(*rapid.T) { m.fault(); m.shop().invalid[m.object()] = "is no image" },
		"mend":   func(*rapid.T) { clear(m.shop().broken); clear(m.shop().invalid) },
		"poison": m.poison,
		"time": func(t *rapid.T) {
			m.shop().now = m.shop().now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
		},
		"crash":         func(t *rapid.T) { m.anyone(t).crash = rapid.IntRange(0, 3).Draw(t, "after") },
		"lag":           func(t *rapid.T) { m.fault(); m.anyone(t).lag = rapid.IntRange(0, 3).Draw(t, "states") },
		"linger":        func(t *rapid.T) { m.fault(); m.anyone(t).lingers = true },
		"collect":       func(*rapid.T) { m.collect() },
		"delete":        func(*rapid.T) { m.unset(m.object()) },
		"ask":           func(t *rapid.T) { m.ask(t)() },
		"ask meanwhile": func(t *rapid.T) { m.fault(); m.shop().meanwhile = m.ask(t) },
		"refresh meanwhile": func(*rapid.T) {
			m.shop().meanwhile = func() {
				m.client(m.shop(), func(app *gitopsv1.Application) {
					app.Annotations = map[string]string{gitopsv1.AnnotationRefresh: gitopsv1.RefreshNormal, AnnotationRollouts: app.Annotations[AnnotationRollouts]}
				})
			}
		},
		"take back": func(*rapid.T) { m.client(m.shop(), func(app *gitopsv1.Application) { app.Operation = nil }) },
		"health": func(t *rapid.T) {
			m.shop().health[m.object()] = Health{Status: rapid.SampledFrom([]HealthStatus{Healthy, Progressing, Suspended, Degraded, Unknown}).Draw(t, "health")}
		},
		"hook": func(t *rapid.T) {
			m.shop().health[key("batch", "Job", "hook")] = Health{Status: rapid.SampledFrom([]HealthStatus{Healthy, Progressing, Degraded}).Draw(t, "health")}
		},
		"canary": m.roll,
		"terminate": func(*rapid.T) {
			if s := m.shop().app.Status.OperationState; s != nil && s.Phase == gitopsv1.OperationRunning {
				m.client(m.shop(), func(app *gitopsv1.Application) { app.Status.OperationState.Phase = gitopsv1.OperationTerminating })
			}
		},
		"window": func(t *rapid.T) {
			m.shop().project.Spec.SyncWindows = nil
			if rapid.Bool().Draw(t, "closed") {
				m.shop().project.Spec.SyncWindows = []gitopsv1.SyncWindow{{
					Kind: "deny", Schedule: "* * * * *", Duration: "1h", Applications: []string{"*"}, SyncOverrun: rapid.Bool().Draw(t, "overrun"), ManualSync: rapid.Bool().Draw(t, "manual"),
				}}
			}
		},
		"rest": func(*rapid.T) { m.rest() },
	}
}

func (m *model) fault() { m.tally.faults++ }

// counted has every event make a state of the world.
func (m *model) counted(events map[string]func(*rapid.T)) map[string]func(*rapid.T) {
	for name, happen := range events {
		events[name] = func(t *rapid.T) {
			m.tally.states++
			happen(t)
		}
	}
	return events
}

// calm takes all faults away and lets time pass until the newest commit must have come through. The rival goes with all that it holds.
func (m *model) calm() {
	shop, rival := m.shop(), m.actors[1]
	for _, a := range m.actors {
		a.crash, a.meanwhile = -1, nil
	}
	m.night()
	clear(shop.broken)
	clear(shop.invalid)
	clear(shop.health)
	shop.project.Spec.SyncWindows = nil
	m.client(rival, func(app *gitopsv1.Application) {
		app.DeletionTimestamp, app.Finalizers = &metav1.Time{Time: shop.now}, []string{gitopsv1.FinalizerResources}
	})
	m.commits++
	shop.push(fmt.Sprintf("%040d", m.commits), m.randomCommit(shop, fmt.Sprint("-", m.commits)))
	for range 5 {
		m.rest()
		if live := shop.objects[rolloutKey]; live != nil {
			m.rolled(live, Healthy)
		}
		shop.now = shop.now.Add(10 * time.Minute)
	}
	m.rest()
	s := shop.app.Status
	if s.Sync.Status != gitopsv1.SyncSynced || s.Health.Status != gitopsv1.HealthHealthy || s.Sync.Revision != shop.head || shop.app.Operation != nil || !rival.gone {
		m.t.Fatalf("not calm at %s:\n%s\n%s\n%s", shop.head, toYAML(s), shop.tail(), rival.tail())
	}
	for k, o := range shop.objects {
		_, hook := HooksOf(o)
		holder := slices.IndexFunc(m.actors, func(a *actor) bool { return a.name == TrackedBy(o) })
		if holder < 0 || holder == 1 || !hook && !slices.ContainsFunc(m.actors[holder].commits[m.actors[holder].head], func(d *unstructured.Unstructured) bool { return KeyOf(d) == k }) {
			m.t.Fatalf("%s is not pruned\n%s", title(k), shop.tail())
		}
		if held(o) {
			m.t.Fatalf("%s keeps our finalizer\n%s", title(k), shop.tail())
		}
	}
	m.reshuffle()
}

// night lets hours pass without anything new. Whatever is broken, there comes a time from which nobody writes (I5).
func (m *model) night() {
	for quiet, hours := 0, 0; quiet < 2; hours++ {
		if hours == 20 {
			m.t.Fatalf("I5: somebody writes for ever\n%s\n%s", m.shop().tail(), m.actors[1].tail())
		}
		before := m.tally.writes
		m.rest()
		if quiet++; m.tally.writes != before {
			quiet = 0
		}
		m.shop().now = m.shop().now.Add(time.Hour)
	}
}

// reshuffle brings the same content in another order, which writes nothing but the status (I18), and then hours without a change, which write nothing (I5).
func (m *model) reshuffle() {
	shop := m.shop()
	same := slices.Clone(shop.commits[shop.head])
	slices.Reverse(same)
	shop.head = "ffffffffffffffffffffffffffffffffffffffff"
	shop.commits[shop.head] = same
	shop.story = nil
	m.rest()
	if did := shop.applied(); len(did) > 0 {
		m.t.Fatalf("I18: a commit that changes nothing wrote %v", did)
	}
	before := m.tally.writes
	for range 3 {
		for _, a := range m.actors {
			m.pass(a)
		}
		shop.now = shop.now.Add(time.Hour)
	}
	if m.tally.writes != before {
		m.t.Fatalf("I5: writes although nothing changed\n%s", shop.tail())
	}
}

// TestWhateverHappensTheNewestCommitComesThrough plays random orders, with crashes after any write and caches that are late.
func TestWhateverHappensTheNewestCommitComesThrough(t *testing.T) {
	var count tally
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, &count)
		t.Repeat(m.counted(m.events()))
		m.calm()
	})
	fmt.Printf("sync model: %d states explored, %d decisions, %d writes, %d faults injected\n", count.states, count.decisions, count.writes, count.faults)
}
