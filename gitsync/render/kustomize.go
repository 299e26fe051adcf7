package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomize builds a kustomization. Remote bases find neither git nor a network, and plugins are off.
func (t *tree) kustomize(options *gitopsv1.KustomizeSource, file string, env *environment) (collection, error) {
	if file == "" {
		return collection{}, errors.New("the folder has no kustomization.yaml")
	}
	files := fenced{FileSystem: filesys.MakeFsOnDisk(), tree: t}
	var made collection
	if options != nil {
		edited, err := t.editKustomization(*options, file, env, &made)
		if err != nil {
			return collection{}, fmt.Errorf("applying source.kustomize to %s: %w", file, err)
		}
		files.edited = map[string][]byte{filepath.Join(t.dir, file): edited}
	}
	build := krusty.MakeDefaultOptions()
	build.Reorder = krusty.ReorderOptionUnspecified
	resources, err := krusty.MakeKustomizer(build).Run(files, t.dir)
	if err != nil {
		return collection{}, fmt.Errorf("building the kustomization: %w", t.withoutRoot(err))
	}
	for _, r := range resources.Resources() {
		o, err := r.Map()
		if err != nil {
			return collection{}, fmt.Errorf("reading %s: %w", r.CurId(), err)
		}
		if err := made.add(o); err != nil {
			return collection{}, err
		}
	}
	return made, nil
}

// fenced is the file system without what lies outside of the repository, and without writing.
type fenced struct {
	filesys.FileSystem
	tree *tree
	// edited stands in for files on disk.
	edited map[string][]byte
}

func (f fenced) CleanedAbs(path string) (filesys.ConfirmedDir, string, error) {
	if !f.Exists(path) {
		_, err := f.tree.inside(path)
		return "", "", err
	}
	return f.FileSystem.CleanedAbs(path)
}

func (f fenced) ReadFile(path string) ([]byte, error) {
	real, err := f.tree.file(path)
	if err != nil {
		return nil, err
	}
	if text, found := f.edited[real]; found {
		return text, nil
	}
	return f.FileSystem.ReadFile(real)
}

func (f fenced) Open(path string) (filesys.File, error) {
	real, err := f.tree.file(path)
	if err != nil {
		return nil, err
	}
	return f.FileSystem.Open(real)
}

func (f fenced) ReadDir(path string) ([]string, error) {
	real, err := f.tree.folder(path)
	if err != nil {
		return nil, err
	}
	f.tree.note(real)
	return f.FileSystem.ReadDir(real)
}

func (f fenced) IsDir(path string) bool {
	_, err := f.tree.folder(path)
	return err == nil
}

func (f fenced) Exists(path string) bool { return f.tree.exists(path) }

// Glob finds files below the folder in which the pattern has its first special character.
func (f fenced) Glob(pattern string) ([]string, error) {
	if _, err := f.tree.folder(fixedPart(pattern)); err != nil {
		return nil, nil //nolint:nilerr // a pattern for a folder that does not exist matches nothing
	}
	f.tree.note(fixedPart(pattern))
	found, err := f.FileSystem.Glob(pattern)
	var kept []string
	for _, path := range found {
		if f.Exists(path) {
			kept = append(kept, path)
		}
	}
	return kept, err
}

func (f fenced) Walk(path string, visit filepath.WalkFunc) error {
	real, err := f.tree.folder(path)
	if err != nil {
		return err
	}
	f.tree.note(real)
	return f.FileSystem.Walk(real, visit)
}

func (fenced) Create(string) (filesys.File, error) { return nil, fs.ErrPermission }
func (fenced) Mkdir(string) error                  { return fs.ErrPermission }
func (fenced) MkdirAll(string) error               { return fs.ErrPermission }
func (fenced) RemoveAll(string) error              { return fs.ErrPermission }
func (fenced) WriteFile(string, []byte) error      { return fs.ErrPermission }
