package render

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks is how many links one path may lead through.
const maxLinks = 40

var errOutside = errors.New("it leads out of the repository")

// tree is a folder inside a checkout; both paths are free of links. It remembers what was looked at, because a rendering depends on just that.
type tree struct {
	root, dir string
	reads     map[string]bool
}

func openTree(root, path string) (*tree, error) {
	if strings.ContainsRune(path, 0) || filepath.IsAbs(path) || !filepath.IsLocal(filepath.Clean(path+"/.")) && path != "" {
		return nil, fmt.Errorf("path %.200q does not lie in the repository", path)
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, fmt.Errorf("opening the checkout: %w", err)
	}
	t := &tree{root: real, reads: map[string]bool{}}
	if t.dir, err = t.folder(filepath.Join(real, path)); err != nil {
		return nil, fmt.Errorf("path %.200q cannot be used: %w", path, err)
	}
	return t, nil
}

// inside follows the links of a path and refuses one that leads out of the repository. It keeps the error of a path that does not exist.
func (t *tree) inside(path string) (string, error) {
	path = filepath.Clean(path)
	if !t.holds(path) {
		return "", errOutside
	}
	at, rest, links := t.root, split(strings.TrimPrefix(path, t.root)), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == ".." {
			if at = filepath.Dir(at); !t.holds(at) {
				return "", errOutside
			}
			continue
		}
		next := filepath.Join(at, part)
		info, err := os.Lstat(next)
		if err != nil {
			t.note(filepath.Join(append([]string{next}, rest...)...))
			return "", t.plain(err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		t.note(next)
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return "", errors.Join(errors.New("its links lead in a circle"), err)
		}
		if filepath.IsAbs(target) {
			return "", errOutside
		}
		rest = append(split(target), rest...)
	}
	return at, nil
}

func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, string(filepath.Separator)), func(part string) bool { return part == "" || part == "." })
}

func (t *tree) holds(path string) bool {
	return path == t.root || strings.HasPrefix(path, t.root+string(filepath.Separator))
}

// note remembers that a rendering depends on all that is at a path, which may be nothing. A path that ends with a slash stands for a folder
// whose content does not matter.
func (t *tree) note(path string) {
	name, isFolder := strings.CutSuffix(path, "/")
	if name = t.name(name); isFolder {
		name += "/"
	}
	t.reads[name] = true
}

// name is a path as people know it: from the root of the repository.
func (t *tree) name(path string) string {
	if name := strings.TrimPrefix(strings.TrimPrefix(path, t.root), string(filepath.Separator)); name != "" {
		return name
	}
	return "."
}

// plain takes the folder of the checkout, which means nothing to people, out of an error of the file system.
func (t *tree) plain(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return fmt.Errorf("%s: %w", t.name(of.Path), of.Err)
	}
	return err
}

// file gives the real path of a regular file.
func (t *tree) file(path string) (string, error) {
	real, err := t.inside(path)
	if err != nil {
		return "", err
	}
	t.note(real)
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(fmt.Errorf("%s is no file", t.name(real)), err)
	}
	return real, nil
}

// folder gives the real path of a folder.
func (t *tree) folder(path string) (string, error) {
	real, err := t.inside(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		t.note(real)
		return "", errors.Join(fmt.Errorf("%s is no folder of the repository", t.name(real)), err)
	}
	t.note(real + "/")
	return real, nil
}

// read gives the content of a file of at most limit bytes.
func (t *tree) read(path string, limit int64) ([]byte, error) {
	real, err := t.file(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(real); err != nil || info.Size() > limit {
		return nil, errors.Join(fmt.Errorf("%s is larger than %d MiB", t.name(real), limit>>20), err)
	}
	text, err := os.ReadFile(real)
	return text, t.plain(err)
}

// exists tells whether anything is at a path.
func (t *tree) exists(path string) bool {
	real, err := t.inside(path)
	if err != nil {
		return false
	}
	if info, err := os.Stat(real); err == nil && info.IsDir() {
		real += "/"
	}
	t.note(real)
	return true
}

// walk visits all files below a folder in the order of their names, through links that stay inside. Links to nowhere are skipped.
func (t *tree) walk(dir string, recurse bool, visit func(name, real string) error) error {
	return t.descend(dir, "", recurse, 0, visit)
}

func (t *tree) descend(dir, below string, recurse bool, depth int, visit func(name, real string) error) error {
	if depth > maxLinks {
		return fmt.Errorf("%s: folders are nested more than %d deep, or links lead in a circle", below, maxLinks)
	}
	real, err := t.folder(dir)
	if err != nil {
		return err
	}
	t.note(real)
	entries, err := os.ReadDir(real)
	if err != nil {
		return t.plain(err)
	}
	for _, e := range entries {
		name := filepath.Join(below, e.Name())
		at, err := t.inside(filepath.Join(real, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		info, err := os.Stat(at)
		switch {
		case err != nil:
			return t.plain(err)
		case info.IsDir() && recurse:
			err = t.descend(at, name, recurse, depth+1, visit)
		case info.Mode().IsRegular():
			t.note(at)
			err = visit(name, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dependencies lists what was looked at, without what lies in a folder that counts as a whole.
func (t *tree) dependencies() []string {
	var all []string
	for _, path := range slices.Sorted(maps.Keys(t.reads)) {
		if !t.covered(path) {
			all = append(all, path)
		}
	}
	return all
}

func (t *tree) covered(path string) bool {
	whole := strings.TrimSuffix(path, "/")
	if whole != path && t.reads[whole] || path != "." && t.reads["."] {
		return true
	}
	for up := filepath.Dir(whole); up != "."; up = filepath.Dir(up) {
		if t.reads[up] {
			return true
		}
	}
	return false
}

// withoutRoot takes the folder of the checkout, which means nothing to people, out of the words of a library.
func (t *tree) withoutRoot(err error) error {
	return errors.New(strings.ReplaceAll(strings.ReplaceAll(err.Error(), t.root+string(filepath.Separator), ""), t.root, "."))
}

// fixedPart is the longest folder at the start of a pattern that has no special character.
func fixedPart(pattern string) string {
	if at := strings.IndexAny(pattern, `*?[{\`); at >= 0 {
		pattern = pattern[:at]
	}
	return filepath.Dir(pattern + "x")
}
