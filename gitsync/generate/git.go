package generate

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate/sandbox"
)

// MaxFile is how many bytes a file of parameters may have.
const MaxFile = 4 << 20

func (r *run) git(at string, g *gitopsv1.GitGenerator) ([]Params, error) {
	if len(g.Directories) == 0 && len(g.Files) == 0 {
		return nil, fmt.Errorf("%s names neither directories nor files; set one of them", at)
	}
	revision := g.Revision
	if revision == "" {
		revision = gitopsv1.DefaultTargetRevision
	}
	tree, err := r.answer(Question{About: AboutTree, Repository: g.RepoURL, Revision: revision})
	if err != nil {
		return nil, err
	}
	if len(g.Directories) > 0 {
		return r.directories(at, g, tree)
	}
	return r.files(at, g, tree)
}

func (r *run) directories(at string, g *gitopsv1.GitGenerator, tree Answer) ([]Params, error) {
	found, err := directoriesIn(tree.Paths, g.Directories)
	if err != nil {
		return nil, fmt.Errorf("reading %s.directories: %w", at, err)
	}
	var sets []Params
	for _, dir := range found {
		set := Params{}
		r.addPath(set, g.PathParamPrefix, dir, "")
		if err := r.addValues(at, g.Values, set); err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// directoriesIn lists the folders that hold a file at any depth, are not hidden and match an entry, and none that excludes.
func directoriesIn(paths []string, entries []gitopsv1.GitPath) ([]string, error) {
	seen := map[string]bool{}
	var found []string
	for _, file := range paths {
		for dir := path.Dir(file); dir != "." && dir != "/" && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			chosen, err := choose(entries, func(pattern string) (bool, error) { return path.Match(pattern, dir) })
			if err != nil {
				return nil, err
			}
			if chosen && !isHidden(dir) {
				found = append(found, dir)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// choose reports whether some entry takes a path in and none leaves it out.
func choose(entries []gitopsv1.GitPath, match func(pattern string) (bool, error)) (bool, error) {
	in, out := false, false
	for _, entry := range entries {
		hit, err := match(entry.Path)
		if err != nil {
			return false, fmt.Errorf("the pattern %q: %w", entry.Path, err)
		}
		in = in || hit && !entry.Exclude
		out = out || hit && entry.Exclude
	}
	return in && !out, nil
}

func isHidden(dir string) bool {
	return slices.ContainsFunc(strings.Split(dir, "/"), func(part string) bool { return strings.HasPrefix(part, ".") })
}

func (r *run) files(at string, g *gitopsv1.GitGenerator, tree Answer) ([]Params, error) {
	found, err := filesIn(tree.Paths, g.Files)
	if err != nil {
		return nil, fmt.Errorf("reading %s.files: %w", at, err)
	}
	if err := fewEnough(at, len(found)); err != nil {
		return nil, err
	}
	var sets []Params
	unanswered := false
	for _, file := range found {
		answer, err := r.answer(Question{About: AboutFile, Repository: g.RepoURL, Revision: tree.Commit, Path: file})
		if err != nil {
			unanswered = true
			continue
		}
		objects, err := objectsIn(answer.Content)
		if err != nil {
			return nil, fmt.Errorf("reading the file %s of %s for %s: %w", file, g.RepoURL, at, err)
		}
		for _, object := range objects {
			set, err := r.fileParams(at, g, file, object)
			if err != nil {
				return nil, err
			}
			sets = append(sets, set)
		}
	}
	if unanswered {
		return nil, errUnanswered
	}
	return sets, nil
}

func filesIn(paths []string, entries []gitopsv1.GitPath) ([]string, error) {
	globs := map[string]glob{}
	for _, entry := range entries {
		g, err := pathGlob(entry.Path)
		if err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", entry.Path, err)
		}
		globs[entry.Path] = g
	}
	var found []string
	for _, file := range paths {
		chosen, err := choose(entries, func(pattern string) (bool, error) { return globs[pattern].matches(file), nil })
		if err != nil {
			return nil, err
		}
		if chosen {
			found = append(found, file)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// objectsIn are the sets of parameters that a file holds: an object, the items of a list of objects, or an empty object for an empty file.
func objectsIn(content []byte) ([]map[string]any, error) {
	if len(content) > MaxFile {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(content), MaxFile)
	}
	var value any
	if err := yaml.Unmarshal(content, &value); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case nil:
		return []map[string]any{{}}, nil
	case map[string]any:
		return []map[string]any{v}, nil
	case []any:
		var objects []map[string]any
		for i, item := range v {
			object, ok := item.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("item %d is no object", i)
			}
			objects = append(objects, object)
		}
		return objects, nil
	}
	return nil, fmt.Errorf("it holds neither an object nor a list of objects")
}

func (r *run) fileParams(at string, g *gitopsv1.GitGenerator, file string, object map[string]any) (Params, error) {
	set := Params{}
	if r.Set.Spec.GoTemplate {
		set = sandbox.Clone(object).(map[string]any)
	} else {
		flatten(set, "", object)
	}
	r.addPath(set, g.PathParamPrefix, path.Dir(file), path.Base(file))
	return set, r.addValues(at, g.Values, set)
}

// addPath adds the parameters of a folder, and of a file in it unless that is empty, below the prefix if there is one.
func (r *run) addPath(set Params, prefix, dir, file string) {
	segments := strings.Split(dir, "/")
	base := path.Base(dir)
	if r.Set.Spec.GoTemplate {
		list := make([]any, len(segments))
		for i, segment := range segments {
			list[i] = segment
		}
		about := map[string]any{"path": dir, "segments": list, "basename": base, "basenameNormalized": sandbox.Normalize(base)}
		if file != "" {
			about["filename"], about["filenameNormalized"] = file, sandbox.Normalize(file)
		}
		if prefix != "" {
			set[prefix] = map[string]any{"path": about}
			return
		}
		set["path"] = about
		return
	}
	key := "path"
	if prefix != "" {
		key = prefix + ".path"
	}
	set[key], set[key+".basename"], set[key+".basenameNormalized"] = dir, base, sandbox.Normalize(base)
	for i, segment := range segments {
		set[key+"["+strconv.Itoa(i)+"]"] = segment
	}
	if file != "" {
		set[key+".filename"], set[key+".filenameNormalized"] = file, sandbox.Normalize(file)
	}
}
