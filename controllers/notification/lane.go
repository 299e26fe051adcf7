package notification

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"

	"github.com/sluice-delivery/sluice/notify"
)

// senders is how many messages are sent to one service at the same time.
const senders = 4

// line is what is sent in order: the messages of one Rollout to one destination.
type line struct {
	rollout types.NamespacedName
	to      notify.Destination
}

// sending has one lane for each service, so that none waits for another.
type sending struct {
	outbox *Outbox

	mu     sync.Mutex
	ctx    context.Context // nil before start; for the workers, who outlive the call that makes their lane
	ended  bool
	lanes  map[string]workqueue.TypedDelayingInterface[line]
	active sync.WaitGroup
}

func newSending(o *Outbox) *sending {
	return &sending{outbox: o, lanes: map[string]workqueue.TypedDelayingInterface[line]{}}
}

func (s *sending) start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
}

// stop waits for the attempts that are under way, and begins none.
func (s *sending) stop() {
	s.mu.Lock()
	s.ended = true
	for _, lane := range s.lanes {
		lane.ShutDown()
	}
	s.mu.Unlock()
	s.active.Wait()
}

// add has a line looked at.
func (s *sending) add(l line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	name := s.outbox.laneOf(l.to.Service)
	lane, ok := s.lanes[name]
	if !ok {
		lane = workqueue.NewTypedDelayingQueue[line]()
		s.lanes[name] = lane
		for range senders {
			s.active.Go(func() { s.serve(s.ctx, lane) })
		}
	}
	lane.Add(l)
}

func (s *sending) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *sending) serve(ctx context.Context, lane workqueue.TypedDelayingInterface[line]) {
	for {
		l, ended := lane.Get()
		if ended {
			return
		}
		if !s.over() {
			if again := s.outbox.deliver(ctx, l); again > 0 {
				lane.AddAfter(l, again)
			}
		}
		lane.Done(l)
	}
}
