package application

import (
	"context"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

// neighboursFor is how long a list of everything in a namespace is believed at least; nobody is told of each change in it.
const neighboursFor = 3 * time.Minute

// observeNeighbours lists what else is in the destination namespace, where the project asks for what no Application manages. That the list cannot be
// had keeps nothing else from being done.
func (c *Controller) observeNeighbours(ctx context.Context, s *seen) error {
	if !gitsync.WantsNeighbours(s.Observation) {
		s.memory.neighbours = nil
		return nil
	}
	if s.memory.neighbours == nil || s.Now.Sub(s.memory.neighboursAt) >= max(neighboursFor, c.interval(s.Settings).Every) {
		found, err := s.cluster.Neighbours(ctx, s.App.Spec.Destination.Namespace, func(k gitsync.GroupKind) bool { return !s.Settings.Excludes(k, s.Cluster) })
		if err != nil {
			found = &gitsync.Neighbours{Unread: err.Error()}
		}
		s.memory.neighbours, s.memory.neighboursAt = found, s.Now
	}
	s.Neighbours = s.memory.neighbours
	return nil
}
