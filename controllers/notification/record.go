package notification

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/notify"
)

// saving is how long planning and writing for one Rollout may take.
const saving = 10 * time.Second

// work plans and writes for one Rollout after the other.
func (o *Outbox) work(ctx context.Context) {
	for {
		key, ended := o.queue.Get()
		if ended {
			return
		}
		if err := o.save(ctx, key); err != nil {
			logf.FromContext(ctx).Error(err, "recording notifications", "namespace", key.Namespace, "name", key.Name)
			o.queue.AddRateLimited(key)
		} else {
			o.queue.Forget(key)
		}
		o.queue.Done(key)
	}
}

// draft is what one save works on.
type draft struct {
	box       *box
	before    notify.Record
	saved     string
	events    []happened
	look      *v1alpha1.Rollout
	lost      int
	annotated bool              // some annotation subscribes
	damage    string            // of the annotation that was found
	rollout   *v1alpha1.Rollout // the newest; nil if only deliveries are to be written
	next      notify.Record
	problems  []notify.Problem
	complaint string
}

// save plans for what happened to a Rollout, writes its record if it changed, and hands over what is due. What one Rollout makes panic harms
// no other.
func (o *Outbox) save(ctx context.Context, key types.NamespacedName) (err error) {
	ctx, cancel := context.WithTimeout(ctx, saving)
	defer cancel()
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("planning for rollout %s panicked: %T", key, caught)
		}
	}()
	d := o.open(key)
	if d == nil {
		return nil
	}
	if d.rollout != nil {
		if err := o.plan(ctx, d); err != nil {
			return fmt.Errorf("planning for rollout %s: %w", key, err)
		}
	}
	text, err := d.next.Text()
	if err != nil {
		return fmt.Errorf("writing the record of rollout %s: %w", key, err)
	}
	if text != d.saved {
		if err := o.write(ctx, key, d.box.uid, text); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("writing the record of rollout %s: %w", key, err)
		}
	}
	o.commit(key, d, text)
	o.explain(ctx, key, d)
	return nil
}

// open notes what there is to do for a Rollout; nil if it is not known.
func (o *Outbox) open(key types.NamespacedName) *draft {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, ok := o.boxes[key]
	if !ok {
		return nil
	}
	d := &draft{
		box: b, before: b.record, saved: b.saved, events: slices.Clone(b.fresh), look: b.look, lost: b.lost,
		annotated: b.subscriptions != "", damage: b.damage, rollout: b.look, complaint: b.complaint,
	}
	d.before.Due = slices.Clone(b.record.Due)
	if n := len(d.events); n > 0 {
		d.rollout = d.events[n-1].rollout
	}
	d.next = d.before
	return d
}

func (o *Outbox) plan(ctx context.Context, d *draft) error {
	set, err := o.setup(ctx)
	if err != nil {
		return err
	}
	who, complaints := set.config.SubscribersOf(d.rollout.Labels, d.rollout.Annotations)
	complaints = append(complaints, set.config.Unset(who)...)
	if set.absent != "" {
		who, complaints = nil, nil
		if d.annotated {
			complaints = []string{set.absent}
		}
	}
	if d.damage != "" {
		complaints = append(complaints, d.damage)
	}
	d.complaint = strings.Join(complaints, "; ")
	var events []notify.Event
	for _, e := range d.events {
		if len(who[notify.TriggerOf(e.Reason)]) > 0 {
			if e.Vars, err = o.vars(ctx, set, e.rollout); err != nil {
				return err
			}
		}
		events = append(events, e.Event)
	}
	d.next, d.problems = set.config.Plan(d.before, who, set.known, events)
	return nil
}

// write puts the record into the annotation; an empty one takes the annotation away. The UID keeps it off another Rollout of the same name.
func (o *Outbox) write(ctx context.Context, key types.NamespacedName, uid types.UID, text string) error {
	var value *string
	if text != "" {
		value = &text
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid, "annotations": map[string]any{notify.AnnotationNotified: value}}})
	if err != nil {
		return err
	}
	r := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	err = o.Client.Patch(ctx, r, client.RawPatch(types.MergePatchType, patch))
	if apierrors.IsInvalid(err) || apierrors.IsConflict(err) {
		return o.anotherOne(ctx, key, uid, err)
	}
	return err
}

// anotherOne tells the refusal of a patch to a Rollout that was made anew under its name, where the old one is gone, from any other refusal.
func (o *Outbox) anotherOne(ctx context.Context, key types.NamespacedName, uid types.UID, refusal error) error {
	r := &v1alpha1.Rollout{}
	if err := o.Client.Get(ctx, key, r); err != nil {
		return err
	}
	if r.UID != uid {
		return nil
	}
	return refusal
}

// commit makes the draft the truth, unless the box was replaced meanwhile, and hands over what is due.
func (o *Outbox) commit(key types.NamespacedName, d *draft, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := d.box
	if o.boxes[key] != b {
		return
	}
	last := 0
	if n := len(d.events); n > 0 {
		last = d.events[n-1].number
	}
	b.fresh = slices.DeleteFunc(b.fresh, func(h happened) bool { return h.number <= last })
	if b.look == d.look {
		b.look = nil
	}
	b.lost -= d.lost
	b.saved = text
	was := map[string]bool{}
	for _, due := range d.before.Due {
		was[due.ID] = true
	}
	due := slices.DeleteFunc(d.next.Due, func(due notify.Due) bool { return was[due.ID] && b.parcels[due.ID] == nil })
	if len(due) < len(d.next.Due) {
		o.queue.Add(key) // some were delivered meanwhile
	}
	d.next.Due = due
	b.record = d.next
	for _, one := range due {
		o.handOver(key, b, one, d)
	}
	o.clear(key, b)
}

func (o *Outbox) handOver(key types.NamespacedName, b *box, due notify.Due, d *draft) {
	p := b.parcels[due.ID]
	if p == nil {
		p = &parcel{Due: due, rollout: d.events[due.Event].rollout}
		b.parcels[due.ID] = p
	}
	if !p.queued {
		p.queued = true
		o.sending.add(line{key, due.To()})
	}
}

// explain tells why somebody is not told.
func (o *Outbox) explain(ctx context.Context, key types.NamespacedName, d *draft) {
	for _, p := range d.problems {
		o.measures.failed(key, p.Transition)
		o.complain(ctx, key, d.box.uid, notify.TriggerOf(p.Reason)+": "+p.Text)
	}
	if d.lost > 0 {
		o.complain(ctx, key, d.box.uid, fmt.Sprintf("%d transitions came too fast and are not told", d.lost))
	}
	o.mu.Lock()
	changed := d.box.complaint != d.complaint
	d.box.complaint = d.complaint
	o.mu.Unlock()
	if changed && d.complaint != "" {
		o.complain(ctx, key, d.box.uid, d.complaint)
	}
}

// reasonFailed is the reason of events about notifications.
const reasonFailed = "NotificationFailed"

// complain makes an event of a Rollout. The text must hold no secret.
func (o *Outbox) complain(ctx context.Context, key types.NamespacedName, uid types.UID, text string) {
	r := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: uid}}
	ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues("namespace", key.Namespace, "name", key.Name))
	kube.Tell(ctx, o.Events, r, corev1.EventTypeWarning, reasonFailed, text)
}
