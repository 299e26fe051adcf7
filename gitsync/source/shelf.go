package source

import (
	"errors"
	"os"
	"sync"
)

// export is the files of one revision on disk.
type export struct {
	dir string
	// tree identifies the content of a path; empty where there is nothing.
	tree  func(path string) string
	users int

	// What follows is of commits alone: what Git knows of each path, how large all is, and the submodules to be filled in.
	trees   map[string]string
	size    int64
	modules []submodule
	// extended is true where extras are filled in, and missing until the files are complete; whoever holds turn may touch all this.
	extended, missing bool
	turn              chan struct{}
}

// shelf keeps the files of revisions while somebody uses them, and after that those of the latest one.
type shelf struct {
	mu     sync.Mutex
	all    map[string]*export
	latest string
}

// take gives the files of a revision to one more user, who must give them back; nil if they are not there.
func (s *shelf) take(revision string) *export {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[revision]
	if e != nil {
		e.users++
	}
	return e
}

// put adds the files of a revision with their first user.
func (s *shelf) put(revision string, e *export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]*export{}
	}
	e.users = 1
	before := s.latest
	s.all[revision], s.latest = e, revision
	s.sweep(before)
}

// giveBack ends one use.
func (s *shelf) giveBack(revision string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[revision].users--
	s.sweep(revision)
}

// claim takes the latest files away from the shelf, if nobody uses them and they are what a commit holds and nothing more; nil if there are none such.
func (s *shelf) claim() *export {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[s.latest]
	if e == nil || e.users > 0 || e.extended {
		return nil
	}
	delete(s.all, s.latest)
	return e
}

// sweep removes files that nobody uses and that are not the latest. What cannot be removed lies in a private folder that the next start may empty.
func (s *shelf) sweep(revision string) {
	if e := s.all[revision]; e != nil && e.users == 0 && revision != s.latest {
		delete(s.all, revision)
		_ = e.remove()
	}
}

// index is the file in which Git notes what it wrote.
func (e *export) index() string { return e.dir + ".index" }

// remove takes the lock of the index with it, which a git that was killed leaves behind.
func (e *export) remove() error {
	return errors.Join(os.RemoveAll(e.dir), os.RemoveAll(e.index()), os.RemoveAll(e.index()+".lock"))
}
