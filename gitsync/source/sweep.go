package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

// unasked is how long nobody may have asked for a thing before it goes; where repositories are asked more rarely, three polls.
const unasked = time.Hour

// kept are things of one kind by their identities.
type kept[T any] map[string]*asked[T]

// asked is a thing, and until when it stays if nobody asks for it any more.
type asked[T any] struct {
	what  *T
	until time.Time
}

// one gives the one thing of an identity to somebody who asks for it so often; nil is as often as anybody.
func one[T any](r *Repositories, all *kept[T], id string, poll *gitsync.Interval, create func() *T) *T {
	every := r.Poll
	if poll != nil {
		every = poll.Every
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if *all == nil {
		*all = kept[T]{}
	}
	if (*all)[id] == nil {
		(*all)[id] = &asked[T]{what: create()}
	}
	(*all)[id].until = r.now().Add(max(unasked, 3*every))
	return (*all)[id].what
}

func (r *Repositories) now() time.Time {
	if r.clock != nil {
		return r.clock()
	}
	return time.Now()
}

// Start removes from the disk what nobody has asked for in a while and nobody uses, until ctx ends.
func (r *Repositories) Start(ctx context.Context) error {
	every := time.NewTicker(unasked / 4)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			r.sweep()
		}
	}
}

// sweep lets things go. What cannot be removed now is tried again with the next sweep.
func (r *Repositories) sweep() {
	r.setAside()
	left, _ := filepath.Glob(filepath.Join(r.Dir, "gone-*")) // the pattern is a good one
	for _, dir := range left {
		_ = os.RemoveAll(dir)
	}
}

// setAside forgets things, and gives their folders other names at once, because somebody may begin anew in a moment.
func (r *Repositories) setAside() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	forget(r.installations, now, func(i *installation) bool { return i.turn.retire(func() bool { return true }) })
	ids := slices.Concat(
		forget(r.clones, now, func(c *clone) bool { return c.turn.retire(c.shelf.unused) }),
		forget(r.charts, now, func(c *chartRepository) bool { return c.turn.retire(c.shelf.unused) }),
		forget(r.registries, now, func(r *registry) bool { return r.turn.retire(r.shelf.unused) }),
	)
	forget(r.hosts, now, func(q *queue) bool { return q.idle() && !r.uses(q) })
	for _, id := range ids {
		// What was never begun has no folder.
		_ = os.Rename(filepath.Join(r.Dir, id), filepath.Join(r.Dir, fmt.Sprintf("gone-%s-%d", id, now.UnixNano())))
	}
}

// uses reports whether a repository goes on to ask its server in this line, which would not bound those in another.
func (r *Repositories) uses(host *queue) bool {
	for _, c := range r.charts {
		if c.what.host == host {
			return true
		}
	}
	for _, c := range r.registries {
		if c.what.host == host {
			return true
		}
	}
	return false
}

// forget takes away what stays no longer, if it may go, and gives the identities of that.
func forget[T any](all kept[T], now time.Time, may func(*T) bool) (gone []string) {
	for id, a := range all {
		if a.until.Before(now) && may(a.what) {
			delete(all, id)
			gone = append(gone, id)
		}
	}
	return gone
}

// unused reports whether nobody uses any files.
func (s *shelf) unused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if e.users > 0 {
			return false
		}
	}
	return true
}

// fetch runs git where it fetches into the clone.
func (c *clone) fetch(ctx context.Context, git *runner, args ...string) error {
	_, err := git.ask(ctx, args...)
	if err != nil {
		return errors.Join(err, c.tidy())
	}
	return nil
}

// tidy removes what a git that was killed leaves behind: unfinished packs, which would fill the disk, and locks, which would keep everybody out.
func (c *clone) tidy() error {
	objects := filepath.Join(c.bare(), "objects")
	return filepath.WalkDir(c.bare(), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		unfinished := strings.HasPrefix(entry.Name(), "tmp_") || strings.HasSuffix(entry.Name(), ".temp")
		if strings.HasSuffix(entry.Name(), ".lock") || unfinished && strings.HasPrefix(file, objects) {
			return os.Remove(file)
		}
		return nil
	})
}
