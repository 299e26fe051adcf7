package render

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/child"
)

const (
	// quickPart of the time of a rendering is what it may take among the others; whatever takes longer has its own lanes, of which there are slowLanes.
	quickPart = 6
	slowLanes = 2
	// againAfter is when it is worth to come back where these are taken.
	againAfter = 20 * time.Second
)

// isOfRendering reports whether an error is about what was rendered, which needs more than it may have, and not about us.
func isOfRendering(ctx context.Context, err error) bool {
	var ours *fs.PathError
	var busy *gitsync.UnreachableError
	return ctx.Err() == nil && !errors.As(err, &ours) && !errors.As(err, &busy)
}

// lanes let in as many renderings as there are processors, and a few that take long beside them.
type lanes struct{ quick, slow chan struct{} }

func newLanes() lanes {
	return lanes{make(chan struct{}, runtime.GOMAXPROCS(0)), make(chan struct{}, slowLanes)}
}

// ask gives the answer of a child, as text. A rendering that takes long begins anew in a lane where it holds up only its like; those that find no lane
// come back later instead of waiting.
func (r *Renderer) ask(ctx context.Context, key string, o order) ([]byte, error) {
	r.begin.Do(func() { r.lanes = newLanes() })
	if !r.remembered.isSlow(key) {
		text, slow, err := r.askQuickly(ctx, o)
		if !slow {
			return text, err
		}
		r.remembered.put(&entry{key: slowPrefix + key})
	}
	select {
	case r.lanes.slow <- struct{}{}:
		defer func() { <-r.lanes.slow }()
	default:
		return nil, &gitsync.UnreachableError{Cause: errors.New("it takes long, and waits until other renderings that do are done"), Again: againAfter}
	}
	begun := time.Now()
	text, err := r.child(ctx, o)
	if time.Since(begun) < r.quickTime() {
		r.remembered.forget(slowPrefix + key)
	}
	return text, err
}

// askQuickly waits for its turn, and reports whether the rendering was ended because it takes long.
func (r *Renderer) askQuickly(ctx context.Context, o order) (text []byte, slow bool, err error) {
	select {
	case r.lanes.quick <- struct{}{}:
		defer func() { <-r.lanes.quick }()
	case <-ctx.Done():
		return nil, false, &gitsync.UnreachableError{Cause: errors.Join(errors.New("waiting for other renderings"), ctx.Err())}
	}
	quick, cancel := context.WithTimeout(ctx, r.quickTime())
	defer cancel()
	text, err = r.child(quick, o)
	return text, err != nil && quick.Err() != nil && ctx.Err() == nil, err
}

func (r *Renderer) quickTime() time.Duration { return cmp.Or(r.quick, r.Timeout/quickPart) }

func (r *Renderer) child(ctx context.Context, o order) ([]byte, error) {
	return r.children.Ask(ctx, command, child.Limits{What: "the rendering", Time: r.Timeout, Memory: r.Memory, Output: maxAnswer}, o)
}
