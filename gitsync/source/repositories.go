package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// Repositories are all repositories. It is safe for concurrent use. Its fields must be set before use.
type Repositories struct {
	// Dir holds the clones and exported trees; it must be private to this process, and what is in it may be lost at any time between runs.
	Dir string
	// Keys gives credentials and what is trusted, as they are now.
	Keys func(ctx context.Context) (Keys, error)
	// Poll is how long what a repository said is believed.
	Poll time.Duration
	// Timeout bounds each question to a repository.
	Timeout time.Duration
	// Schemes are allowed besides https and ssh, such as http on a loopback address.
	Schemes []string

	mu  sync.Mutex
	all map[string]*repository
}

// repository is one clone; whoever holds turn may touch it.
type repository struct {
	dir     string
	turn    chan struct{}
	refs    refs
	asked   time.Time
	exports map[string]*export
}

// Resolve gives the commit that a source asks for. A full SHA is taken as it is, without asking.
func (r *Repositories) Resolve(ctx context.Context, want gitsync.Want) (string, error) {
	revision := want.Source.TargetRevision
	if want.Revision != "" {
		revision = want.Revision
	}
	if err := checkRevision(revision); err != nil {
		return "", err
	}
	if fullSHA.MatchString(revision) {
		return revision, nil
	}
	began := time.Now()
	repo, git, err := r.open(ctx, want)
	if err != nil {
		return "", err
	}
	defer repo.leave()
	defer git.close()
	// A listing that began after the caller asked is fresh, whoever asked for it.
	if stale := time.Since(repo.asked) >= r.Poll; repo.refs == nil || stale || want.Fresh && repo.asked.Before(began) {
		at := time.Now()
		out, err := git.run(ctx, nil, "ls-remote", "--end-of-options", git.address.remote)
		if err != nil {
			return "", &gitsync.UnreachableError{Cause: fmt.Errorf("asking %s for its branches and tags: %w", git.address.shown, err)}
		}
		repo.refs, repo.asked = parseRefs(out), at
	}
	sha, err := repo.refs.find(revision, want.Source.TagPrefix)
	if err != nil {
		return "", fmt.Errorf("%s: %w", git.address.shown, err)
	}
	return sha, nil
}

// Fetch gives the files of a commit. Callers at the same time share them.
func (r *Repositories) Fetch(ctx context.Context, want gitsync.Want, revision string) (gitsync.Checkout, error) {
	if !fullSHA.MatchString(revision) {
		return gitsync.Checkout{}, fmt.Errorf("fetching needs a full commit SHA, not %.80q", revision)
	}
	repo, git, err := r.open(ctx, want)
	if err != nil {
		return gitsync.Checkout{}, err
	}
	defer repo.leave()
	defer git.close()
	if err := repo.bring(ctx, git, revision); err != nil {
		return gitsync.Checkout{}, fmt.Errorf("fetching %s of %s: %w", revision, git.address.shown, err)
	}
	e, err := repo.export(ctx, git, revision)
	if err != nil {
		return gitsync.Checkout{}, fmt.Errorf("reading %s of %s: %w", revision, git.address.shown, err)
	}
	return gitsync.Checkout{Dir: e.dir, Revision: revision, Tree: e.tree, Release: sync.OnceFunc(func() { repo.release(revision) })}, nil
}

// open checks what is wanted and waits for the turn of the caller. leave and close must be called.
func (r *Repositories) open(ctx context.Context, want gitsync.Want) (*repository, *runner, error) {
	if want.Source.Chart != "" || strings.HasPrefix(want.Source.RepoURL, "oci://") {
		return nil, nil, fmt.Errorf("charts of Helm repositories and OCI artifacts cannot be used yet; use a chart in a Git repository")
	}
	if signaturesAsked(want.Project) {
		return nil, nil, fmt.Errorf("project %s asks for signed commits, and signatures cannot be verified yet; nothing is synced", want.Project.Name)
	}
	a, err := parseAddress(want.Source.RepoURL, r.Schemes)
	if err != nil {
		return nil, nil, err
	}
	keys, err := r.Keys(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the credentials of repositories: %w", err)
	}
	c, err := keys.choose(want.Source.RepoURL, want.Project.Name)
	if err != nil {
		return nil, nil, err
	}
	git := &runner{address: a, credentials: c, timeout: r.Timeout, protocols: strings.Join(append([]string{"https", "ssh"}, r.Schemes...), ":")}
	repo := r.repository(a, c)
	select {
	case repo.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("waiting for %s: %w", a.shown, ctx.Err())
	}
	if err := git.prepare(keys); err != nil {
		repo.leave()
		return nil, nil, err
	}
	if err := repo.begin(ctx, git); err != nil {
		repo.leave()
		return nil, nil, errors.Join(fmt.Errorf("making a clone of %s: %w", a.shown, err), git.close())
	}
	return repo, git, nil
}

func (r *Repositories) repository(a address, c credentials) *repository {
	sum := sha256.Sum256([]byte(a.remote + "\n" + c.fingerprint()))
	id := hex.EncodeToString(sum[:16])
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]*repository{}
	}
	repo := r.all[id]
	if repo == nil {
		repo = &repository{dir: filepath.Join(r.Dir, id), turn: make(chan struct{}, 1), exports: map[string]*export{}}
		r.all[id] = repo
	}
	return repo
}

func (r *repository) leave() { <-r.turn }

func (r *repository) bare() string { return filepath.Join(r.dir, "bare.git") }

// begin makes the empty clone if there is none.
func (r *repository) begin(ctx context.Context, git *runner) error {
	if _, err := os.Stat(filepath.Join(r.bare(), "HEAD")); err == nil {
		return nil
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	_, err := git.run(ctx, nil, "init", "--quiet", "--bare", "--template=", "--end-of-options", r.bare())
	return err
}

func (r *repository) has(ctx context.Context, git *runner, revision string) bool {
	_, err := git.run(ctx, nil, "--git-dir="+r.bare(), "cat-file", "-e", revision+"^{tree}")
	return err == nil
}

// bring fetches a commit: alone and without history where the server allows it, else with everything that branches and tags lead to.
func (r *repository) bring(ctx context.Context, git *runner, revision string) error {
	if r.has(ctx, git, revision) {
		return nil
	}
	fetch := []string{"--git-dir=" + r.bare(), "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"}
	_, alone := git.run(ctx, nil, append(fetch, "--depth=1", "--end-of-options", git.address.remote, "+"+revision+":refs/kept/"+revision)...)
	if alone == nil {
		return nil
	}
	deep := fetch
	if _, err := os.Stat(filepath.Join(r.bare(), "shallow")); err == nil {
		deep = append(deep, "--unshallow")
	}
	_, err := git.run(ctx, nil, append(deep, "--prune", "--end-of-options", git.address.remote, "+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*")...)
	if err != nil {
		return &gitsync.UnreachableError{Cause: alone}
	}
	if !r.has(ctx, git, revision) {
		return fmt.Errorf("no branch or tag leads to this commit any more")
	}
	return nil
}

func signaturesAsked(p *gitopsv1.AppProject) bool {
	return len(p.Spec.SignatureKeys) > 0 || p.Spec.SourceIntegrity != nil
}
