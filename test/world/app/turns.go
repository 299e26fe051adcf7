package app

import (
	"sync"
	"time"
)

// MaxWait is how long a request waits for its turn, at most. An instance that stops answers whoever waits if it is given as long.
const MaxWait = 2 * time.Second

// turns hands out the moments at which requests are served, evenly.
type turns struct {
	each time.Duration
	mu   sync.Mutex
	next time.Time
}

// newTurns spaces turns for so many requests per second; 0 serves everybody at once.
func newTurns(capacity float64) *turns {
	if capacity == 0 {
		return &turns{}
	}
	return &turns{each: time.Duration(float64(time.Second) / capacity)}
}

// take gives the wait until the turn of a request that arrives now; it is false where that would be longer than MaxWait.
func (t *turns) take(now time.Time) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next.Before(now) {
		t.next = now
	}
	wait = t.next.Sub(now)
	if wait > MaxWait {
		return 0, false
	}
	t.next = t.next.Add(t.each)
	return wait, true
}
