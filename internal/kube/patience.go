package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// syncWait is how long reads wait for the first list of a kind.
const syncWait = 10 * time.Second

// Patience bounds how long reads wait for a cache whose first list of a kind does not arrive, as where the right to list it is missing. The kind
// is waited for once; from then on its reads fail at once until it is there, so that the objects which need it hold up no others.
// The zero value is ready for use, also concurrently.
type Patience struct {
	wait time.Duration // syncWait if 0

	mu   sync.Mutex
	lost map[string]bool
}

// Read makes a read that waits for its kind until its context ends.
func (p *Patience) Read(ctx context.Context, kind string, read func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, p.left(kind))
	defer cancel()
	err := read(bounded)
	late := apierrors.IsTimeout(err) && bounded.Err() != nil && ctx.Err() == nil
	p.note(kind, late)
	if late {
		return fmt.Errorf("no list of %s arrives; see that the controller may list and watch this kind: %w", kind, err)
	}
	return err
}

func (p *Patience) left(kind string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.lost[kind]:
		return 0
	case p.wait > 0:
		return p.wait
	}
	return syncWait
}

func (p *Patience) note(kind string, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !late {
		delete(p.lost, kind)
		return
	}
	if p.lost == nil {
		p.lost = map[string]bool{}
	}
	p.lost[kind] = true
}
