package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomize builds a kustomization. Remote bases find neither git nor a network, and plugins are off.
func (t tree) kustomize(options *gitopsv1.KustomizeSource, file string) ([]map[string]any, error) {
	if file == "" {
		return nil, errors.New("the folder has no kustomization.yaml")
	}
	if options != nil && !reflect.DeepEqual(*options, gitopsv1.KustomizeSource{}) {
		return nil, errors.New("the options of source.kustomize cannot be used yet; write them into kustomization.yaml")
	}
	build := krusty.MakeDefaultOptions()
	build.Reorder = krusty.ReorderOptionUnspecified
	resources, err := krusty.MakeKustomizer(build).Run(fenced{filesys.MakeFsOnDisk(), t}, t.dir)
	if err != nil {
		return nil, fmt.Errorf("building the kustomization: %w", err)
	}
	var all []map[string]any
	for _, r := range resources.Resources() {
		o, err := r.Map()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", r.CurId(), err)
		}
		all = append(all, o)
	}
	return all, nil
}

// fenced is the file system without what lies outside of the repository, and without writing.
type fenced struct {
	filesys.FileSystem
	tree tree
}

func (f fenced) CleanedAbs(path string) (filesys.ConfirmedDir, string, error) {
	if _, err := f.tree.inside(path); err != nil {
		return "", "", err
	}
	return f.FileSystem.CleanedAbs(path)
}

func (f fenced) ReadFile(path string) ([]byte, error) {
	real, err := f.tree.inside(path)
	if err != nil {
		return nil, err
	}
	return f.FileSystem.ReadFile(real)
}

func (f fenced) Open(path string) (filesys.File, error) {
	real, err := f.tree.inside(path)
	if err != nil {
		return nil, err
	}
	return f.FileSystem.Open(real)
}

func (f fenced) ReadDir(path string) ([]string, error) {
	real, err := f.tree.inside(path)
	if err != nil {
		return nil, err
	}
	return f.FileSystem.ReadDir(real)
}

func (f fenced) IsDir(path string) bool {
	real, err := f.tree.inside(path)
	return err == nil && f.FileSystem.IsDir(real)
}

func (f fenced) Exists(path string) bool {
	_, err := f.tree.inside(path)
	return err == nil
}

func (f fenced) Glob(pattern string) ([]string, error) {
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
	real, err := f.tree.inside(path)
	if err != nil {
		return err
	}
	return f.FileSystem.Walk(real, visit)
}

func (fenced) Create(string) (filesys.File, error) { return nil, fs.ErrPermission }
func (fenced) Mkdir(string) error                  { return fs.ErrPermission }
func (fenced) MkdirAll(string) error               { return fs.ErrPermission }
func (fenced) RemoveAll(string) error              { return fs.ErrPermission }
func (fenced) WriteFile(string, []byte) error      { return fs.ErrPermission }
