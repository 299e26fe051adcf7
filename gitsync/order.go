package gitsync

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Phase is a part of a sync.
type Phase string

// Phases in the order in which they run; SyncFail runs only after a failure.
const (
	PreSync  Phase = "PreSync"
	Sync     Phase = "Sync"
	PostSync Phase = "PostSync"
	SyncFail Phase = "SyncFail"
)

var phases = []Phase{PreSync, Sync, PostSync, SyncFail}

// Task is one object to be applied or pruned at one place of a sync.
type Task struct {
	Phase Phase
	Wave  int
	Key   Key
	Prune bool
	Hook  bool
	// Desired is the manifest to apply; nil for a prune.
	Desired *unstructured.Unstructured
	// Exists is true when the object lives already.
	Exists bool
}

// OrderOptions are the circumstances of a sync.
type OrderOptions struct {
	// Namespace is that of the destination, in which objects of namespaced kinds without one lie.
	Namespace string
	// Revision and StartedAt go into the names of hooks with a generateName.
	Revision  string
	StartedAt time.Time
	Prune     bool
	PruneLast bool
	// SkipHooks leaves hooks out, as a partial sync does.
	SkipHooks bool
	// CreateNamespace adds the destination's Namespace, which does not exist yet, unless a manifest declares it.
	CreateNamespace bool
	// Namespaced tells whether a kind is namespaced.
	Namespaced func(GroupKind) bool
}

// kindRank holds the kinds that come early, in their order; all others come after them and are of one rank, but for Rollouts.
var kindRank = func() map[string]int {
	ranks := map[string]int{}
	for i, kind := range strings.Fields(`Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget ServiceAccount
		Secret SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim CustomResourceDefinition ClusterRole ClusterRoleList
		ClusterRoleBinding ClusterRoleBindingList Role RoleList RoleBinding RoleBindingList Service DaemonSet Pod ReplicationController ReplicaSet
		Deployment HorizontalPodAutoscaler StatefulSet Job CronJob IngressClass Ingress APIService`) {
		ranks[kind] = i + 1
	}
	return ranks
}()

// rank is the place of a kind. A Rollout comes after all else of its wave: the templates and routes that it names must be there before its controller
// looks for them, and nothing needs it.
func rank(k Key) int {
	if r, ranked := kindRank[k.Kind]; ranked {
		return r
	}
	if k.Group == groupRollouts && k.Kind == kindRollout {
		return len(kindRank) + 2
	}
	return len(kindRank) + 1
}

// Order lists the tasks of a sync in the order in which they run: phase, wave, kind, name, and then namespace so that the order is always the same.
// Namespaces and custom resource definitions move before the first object that needs them.
func Order(desired []*unstructured.Unstructured, live []*unstructured.Unstructured, options OrderOptions) []Task {
	exists := map[Key]bool{}
	for _, o := range live {
		exists[KeyOf(o)] = true
	}
	var tasks []Task
	wanted := map[Key]bool{}
	for _, o := range desired {
		for _, t := range tasksOf(o, options) {
			t.Exists = exists[t.Key]
			wanted[t.Key] = true
			tasks = append(tasks, t)
		}
	}
	if options.CreateNamespace {
		tasks = addNamespace(tasks, options.Namespace)
	}
	tasks = append(tasks, prunes(tasks, live, wanted, options)...)
	slices.SortStableFunc(tasks, compareTasks)
	tasks = moveUp(tasks, "Namespace", "", func(ns, t Task) bool {
		return t.Key.Namespace == ns.Key.Name || t.Key.Namespace == "" && options.Namespace == ns.Key.Name && t.Key != ns.Key
	})
	return moveUp(tasks, "CustomResourceDefinition", "apiextensions.k8s.io", func(crd, t Task) bool {
		group, _, _ := unstructured.NestedString(crd.Desired.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(crd.Desired.Object, "spec", "names", "kind")
		return t.Key.Group == group && t.Key.Kind == kind
	})
}

func compareTasks(a, b Task) int {
	return cmp.Or(
		cmp.Compare(slices.Index(phases, a.Phase), slices.Index(phases, b.Phase)),
		cmp.Compare(a.Wave, b.Wave),
		cmp.Compare(rank(a.Key), rank(b.Key)),
		cmp.Compare(a.Key.Name, b.Key.Name),
		cmp.Compare(a.Key.Namespace, b.Key.Namespace),
	)
}

// tasksOf gives the tasks of one manifest: one for each phase that it is a hook of, one in Sync for a plain object, none for what takes no part.
func tasksOf(o *unstructured.Unstructured, options OrderOptions) (tasks []Task) {
	key := KeyOf(o)
	if key.Namespace == "" && options.Namespaced(GroupKind{key.Group, key.Kind}) {
		key.Namespace = options.Namespace
	}
	hooks, isHook := HooksOf(o)
	if !isHook {
		return []Task{{Phase: Sync, Wave: WaveOf(o), Key: key, Desired: o}}
	}
	if options.SkipHooks {
		return nil
	}
	for _, phase := range hooks {
		t := Task{Phase: phase, Wave: WaveOf(o), Key: key, Hook: true, Desired: o}
		if t.Key.Name == "" {
			t.Key.Name = generatedName(o, phase, options)
		}
		tasks = append(tasks, t)
	}
	return tasks
}

// generatedName makes a name that a repetition of the same operation finds again.
func generatedName(o *unstructured.Unstructured, phase Phase, options OrderOptions) string {
	revision := options.Revision
	if len(revision) >= 8 {
		revision = revision[:7]
	}
	return fmt.Sprintf("%s%s-%s-%d", o.GetGenerateName(), revision, strings.ToLower(string(phase)), options.StartedAt.Unix())
}

// WaveOf is the wave of an object: its sync-wave, else its Helm hook weight, else 0.
func WaveOf(o *unstructured.Unstructured) int {
	for _, key := range []string{gitopsv1.AnnotationSyncWave, gitopsv1.AnnotationHelmHookWeight} {
		if n, err := strconv.Atoi(annotation(o, key)); err == nil {
			return n
		}
	}
	return 0
}

// helmPhases maps Helm's hooks onto phases; those that are absent run nowhere, and crd-install is no hook at all.
var helmPhases = map[string]Phase{
	"pre-install": PreSync, "pre-upgrade": PreSync, "post-install": PostSync, "post-upgrade": PostSync,
}

// HooksOf gives the phases in which a manifest runs as a hook, each once; isHook is true for one that is a hook even if it runs in no phase.
// A hook type of ours that is known counts alone; otherwise Helm's do.
func HooksOf(o *unstructured.Unstructured) (runs []Phase, isHook bool) {
	names, argo := annotationOf(o, gitopsv1.AnnotationHook)
	known := false
	for _, name := range listed(names) {
		if p := Phase(name); slices.Contains(phases, p) {
			runs, known = append(runs, p), true
		}
		known = known || name == "Skip" || name == "PreDelete" || name == "PostDelete"
	}
	if known {
		return distinct(runs), true
	}
	names, helm := annotationOf(o, gitopsv1.AnnotationHelmHook)
	if helm && strings.TrimSpace(names) == "crd-install" {
		return nil, argo
	}
	for _, name := range listed(names) {
		if p, mapped := helmPhases[name]; mapped {
			runs = append(runs, p)
		}
	}
	return distinct(runs), argo || helm
}

// listed splits a comma-separated annotation; spaces around its entries do not count.
func listed(text string) (entries []string) {
	for one := range strings.SplitSeq(text, ",") {
		entries = append(entries, strings.TrimSpace(one))
	}
	return entries
}

// distinct keeps the first of equal phases.
func distinct(runs []Phase) (kept []Phase) {
	for _, p := range runs {
		if !slices.Contains(kept, p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// addNamespace puts the destination's Namespace before everything; a declared one is used as it is.
func addNamespace(tasks []Task, name string) []Task {
	if slices.ContainsFunc(tasks, func(t Task) bool { return t.Key == Key{Kind: "Namespace", Name: name} }) {
		return tasks
	}
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("v1")
	o.SetKind("Namespace")
	o.SetName(name)
	return append(tasks, Task{Phase: PreSync, Key: KeyOf(o), Desired: o})
}

// prunes lists what lives and is not wanted. Their waves are swapped end for end, so that what was made last goes first.
func prunes(applies []Task, live []*unstructured.Unstructured, wanted map[Key]bool, options OrderOptions) (gone []Task) {
	if !options.Prune {
		return nil
	}
	highest := 0
	for _, t := range applies {
		if t.Phase == Sync {
			highest = max(highest, t.Wave)
		}
	}
	var waves []int
	last := map[Key]bool{}
	for _, o := range live {
		_, isHook := HooksOf(o)
		if key := KeyOf(o); !wanted[key] && !isHook {
			t := Task{Phase: Sync, Wave: WaveOf(o), Key: key, Prune: true, Exists: true}
			highest, waves = max(highest, t.Wave), append(waves, t.Wave)
			last[key] = options.PruneLast || ownOption(o, "PruneLast") == "true"
			gone = append(gone, t)
		}
	}
	slices.Sort(waves)
	waves = slices.Compact(waves)
	for i := range gone {
		t := &gone[i]
		at, _ := slices.BinarySearch(waves, t.Wave)
		t.Wave = waves[len(waves)-1-at]
		if last[t.Key] {
			t.Wave = highest + 1
		}
	}
	return gone
}

// moveUp brings each applied object of a kind before the first other object that needs it, into that one's phase and wave, and never down.
func moveUp(tasks []Task, kind, group string, needs func(mover, t Task) bool) []Task {
	for i := range tasks {
		mover := tasks[i]
		if mover.Prune || mover.Key.Kind != kind || mover.Key.Group != group {
			continue
		}
		first := slices.IndexFunc(tasks, func(t Task) bool { return needs(mover, t) })
		if first < 0 || first > i {
			continue
		}
		mover.Phase, mover.Wave = tasks[first].Phase, tasks[first].Wave
		tasks = slices.Insert(slices.Delete(tasks, i, i+1), first, mover)
	}
	return tasks
}

// Step is what runs at one place of a sync: the prunes side by side, then the groups one after the other, the members of each side by side.
type Step struct {
	Phase  Phase
	Wave   int
	Prune  []Task
	Groups [][]Task
}

// Steps groups ordered tasks; those of SyncFail are left out, because they run only after a failure.
func Steps(tasks []Task) (steps []Step) {
	for _, t := range tasks {
		if t.Phase == SyncFail {
			continue
		}
		if n := len(steps); n == 0 || steps[n-1].Phase != t.Phase || steps[n-1].Wave != t.Wave {
			steps = append(steps, Step{Phase: t.Phase, Wave: t.Wave})
		}
		s := &steps[len(steps)-1]
		n := len(s.Groups)
		switch {
		case t.Prune:
			s.Prune = append(s.Prune, t)
		case n > 0 && s.Groups[n-1][0].Key.Kind == t.Key.Kind && s.Groups[n-1][0].Key.Group == t.Key.Group:
			s.Groups[n-1] = append(s.Groups[n-1], t)
		default:
			s.Groups = append(s.Groups, []Task{t})
		}
	}
	return steps
}
