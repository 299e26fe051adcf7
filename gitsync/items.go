package gitsync

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// item is one object of an Application, as it is wanted and as it lives.
type item struct {
	key Key
	// desired is the manifest with the fields of Rollouts adopted; nil for an object that Git does not hold.
	desired *unstructured.Unstructured
	live    *Live
	// differs is true where an apply would change something, and where there is nothing live; drops is true where that is certain without a dry run.
	differs, drops bool
	// foreign is the tracking name of another Application that exists and holds the object. Only somebody's own sync takes it away from there, because
	// two Applications that both do so by themselves would never rest.
	foreign string
	// problem says why the object could not be compared.
	problem string
	// anew is true for a hook whose object is made beside or after the one that may live.
	anew bool
}

// compare holds manifests against what lives, by what dry runs said where these were asked.
func (o Observation) compare(m Material) []item {
	items := slices.Clone(m.items)
	if items == nil {
		items = look(o, o.prepared(m))
	}
	living := o.living()
	for i := range items {
		it := &items[i]
		if it.live == nil {
			continue
		}
		it.live = living[KeyOf(it.live.Object)]
		if it.desired == nil || !it.differs || it.drops {
			continue
		}
		if p := o.Predicted[Digest(it.desired)]; p.Object != nil {
			differs, err := Changes(p.Object, it.live.Object, o.Ignored(it.live.Object))
			it.differs, it.problem = differs, o.problemOf(it.key, err)
		}
	}
	return items
}

// living finds what lives by its key.
func (o Observation) living() map[Key]*Live {
	all := make(map[Key]*Live, len(o.Live))
	for i := range o.Live {
		all[KeyOf(o.Live[i].Object)] = &o.Live[i]
	}
	return all
}

// look holds manifests against what lives, as far as that can be told without dry runs. Hooks take no part, and neither do live objects that are hooks.
func look(o Observation, p Prepared) (items []item) {
	name := TrackingName(o.App, o.ControlNamespace)
	living := o.living()
	wanted := map[Key]bool{}
	for _, desired := range p.Objects {
		key := KeyOf(desired)
		wanted[key] = true
		if _, hook := HooksOf(desired); hook {
			continue
		}
		items = append(items, lookAt(o, name, desired, living[key]))
	}
	for i := range o.Live {
		live := &o.Live[i]
		_, hook := HooksOf(live.Object)
		if key := KeyOf(live.Object); !wanted[key] && !hook && o.holds(live.Object) && !isOwned(live.Object) && !isCRD(key) {
			items = append(items, item{key: key, live: live, differs: true})
		}
	}
	slices.SortFunc(items, func(a, b item) int { return compareKeys(a.key, b.key) })
	return items
}

// isOwned reports whether another object made this one and copied the tracking id along.
func isOwned(o *unstructured.Unstructured) bool { return len(o.GetOwnerReferences()) > 0 }

func lookAt(o Observation, name string, desired *unstructured.Unstructured, live *Live) item {
	it := item{key: KeyOf(desired), desired: desired, live: live, differs: true}
	if live == nil {
		return it
	}
	if holder := TrackedBy(live.Object); holder != name && o.Holders[holder] {
		it.foreign = holder
	}
	it.desired = Adopt(inherit(desired, live.Object, name), live.Object, o.Rollouts)
	ignored := o.Ignored(live.Object)
	if len(ignored) > 0 && option(o, desired, "RespectIgnoreDifferences") == "true" {
		it.desired = respect(it.desired, live.Object, ignored)
	}
	var err error
	it.differs, it.drops, err = difference(it.desired, live.Object, ignored)
	it.problem = o.problemOf(it.key, err)
	return it
}

// problemOf says why an object could not be compared; empty if it could.
func (o Observation) problemOf(k Key, err error) string {
	if err != nil {
		return err.Error()
	}
	return o.Settings.unclear(k)
}

// Questions lists the writes of which only a dry run can tell what they would do: those of manifests that seem to differ from what lives, and before
// the first write of an operation also of those that do not live, hooks among them, so that nothing is applied if something is refused. All else of
// the observation must be there.
func Questions(o *Observation) (ask []Write) {
	starting := starts(o.App)
	seen := map[string]bool{}
	for _, it := range o.questionable(starting) {
		if !o.Kinds[GroupKind{it.key.Group, it.key.Kind}].Known || it.desired == nil || !it.differs {
			continue
		}
		if digest := Digest(it.desired); !seen[digest] && (it.live != nil || starting) {
			seen[digest] = true
			w := newWrite(*o, it.desired, it.live)
			w.Anew = it.anew
			ask = append(ask, w)
		}
	}
	return ask
}

// questionable are the items of all that is wanted, and at the start of an operation its hooks.
func (o *Observation) questionable(starting bool) (items []item) {
	materials := []*Material{&o.Target}
	if SyncUnderWay(o.App) != nil && o.Running != nil {
		materials = append(materials, o.Running)
	}
	for _, m := range materials {
		p := o.prepared(*m)
		m.items = look(*o, p)
		items = append(items, m.items...)
		if starting {
			items = append(items, hooksToAsk(*o, p)...)
		}
	}
	return items
}

// newWrite is the write of a manifest, as the sync options ask for it.
func newWrite(o Observation, desired *unstructured.Unstructured, live *Live) Write {
	w := Write{Object: desired, Validate: option(o, desired, "Validate") != "false"}
	saysSo := desired
	if live != nil {
		w.Live = live.Object
		if ownOption(desired, "Replace") == "" {
			saysSo = live.Object // somebody may have said it there
		}
	}
	w.Replace = option(o, saysSo, "Replace") == "true"
	return w
}

// hooksToAsk are the hooks that an operation may make, as they would be written: one that lives is made anew, unless it says otherwise, and so is each
// that gets its name only when it is made.
func hooksToAsk(o Observation, p Prepared) (items []item) {
	living := o.living()
	for _, desired := range p.Objects {
		if phases, _ := HooksOf(desired); len(phases) == 0 {
			continue
		}
		it := item{key: KeyOf(desired), desired: desired, differs: true}
		live := living[it.key]
		it.anew = it.key.Name == "" || live != nil && deletedOn(desired, gitopsv1.HookBeforeHookCreation)
		if !it.anew {
			it.live = live
		}
		items = append(items, it)
	}
	return items
}

// option is the value of a sync option: the object's own, else the Application's.
func option(o Observation, of *unstructured.Unstructured, key string) string {
	if of != nil {
		if value := ownOption(of, key); value != "" {
			return value
		}
	}
	return gitopsv1.SyncOption(syncOptions(o), key)
}

// ownOption is the value of a sync option that an object sets itself; the first of several counts. Empty if it sets none.
func ownOption(of *unstructured.Unstructured, key string) string {
	return gitopsv1.SyncOption(listed(annotation(of, gitopsv1.AnnotationSyncOptions)), key)
}

// syncOptions are those of the operation under way, else those of the spec.
func syncOptions(o Observation) []string {
	if s := o.App.Status.OperationState; s != nil && !s.Phase.Completed() && s.Operation.Sync != nil && len(s.Operation.Sync.SyncOptions) > 0 {
		return s.Operation.Sync.SyncOptions
	}
	return gitopsv1.SyncOptions(o.App.Spec)
}

// sharedWarning tells of an object that two Applications want.
func sharedWarning(it item, app *gitopsv1.Application) string {
	return fmt.Sprintf("%s/%s is part of applications %s/%s and %s", it.key.Kind, it.key.Name, app.Namespace, app.Name, it.foreign)
}
