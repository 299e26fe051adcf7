package gitsync

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// AnnotationRollouts holds, on an Application, which commit brought the manifest of each of its Rollouts, and whether the canary rejected it:
// a list as JSON. The status of the wire contract has no place for it.
const AnnotationRollouts = "sluice-delivery.github.io/rollouts"

// brought remembers which commit gave a Rollout its manifest.
type brought struct {
	Group     string `json:"group"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Revision  string `json:"revision"`
	// Digest identifies the manifest.
	Digest string `json:"digest"`
	// Rejected is true if the Rollout was aborted when it held the manifest; Reason is what it said.
	Rejected bool   `json:"rejected,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

func (b brought) key() Key { return Key{b.Group, b.Kind, b.Namespace, b.Name} }

// sentence tells people what is held and what they can do.
func (b brought) sentence() string {
	return fmt.Sprintf("Commit %s is held: %s was aborted: %s. It is not applied again; push another commit, or start a sync by hand to try it once more",
		short(b.Revision), title(b.key()), b.Reason)
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

// remember brings the memory up to date with what lives. The first time that a Rollout holds a manifest tells which commit brought it, and if it is
// aborted while it holds it, the manifest is rejected for as long as Git says the same.
func (d *decision) remember() {
	before := broughtOf(d.app)
	var after []brought
	for _, it := range d.items {
		if it.key.Group != groupRollouts || it.key.Kind != kindRollout || it.desired == nil {
			continue
		}
		i := slices.IndexFunc(before, func(b brought) bool { return b.key() == it.key })
		entry := brought{Group: it.key.Group, Kind: it.key.Kind, Namespace: it.key.Namespace, Name: it.key.Name}
		if i >= 0 {
			entry = before[i]
		}
		digest := d.digests[it.key]
		if !it.differs && it.live != nil {
			if entry.Digest != digest {
				entry.Revision, entry.Digest = d.o.Target.revision(), digest
			}
			reason, aborted := abortOf(it.live)
			entry.Reason, entry.Rejected = d.mask.Text(reason), aborted
		}
		if entry.Digest == "" {
			continue
		}
		after = append(after, entry)
	}
	d.keep(after)
	d.rejected = rejectedIn(after, d.prepared)
}

// rejectedIn lists which of some manifests are remembered as rejected.
func rejectedIn(memory []brought, p Prepared) (held []brought) {
	for _, manifest := range p.Objects {
		i := slices.IndexFunc(memory, func(b brought) bool { return b.key() == KeyOf(manifest) })
		if i >= 0 && memory[i].Rejected && memory[i].Digest == Digest(manifest) {
			held = append(held, memory[i])
		}
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
	for i := range memory {
		if chosen(memory[i].key()) {
			memory[i].Rejected, memory[i].Reason = false, ""
		}
	}
	d.rejected = slices.DeleteFunc(d.rejected, func(b brought) bool { return chosen(b.key()) })
	d.keep(memory)
}

// isHeld reports whether an object stays as it is because its manifest is among those that were rejected.
func isHeld(rejected []brought, k Key) bool {
	return slices.ContainsFunc(rejected, func(b brought) bool { return b.key() == k })
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
