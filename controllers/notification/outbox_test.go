package notification

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/notify"
)

var config = map[string]string{
	"trigger.on-rollout-step-completed": "- send: [step]",
	"trigger.on-rollout-completed":      "- send: [done]",
	"template.step":                     "message: step {{.rollout.status.currentStepIndex}}",
	"template.done":                     "message: done",
	"service.slack":                     "token: $token",
	"service.webhook":                   "url: http://h",
	"service.teams":                     "x: y",
}

const onStep = "on-rollout-step-completed."

func with(changes map[string]string) map[string]string {
	all := map[string]string{}
	for _, from := range []map[string]string{config, changes} {
		for key, value := range from {
			all[key] = value
		}
	}
	return all
}

func TestEachTransitionIsToldOnceToEachSubscriberInOrder(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	p := w.start()
	for i := range int32(3) {
		w.step(p, i+1)
	}
	w.settled(p, "slack:a step 1", "slack:a step 2", "slack:a step 3")
	if got := testutil.ToFloat64(p.measures.successes.WithLabelValues("shop", "web", "Normal", v1alpha1.ReasonRolloutStepCompleted)); got != 3 {
		t.Errorf("notification_send_success is %v", got)
	}
	if got := testutil.CollectAndCount(p.measures.took); got != 1 {
		t.Errorf("there are %d series of notification_send", got)
	}
}

func TestTheRecordIsWrittenBeforeAMessageIsSent(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	var due atomic.Int32
	w.slack(func(context.Context, notify.Message) error { due.Store(int32(len(w.record().Due))); return nil })
	p := w.start()
	w.step(p, 1)
	w.settled(p, "slack:a step 1")
	if due.Load() != 1 {
		t.Errorf("%d messages were recorded when one was sent", due.Load())
	}
}

func TestARolloutThatNobodyWaitsForCostsNoWrite(t *testing.T) {
	for name, annotations := range map[string]map[string]string{"no subscription": nil, "another trigger": {"on-rollout-completed.slack": "a"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, annotations, config)
			p := w.start()
			w.step(p, 1)
			w.settled(p)
			before := w.patches
			w.step(p, 2)
			w.settled(p)
			if w.patches != before || before > 1 {
				t.Errorf("%d writes, then %d", before, w.patches-before)
			}
		})
	}
}

func TestACrashBetweenSendingAndRecordingSendsTheSameMessageOnceMore(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	p := w.start()
	p.Seen(w.rollout())
	w.settled(p)
	w.refuseWrites(func(patch int) error {
		if patch == 2 {
			return nil // what is written ahead
		}
		return errors.New("the process was killed")
	})
	w.step(p, 1)
	w.waitFor("the message is sent", func() bool { return len(w.messages()) == 1 })
	p.stop()
	w.refuseWrites(nil)
	next := w.start()
	next.Seen(w.rollout())
	w.settled(next, "slack:a step 1", "slack:a step 1")
	if w.ids[0] != w.ids[1] || !strings.HasPrefix(w.ids[0], "uid-1-") {
		t.Errorf("the ids are %q", w.ids)
	}
}

func TestWhatACrashKeptFromBeingRecordedIsFoundInTheStatus(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a", "on-rollout-completed.slack": "a"}, config)
	p := w.start()
	w.step(p, 1)
	w.settled(p, "slack:a step 1")
	p.stop()
	// The status was written, and the process died before it told anybody.
	w.status(func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex = ptr.To[int32](2) })
	w.status(func(s *v1alpha1.RolloutStatus) { s.CurrentStepIndex, s.StableRS = ptr.To[int32](3), "new" })
	next := w.start()
	next.Seen(w.rollout())
	w.settled(next, "slack:a step 1", "slack:a done")
	again := w.start()
	again.Seen(w.rollout())
	w.settled(again, "slack:a step 1", "slack:a done")
}

func TestAnOrderlyRestartInTheMiddleSendsNothingTwiceAndLosesNothing(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	begun, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.slack(func(context.Context, notify.Message) error {
		once.Do(func() { close(begun) })
		<-finish
		return nil
	})
	p := w.start()
	w.step(p, 1)
	<-begun
	w.step(p, 2)
	ended := make(chan struct{})
	go func() { p.stop(); close(ended) }()
	w.waitFor("the process begins to end", p.sending.over)
	close(finish)
	<-ended
	if diff := cmp.Diff([]string{"slack:a step 1"}, w.messages()); diff != "" {
		t.Error(diff)
	}
	next := w.start()
	next.Seen(w.rollout())
	w.settled(next, "slack:a step 1", "slack:a step 2")
}

func TestANewRevisionIsToldOnceEvenIfItsEventGotLost(t *testing.T) {
	for name, told := range map[string]bool{"with its event": true, "without it": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, map[string]string{"on-rollout-updated.slack": "a"}, with(map[string]string{
				"trigger.on-rollout-updated": "- send: [new]", "template.new": `message: 'revision {{index .rollout.metadata.annotations "rollout.argoproj.io/revision"}}'`}))
			p := w.start()
			p.Seen(w.rollout())
			r := w.edit(func(r *v1alpha1.Rollout) { r.Annotations[v1alpha1.AnnotationRevision] = "1" })
			if told {
				p.Told(r, "Normal", v1alpha1.ReasonRolloutUpdated)
			}
			p.Seen(w.rollout())
			w.settled(p, "slack:a revision 1")
			p.stop()
			next := w.start()
			next.Seen(w.rollout())
			next.Told(w.rollout(), "Normal", v1alpha1.ReasonRolloutUpdated)
			w.settled(next, "slack:a revision 1")
		})
	}
}

func TestAServerThatIsDownIsTriedAgainUntilItIsUp(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	var tries atomic.Int32
	w.slack(func(context.Context, notify.Message) error {
		if tries.Add(1) < 5 {
			w.advance(time.Second)
			return errors.New("connection refused by " + canary)
		}
		return nil
	})
	p := w.start()
	w.step(p, 1)
	w.settled(p, "slack:a step 1")
	if got := testutil.ToFloat64(p.measures.failures.WithLabelValues("shop", "web", "Normal", v1alpha1.ReasonRolloutStepCompleted)); got != 4 {
		t.Errorf("notification_send_error is %v", got)
	}
	w.waitFor("the failure is told", func() bool { return w.told() != "" })
	if events := w.told(); strings.Count(events, "\n") != 0 || !strings.Contains(events, "on-rollout-step-completed was not sent to slack:a: connection refused by ***") {
		t.Errorf("the events are %s", events)
	}
}

func (w *world) advance(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(by)
}

func TestAServerThatAsksForTimeGetsIt(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	w.slack(func(context.Context, notify.Message) error {
		return &notify.Failure{Err: errors.New("429"), Wait: time.Minute}
	})
	p := w.start()
	w.step(p, 1)
	w.waitFor("the failure is told", func() bool { return w.told() != "" })
	l := line{w.key, notify.Destination{Service: "slack", Recipient: "a"}}
	w.waitFor("the message waits", func() bool {
		found, _, wait := p.choose(l)
		return found == nil && wait > 30*time.Second && wait <= time.Minute
	})
	w.advance(time.Minute)
	if found, _, _ := p.choose(l); found == nil {
		t.Error("the message waits after its time")
	}
}

func TestAMessageIsGivenUpWhenItIsNoNews(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	w.slack(func(context.Context, notify.Message) error {
		w.advance(20 * time.Minute)
		return errors.New("down")
	})
	p := w.start()
	w.step(p, 1)
	w.settled(p)
	w.waitFor("it is told", func() bool { return strings.Contains(w.told(), "it is given up") })
}

func TestOneBadRecipientTemplateOrServiceHarmsOnlyItself(t *testing.T) {
	refused := func(_ context.Context, m notify.Message) error {
		if m.Recipient == "bad" {
			return &notify.Failure{Err: errors.New("no such channel in " + canary), Final: true}
		}
		return nil
	}
	for name, test := range map[string]struct {
		annotations, config map[string]string
		answer              func(context.Context, notify.Message) error
		want                string
	}{
		"a recipient that is refused": {map[string]string{onStep + "slack": "bad;a"}, nil, refused, "slack:bad: no such channel in ***; it is given up"},
		"a template that fails":       {map[string]string{onStep + "slack": "a"}, map[string]string{"trigger.on-rollout-step-completed": "[{send: [bad]}, {send: [step]}]", "template.bad": `message: '{{fail "oh no"}}'`}, nil, "oh no"},
		"a template that is not there": {map[string]string{onStep + "slack": "a"}, map[string]string{"trigger.on-rollout-step-completed": "[{send: [none]}, {send: [step]}]"}, nil,
			"no template.none"},
		"a condition that makes no sense": {map[string]string{onStep + "slack": "a"}, map[string]string{"trigger.on-rollout-step-completed": "[{when: '1 +', send: [step]}, {send: [step]}]"}, nil,
			"entry 0 of trigger.on-rollout-step-completed"},
		"a service that is not supported": {map[string]string{onStep + "slack": "a", onStep + "teams": "t"}, nil, nil, "services of the kind teams are not supported"},
		"a service that is not set up":    {map[string]string{onStep + "slack": "a", onStep + "nope": "t"}, nil, nil, "has no service.nope"},
		"a service without its token":     {map[string]string{onStep + "slack": "a", onStep + "email": "t"}, map[string]string{"service.email": "password: $none"}, nil, "has no key for $none"},
		"a sender that panics": {map[string]string{onStep + "slack": "bad;a"}, nil, func(_ context.Context, m notify.Message) error {
			if m.Recipient == "bad" {
				panic(canary)
			}
			return nil
		}, "sending panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.annotations, with(test.config))
			w.slack(test.answer)
			p := w.start()
			w.step(p, 1)
			w.settled(p, "slack:a step 1")
			w.waitFor("it is told", func() bool { return strings.Contains(w.told(), test.want) })
			p.stop()
			if strings.Contains(w.told()+w.log.String(), canary) {
				t.Errorf("the secret is in the events or in the log:\n%s\n%s", w.told(), w.log.String())
			}
		})
	}
}

func TestAPanicWhilePlanningIsNotTheEnd(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	var panics atomic.Int32
	w.refuseWrites(func(int) error {
		if panics.Add(1) < 3 {
			panic("oh no")
		}
		return nil
	})
	p := w.start()
	w.step(p, 1)
	w.settled(p, "slack:a step 1")
}

func TestAServiceThatHangsKeepsNoOtherWaiting(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a;b;c;d;e;f", onStep + "webhook": ""}, config)
	free := make(chan struct{})
	w.slack(func(context.Context, notify.Message) error { <-free; return nil })
	p := w.start()
	w.step(p, 1)
	w.waitFor("the webhook is told", func() bool { return len(w.messages()) == 1 })
	if diff := cmp.Diff([]string{"webhook: step 1"}, w.messages()); diff != "" {
		t.Error(diff)
	}
	close(free)
	w.waitFor("all are told", func() bool { return len(w.messages()) == 7 && len(w.record().Due) == 0 })
}

func TestAFailingMessageDoesNotHoldUpTheNextToTheSameRecipient(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	w.slack(func(_ context.Context, m notify.Message) error {
		if strings.HasSuffix(m.Template.Message, "1") {
			return &notify.Failure{Err: errors.New("busy"), Wait: time.Minute}
		}
		return nil
	})
	p := w.start()
	w.step(p, 1)
	w.waitFor("the first fails", func() bool { return w.told() != "" })
	w.step(p, 2)
	w.waitFor("the second is sent", func() bool { return len(w.messages()) == 1 })
}

func TestASpoiledRecordIsReplacedAndTold(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	w.edit(func(r *v1alpha1.Rollout) { r.Annotations[notify.AnnotationNotified] = "{" })
	p := w.start()
	w.step(p, 1)
	w.waitFor("the record can be read", func() bool {
		_, found, err := notify.ReadRecord(w.rollout().Annotations)
		return found && err == nil
	})
	w.settled(p, "slack:a step 1")
	w.waitFor("it is told", func() bool { return strings.Contains(w.told(), "cannot be read") })
}

func TestARolloutMadeAnewUnderItsNameStartsAnew(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	p := w.start()
	w.step(p, 1)
	w.settled(p, "slack:a step 1")
	old := w.rollout()
	if err := w.client.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	p.Forget(w.key)
	fresh := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "uid-2", Annotations: map[string]string{
		"notifications.argoproj.io/subscribe." + onStep + "slack": "b"}}, Spec: old.Spec}
	if err := w.client.Create(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	w.step(p, 1)
	w.settled(p, "slack:a step 1", "slack:b step 1")
	if !strings.HasPrefix(w.ids[1], "uid-2-") {
		t.Errorf("the ids are %q", w.ids)
	}
}

func TestWhatADeletedRolloutHadToTellIsStillTold(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	begun, free := make(chan struct{}), make(chan struct{})
	w.slack(func(context.Context, notify.Message) error { close(begun); <-free; return nil })
	p := w.start()
	w.step(p, 1)
	<-begun
	if err := w.client.Delete(t.Context(), w.rollout()); err != nil {
		t.Fatal(err)
	}
	p.Forget(w.key)
	close(free)
	w.waitFor("it is told and forgotten", func() bool { return len(w.messages()) == 1 && len(p.keys()) == 0 })
	if n := testutil.CollectAndCount(p.measures.took); n > 1 {
		t.Errorf("%d series are left", n)
	}
}

func TestAFloodOfTransitionsIsBoundedAndSaysSo(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	p := w.start()
	p.Seen(w.rollout())
	w.settled(p)
	p.settings.mu.Lock() // the ConfigMap cannot be had for a moment
	_, after := w.status(func(s *v1alpha1.RolloutStatus) { s.CurrentPodHash = "new" })
	for range maxFresh + 10 {
		p.Told(after, "Normal", v1alpha1.ReasonRolloutStepCompleted)
	}
	p.settings.mu.Unlock()
	w.waitFor("the loss is told", func() bool { return strings.Contains(w.told(), "came too fast") })
	w.waitFor("the rest is sent", func() bool { return len(w.messages()) >= maxFresh && len(w.record().Due) == 0 })
}

func TestMetricsHaveTheNamesOfTheWireContract(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newMeasures()
	if err := m.register(registry); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil, nil)
	step := notify.Transition{Reason: "RolloutStepCompleted", Type: "Normal"}
	m.attempt(w.key, time.Second)
	m.delivered(w.key, step)
	m.failed(w.key, step)
	for _, name := range []string{"notification_send", "notification_send_success", "notification_send_error"} {
		if n, err := testutil.GatherAndCount(registry, name); n != 1 || err != nil {
			t.Errorf("%s has %d series, error %v", name, n, err)
		}
	}
	m.forget(w.key)
	if families, err := registry.Gather(); len(families) != 0 || err != nil {
		t.Errorf("left are %v, error %v", fmt.Sprint(families), err)
	}
}
