package notification

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/notify"
)

// Bounds of attempts.
const (
	attemptTime = 10 * time.Second // one attempt; with farewell it fits into the time that a pod has to end
	firstWait   = 2 * time.Second
	longestWait = 2 * time.Minute
	longestAsk  = 10 * time.Minute // as long as a server may ask us to wait
	maxAge      = time.Hour        // after which a message is no news
)

// deliver makes one attempt at the oldest message of a line that may be tried, and reports when to look again; never if zero.
func (o *Outbox) deliver(ctx context.Context, l line) time.Duration {
	p, uid, wait := o.choose(l)
	if p == nil {
		return wait
	}
	start := o.now()
	err := o.attempt(ctx, l.rollout, uid, p)
	o.measures.attempt(l.rollout, o.now().Sub(start))
	o.settle(ctx, l, uid, p, err)
	return time.Nanosecond
}

// choose finds the oldest message that may be tried, or how long none may.
func (o *Outbox) choose(l line) (found *parcel, uid types.UID, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, ok := o.boxes[l.rollout]
	if !ok {
		return nil, "", 0
	}
	now := o.now()
	for _, due := range b.record.Due {
		p := b.parcels[due.ID]
		if p == nil || due.To() != l.to {
			continue
		}
		left := p.before.Sub(now)
		if left <= 0 {
			return p, b.uid, 0
		}
		if wait == 0 || left < wait {
			wait = left
		}
	}
	return nil, "", wait
}

// attempt composes a message and sends it. The error holds no secret.
func (o *Outbox) attempt(ctx context.Context, key types.NamespacedName, uid types.UID, p *parcel) (err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	defer func() {
		if caught := recover(); caught != nil {
			err = finally(fmt.Errorf("sending panicked: %T", caught))
		}
	}()
	set, err := o.setup(ctx)
	if err != nil {
		return err
	}
	if err := set.known(p.Service); err != nil {
		return finally(err)
	}
	if p.rollout == nil {
		r := &v1alpha1.Rollout{}
		if err := o.Client.Get(ctx, key, r); err != nil {
			return &notify.Failure{Err: fmt.Errorf("reading the Rollout: %w", err), Final: apierrors.IsNotFound(err)}
		}
		p.rollout = r
	}
	vars, err := o.vars(ctx, set, p.rollout)
	if err != nil {
		return err
	}
	m, err := set.config.Compose(p.Due, vars, o.now())
	if err != nil {
		return finally(err)
	}
	m.ID = string(uid) + "-" + p.ID
	return redacted(set.senders[p.Service].Send(ctx, m), set.secrets(p.Service))
}

func finally(err error) error { return &notify.Failure{Err: err, Final: true} }

// redacted takes secrets out of an error and keeps what it says about going on.
func redacted(err error, secrets []string) error {
	if err == nil {
		return nil
	}
	f := &notify.Failure{Err: errors.New(hidden(err, secrets))}
	if known, ok := errors.AsType[*notify.Failure](err); ok {
		f.Final, f.Wait = known.Final, known.Wait
	}
	return f
}

func hidden(err error, secrets []string) string { return outbound.Hide(err.Error(), secrets) }

// settle takes a delivered message out of the record, or decides whether and when there is another attempt.
func (o *Outbox) settle(ctx context.Context, l line, uid types.UID, p *parcel, err error) {
	t := notify.Transition{Reason: p.Reason, Type: p.Type}
	if err == nil {
		o.measures.delivered(l.rollout, t)
		o.remove(l.rollout, uid, p)
		return
	}
	o.measures.failed(l.rollout, t)
	wait := o.wait << min(p.tries, 10)
	f, ok := errors.AsType[*notify.Failure](err)
	if ok && f.Wait > 0 {
		wait = max(wait, min(f.Wait, longestAsk))
	} else {
		wait = min(wait, longestWait)
	}
	over := ok && f.Final || o.now().Add(wait).Sub(p.Since()) > maxAge
	text := fmt.Sprintf("%s was not sent to %s: %v", notify.TriggerOf(p.Reason), p.To(), err)
	if over {
		o.remove(l.rollout, uid, p)
		o.complain(ctx, l.rollout, uid, text+"; it is given up")
		return
	}
	if p.tries == 0 {
		o.complain(ctx, l.rollout, uid, text+"; it is tried again for an hour")
	}
	o.mu.Lock()
	p.tries++
	p.before = o.now().Add(wait)
	o.mu.Unlock()
}

// remove takes a message out of a record, and has that written.
func (o *Outbox) remove(key types.NamespacedName, uid types.UID, p *parcel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, ok := o.boxes[key]
	if !ok || b.uid != uid {
		return
	}
	delete(b.parcels, p.ID)
	var due []notify.Due
	for _, one := range b.record.Due {
		if one.ID != p.ID {
			due = append(due, one)
		}
	}
	b.record.Due = due
	o.queue.Add(key)
	o.clear(key, b)
}

// vars is what templates and conditions may speak of. Nothing of a Secret is among it.
func (o *Outbox) vars(ctx context.Context, set *setup, r *v1alpha1.Rollout) (map[string]any, error) {
	tree, err := treeOf(r, "Rollout")
	if err != nil {
		return nil, err
	}
	vars := map[string]any{"rollout": tree, "time": map[string]any{
		"Now":   o.now,
		"Parse": func(text string) (time.Time, error) { return time.Parse(time.RFC3339, text) },
	}}
	if set.runs {
		vars["analysisRuns"], err = o.runsOf(ctx, r)
	}
	return vars, err
}

// runsOf lists the AnalysisRuns of a Rollout's revision.
func (o *Outbox) runsOf(ctx context.Context, r *v1alpha1.Rollout) ([]any, error) {
	var list v1alpha1.AnalysisRunList
	if err := o.Client.List(ctx, &list, client.InNamespace(r.Namespace), client.MatchingFields{kube.OwnerField: string(r.UID)}); err != nil {
		return nil, fmt.Errorf("listing AnalysisRuns: %w", err)
	}
	runs := []any{}
	for i := range list.Items {
		if list.Items[i].Annotations[v1alpha1.AnnotationRevision] != r.Annotations[v1alpha1.AnnotationRevision] {
			continue
		}
		tree, err := treeOf(&list.Items[i], "AnalysisRun")
		if err != nil {
			return nil, err
		}
		runs = append(runs, tree)
	}
	return runs, nil
}

func treeOf(object client.Object, kind string) (map[string]any, error) {
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", kind, object.GetName(), err)
	}
	tree["apiVersion"], tree["kind"] = v1alpha1.GroupVersion.String(), kind
	if metadata, ok := tree["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, notify.AnnotationNotified)
		}
	}
	return tree, nil
}
