package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// firstRest is how long nothing is sent to a destination that could not be reached; it doubles with each vain request up to lastRest.
	firstRest = time.Second
	lastRest  = 20 * time.Second
	// doubtAfter is how long a destination may say nothing while it is asked before it is asked one thing at a time, answerWithin how long a single
	// answer may take. Admission may take the server half a minute.
	doubtAfter   = 5 * time.Second
	answerWithin = 40 * time.Second
)

var errRefusesCredentials = errors.New("it refuses the credentials")

// gate lets requests pass to a destination that answers. To one that does not, or that refuses the credentials, it sends a single request from time
// to time and has all others fail at once, so that what is gone takes no time from others; the first answer opens it again.
type gate struct {
	clock func() time.Time

	mu sync.Mutex
	// trouble is why the last request was in vain; nil if it was not. Nothing is sent before until.
	trouble error
	until   time.Time
	rest    time.Duration
	// waiting are the moments at which requests were sent that have not been answered; answered is when the last answer came.
	waiting  map[*http.Request]time.Time
	answered time.Time
	// opened is closed by each answer.
	opened chan struct{}
}

func newGate() *gate {
	return &gate{clock: time.Now, waiting: map[*http.Request]time.Time{}, opened: make(chan struct{})}
}

// closedError says why nothing is sent at present.
type closedError struct{ error }

func (c closedError) Unwrap() error { return c.error }

// patient has requests wait until the gate lets them pass, for those who would only come back later and later.
type patient struct {
	gate *gate
	next http.RoundTripper
}

// RoundTrip sends a request, which has no body, once it may be sent.
func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		answer, err := p.next.RoundTrip(r)
		if !errors.As(err, &closedError{}) {
			return answer, err
		}
		opened, after := p.gate.opening()
		select {
		case <-opened:
		case <-time.After(after):
		case <-r.Context().Done():
			return nil, err
		}
	}
}

// WrappedRoundTripper lets the Kubernetes libraries find the connection.
func (p patient) WrappedRoundTripper() http.RoundTripper { return p.next }

// opening tells when the gate opens, and when it is worth to try it before.
func (g *gate) opening() (opened <-chan struct{}, after time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened, max(g.until.Sub(g.clock()), firstRest)
}

// wrap puts the gate in front of a connection.
func (g *gate) wrap(next http.RoundTripper) http.RoundTripper {
	return &gated{gate: g, next: next}
}

type gated struct {
	*gate
	next http.RoundTripper
}

// RoundTrip sends a request unless the gate is closed.
func (g *gated) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.enter(r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	late := time.AfterFunc(answerWithin, func() { cancel(fmt.Errorf("no answer within %s", answerWithin)) })
	answer, err := g.next.RoundTrip(r.WithContext(ctx))
	late.Stop()
	if err != nil && r.Context().Err() == nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	g.leave(r, answer, err)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	answer.Body = &body{answer.Body, func() { cancel(nil) }}
	return answer, nil
}

// WrappedRoundTripper lets the Kubernetes libraries find the connection.
func (g *gated) WrappedRoundTripper() http.RoundTripper { return g.next }

// body keeps the context of a request until its answer has been read.
type body struct {
	io.ReadCloser
	done func()
}

func (b *body) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// enter notes a request that is sent, or says why it must not be.
func (g *gate) enter(r *http.Request) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	if why := g.doubt(now); why != nil && (now.Before(g.until) || g.asking(now)) {
		return closedError{why}
	}
	g.waiting[r] = now
	return nil
}

// doubt is why the destination may be gone; nil if nothing speaks for that.
func (g *gate) doubt(now time.Time) error {
	if g.trouble != nil {
		return g.trouble
	}
	for _, since := range g.waiting {
		if now.Sub(since) > doubtAfter && g.answered.Before(since) {
			return fmt.Errorf("it has not answered for %s", now.Sub(since).Round(time.Second))
		}
	}
	return nil
}

// asking reports whether a request is under way that may still be answered soon.
func (g *gate) asking(now time.Time) bool {
	for _, since := range g.waiting {
		if now.Sub(since) <= doubtAfter {
			return true
		}
	}
	return false
}

// leave notes what came of a request. One that its sender gave up soon says nothing.
func (g *gate) leave(r *http.Request, answer *http.Response, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, since := g.clock(), g.waiting[r]
	delete(g.waiting, r)
	switch {
	case err == nil && answer.StatusCode != http.StatusUnauthorized:
		g.trouble, g.until, g.rest, g.answered = nil, time.Time{}, 0, now
		close(g.opened)
		g.opened = make(chan struct{})
		return
	case err == nil:
		err = errRefusesCredentials
	case r.Context().Err() != nil && now.Sub(since) < doubtAfter/2:
		return
	}
	g.rest = min(max(firstRest, 2*g.rest), lastRest)
	g.trouble, g.until = err, now.Add(g.rest)
}

// lastTrouble is why the last request was in vain; nil if it was not.
func (g *gate) lastTrouble() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trouble
}

// state tells whether the last request was answered, and whether there was any.
func (g *gate) state() (answers, asked bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trouble == nil, g.trouble != nil || !g.answered.IsZero()
}
