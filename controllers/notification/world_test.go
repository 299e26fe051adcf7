package notification

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/notify"
)

// canary is a secret that must not be seen.
const canary = "s3cr3t-canary-0002"

const patience = time.Minute

// world is a cluster with one Rollout, services that write down what they get, and one process after the other that has an outbox.
type world struct {
	t      *testing.T
	client client.WithWatch
	key    types.NamespacedName

	mu      sync.Mutex
	now     time.Time
	sent    []string // service:recipient text
	ids     []string
	answer  func(context.Context, notify.Message) error
	patches int
	refuse  func(patch int) error // of the annotation; nil lets all pass
	events  []string
	log     strings.Builder
}

// process is one run of a controller.
type process struct {
	*Outbox
	stop func()
}

func newWorld(t *testing.T, annotations map[string]string, config map[string]string) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	r := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "uid-1", Annotations: map[string]string{}}}
	for key, value := range annotations {
		r.Annotations["notifications.argoproj.io/subscribe."+key] = value
	}
	r.Spec.Strategy.Canary = &v1alpha1.CanaryStrategy{Steps: make([]v1alpha1.CanaryStep, 3)}
	objects := []client.Object{r, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: notify.SecretName}, Data: map[string][]byte{"token": []byte(canary)}}}
	if config != nil {
		objects = append(objects, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: notify.ConfigMapName}, Data: config})
	}
	w := &world{t: t, key: client.ObjectKeyFromObject(r), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Rollout{}).
		WithIndex(&v1alpha1.AnalysisRun{}, kube.OwnerField, kube.Owner).WithInterceptorFuncs(interceptor.Funcs{Patch: w.patch}).Build()
	return w
}

func (w *world) patch(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	data, err := p.Data(o)
	if err != nil {
		return err
	}
	if strings.Contains(string(data), canary) {
		w.t.Errorf("a patch holds the secret: %s", data)
	}
	w.mu.Lock()
	w.patches++
	refuse := w.refuse
	number := w.patches
	w.mu.Unlock()
	if refuse != nil {
		if err := refuse(number); err != nil {
			return err
		}
	}
	return c.Patch(ctx, o, p, opts...)
}

// service is a stand-in for any kind of service.
type service struct {
	world *world
	name  string
}

func (s service) Send(ctx context.Context, m notify.Message) error {
	w := s.world
	w.mu.Lock()
	answer := w.answer
	w.mu.Unlock()
	if answer != nil && m.Service == "slack" {
		if err := answer(ctx, m); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, strings.TrimSpace(m.Service+":"+m.Recipient+" "+m.Template.Message))
	w.ids = append(w.ids, m.ID)
	return nil
}

// slack sets how the service slack answers; all others take what they get.
func (w *world) slack(answer func(context.Context, notify.Message) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *world) refuseWrites(refuse func(patch int) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = refuse
}

// start runs a controller; stop ends it in an orderly way.
func (w *world) start() *process {
	w.t.Helper()
	recorder := record.NewFakeRecorder(1000)
	o := &Outbox{Client: w.client, Live: w.client, Namespace: "home", Events: recorder, Senders: func(kind string, _ []byte) (notify.Sender, error) {
		if kind == "teams" {
			return nil, errors.New("services of the kind teams are not supported")
		}
		return service{w, kind}, nil
	}}
	o.prepare()
	o.wait = time.Millisecond
	begun := time.Now()
	o.clock = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now.Add(time.Since(begun)) // it goes on, so that what waits a moment comes to its turn
	}
	ctx, cancel := context.WithCancel(logf.IntoContext(context.Background(), funcr.New(func(_, args string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log.WriteString(args + "\n")
	}, funcr.Options{})))
	ended := make(chan error, 1)
	go func() { ended <- o.Start(ctx) }()
	events := make(chan struct{})
	go func() {
		for {
			select {
			case e := <-recorder.Events:
				w.mu.Lock()
				w.events = append(w.events, e)
				w.mu.Unlock()
			case <-events:
				return
			}
		}
	}()
	var once sync.Once
	p := &process{Outbox: o, stop: func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				w.t.Log(err)
			}
			close(events)
		})
	}}
	w.t.Cleanup(p.stop)
	return p
}

// rollout is the Rollout as it is in the cluster.
func (w *world) rollout() *v1alpha1.Rollout {
	w.t.Helper()
	r := &v1alpha1.Rollout{}
	if err := w.client.Get(context.Background(), w.key, r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// edit changes the Rollout as a user does.
func (w *world) edit(change func(*v1alpha1.Rollout)) (after *v1alpha1.Rollout) {
	w.t.Helper()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		after = w.rollout()
		change(after)
		return w.client.Update(context.Background(), after)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return after
}

// status writes a status as the Rollout controller does, and gives the Rollout before and after.
func (w *world) status(change func(*v1alpha1.RolloutStatus)) (before, after *v1alpha1.Rollout) {
	w.t.Helper()
	before = w.rollout()
	after = before.DeepCopy()
	change(&after.Status)
	if err := w.client.Status().Patch(context.Background(), after, client.MergeFrom(before)); err != nil {
		w.t.Fatal(err)
	}
	return before, after
}

// step completes steps of the update in one pass of the controller.
func (w *world) step(p *process, to int32) {
	before, after := w.status(func(s *v1alpha1.RolloutStatus) { s.CurrentPodHash, s.CurrentStepIndex = "new", ptr.To(to) })
	p.Seen(before)
	p.Told(after, "Normal", v1alpha1.ReasonRolloutStepCompleted)
}

func (w *world) messages() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.sent...)
}

func (w *world) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.events, "\n")
}

// waitFor waits until something holds.
func (w *world) waitFor(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("waited in vain until %s; sent were %q, the events %q, the log\n%s", what, w.sent, w.events, w.log.String())
		}
	}
}

// record is what the Rollout remembers.
func (w *world) record() notify.Record {
	w.t.Helper()
	record, _, err := notify.ReadRecord(w.rollout().Annotations)
	if err != nil {
		w.t.Fatal(err)
	}
	return record
}

// settled waits until nothing is due any more, and compares what was sent.
func (w *world) settled(p *process, want ...string) {
	w.t.Helper()
	w.waitFor(fmt.Sprintf("%d messages were sent and nothing is due", len(want)), func() bool {
		p.mu.Lock()
		b := p.boxes[w.key]
		busy := b != nil && (len(b.fresh) > 0 || len(b.parcels) > 0 || b.look != nil)
		p.mu.Unlock()
		return !busy && len(w.messages()) >= len(want) && len(w.record().Due) == 0
	})
	if diff := cmp.Diff(want, w.messages()); diff != "" {
		w.t.Error(diff)
	}
}
