package soak

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-delivery/sluice/test/world/load"
)

const (
	// reaction is the time from a change of a route or a Service to the last request that still goes by what was before: the endpoint slices
	// have to be written, and the gateway has to see them. It is generous, for a busy machine.
	reaction = 2 * time.Second
	// delay is the time by which whoever keeps a Timeline may see a change later than the gateway does.
	delay = 500 * time.Millisecond
)

// Timeline remembers which versions the routes and Services of a Rollout named at which time.
type Timeline struct {
	mu     sync.Mutex
	states []state
}

type state struct {
	from     time.Time
	versions []string
}

// Named says that from some time on requests may go to these versions and no other.
func (t *Timeline) Named(from time.Time, versions ...string) {
	slices.Sort(versions)
	versions = slices.Compact(versions)
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.states); n > 0 && slices.Equal(t.states[n-1].versions, versions) {
		return
	}
	t.states = append(t.states, state{from: from, versions: versions})
}

// String lists the last states, for people who read what led to a failure.
func (t *Timeline) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, s := range t.states[max(0, len(t.states)-8):] {
		lines = append(lines, fmt.Sprintf("%s %s", s.from.Format("15:04:05.000"), strings.Join(s.versions, " and ")))
	}
	return strings.Join(lines, "\n")
}

// Fault says what is wrong with a request: it was lost, failed or not sent, or a version answered that nothing named at that time. It is empty
// where nothing is.
func (t *Timeline) Fault(r load.Record) string {
	at := r.At.Format("15:04:05.000")
	switch {
	case r.Err != "":
		return fmt.Sprintf("the request of %s was lost after %s: %s", at, r.Took, r.Err)
	case r.Status >= 300:
		return fmt.Sprintf("the request of %s was answered by %s with %d after %s", at, r.Version, r.Status, r.Took)
	case !t.named(r.Version, r.At.Add(-reaction), r.At.Add(delay)):
		return fmt.Sprintf("the request of %s was answered by %s, which no route and no Service named then", at, r.Version)
	}
	return ""
}

// named says whether a version was named at any time between two.
func (t *Timeline) named(version string, from, to time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, s := range slices.Backward(t.states) {
		if s.from.After(to) {
			continue
		}
		if slices.Contains(s.versions, version) {
			return true
		}
		if i == 0 || !s.from.After(from) {
			return false
		}
	}
	return false
}
