package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

const (
	// maxSubmodules is how many submodules the files of one commit may have in all, and maxDepth how deep one may lie in others.
	maxSubmodules = 50
	maxDepth      = 4
)

// submodule is a place in a commit that holds the files of another repository.
type submodule struct{ path, url, commit string }

// submodules finds those of a commit, where they are asked for. What .gitmodules says besides paths and URLs counts for nothing.
func (c *clone) submodules(ctx context.Context, git *runner, revision string, e *export, extra extras) (all []submodule, err error) {
	if !extra.submodules {
		return nil, nil
	}
	for _, at := range slices.Sorted(maps.Keys(e.trees)) {
		if commit, is := strings.CutPrefix(e.trees[at], "commit 160000 "); is {
			all = append(all, submodule{path: at, commit: commit})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	text, err := git.run(ctx, nil, "--git-dir="+c.bare(), "config", "--no-includes", "--null", "--blob="+revision+":.gitmodules", "--list")
	if err != nil {
		return nil, fmt.Errorf("reading .gitmodules: %w", err)
	}
	urls := submoduleURLs(string(text))
	for i, m := range all {
		if urls[m.path] == "" {
			return nil, fmt.Errorf(".gitmodules has no URL for the submodule %s", m.path)
		}
		if all[i].url, err = relativeTo(git.address.remote, urls[m.path]); err != nil {
			return nil, fmt.Errorf("the URL of the submodule %s cannot be used: %w", m.path, err)
		}
	}
	return all, nil
}

// submoduleURLs gives the URL of each path, from what git config lists.
func submoduleURLs(text string) map[string]string {
	paths, urls := map[string]string{}, map[string]string{}
	for entry := range strings.SplitSeq(text, "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		name, is := strings.CutPrefix(key, "submodule.")
		if !is {
			continue
		}
		if module, is := strings.CutSuffix(name, ".path"); is {
			paths[module] = value
		}
		if module, is := strings.CutSuffix(name, ".url"); is {
			urls[module] = value
		}
	}
	all := map[string]string{}
	for module, at := range paths {
		all[at] = urls[module]
	}
	return all
}

// relativeTo resolves a URL that begins with ./ or ../ as Git does: from the URL of the repository as if that were a folder.
func relativeTo(remote, text string) (string, error) {
	if !strings.HasPrefix(text, "./") && !strings.HasPrefix(text, "../") {
		return text, nil
	}
	u, err := url.Parse(remote)
	if err != nil {
		return "", errors.New("it is relative to what is no URL")
	}
	for part := range strings.SplitSeq(path.Clean(text), "/") {
		if part == ".." && strings.Trim(u.Path, "/") == "" {
			return "", errors.New("it leads out of the server's folders")
		}
		u.Path = path.Join(u.Path, part)
	}
	u.RawPath = ""
	return u.String(), nil
}

// fillSubmodule writes the files of a submodule where they belong. Its repository must be one that the project permits, whoever names it, and its own
// Secrets and signatures count.
func (r *Repositories) fillSubmodule(ctx context.Context, want gitsync.Want, e *export, m submodule, in nest) error {
	a, err := parseAddress(m.url, r.Schemes)
	if err != nil {
		return err
	}
	if !gitsync.PermitsSource(want.Project.Spec, m.url) {
		return fmt.Errorf("its repository %s is not permitted in project '%s'", a.shown, want.Project.Name)
	}
	if *in.left--; *in.left < 0 || in.depth >= maxDepth {
		return fmt.Errorf("it is one too many: a commit may have %d submodules, nested %d deep", maxSubmodules, maxDepth)
	}
	inner := gitsync.Want{Project: want.Project, Source: gitopsv1.Source{RepoURL: m.url, TargetRevision: m.commit}}
	f, err := r.fetchFiles(ctx, inner, m.commit, nest{depth: in.depth + 1, left: in.left})
	if err != nil {
		return err
	}
	defer f.shelf.giveBack(f.key)
	if err := e.adopt(m.path, f.export); err != nil {
		return err
	}
	root, err := os.OpenRoot(e.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	// Git made an empty folder there, and an attempt that failed may have left files in it.
	if err := errors.Join(root.RemoveAll(m.path), root.MkdirAll(m.path, 0o700)); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(e.dir, m.path), os.DirFS(f.dir))
}

// adopt counts the files of a submodule as those of the commit itself.
func (e *export) adopt(at string, inner *export) error {
	if err := fits(len(e.trees)+len(inner.trees), e.size+inner.size); err != nil {
		return err
	}
	e.size += inner.size
	for name, id := range inner.trees {
		e.trees[path.Join(at, name)] = id
	}
	return nil
}
