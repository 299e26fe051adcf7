package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

// clone is one Git repository as one set of credentials sees it; whoever has entered by turn may touch it.
type clone struct {
	dir     string
	turn    *queue
	listing listing
	shelf   shelf
	// verified has what was found to be signed as a policy wants.
	verified sync.Map
	// fetched counts the commits that were fetched into it.
	fetched int
}

// maxFetched is how many commits one clone takes up before it begins anew, because nothing in it is ever deleted. What is unpacked lies elsewhere.
const maxFetched = 100

// listing is what a repository said of its branches and tags, and when it was asked. It can be read while somebody else has the turn.
type listing struct {
	mu    sync.Mutex
	refs  refs
	asked time.Time
	vain  vain
}

// since gives the branches and tags if the repository was asked at a moment or later, or why it could not be asked; nil if it was not asked.
func (l *listing) since(at time.Time) (refs, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked.Before(at) {
		return nil, l.vain.since(at)
	}
	return l.refs, nil
}

func (l *listing) set(r refs, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refs, l.asked, l.vain = r, asked, vain{}
}

func (l *listing) failed(v vain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vain = v
}

// resolveCommit gives the commit that a source asks for. A full SHA is taken as it is, without asking; its clone stays, because somebody wants it.
func (r *Repositories) resolveCommit(ctx context.Context, want gitsync.Want, revision string) (string, error) {
	if err := checkRevision(revision); err != nil {
		return "", err
	}
	c, git, err := r.find(ctx, want)
	if err != nil {
		return "", err
	}
	if fullSHA.MatchString(revision) {
		return revision, nil
	}
	// A listing that began after it was asked for is fresh, whoever asked for it.
	oldest := time.Now()
	switch {
	case !want.Fresh:
		oldest = r.oldest(want)
	case !want.Since.IsZero():
		oldest = want.Since
	}
	known, err := c.listing.since(oldest)
	if known == nil && err == nil {
		known, err = c.list(ctx, git, oldest)
	}
	if err != nil {
		return "", err
	}
	sha, err := known.find(revision, want.Source.TagPrefix)
	if err != nil {
		return "", fmt.Errorf("%s: %w", git.address.shown, err)
	}
	return sha, nil
}

// list asks for the branches and tags, unless somebody did so while the caller waited for his turn.
func (c *clone) list(ctx context.Context, git *runner, oldest time.Time) (refs, error) {
	if err := c.enter(ctx, git); err != nil {
		return nil, err
	}
	defer c.leave()
	defer git.close()
	if known, err := c.listing.since(oldest); known != nil || err != nil {
		return known, err
	}
	at := time.Now()
	out, err := git.ask(ctx, "ls-remote", "--end-of-options", git.address.remote)
	if err != nil {
		err = unreachable(fmt.Errorf("asking %s for its branches and tags: %w", git.address.shown, err))
		c.listing.failed(inVain(ctx, err, at))
		return nil, err
	}
	known := parseRefs(out)
	c.listing.set(known, at)
	return known, nil
}

// fetchCommit gives the files of a commit, once its signature is what the project wants.
func (r *Repositories) fetchCommit(ctx context.Context, want gitsync.Want, revision string) (gitsync.Checkout, error) {
	f, err := r.fetchFiles(ctx, want, revision, nest{})
	if err != nil {
		return gitsync.Checkout{}, err
	}
	return f.checkout(f.shelf, f.key, revision), nil
}

// files are those of a commit, which their user must give back.
type files struct {
	*export
	shelf *shelf
	key   string
}

// fetchFiles gives the files of a commit and, where the Secret of its repository asks for them, those that Git itself only names.
func (r *Repositories) fetchFiles(ctx context.Context, want gitsync.Want, revision string, in nest) (files, error) {
	if !fullSHA.MatchString(revision) {
		return files{}, fmt.Errorf("fetching needs a full commit SHA, not %.80q", revision)
	}
	c, git, err := r.open(ctx, want)
	if err != nil {
		return files{}, err
	}
	extra := git.extras(in)
	f := files{shelf: &c.shelf, key: revision + extra.String()}
	f.export, err = c.unpack(ctx, git, want, revision, extra)
	// Others may go on with the clone: what an extra needs is in other places, one of which may be this clone for another commit.
	c.leave()
	err = errors.Join(err, git.close())
	if err == nil {
		err = r.complete(ctx, want, git, f.export, extra)
	}
	if err != nil && f.export != nil {
		f.shelf.giveBack(f.key)
	}
	return f, err
}

// unpack gives the files that Git has of a commit; whoever calls it has the turn.
func (c *clone) unpack(ctx context.Context, git *runner, want gitsync.Want, revision string, extra extras) (*export, error) {
	key := revision + extra.String()
	e := c.shelf.take(key)
	if e == nil {
		if err := c.bring(ctx, git, revision); err != nil {
			return nil, fmt.Errorf("fetching %s of %s: %w", revision, git.address.shown, err)
		}
	}
	if err := c.verify(ctx, git, want, revision); err != nil {
		return e, fmt.Errorf("commit %s of %s is not synced: %w", revision, git.address.shown, err)
	}
	if e == nil {
		var err error
		if e, err = c.export(ctx, git, revision, extra); err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", revision, git.address.shown, err)
		}
		c.shelf.put(key, e)
	}
	return e, nil
}

// checkout hands files to a user.
func (e *export) checkout(s *shelf, key, revision string) gitsync.Checkout {
	return gitsync.Checkout{
		Dir: e.dir, Revision: revision, Tree: func(_ context.Context, path string) (string, error) { return e.tree(path), nil },
		Release: sync.OnceFunc(func() { s.giveBack(key) }),
	}
}

// open finds a clone and enters it. leave and close must be called.
func (r *Repositories) open(ctx context.Context, want gitsync.Want) (*clone, *runner, error) {
	c, git, err := r.find(ctx, want)
	if err != nil {
		return nil, nil, err
	}
	return c, git, c.enter(ctx, git)
}

// find checks what is wanted, and gives the clone and the way to its repository.
func (r *Repositories) find(ctx context.Context, want gitsync.Want) (*clone, *runner, error) {
	a, err := parseAddress(want.Source.RepoURL, r.Schemes)
	if err != nil {
		return nil, nil, err
	}
	keys, credentials, err := r.credentials(ctx, want, typeGit)
	if err != nil {
		return nil, nil, err
	}
	git := r.runner(a, credentials, keys)
	id, dir := r.place(a.remote, credentials)
	return one(r, &r.clones, id, want.Poll, func() *clone { return &clone{dir: dir, turn: newQueue(1, r.waits())} }), git, nil
}

// enter waits for the turn of the caller. leave and close must be called unless there is an error.
func (c *clone) enter(ctx context.Context, git *runner) error {
	if err := c.turn.enter(ctx); err != nil {
		return unreachable(fmt.Errorf("waiting for %s: %w", git.address.shown, err))
	}
	if err := git.prepare(ctx); err != nil {
		c.leave()
		return err
	}
	if err := c.begin(ctx, git); err != nil {
		c.leave()
		return errors.Join(fmt.Errorf("making a clone of %s: %w", git.address.shown, err), git.close())
	}
	return nil
}

func (c *clone) leave() { c.turn.leave() }

func (c *clone) bare() string { return filepath.Join(c.dir, "bare.git") }

// begin makes the empty clone if there is none.
func (c *clone) begin(ctx context.Context, git *runner) error {
	if _, err := os.Stat(filepath.Join(c.bare(), "HEAD")); err == nil {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	_, err := git.run(ctx, nil, "init", "--quiet", "--bare", "--template=", "--end-of-options", c.bare())
	return err
}

func (c *clone) has(ctx context.Context, git *runner, revision string) bool {
	_, err := git.run(ctx, nil, "--git-dir="+c.bare(), "cat-file", "-e", revision+"^{tree}")
	return err == nil
}

var fetching = []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"}

// bring fetches a commit: alone and without history where the server allows it, else with everything that branches and tags lead to.
func (c *clone) bring(ctx context.Context, git *runner, revision string) error {
	if c.has(ctx, git, revision) {
		return nil
	}
	if c.fetched++; c.fetched > maxFetched {
		if err := c.renew(ctx, git); err != nil {
			return fmt.Errorf("beginning the clone anew: %w", err)
		}
	}
	alone := append(append([]string{"--git-dir=" + c.bare()}, fetching...), "--depth=1", "--end-of-options", git.address.remote, "+"+revision+":refs/kept/"+revision)
	refused := c.fetch(ctx, git, alone...)
	if refused == nil {
		return nil
	}
	if errors.Is(refused, errHeldUp) || c.deepen(ctx, git) != nil {
		return unreachable(refused)
	}
	if !c.has(ctx, git, revision) {
		return fmt.Errorf("no branch or tag leads to this commit any more")
	}
	return nil
}

// renew makes the clone empty.
func (c *clone) renew(ctx context.Context, git *runner) error {
	if err := os.RemoveAll(c.bare()); err != nil {
		return err
	}
	c.fetched = 1
	c.verified.Clear()
	return c.begin(ctx, git)
}

// deepen fetches everything that branches and tags lead to.
func (c *clone) deepen(ctx context.Context, git *runner) error {
	deep := append([]string{"--git-dir=" + c.bare()}, fetching...)
	if _, err := os.Stat(filepath.Join(c.bare(), "shallow")); err == nil {
		deep = append(deep, "--unshallow")
	}
	return c.fetch(ctx, git, append(deep, "--prune", "--end-of-options", git.address.remote, "+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*")...)
}
