package source

import (
	"context"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

const (
	maxEntries = 200_000
	maxTree    = 1 << 30
)

// export writes the files of a commit into a folder that nobody else uses. Links are kept as links, submodules are empty folders until they are asked for, and
// no filter of .gitattributes runs, because none is configured.
func (c *clone) export(ctx context.Context, git *runner, revision string, extra extras) (*export, error) {
	at := "--git-dir=" + c.bare()
	root, err := git.run(ctx, nil, at, "rev-parse", "--verify", "--end-of-options", revision+"^{tree}")
	if err != nil {
		return nil, err
	}
	listing, err := git.run(ctx, nil, at, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", "--end-of-options", revision)
	if err != nil {
		return nil, err
	}
	trees, total, err := measure(listing)
	if err != nil {
		return nil, err
	}
	e := &export{trees: trees, size: total, turn: make(chan struct{}, 1), extended: extra.any(), missing: extra.any()}
	if e.modules, err = c.submodules(ctx, git, revision, e, extra); err != nil {
		return nil, err
	}
	trees["."] = "tree " + strings.TrimSpace(string(root))
	if e.dir, err = c.folder(extra); err != nil {
		return nil, err
	}
	index := []string{"GIT_INDEX_FILE=" + e.index()}
	if _, err := git.run(ctx, index, at, "--work-tree="+e.dir, "read-tree", "--reset", "-u", "--end-of-options", revision); err != nil {
		return nil, fmt.Errorf("%w%s", err, tail(e.remove()))
	}
	e.tree = func(at string) string {
		if id := trees[path.Clean(at)]; id != "" {
			return id + extra.String()
		}
		return ""
	}
	return e, nil
}

// folder gives an empty folder, or the one of the commit before if nobody uses it: then Git writes only what differs, which for a large tree saves
// most of the time between a push and its rendering. Folders with extras hold what the index does not know of.
func (c *clone) folder(extra extras) (string, error) {
	if !extra.any() {
		if before := c.shelf.claim(); before != nil {
			return before.dir, nil
		}
	}
	return os.MkdirTemp(c.dir, "files-")
}

func tail(err error) string {
	if err == nil {
		return ""
	}
	return "; removing what was written: " + err.Error()
}

// measure reads a listing of a tree, with its size in bytes, and refuses one that is too large to write.
func measure(listing []byte) (trees map[string]string, total int64, err error) {
	trees = map[string]string{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(listing), "\x00"), "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		fields := strings.Fields(about)
		if len(fields) != 4 {
			continue // an empty tree
		}
		if size, err := strconv.ParseInt(fields[3], 10, 64); err == nil {
			total += size
		}
		trees[name] = fields[1] + " " + fields[0] + " " + fields[2]
		if err := fits(len(trees), total); err != nil {
			return nil, 0, err
		}
	}
	return trees, total, nil
}

// fits refuses what is too large to write.
func fits(entries int, bytes int64) error {
	if entries > maxEntries || bytes > maxTree {
		return fmt.Errorf("the commit has more than %d files or %d MiB", maxEntries, maxTree>>20)
	}
	return nil
}
