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
)

// unasked is how long nobody may have asked for a thing before it goes; where repositories are asked more rarely, three polls.
const unasked = time.Hour

// kept are things of one kind by their identities.
type kept[T any] map[string]*asked[T]

// asked is a thing, and when somebody asked for it last.
type asked[T any] struct {
	what *T
	at   time.Time
}

// one gives the one thing of an identity.
func one[T any](r *Repositories, all *kept[T], id string, create func() *T) *T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if *all == nil {
		*all = kept[T]{}
	}
	if (*all)[id] == nil {
		(*all)[id] = &asked[T]{what: create()}
	}
	(*all)[id].at = r.now()
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
	before := now.Add(-max(unasked, 3*r.Poll, 3*r.longest))
	forget(r.hosts, before, (*queue).idle)
	forget(r.installations, before, func(i *installation) bool { return i.turn.retire(func() bool { return true }) })
	ids := slices.Concat(
		forget(r.clones, before, func(c *clone) bool { return c.turn.retire(c.shelf.unused) }),
		forget(r.charts, before, func(c *chartRepository) bool { return c.turn.retire(c.shelf.unused) }),
		forget(r.registries, before, func(r *registry) bool { return r.turn.retire(r.shelf.unused) }),
	)
	for _, id := range ids {
		// What was never begun has no folder.
		_ = os.Rename(filepath.Join(r.Dir, id), filepath.Join(r.Dir, fmt.Sprintf("gone-%s-%d", id, now.UnixNano())))
	}
}

// forget takes away what was not asked for since a moment, if it may go, and gives the identities of that.
func forget[T any](all kept[T], since time.Time, may func(*T) bool) (gone []string) {
	for id, a := range all {
		if a.at.Before(since) && may(a.what) {
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
