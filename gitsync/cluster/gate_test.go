package cluster

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// far is a destination that is played: each request to it waits until the test answers it.
type far struct {
	t      *testing.T
	gate   *gate
	now    time.Time
	asked  chan chan reply
	client http.RoundTripper
}

type reply struct {
	code int
	err  error
}

func newFar(t *testing.T) *far {
	f := &far{t: t, gate: newGate(), now: time.Unix(0, 0), asked: make(chan chan reply, 10)}
	f.gate.clock = func() time.Time { return f.now }
	f.client = f.gate.wrap(f)
	return f
}

func (f *far) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := make(chan reply)
	f.asked <- answer
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, a.err
		}
		return &http.Response{StatusCode: a.code, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// send sends a request, and gives what answers it, or the error with which it comes back at once, and what is told of it in the end.
func (f *far) send(ctx context.Context) (answer chan<- reply, end <-chan error) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://far.example", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		answer, err := f.client.RoundTrip(r)
		if err == nil {
			err = answer.Body.Close()
		}
		ended <- err
	}()
	select {
	case a := <-f.asked:
		return a, ended
	case err := <-ended:
		ended <- err
		return nil, ended
	}
}

// gets sends a request and answers it, if it passes the gate.
func (f *far) gets(a reply) error {
	f.t.Helper()
	answer, end := f.send(f.t.Context())
	if answer != nil {
		answer <- a
	}
	return <-end
}

// refuses checks that the gate is closed.
func (f *far) refuses(want string) {
	f.t.Helper()
	answer, end := f.send(f.t.Context())
	if answer != nil {
		answer <- reply{code: http.StatusOK}
		f.t.Fatalf("a request passed %s", f.now.Sub(time.Unix(0, 0)))
	}
	if err := <-end; err == nil || !strings.Contains(err.Error(), want) {
		f.t.Errorf("it is refused with %v", err)
	}
}

var errGone = errors.New("no route to host")

func TestADestinationThatIsGoneIsAskedSeldomAndOneThingAtATime(t *testing.T) {
	f := newFar(t)
	if err := f.gets(reply{code: http.StatusNotFound}); err != nil {
		t.Fatal(err)
	}
	for rest, last := firstRest, false; !last; rest *= 2 {
		last = rest > lastRest
		if err := f.gets(reply{err: errGone}); !errors.Is(err, errGone) {
			t.Fatalf("after %s: %v", f.now.Sub(time.Unix(0, 0)), err)
		}
		f.now = f.now.Add(min(rest, lastRest) - time.Millisecond)
		f.refuses(errGone.Error())
		f.now = f.now.Add(time.Millisecond)
	}
	probe, end := f.send(t.Context())
	f.refuses(errGone.Error())
	probe <- reply{code: http.StatusOK}
	if err := <-end; err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.gets(reply{code: http.StatusForbidden}); err != nil {
			t.Errorf("it answers, and is not asked: %v", err)
		}
	}
}

func TestADestinationThatRefusesTheCredentialsIsAskedSeldom(t *testing.T) {
	f := newFar(t)
	if err := f.gets(reply{code: http.StatusUnauthorized}); err != nil {
		t.Fatal(err)
	}
	f.refuses("credentials")
	f.now = f.now.Add(firstRest)
	if err := f.gets(reply{code: http.StatusOK}); err != nil || f.gate.lastTrouble() != nil {
		t.Errorf("error %v, trouble %v", err, f.gate.lastTrouble())
	}
}

func TestADestinationThatSaysNothingIsAskedOneThingAtATime(t *testing.T) {
	f := newFar(t)
	slow, slowly := f.send(t.Context())
	f.now = f.now.Add(doubtAfter + time.Second)
	probe, end := f.send(t.Context())
	f.refuses("has not answered for 6s")
	probe <- reply{code: http.StatusOK}
	if err := <-end; err != nil {
		t.Fatal(err)
	}
	if err := f.gets(reply{code: http.StatusOK}); err != nil {
		t.Errorf("one slow answer holds up all others: %v", err)
	}
	slow <- reply{code: http.StatusOK}
	if err := <-slowly; err != nil {
		t.Error(err)
	}
}

func TestARequestThatItsSenderGivesUpSoonSaysNothing(t *testing.T) {
	f := newFar(t)
	for _, after := range []time.Duration{time.Second, doubtAfter} {
		ctx, cancel := context.WithCancel(t.Context())
		_, end := f.send(ctx)
		f.now = f.now.Add(after)
		cancel()
		if err := <-end; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if said := f.gate.lastTrouble() != nil; said != (after == doubtAfter) {
			t.Errorf("given up after %s: trouble %v", after, f.gate.lastTrouble())
		}
	}
}

func TestAWatchWaitsUntilTheDestinationAnswersAgain(t *testing.T) {
	f := newFar(t)
	if err := f.gets(reply{err: errGone}); !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	f.client = patient{f.gate, f.client}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, end := f.send(given); !errors.Is(<-end, errGone) {
		t.Error("who is not waited for any more is not told why there is no answer")
	}
	waited := make(chan error, 1)
	go func() {
		answer, end := f.send(t.Context())
		if answer != nil {
			answer <- reply{code: http.StatusOK}
		}
		waited <- <-end
	}()
	another, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://far.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	f.gate.leave(another, &http.Response{StatusCode: http.StatusOK}, nil)
	if err := <-waited; err != nil {
		t.Errorf("it has not waited: %v", err)
	}
}
