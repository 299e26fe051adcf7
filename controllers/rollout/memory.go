package rollout

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// memory is what the loop keeps in mind about one Rollout between two passes. None of it matters for what is right, only for what it costs:
// a restart of the controller forgets all of it.
type memory struct {
	uid types.UID
	// unlike is the digest of a template for which no ReplicaSet was found that already has it, so that the search is made once.
	unlike string
	// rejected is the digest of a template that the API server called invalid, and rejection is what it said.
	rejected, rejection string
	// countsSince is when a status was held back that differs in nothing but counts, and countsWait how long one is;
	// countsWritten is when the last such status was written.
	countsSince, countsWritten time.Time
	countsWait                 time.Duration
	// trouble and refusal are the errors of reading and of writing the routes that were told last, so that each is told once;
	// unread is why it could not be learned which revision the spec asks for.
	trouble, refusal, unread string
	// workload is what workloadRef named when it was read last.
	workload workload
}

// A status that differs in nothing but counts waits for more of them: at first for firstWait, and twice as long after each one that was
// written, up to lastWait. So a size of hundreds of pods costs no more writes than one of a few. Anything else resets nothing
// but the clock; only a minute without such a write begins anew.
const (
	firstWait = time.Second
	lastWait  = 8 * time.Second
)

// holdBack says how long a status has to wait; counting tells that it differs in nothing but counts.
func (m *memory) holdBack(counting bool, now time.Time) time.Duration {
	if !counting {
		m.countsSince = time.Time{}
		return 0
	}
	if m.countsSince.IsZero() {
		m.countsSince = now
	}
	if m.countsWait == 0 || now.Sub(m.countsWritten) > time.Minute {
		m.countsWait = firstWait
	}
	return m.countsWait - now.Sub(m.countsSince)
}

func (m *memory) wrote(counting bool, now time.Time) {
	m.countsSince = time.Time{}
	if counting {
		m.countsWritten, m.countsWait = now, min(2*m.countsWait, lastWait)
	}
}

type memories struct {
	mu  sync.Mutex
	all map[types.NamespacedName]*memory
}

// of returns the memory of a Rollout. One object is in the hands of one worker at a time, so the memory itself needs no lock.
func (m *memories) of(key types.NamespacedName, uid types.UID) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[types.NamespacedName]*memory{}
	}
	if known := m.all[key]; known != nil && known.uid == uid {
		return known
	}
	fresh := &memory{uid: uid}
	m.all[key] = fresh
	return fresh
}

func (m *memories) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, key)
}
