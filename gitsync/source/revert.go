package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/sluice-delivery/sluice/gitsync"
)

const (
	// trailerHeld ends the message of a commit of ours and names what it takes back, so that nothing else need remember it.
	trailerHeld = "Sluice-Held-Commit"
	// revertDepth is how many commits are fetched at first, and revertSteps how many may lie between what is held and what brought the manifest.
	revertDepth = 50
	revertSteps = 10
	author      = "sluice-controller"
	authorMail  = "sluice-controller@sluice-delivery.github.io"
)

// Refs of a workbench.
const (
	refHeld    = "refs/work/held"
	refTracked = "refs/work/tracked"
	refBranch  = "refs/work/branch"
)

// workbench is a clone that lives for one revert, so that the shared one stays shallow and nobody waits for it.
type workbench struct {
	git    *runner
	dir    string
	wanted gitsync.Revert
	// branch is whether there is the branch that the revert belongs to.
	branch bool
	whole  bool
}

// Revert pushes a commit that takes back the one that brought a rejected manifest, and gives it. brought tells that of a commit whose parent it is
// given. The branch is only moved forward; if it has such a commit for what is held already, that is given. The Secrets for writing are used, and
// no others.
func (r *Repositories) Revert(ctx context.Context, want gitsync.Want, ask gitsync.Revert, brought func(ctx context.Context, parent string) (bool, error)) (by string, err error) {
	a, err := parseAddress(ask.Source.RepoURL, r.Schemes)
	if err != nil {
		return "", err
	}
	keys, err := r.Keys(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the credentials of repositories: %w", err)
	}
	c, err := keys.chooseToWrite(ask.Source.RepoURL, want.Project.Name)
	if err != nil {
		return "", fmt.Errorf("pushing to %s: %w", a.shown, err)
	}
	w := &workbench{git: r.runner(a, c, keys), wanted: ask}
	if err := w.git.prepare(ctx); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.git.close()) }()
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return "", err
	}
	if w.dir, err = os.MkdirTemp(r.Dir, "revert-"); err != nil {
		return "", fmt.Errorf("making a folder for a revert: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.dir)) }()
	return w.revert(ctx, brought)
}

func (w *workbench) revert(ctx context.Context, brought func(context.Context, string) (bool, error)) (string, error) {
	if err := w.fetch(ctx); err != nil {
		return "", fmt.Errorf("fetching from %s: %w", w.git.address.shown, err)
	}
	onto, by, err := w.place(ctx)
	if err != nil || by != "" {
		return by, err
	}
	culprit, parent, err := w.culprit(ctx, brought)
	if err != nil {
		return "", err
	}
	tree, err := w.without(ctx, culprit, parent, onto)
	if err != nil {
		return "", err
	}
	if by, err = w.commit(ctx, tree, "-p", onto, "-m", w.wanted.Subject, "-m", w.wanted.Body, "-m", "This reverts commit "+culprit+".", "-m", trailerHeld+": "+w.wanted.Commit); err != nil {
		return "", fmt.Errorf("writing the commit: %w", err)
	}
	// Without a plus sign and without force, git and the server refuse whatever is no step forward.
	if _, err := w.ask(ctx, "push", "--quiet", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no", "--end-of-options",
		w.git.address.remote, by+":refs/heads/"+w.wanted.Branch); err != nil {
		return "", fmt.Errorf("pushing to %s: %w", w.git.address.shown, err)
	}
	return by, nil
}

func (w *workbench) run(ctx context.Context, args ...string) ([]byte, error) {
	return w.git.run(ctx, nil, append([]string{"--git-dir=" + w.dir}, args...)...)
}

// ask is run where git asks the server.
func (w *workbench) ask(ctx context.Context, args ...string) ([]byte, error) {
	return w.git.ask(ctx, append([]string{"--git-dir=" + w.dir}, args...)...)
}

// text is the output of git without the end of its line.
func (w *workbench) text(ctx context.Context, args ...string) (string, error) {
	out, err := w.run(ctx, args...)
	return strings.TrimSpace(string(out)), err
}

// fetch gets the last commits of what is held, of what is tracked, and of the branch; from a server that gives no commit by its name, everything.
func (w *workbench) fetch(ctx context.Context) error {
	if _, err := w.run(ctx, "init", "--quiet", "--bare", "--template=", "--end-of-options", w.dir); err != nil {
		return err
	}
	out, err := w.ask(ctx, "ls-remote", "--heads", "--end-of-options", w.git.address.remote, "refs/heads/"+w.wanted.Branch)
	if err != nil {
		return err
	}
	w.branch = parseRefs(out)["refs/heads/"+w.wanted.Branch] != ""
	if err = w.get(ctx, fmt.Sprintf("--depth=%d", revertDepth)); err == nil {
		return nil
	}
	if _, everything := w.ask(ctx, append(slices.Clone(fetching), "--end-of-options", w.git.address.remote, "+refs/*:refs/all/*")...); everything != nil {
		return err
	}
	w.whole = true
	for ref, sha := range map[string]string{refHeld: w.wanted.Commit, refTracked: w.wanted.Tracked, refBranch: "refs/all/heads/" + w.wanted.Branch} {
		if ref == refBranch && !w.branch {
			continue
		}
		if _, err := w.run(ctx, "update-ref", ref, sha); err != nil {
			return fmt.Errorf("no branch or tag leads to %s any more", sha)
		}
	}
	return nil
}

func (w *workbench) get(ctx context.Context, depth string) error {
	args := append(slices.Clone(fetching), depth, "--end-of-options", w.git.address.remote, "+"+w.wanted.Commit+":"+refHeld, "+"+w.wanted.Tracked+":"+refTracked)
	if w.branch {
		args = append(args, "+refs/heads/"+w.wanted.Branch+":"+refBranch)
	}
	_, err := w.ask(ctx, args...)
	return err
}

// deepen fetches the whole history once, and reports whether that was to be done.
func (w *workbench) deepen(ctx context.Context) (bool, error) {
	shallow, err := w.text(ctx, "rev-parse", "--is-shallow-repository")
	if err != nil || shallow != "true" || w.whole {
		return false, err
	}
	w.whole = true
	return true, w.get(ctx, "--unshallow")
}

// place gives the commit to build on, or the commit that took back already what is held. The branch is built on if it has what is held; what is
// tracked is, if the branch does not exist or has nothing of its own.
func (w *workbench) place(ctx context.Context) (onto, by string, err error) {
	if !w.branch {
		return w.wanted.Tracked, "", nil
	}
	if by, err = w.done(ctx); err != nil || by != "" {
		return "", by, err
	}
	for _, step := range []struct{ ancestor, of, onto string }{{refHeld, refBranch, refBranch}, {refBranch, refTracked, w.wanted.Tracked}} {
		if _, err := w.run(ctx, "merge-base", "--is-ancestor", step.ancestor, step.of); err == nil {
			onto, err = w.text(ctx, "rev-parse", "--verify", "--end-of-options", step.onto)
			return onto, "", err
		} else if exitCode(err) != 1 {
			return "", "", err
		}
	}
	deepened, err := w.deepen(ctx)
	if err != nil {
		return "", "", fmt.Errorf("fetching the history: %w", err)
	}
	if deepened {
		return w.place(ctx)
	}
	return "", "", errors.New("the branch does not have that commit, and has commits of its own, so that it cannot be moved forward to a revert; delete the branch or name another one")
}

// done looks for a commit of ours on the branch.
func (w *workbench) done(ctx context.Context) (string, error) {
	out, err := w.text(ctx, "log", "--no-show-signature", "--format=%H %(trailers:key="+trailerHeld+",valueonly,separator=%x2C)", "--end-of-options", refBranch)
	if err != nil {
		return "", fmt.Errorf("reading the branch: %w", err)
	}
	for line := range strings.Lines(out) {
		if sha, held, _ := strings.Cut(strings.TrimSpace(line), " "); held == w.wanted.Commit {
			return sha, nil
		}
	}
	return "", nil
}

// culprit walks back from what is held to the commit that brought the manifest: several may have come between two looks at the repository.
func (w *workbench) culprit(ctx context.Context, brought func(context.Context, string) (bool, error)) (culprit, parent string, err error) {
	culprit = w.wanted.Commit
	for range revertSteps {
		own, err := w.text(ctx, "log", "-1", "--no-show-signature", "--format=%(trailers:key="+trailerHeld+",valueonly)", "--end-of-options", culprit)
		if err != nil {
			return "", "", fmt.Errorf("reading %s: %w", culprit, err)
		}
		if own != "" {
			return "", "", fmt.Errorf("commit %s is a revert itself; look at what it takes back", culprit)
		}
		if parent, err = w.parent(ctx, culprit); err != nil {
			return "", "", err
		}
		yes, err := brought(ctx, parent)
		if err != nil {
			return "", "", fmt.Errorf("looking at what %s brought: %w", culprit, err)
		}
		if yes {
			return culprit, parent, nil
		}
		culprit = parent
	}
	return "", "", fmt.Errorf("none of the last %d commits brought the manifest", revertSteps)
}

// parent is the first one, which a merge went into.
func (w *workbench) parent(ctx context.Context, commit string) (string, error) {
	parent, err := w.text(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", commit+"^1")
	if err == nil {
		return parent, nil
	}
	deepened, err := w.deepen(ctx)
	if err != nil {
		return "", fmt.Errorf("fetching the history: %w", err)
	}
	if !deepened {
		return "", fmt.Errorf("commit %s is the first one, so that there is nothing to go back to", commit)
	}
	return w.parent(ctx, commit)
}

// without gives the tree of a commit without what another one brought. The merge that this is finds its common ancestor in commits made for it,
// whatever the history.
func (w *workbench) without(ctx context.Context, culprit, parent, onto string) (string, error) {
	var err error
	commit := func(of string, args ...string) (sha string) {
		if err == nil {
			sha, err = w.commit(ctx, of+"^{tree}", append(args, "-m", "x")...)
		}
		return sha
	}
	ancestor := commit(culprit)
	ours, theirs := commit(onto, "-p", ancestor), commit(parent, "-p", ancestor)
	if err != nil {
		return "", fmt.Errorf("preparing the revert of %s: %w", culprit, err)
	}
	out, err := w.text(ctx, "merge-tree", "--write-tree", "--no-messages", "--name-only", ours, theirs)
	tree, conflicts, _ := strings.Cut(out, "\n")
	if err != nil && exitCode(err) == 1 {
		return "", fmt.Errorf("reverting %s conflicts with later commits in %s; revert it by hand", culprit, w.git.plain(strings.Join(strings.Fields(conflicts), ", ")))
	}
	if err != nil {
		return "", fmt.Errorf("reverting %s: %w", culprit, err)
	}
	before, err := w.text(ctx, "rev-parse", "--verify", "--end-of-options", onto+"^{tree}")
	if err == nil && tree == before {
		err = fmt.Errorf("reverting %s would change nothing, because later commits have done so", culprit)
	}
	return tree, err
}

// commit makes one of a tree.
func (w *workbench) commit(ctx context.Context, tree string, args ...string) (string, error) {
	identity := []string{"GIT_AUTHOR_NAME=" + author, "GIT_AUTHOR_EMAIL=" + authorMail, "GIT_COMMITTER_NAME=" + author, "GIT_COMMITTER_EMAIL=" + authorMail}
	out, err := w.git.run(ctx, identity, append([]string{"--git-dir=" + w.dir, "commit-tree", "--no-gpg-sign", tree}, args...)...)
	return strings.TrimSpace(string(out)), err
}

// exitCode is that of git, and -1 if it did not end by itself.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}
