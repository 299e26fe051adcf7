package gitsync

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// AnnotationRollouts holds, on an Application, which commit brought the manifest of each of its Rollouts, or that of its workload, and whether the
// canary rejected it: a list as JSON. The status of the wire contract has no place for it.
const AnnotationRollouts = "sluice-delivery.github.io/rollouts"

// brought remembers which commit gave a Rollout its manifest.
type brought struct {
	Group     string `json:"group"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Revision  string `json:"revision"`
	// Revisions are those of all sources, where there are several, and Before what was synced before them; empty if that were other sources.
	Revisions []string `json:"revisions,omitempty"`
	Before    []string `json:"before,omitempty"`
	// Digest identifies the manifest, together with that of the workload.
	Digest string `json:"digest"`
	// Rejected is true if the Rollout was aborted when it held the manifest; Reason is what it said.
	Rejected bool   `json:"rejected,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// workload is what the workloadRef of the Rollout names, if that is among the same manifests.
	workload Key
}

func (b brought) key() Key { return Key{b.Group, b.Kind, b.Namespace, b.Name} }

// sentence tells people what is held and what they can do.
func (b brought) sentence() string {
	return fmt.Sprintf("Commit %s is held: %s was aborted: %s. It is not applied again; push another commit, or start a sync by hand to try it once more",
		b.commits(), title(b.key()), b.Reason)
}

// held names what is held: a commit, or one for each of several sources.
func (b brought) held() string {
	if len(b.Revisions) > 0 {
		return strings.Join(b.Revisions, " ")
	}
	return b.Revision
}

// commits is how people write that: of several sources those that changed, as far as it is known.
func (b brought) commits() string {
	var changed []string
	for i, revision := range b.Revisions {
		if len(b.Before) == len(b.Revisions) && revision != b.Before[i] && !slices.Contains(changed, short(revision)) {
			changed = append(changed, short(revision))
		}
	}
	if len(changed) == 0 {
		return short(b.Revision)
	}
	return strings.Join(changed, " and ")
}

// short is how people write a commit.
func short(revision string) string {
	if len(revision) == 40 {
		return revision[:7]
	}
	return revision
}

// broughtOf reads what an Application remembers. What cannot be read, because anybody may edit it, counts as nothing.
func broughtOf(app *gitopsv1.Application) (all []brought) {
	if json.Unmarshal([]byte(app.Annotations[AnnotationRollouts]), &all) != nil {
		return nil
	}
	return all
}

// release is a Rollout and the workload that its workloadRef names, in which a commit may say what goes out just as well; workload is nil if it names
// none. The Rollout is a manifest or, if abroad is true, the living one that belongs to somebody else.
type release struct {
	rollout, workload *unstructured.Unstructured
	abroad            bool
}

// releases lists what goes out by a Rollout among manifests, sorted by the key of the Rollout. Where a Rollout and its workload belong to different
// Applications, it is a release of the one that has the workload, because its commits bring what is tried.
func (o Observation) releases(p Prepared) (all []release) {
	own := map[Key]bool{}
	add := func(rollout *unstructured.Unstructured, abroad bool) {
		i := slices.IndexFunc(p.Objects, func(w *unstructured.Unstructured) bool { return refersTo(rollout, KeyOf(w)) })
		switch {
		case i >= 0:
			all = append(all, release{rollout, p.Objects[i], abroad})
		case !abroad && !has(rollout, "spec", "workloadRef"):
			all = append(all, release{rollout: rollout})
		}
	}
	for _, manifest := range p.Objects {
		if _, hook := HooksOf(manifest); !hook && isRollout(KeyOf(manifest)) {
			own[KeyOf(manifest)] = true
			add(manifest, false)
		}
	}
	for _, living := range o.Rollouts {
		if !own[KeyOf(living)] && has(living, "spec", "workloadRef") {
			add(living, true)
		}
	}
	slices.SortFunc(all, func(a, b release) int { return compareKeys(a.key(), b.key()) })
	return all
}

func isRollout(k Key) bool { return k.Group == groupRollouts && k.Kind == kindRollout }

func (r release) key() Key { return KeyOf(r.rollout) }

func (r release) digest() string {
	switch {
	case r.workload == nil:
		return Digest(r.rollout)
	case r.abroad:
		return Digest(r.workload)
	}
	return Digest(r.rollout) + "+" + Digest(r.workload)
}

// lives gives the living Rollout of a release if it and its workload are as their manifests say; nil if not.
func (d *decision) lives(r release) (rollout *Live) {
	for _, it := range d.items {
		isWorkload := r.workload != nil && it.key == KeyOf(r.workload)
		switch {
		case it.key != r.key() && !isWorkload:
		case it.differs || it.live == nil:
			return nil
		case !isWorkload:
			rollout = it.live
		case r.abroad:
			rollout = seenAbroad(r.rollout, it.live.Object)
		}
	}
	return rollout
}

// remember brings the memory up to date with what lives. The first time that a Rollout holds a manifest tells which commit brought it, and if it is
// aborted while it holds it, the manifest is rejected for as long as Git says the same.
func (d *decision) remember() {
	before := broughtOf(d.app)
	var after []brought
	for _, r := range d.o.releases(d.prepared) {
		k := r.key()
		entry := brought{Group: k.Group, Kind: k.Kind, Namespace: k.Namespace, Name: k.Name}
		if i := slices.IndexFunc(before, func(b brought) bool { return b.key() == k }); i >= 0 {
			entry = before[i]
		}
		if live := d.lives(r); live != nil {
			if digest := r.digest(); entry.Digest != digest {
				entry.Revision, entry.Digest = d.o.Target.revision(), digest
				entry.Revisions, entry.Before = d.severalRevisions()
			}
			reason, aborted := abortOf(live)
			entry.Reason, entry.Rejected = d.mask.Text(reason), aborted
			if r.abroad && live.Health.Status == Progressing {
				d.again(abroadLook)
			}
		}
		if entry.Digest != "" {
			after = append(after, entry)
		}
	}
	d.keep(after)
	d.rejected = d.o.rejectedIn(after, d.prepared)
}

// severalRevisions are those of several sources, and what was synced before them; nil for one source.
func (d *decision) severalRevisions() (now, before []string) {
	if !gitopsv1.HasSeveralSources(d.app.Spec) {
		return nil, nil
	}
	now = d.o.Target.Revisions
	for _, h := range slices.Backward(d.app.Status.History) {
		if slices.Equal(h.Revisions, now) {
			continue
		}
		if equality.Semantic.DeepEqual(h.Sources, d.app.Spec.Sources) {
			before = h.Revisions
		}
		break
	}
	return now, before
}

// rejectedIn lists which of some manifests are remembered as rejected.
func (o Observation) rejectedIn(memory []brought, p Prepared) (held []brought) {
	if len(memory) == 0 {
		return nil
	}
	for _, r := range o.releases(p) {
		i := slices.IndexFunc(memory, func(b brought) bool { return b.key() == r.key() })
		if i < 0 || !memory[i].Rejected || memory[i].Digest != r.digest() {
			continue
		}
		one := memory[i]
		if r.workload != nil {
			one.workload = KeyOf(r.workload)
		}
		held = append(held, one)
	}
	return held
}

// keep stores the memory; an empty one leaves no trace.
func (d *decision) keep(memory []brought) {
	if len(memory) == 0 {
		delete(d.app.Annotations, AnnotationRollouts)
		return
	}
	text, err := json.Marshal(memory)
	if err != nil {
		return // texts alone always can be written
	}
	if d.app.Annotations == nil {
		d.app.Annotations = map[string]string{}
	}
	d.app.Annotations[AnnotationRollouts] = string(text)
}

// forgive forgets the rejections of the objects that somebody syncs by hand.
func (d *decision) forgive(chosen func(Key) bool) {
	memory := broughtOf(d.app)
	tried := func(b brought) bool { return chosen(b.key()) || chosen(b.workload) }
	for i := range memory {
		known := slices.IndexFunc(d.rejected, func(b brought) bool { return b.key() == memory[i].key() })
		if chosen(memory[i].key()) || known >= 0 && tried(d.rejected[known]) {
			memory[i].Rejected, memory[i].Reason = false, ""
		}
	}
	d.rejected = slices.DeleteFunc(d.rejected, tried)
	d.keep(memory)
}

// triesAgain reports whether a sync by hand lets an aborted Rollout begin again, because it applies nothing that would. It does so once, and leaves its
// own retries to other failures.
func (a *attempt) triesAgain(t Task, live *Live) bool {
	if a.state.Operation.InitiatedBy.Automated || a.state.RetryCount > 0 || !isRollout(t.Key) {
		return false
	}
	for _, it := range a.items {
		if it.differs && it.desired != nil && refersTo(live.Object, it.key) {
			return false
		}
	}
	_, aborted := abortOf(live)
	return aborted
}

// isHeld reports whether an object stays as it is because its manifest is among those that were rejected.
func isHeld(rejected []brought, k Key) bool {
	return slices.ContainsFunc(rejected, func(b brought) bool { return b.key() == k || b.workload == k })
}

// abortOf reports whether a Rollout was aborted while it held what it asks for now, and why.
func abortOf(live *Live) (reason string, aborted bool) {
	if live == nil {
		return "", false
	}
	status, _, _ := unstructured.NestedMap(live.Object.Object, "status")
	abort, _ := status["abort"].(bool)
	message, _ := status["message"].(string)
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		one, _ := c.(map[string]any)
		if one["type"] == "Progressing" && one["reason"] == "RolloutAborted" {
			abort = true
			if text, _ := one["message"].(string); text != "" {
				message = text
			}
		}
	}
	if !abort || live.Health.Status != Degraded {
		return "", false
	}
	return message, true
}
