package source

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

const (
	// patience is how long anybody waits behind those who do not get on, againAfter when it is worth to come back.
	patience   = 10 * time.Second
	againAfter = 20 * time.Second
	// perHost is how many questions to one server may be without an answer at a time, which leaves workers for those who ask other servers.
	perHost = 10
	// believed is how long nobody asks again what was asked in vain.
	believed = 30 * time.Second
)

// queue lets some callers in at a time. It turns away whoever waits while nobody gets on, so that what hangs takes no time from others.
type queue struct {
	places   chan struct{}
	patience time.Duration

	mu sync.Mutex
	// moved is when somebody entered or left.
	moved time.Time
	// waiting is how many wait for a place. A queue that is retired lets nobody in any more.
	waiting int
	retired bool
}

func newQueue(places int, patience time.Duration) *queue {
	return &queue{places: make(chan struct{}, places), patience: patience}
}

var (
	errHeldUp  = errors.New("others wait for an answer too long already")
	errRetired = errors.New("what nobody had asked for in a while was just removed from the disk")
)

// enter waits for a place. leave must be called unless there is an error.
func (q *queue) enter(ctx context.Context) error {
	for {
		left, entered, err := q.try()
		if err != nil || entered {
			return err
		}
		late := time.NewTimer(left)
		select {
		case q.places <- struct{}{}:
			entered = true
		case <-ctx.Done():
			err = ctx.Err()
		case <-late.C:
		}
		late.Stop()
		q.waited()
		if err != nil || entered {
			return err
		}
	}
}

// try enters if there is room. If there is none, the caller is one of those who wait, and told how long that is worth it.
func (q *queue) try() (left time.Duration, entered bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.retired {
		return 0, false, &gitsync.UnreachableError{Cause: errRetired, Again: time.Second}
	}
	select {
	case q.places <- struct{}{}:
		q.moved = time.Now()
		return 0, true, nil
	default:
	}
	if left = q.patience - time.Since(q.moved); left <= 0 {
		return 0, false, &gitsync.UnreachableError{Cause: errHeldUp, Again: againAfter}
	}
	q.waiting++
	return left, false, nil
}

// waited ends a wait.
func (q *queue) waited() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
}

// idle reports whether nobody is in and nobody waits.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting == 0 && len(q.places) == 0
}

// retire closes an idle queue if that to which it leads is unused.
func (q *queue) retire(unused func() bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retired = q.waiting == 0 && len(q.places) == 0 && unused()
	return q.retired
}

func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.moved = time.Now()
	<-q.places
}

// vain is a question that nobody answered.
type vain struct {
	err          error
	asked, until time.Time
}

// inVain remembers a question that was asked at a moment in vain, unless its sender gave it up.
func inVain(ctx context.Context, err error, asked time.Time) vain {
	if ctx.Err() != nil {
		return vain{}
	}
	return vain{err, asked, time.Now().Add(believed)}
}

// since gives the error if the question was asked at a moment or later, and not long ago.
func (v vain) since(at time.Time) error {
	if v.asked.Before(at) || time.Now().After(v.until) {
		return nil
	}
	return v.err
}

// unreachable marks an error as one of a server that could not be asked.
func unreachable(cause error) error {
	var inner *gitsync.UnreachableError
	if !errors.As(cause, &inner) {
		inner = &gitsync.UnreachableError{}
	}
	return &gitsync.UnreachableError{Cause: cause, Again: inner.Again}
}
