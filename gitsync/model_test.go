package gitsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// model plays random people, faults and crashes to one Application, and holds what it does against what may never happen.
type model struct {
	*world
	commits int
}

var modelNames = []string{"a", "b", "c", "d"}

// randomCommit is some objects with some content, a hook among them now and then.
func (m *model) randomCommit(t *rapid.T) string {
	var all []string
	for _, name := range modelNames {
		if !rapid.Bool().Draw(t, "holds "+name) {
			continue
		}
		wave := rapid.IntRange(-1, 1).Draw(t, "wave")
		all = append(all, manifest("Deployment", name, fmt.Sprint("sync-wave=", wave))+fmt.Sprintf("spec: {image: v%d}\n", rapid.IntRange(1, 3).Draw(t, "image")))
	}
	if rapid.IntRange(0, 3).Draw(t, "hook") == 0 {
		all = append(all, manifest("Job", "hook", "hook="+rapid.SampledFrom([]string{"PreSync", "PostSync", "SyncFail"}).Draw(t, "phase"),
			"hook-delete-policy="+rapid.SampledFrom([]string{"HookSucceeded", "HookFailed", "BeforeHookCreation"}).Draw(t, "policy")))
	}
	all = append(all, manifest("ConfigMap", "always")+fmt.Sprintf("data: {v: v%d}\n", rapid.IntRange(1, 3).Draw(t, "value")))
	return docs(all...)
}

func (m *model) pushRandom(t *rapid.T) {
	m.commits++
	m.push(fmt.Sprintf("%040d", m.commits), m.randomCommit(t))
}

func (m *model) object(t *rapid.T) Key {
	return key("apps", "Deployment", rapid.SampledFrom(modelNames).Draw(t, "name"))
}

func (m *model) drift(t *rapid.T) func() {
	k, image := m.object(t), rapid.SampledFrom([]string{"v1", "v2", "drift"}).Draw(t, "to")
	return func() {
		if o := m.objects[k]; o != nil {
			o = o.DeepCopy()
			o.Object["spec"] = map[string]any{"image": image}
			m.put(o, m.objects[k])
		}
	}
}

// look makes a pass and checks what holds after every one.
func (m *model) look(t *rapid.T) {
	before, raced := m.app, m.meanwhile != nil
	m.pass()
	s := m.app.Status
	if !raced && s.Sync.Status == gitopsv1.SyncSynced && s.Health.Status == gitopsv1.HealthHealthy && before != m.app && m.writesSinceStatus() == 0 {
		for _, want := range m.world.commits[s.Sync.Revision] {
			if _, hook := HooksOf(want); hook {
				continue
			}
			live := m.objects[KeyOf(want)]
			if live == nil || !sameValue(compact(want.Object["spec"]), compact(live.Object["spec"]), "") {
				t.Fatalf("I17: Synced and Healthy at %s, but %s is not of it\n%s", s.Sync.Revision, title(KeyOf(want)), m.tail())
			}
		}
	}
	if op := s.OperationState; op != nil && (op.Phase == gitopsv1.OperationRunning || op.Phase == gitopsv1.OperationTerminating) != (m.app.Operation != nil) {
		t.Fatalf("the operation is %s and the field is %v\n%s", op.Phase, m.app.Operation, m.tail())
	}
}

// writesSinceStatus counts the writes of the last pass that came after the status; there are none unless a pass was cut short.
func (m *model) writesSinceStatus() int {
	i := len(m.story) - 1
	for i >= 0 && m.story[i] != "status" && strings.Contains(m.story[i], ": ") {
		i--
	}
	if i < 0 || m.story[i] != "status" {
		return 1
	}
	return 0
}

func (m *model) tail() string { return strings.Join(m.story[max(0, len(m.story)-40):], "\n") }

// calm takes all faults away and lets time pass until the newest commit must have come through.
func (m *model) calm(t *rapid.T) {
	m.broken, m.invalid, m.health, m.crash, m.meanwhile = map[Key]string{}, map[Key]string{}, map[Key]Health{}, -1, nil
	m.pushRandom(t)
	for range 12 {
		m.settle(t)
		m.now = m.now.Add(10 * time.Minute)
	}
	s := m.app.Status
	if s.Sync.Status != gitopsv1.SyncSynced || s.Health.Status != gitopsv1.HealthHealthy || s.Sync.Revision != m.head || m.app.Operation != nil {
		t.Fatalf("not calm at %s:\n%s\n%s", m.head, toYAML(s), m.tail())
	}
	for k, o := range m.objects {
		_, hook := HooksOf(o)
		wanted := slices.ContainsFunc(m.world.commits[m.head], func(d *unstructured.Unstructured) bool { return KeyOf(d) == k })
		if !hook && !wanted {
			t.Fatalf("%s is not pruned\n%s", title(k), m.tail())
		}
		if held(o) {
			t.Fatalf("%s keeps our finalizer\n%s", title(k), m.tail())
		}
	}
	before := m.writes
	for range 5 {
		m.pass()
		m.now = m.now.Add(time.Hour)
	}
	if m.writes != before {
		t.Fatalf("I5: writes although nothing changed\n%s", m.tail())
	}
	// The same content in a new commit writes nothing but the status.
	m.push("ffffffffffffffffffffffffffffffffffffffff", "")
	same := slices.Clone(m.world.commits[fmt.Sprintf("%040d", m.commits)])
	slices.Reverse(same)
	m.world.commits[m.head] = same
	m.story = nil
	m.settle(t)
	if did := m.applied(); len(did) > 0 {
		t.Fatalf("I18: a commit that changes nothing wrote %v", did)
	}
}

// TestWhateverHappensTheNewestCommitComesThrough plays random orders with crashes after any write.
func TestWhateverHappensTheNewestCommitComesThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{world: newWorld(automated + "  retry: {limit: 2}\n")}
		m.pushRandom(t)
		t.Repeat(map[string]func(*rapid.T){
			"":       m.look,
			"push":   m.pushRandom,
			"drift":  func(t *rapid.T) { m.drift(t)() },
			"race":   func(t *rapid.T) { m.meanwhile = m.drift(t) },
			"break":  func(t *rapid.T) { m.broken[m.object(t)] = "quota exceeded" },
			"refuse": func(t *rapid.T) { m.invalid[m.object(t)] = "is no image" },
			"mend":   func(*rapid.T) { clear(m.broken); clear(m.invalid) },
			"time": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			},
			"crash":   func(t *rapid.T) { m.crash = rapid.IntRange(0, 3).Draw(t, "after") },
			"delete":  func(t *rapid.T) { delete(m.objects, m.object(t)) },
			"by hand": func(*rapid.T) { m.sync(gitopsv1.SyncOperation{Prune: true}) },
			"health": func(t *rapid.T) {
				m.health[m.object(t)] = Health{Status: rapid.SampledFrom([]HealthStatus{Healthy, Progressing, Suspended, Degraded, Unknown}).Draw(t, "health")}
			},
			"hook health": func(t *rapid.T) {
				m.health[key("batch", "Job", "hook")] = Health{Status: rapid.SampledFrom([]HealthStatus{Healthy, Progressing, Degraded}).Draw(t, "health")}
			},
			"terminate": func(*rapid.T) {
				if s := m.app.Status.OperationState; s != nil && s.Phase == gitopsv1.OperationRunning {
					s.Phase = gitopsv1.OperationTerminating
				}
			},
		})
		m.calm(t)
	})
}
