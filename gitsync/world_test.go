package gitsync

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// world is a toy: one Application, a repository of commits, and a cluster that keeps what is applied.
type world struct {
	now     time.Time
	app     *gitopsv1.Application
	project *gitopsv1.AppProject
	// settings are what holds for all Applications.
	settings Settings
	// commits holds manifests by revision, with spaces between those of several sources; head is the newest.
	commits map[string][]*unstructured.Unstructured
	head    string
	objects map[Key]*unstructured.Unstructured
	health  map[Key]Health
	// broken objects are refused when they are applied, invalid ones by the dry run already; kept ones when they are deleted.
	broken, invalid, kept map[Key]string
	holders               map[string]bool
	version               int
	writes                int
	story                 []string
	// meanwhile happens between what a pass observes and what it writes.
	meanwhile func()
	// crash, if it is not negative, is after how many more writes the process dies; died tells that it did.
	crash int
	died  bool
	// seen is what a cache shows of the objects; nil for one that is never late.
	seen func() map[Key]*unstructured.Unstructured
	// lingers has deleted objects stay until collect is called, as those do that somebody else holds.
	lingers bool
	// shown are copies of what the last observation found alive.
	shown []*unstructured.Unstructured
	// witness sees each decision before it is carried out, and recorded each state of an object; nil for one that is gone.
	witness  func(Observation, *Plan)
	recorded func(Key, *unstructured.Unstructured)
}

const project = "default"

func newWorld(spec string) *world {
	app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "shop"}}
	app.Spec = gitopsv1.ApplicationSpec{
		Source:      &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo.git", Path: "shop"},
		Destination: gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: "prod"},
	}
	if err := yaml.UnmarshalStrict([]byte(spec), &app.Spec); err != nil {
		panic(err)
	}
	return &world{
		now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), app: app, commits: map[string][]*unstructured.Unstructured{},
		project: &gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: project}, Spec: gitopsv1.AppProjectSpec{
			SourceRepos: []string{"*"}, Destinations: []gitopsv1.ProjectDestination{{Server: "*", Namespace: "*"}},
			ClusterResourceWhitelist: []gitopsv1.ClusterResource{{Group: "*", Kind: "*"}},
		}},
		objects: map[Key]*unstructured.Unstructured{}, health: map[Key]Health{}, broken: map[Key]string{}, invalid: map[Key]string{}, kept: map[Key]string{},
		holders: map[string]bool{}, crash: -1,
	}
}

const automated = `
syncPolicy:
  automated: {prune: true, selfHeal: true}
`

// parse reads manifests from YAML documents.
func parse(text string) (all []*unstructured.Unstructured) {
	for one := range strings.SplitSeq(text, "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(one), &o.Object); err != nil {
			panic(err)
		}
		if o.Object != nil {
			all = append(all, o)
		}
	}
	return all
}

func (w *world) push(revision, manifests string) {
	w.commits[revision], w.head = parse(manifests), revision
}

var clusterKinds = []string{"Namespace", "ClusterRole", "CustomResourceDefinition"}

// observation looks at everything, as the loop does.
func (w *world) observation() Observation {
	o := Observation{
		Now: w.now, App: w.app, ControlNamespace: "argocd", Project: w.project, Settings: w.settings, Holders: w.holders,
		Cluster: Cluster{Server: gitopsv1.InClusterServer, Name: gitopsv1.InClusterName},
		Target:  w.material(w.head), Kinds: map[GroupKind]Kind{}, Predicted: map[string]Prediction{},
	}
	if SyncUnderWay(w.app) != nil {
		if sources, revisions := SourcesOfSync(w.app); !SameMaterial(o.Target, sources, revisions) {
			m := w.material(strings.Join(revisions, " "))
			o.Running = &m
		}
	}
	w.know(o.Kinds, o.Target.Objects...)
	if o.Running != nil {
		w.know(o.Kinds, o.Running.Objects...)
	}
	seen := w.objects
	if w.seen != nil {
		seen = w.seen()
	}
	for _, k := range slices.SortedFunc(maps.Keys(seen), compareKeys) {
		live := seen[k]
		if k.Kind == "Namespace" && !CreatesNamespace(o) {
			continue
		}
		w.know(o.Kinds, live)
		o.Live = append(o.Live, Live{Object: live, Health: w.healthOf(k, live)})
		if k.Kind == kindRollout {
			o.Rollouts = append(o.Rollouts, live)
		}
	}
	w.shown = nil
	for _, l := range o.Live {
		w.shown = append(w.shown, l.Object.DeepCopy())
	}
	o.Kinds[GroupKind{"", "Namespace"}] = Kind{Known: true}
	for _, q := range Questions(&o) {
		key := KeyOf(q.Object)
		p := Prediction{Problem: w.invalid[key]}
		if live := w.objects[key]; live != nil && p.Problem == "" {
			p.Object = w.merged(q.Object, live)
		}
		o.Predicted[Digest(q.Object)] = p
	}
	return o
}

// know fills in what the cluster knows about the kinds of objects.
func (w *world) know(kinds map[GroupKind]Kind, objects ...*unstructured.Unstructured) {
	for _, o := range objects {
		k := KeyOf(o)
		kinds[GroupKind{k.Group, k.Kind}] = Kind{Known: k.Kind != "Mystery", Namespaced: !slices.Contains(clusterKinds, k.Kind)}
	}
}

// healthOf is what was set for an object, or what its status says for the generation that it has; a hook or an object without either is Healthy.
func (w *world) healthOf(k Key, live *unstructured.Unstructured) Health {
	if live.GetDeletionTimestamp() != nil && !held(live) {
		return Health{Status: Progressing, Message: "Pending deletion"}
	}
	if observed, set, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration"); set && observed != live.GetGeneration() {
		return Health{Status: Progressing, Message: "generation not observed"}
	}
	if h, set := w.health[k]; set {
		return h
	}
	if k.Kind == "ConfigMap" {
		return Health{}
	}
	return Health{Status: Healthy}
}

func (w *world) material(revision string) Material {
	m := Material{Revisions: strings.Fields(revision), Sources: gitopsv1.SourcesOf(w.app.Spec), SourceTypes: []gitopsv1.SourceType{gitopsv1.SourceTypeDirectory}}
	if objects, known := w.commits[revision]; known {
		m.Objects = objects
	} else {
		m.Problem = "there is no revision " + revision
	}
	return m
}

// merged is what an apply makes of an object: our fields are replaced, those of others stay.
func (w *world) merged(manifest, live *unstructured.Unstructured) *unstructured.Unstructured {
	o := manifest.DeepCopy()
	for _, field := range []string{"uid", "creationTimestamp", "generation", "resourceVersion"} {
		if v, set, _ := unstructured.NestedFieldCopy(live.Object, "metadata", field); set {
			if err := unstructured.SetNestedField(o.Object, v, "metadata", field); err != nil {
				panic(err)
			}
		}
	}
	if status, set := live.Object["status"]; set {
		o.Object["status"] = status
	}
	return o
}

type crashed struct{}

// wrote counts a write; the process may die right after it.
func (w *world) wrote(what string) {
	w.writes++
	w.story = append(w.story, what)
	if w.crash == 0 {
		w.crash = -1
		panic(crashed{})
	}
	if w.crash > 0 {
		w.crash--
	}
}

func (w *world) put(o *unstructured.Unstructured, live *unstructured.Unstructured) {
	if live == nil {
		o = o.DeepCopy()
		o.SetUID(types.UID(fmt.Sprint("uid-", w.version+1)))
		o.SetCreationTimestamp(metav1.NewTime(w.now.Truncate(time.Second)))
		o.SetGeneration(1)
	} else {
		generation := live.GetGeneration()
		before, after := normal(live), normal(o)
		o = w.merged(o, live)
		if !sameValue(before, after, "") {
			generation++
		}
		o.SetGeneration(generation)
	}
	w.store(o)
}

// store keeps a state of an object under a version of its own.
func (w *world) store(o *unstructured.Unstructured) {
	w.version++
	o.SetResourceVersion(fmt.Sprint(w.version))
	w.objects[KeyOf(o)] = o
	if w.recorded != nil {
		w.recorded(KeyOf(o), o)
	}
}

// remove deletes what was observed, and nothing else of that name; it reports whether that is done.
func (w *world) remove(observed *unstructured.Unstructured) bool {
	k := KeyOf(observed)
	now := w.objects[k]
	switch {
	case now == nil:
		return true
	case now.GetUID() != observed.GetUID():
		return false
	case w.lingers && now.GetDeletionTimestamp() == nil:
		o := now.DeepCopy()
		at := metav1.NewTime(w.now)
		o.SetDeletionTimestamp(&at)
		w.store(o)
	case !w.lingers:
		delete(w.objects, k)
		if w.recorded != nil {
			w.recorded(k, nil)
		}
	}
	return true
}

// pass makes one pass and reports whether it wrote anything, and when to look again.
func (w *world) pass() (wrote bool, after time.Duration) {
	before := w.writes
	defer func() {
		if r := recover(); r != nil {
			if _, died := r.(crashed); !died {
				panic(r)
			}
			w.died, wrote, after = true, true, time.Millisecond
		}
	}()
	o := w.observation()
	plan := Decide(o)
	if w.witness != nil {
		w.witness(o, &plan)
	}
	if w.meanwhile != nil {
		w.meanwhile()
		w.meanwhile = nil
	}
	if !w.carryOut(&plan) {
		after = time.Millisecond // another look is due
	}
	if !equality.Semantic.DeepEqual(o.App, plan.App) {
		if w.app != o.App {
			return true, time.Millisecond // somebody has changed it
		}
		w.app = plan.App
		for _, n := range plan.Notes {
			w.story = append(w.story, n.Reason+": "+n.Message)
		}
		w.wrote("status")
	}
	if after == 0 {
		after = plan.After
	}
	return w.writes > before, after
}

// carryOut writes a plan, but for the Application, and reports whether nothing had changed meanwhile.
func (w *world) carryOut(plan *Plan) bool {
	done := true
	var outcomes []Outcome
	for _, o := range plan.Release {
		if w.conflicts(o, o) {
			done = false
			continue
		}
		live := w.objects[KeyOf(o)]
		if live == nil {
			continue
		}
		live = live.DeepCopy()
		live.SetFinalizers(slices.DeleteFunc(live.GetFinalizers(), func(f string) bool { return f == gitopsv1.FinalizerHook }))
		w.store(live)
		w.wrote("release " + title(KeyOf(o)))
	}
	for _, d := range plan.Delete {
		if problem := w.kept[KeyOf(d.Live)]; problem != "" {
			outcomes = append(outcomes, Outcome{Task: d.Task, Problem: problem})
			continue
		}
		if !w.remove(d.Live) {
			done = false
			continue
		}
		if !d.Task.Hook {
			outcomes = append(outcomes, Outcome{Task: d.Task})
		}
		w.wrote("delete " + title(KeyOf(d.Live)))
	}
	for _, write := range slices.Concat(plan.Apply...) {
		if w.conflicts(write.Object, write.Live) {
			done = false
			continue
		}
		outcome := Outcome{Task: write.Task, Message: "configured"}
		switch outcome.Problem = w.broken[write.Task.Key]; {
		case outcome.Problem != "":
		case write.Retry:
			w.retry(write.Live)
		default:
			w.put(write.Object, w.objects[KeyOf(write.Object)])
			w.wrote("apply " + title(KeyOf(write.Object)))
		}
		outcomes = append(outcomes, outcome)
	}
	plan.Record(outcomes)
	return done
}

// retry does what a Rollout shows once it begins again.
func (w *world) retry(live *unstructured.Unstructured) {
	o := live.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "status", "abort")
	w.version++
	o.SetResourceVersion(fmt.Sprint(w.version))
	w.objects[KeyOf(o)] = o
	w.health[KeyOf(o)] = Health{Status: Progressing}
	w.wrote("retry " + title(KeyOf(o)))
}

// conflicts reports whether an object is not any more what a decision rested on.
func (w *world) conflicts(o, rests *unstructured.Unstructured) bool {
	now := w.objects[KeyOf(o)]
	return now != nil && rests != nil && now.GetResourceVersion() != rests.GetResourceVersion()
}

func toYAML(o any) string {
	text, err := yaml.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// settle passes until nothing is written any more; waits of up to a second pass by themselves.
func (w *world) settle(t interface{ Fatalf(string, ...any) }) {
	for range 200 {
		wrote, after := w.pass()
		if after > 0 && after <= time.Second {
			w.now = w.now.Add(after)
			continue
		}
		if !wrote {
			return
		}
	}
	t.Fatalf("no rest after 200 passes:\n%s", strings.Join(w.story[max(0, len(w.story)-30):], "\n"))
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 1, template: {spec: {containers: [{name: web, image: "web:1"}]}}}
`

const config = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
`

func TestACommitGoesOutByItselfAndWhatItDropsIsPruned(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", deployment+"\n---\n"+config)
	w.settle(t)
	s := w.app.Status
	if s.Sync.Status != gitopsv1.SyncSynced || s.Health.Status != gitopsv1.HealthHealthy || s.Sync.Revision != "aaaa" || len(w.objects) != 2 {
		t.Fatalf("after the first commit:\n%s%s", toYAML(s), strings.Join(w.story, "\n"))
	}
	if s.OperationState.Phase != gitopsv1.OperationSucceeded || s.OperationState.Message != "successfully synced (all tasks run)" || w.app.Operation != nil {
		t.Errorf("operation:\n%s", toYAML(s.OperationState))
	}
	w.push("bbbb", deployment)
	w.settle(t)
	s = w.app.Status
	if s.Sync.Status != gitopsv1.SyncSynced || len(w.objects) != 1 || len(s.History) != 2 || s.History[1].Revision != "bbbb" || s.History[1].ID != 1 {
		t.Errorf("after the second commit:\n%s%s", toYAML(s), strings.Join(w.story, "\n"))
	}
}
