package notification

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/notify"
)

const (
	// recorders is how many Rollouts are planned for and written at the same time.
	recorders = 4
	// farewell is how long a process that ends may take to write what was delivered.
	farewell = 3 * time.Second
	// maxFresh is how many transitions of one Rollout may wait to be planned for.
	maxFresh = 64
)

// Outbox holds what Rollouts have to tell. Its fields must be set before Register.
type Outbox struct {
	// Client writes the annotation, and reads Rollouts and AnalysisRuns from a cache.
	Client client.Client
	// Live reads the ConfigMap and the Secret from the API server.
	Live client.Reader
	// Namespace is the controller's own, where both are.
	Namespace string
	// Senders makes the sender of a kind of service.
	Senders func(kind string, options []byte) (notify.Sender, error)
	// Events takes what went wrong.
	Events record.EventRecorder

	clock    func() time.Time
	wait     time.Duration // after the first failure, doubled after each
	settings settings
	measures *measures
	queue    workqueue.TypedRateLimitingInterface[types.NamespacedName]
	sending  *sending

	mu    sync.Mutex
	boxes map[types.NamespacedName]*box
}

// box is what is known of one Rollout.
type box struct {
	uid types.UID
	// record is what the annotation should hold, and saved what it was given last.
	record notify.Record
	saved  string
	// fresh happened and is not in the record yet.
	fresh []happened
	// numbers is the number of the last of them, and lost how many there was no place for.
	numbers, lost int
	// updated is the revision that was told last.
	updated int64
	// damage is what is wrong with the annotation that was found.
	damage string
	// complaint is what was last told about the subscriptions.
	complaint string
	// look is the Rollout as it was when its subscriptions were last seen to change; nil once that was looked at.
	look *v1alpha1.Rollout
	// subscriptions are the annotations that were seen last.
	subscriptions string
	// parcels are the messages of the record, by id.
	parcels map[string]*parcel
	gone    bool
}

// happened is a transition and the Rollout after it, with its number.
type happened struct {
	notify.Event
	rollout *v1alpha1.Rollout
	number  int
}

func (b *box) next() int {
	b.numbers++
	return b.numbers
}

// parcel is a message on its way.
type parcel struct {
	notify.Due
	// rollout is as it was after the transition; nil after a restart.
	rollout *v1alpha1.Rollout
	queued  bool
	tries   int
	before  time.Time // not to be tried again before
}

// Register gives the outbox to a manager, which starts it where it leads.
func (o *Outbox) Register(mgr ctrl.Manager, registry prometheus.Registerer) error {
	o.prepare()
	if err := o.measures.register(registry); err != nil {
		return err
	}
	return mgr.Add(o)
}

func (o *Outbox) prepare() {
	o.boxes = map[types.NamespacedName]*box{}
	o.measures = newMeasures()
	o.wait = firstWait
	o.sending = newSending(o)
	o.queue = workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](50*time.Millisecond, time.Minute))
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (o *Outbox) NeedLeaderElection() bool { return true }

// Start works until the context ends. Messages that are being sent then are waited for, and what was delivered is written, so that
// an orderly restart sends nothing twice.
func (o *Outbox) Start(ctx context.Context) error {
	kept := context.WithoutCancel(ctx)
	o.sending.start(kept)
	var all sync.WaitGroup
	for range recorders {
		all.Go(func() { o.work(kept) })
	}
	<-ctx.Done()
	o.sending.stop()
	o.queue.ShutDownWithDrain()
	all.Wait()
	last, cancel := context.WithTimeout(kept, farewell)
	defer cancel()
	for _, key := range o.keys() {
		if err := o.save(last, key); err != nil {
			logf.FromContext(ctx).Error(err, "recording notifications at the end", "namespace", key.Namespace, "name", key.Name)
		}
	}
	return nil
}

func (o *Outbox) keys() []types.NamespacedName {
	o.mu.Lock()
	defer o.mu.Unlock()
	keys := make([]types.NamespacedName, 0, len(o.boxes))
	for key := range o.boxes {
		keys = append(keys, key)
	}
	return keys
}

// Seen takes a Rollout as a pass begins with it; nobody may change it afterwards. The first time it finds out what was not told before a restart.
func (o *Outbox) Seen(r *v1alpha1.Rollout) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen(r)
}

func (o *Outbox) seen(r *v1alpha1.Rollout) *box {
	key := client.ObjectKeyFromObject(r)
	b, ok := o.boxes[key]
	subscriptions := notify.Annotations(r.Annotations)
	if ok && b.uid == r.UID {
		if b.subscriptions != subscriptions {
			b.subscriptions, b.look = subscriptions, r
			o.queue.Add(key)
		}
		o.notice(b, r)
		return b
	}
	b = &box{uid: r.UID, saved: r.Annotations[notify.AnnotationNotified], subscriptions: subscriptions, look: r, parcels: map[string]*parcel{}}
	o.boxes[key] = b
	b.updated = revisionOf(r)
	record, found, err := notify.ReadRecord(r.Annotations)
	switch {
	case found:
		o.recover(b, record, r)
	case err != nil:
		b.damage = err.Error() + "; what was to be told by it is lost"
		fallthrough
	default:
		b.record.Seen = notify.MarkOf(r)
	}
	o.queue.Add(key)
	return b
}

// recover takes up what an earlier process left behind.
func (o *Outbox) recover(b *box, record notify.Record, r *v1alpha1.Rollout) {
	b.record = record
	for _, due := range record.Due {
		b.parcels[due.ID] = &parcel{Due: due}
	}
	for _, t := range notify.Since(record.Seen, r) {
		b.fresh = append(b.fresh, happened{notify.Event{Transition: t, Mark: notify.MarkOf(r), At: o.now(), Recovered: true}, r, b.next()})
	}
}

// notice finds a new revision by its number. Its event gets lost where the number is written and the status is not, because somebody else wrote
// in between.
func (o *Outbox) notice(b *box, r *v1alpha1.Rollout) {
	if n := revisionOf(r); n > b.updated {
		b.updated = n
		o.put(b, r, corev1.EventTypeNormal, v1alpha1.ReasonRolloutUpdated)
	}
}

// revisionOf is the number of a Rollout's revision; 0 before the first.
func revisionOf(r *v1alpha1.Rollout) int64 {
	n, err := strconv.ParseInt(r.Annotations[v1alpha1.AnnotationRevision], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Told takes what the controller tells of a Rollout, which is as it was afterwards; nobody may change it.
func (o *Outbox) Told(r *v1alpha1.Rollout, eventType, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b := o.seen(r); reason != v1alpha1.ReasonRolloutUpdated { // that one was noticed
		o.put(b, r, eventType, reason)
	}
}

func (o *Outbox) put(b *box, r *v1alpha1.Rollout, eventType, reason string) {
	if len(b.fresh) >= maxFresh {
		b.fresh = b.fresh[1:]
		b.lost++
	}
	t := notify.Transition{Reason: reason, Type: eventType}
	b.fresh = append(b.fresh, happened{notify.Event{Transition: t, Mark: notify.MarkOf(r), At: o.now()}, r, b.next()})
	o.queue.Add(client.ObjectKeyFromObject(r))
}

// Forget lets go of a Rollout that is gone, once what it had to tell is told.
func (o *Outbox) Forget(key types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, ok := o.boxes[key]
	if !ok {
		return
	}
	b.gone = true
	o.measures.forget(key)
	o.clear(key, b)
}

// clear removes the box of a Rollout that is gone and has nothing more to tell.
func (o *Outbox) clear(key types.NamespacedName, b *box) {
	if b.gone && len(b.parcels) == 0 && len(b.fresh) == 0 && o.boxes[key] == b {
		delete(o.boxes, key)
	}
}

func (o *Outbox) now() time.Time {
	if o.clock != nil {
		return o.clock()
	}
	return time.Now()
}
