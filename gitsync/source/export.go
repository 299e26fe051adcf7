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

// export writes the files of a commit into a folder of its own. Links are kept as links, submodules are empty folders, and no filter of
// .gitattributes runs, because none is configured.
func (c *clone) export(ctx context.Context, git *runner, revision string) (*export, error) {
	at := "--git-dir=" + c.bare()
	root, err := git.run(ctx, nil, at, "rev-parse", "--verify", "--end-of-options", revision+"^{tree}")
	if err != nil {
		return nil, err
	}
	listing, err := git.run(ctx, nil, at, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", "--end-of-options", revision)
	if err != nil {
		return nil, err
	}
	trees, err := measure(listing)
	if err != nil {
		return nil, err
	}
	trees["."] = "tree " + strings.TrimSpace(string(root))
	dir, err := os.MkdirTemp(c.dir, "files-")
	if err != nil {
		return nil, err
	}
	index := []string{"GIT_INDEX_FILE=" + dir + ".index"}
	defer os.Remove(dir + ".index")
	if _, err = git.run(ctx, index, at, "read-tree", "--end-of-options", revision); err == nil {
		_, err = git.run(ctx, index, at, "--work-tree="+dir, "checkout-index", "--all", "--quiet", "--prefix="+dir+"/")
	}
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, tail(os.RemoveAll(dir)))
	}
	return &export{dir: dir, tree: func(at string) string { return trees[path.Clean(at)] }}, nil
}

func tail(err error) string {
	if err == nil {
		return ""
	}
	return "; removing what was written: " + err.Error()
}

// measure reads a listing of a tree and refuses one that is too large to write.
func measure(listing []byte) (map[string]string, error) {
	trees, total := map[string]string{}, int64(0)
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
		if len(trees) > maxEntries || total > maxTree {
			return nil, fmt.Errorf("the commit has more than %d files or %d MiB", maxEntries, maxTree>>20)
		}
	}
	return trees, nil
}
