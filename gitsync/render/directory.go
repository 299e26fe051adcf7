package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const maxManifests = 10 << 20

// folder is one reading of a plain folder.
type folder struct {
	tree
	options          gitopsv1.DirectorySource
	include, exclude glob.Glob
	size             int64
	objects          []map[string]any
	warnings         []string
}

func (t tree) directory(options *gitopsv1.DirectorySource) ([]map[string]any, []string, error) {
	f := &folder{tree: t}
	if options != nil {
		f.options = *options
	}
	var err error
	if f.include, err = glob.Compile(f.options.Include); err != nil {
		return nil, nil, fmt.Errorf("directory.include is no glob: %w", err)
	}
	if f.exclude, err = glob.Compile(f.options.Exclude); err != nil {
		return nil, nil, fmt.Errorf("directory.exclude is no glob: %w", err)
	}
	err = filepath.WalkDir(t.dir, f.visit)
	return f.objects, f.warnings, err
}

func (f *folder) visit(path string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name, err := filepath.Rel(f.dir, path)
	if err != nil {
		return err
	}
	if entry.IsDir() {
		if name != "." && !f.options.Recurse {
			return fs.SkipDir
		}
		return nil
	}
	if !f.wants(name) {
		return nil
	}
	real, err := f.inside(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a link to nowhere, which the contract skips
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	info, err := os.Stat(real)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if f.size += info.Size(); f.size > maxManifests {
		return fmt.Errorf("the manifests are larger than %d MiB together", maxManifests>>20)
	}
	text, err := os.ReadFile(real)
	if err != nil {
		return err
	}
	if err := f.read(name, text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (f *folder) wants(name string) bool {
	if f.options.Exclude != "" && f.exclude.Match(name) || f.options.Include != "" && !f.include.Match(name) {
		return false
	}
	return f.options.DisableExtensionFilter || slices.Contains([]string{".yaml", ".yml", ".json", ".jsonnet"}, filepath.Ext(name))
}

func (f *folder) read(name string, text []byte) error {
	if bytes.Contains(text, []byte("+argocd:skip-file-rendering")) {
		return nil
	}
	switch filepath.Ext(name) {
	case ".jsonnet":
		return errors.New("jsonnet cannot be rendered yet; exclude the file, or commit its result")
	case ".json":
		var o map[string]any
		if err := json.Unmarshal(text, &o); err != nil {
			return fmt.Errorf("it must hold exactly one JSON object: %w", err)
		}
		return f.add(o)
	}
	objects, err := documents(text)
	looksReal := bytes.Contains(text, []byte("apiVersion:")) && bytes.Contains(text, []byte("kind:")) && bytes.Contains(text, []byte("metadata:"))
	if err != nil && (len(objects) > 0 || looksReal) {
		return err
	}
	if err != nil {
		f.warnings = append(f.warnings, fmt.Sprintf("%s was left out, because it is no manifest: %v", name, err))
	}
	for _, o := range objects {
		if err := f.add(o); err != nil {
			return err
		}
	}
	return nil
}

// documents gives the objects before the first document that is none.
func documents(text []byte) ([]map[string]any, error) {
	var all []map[string]any
	split := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 1; ; n++ {
		document, err := split.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		var o map[string]any
		if err := yaml.Unmarshal(document, &o); err != nil {
			return all, fmt.Errorf("document %d: %w", n, err)
		}
		if len(o) == 0 {
			continue
		}
		if kind, _ := o["kind"].(string); kind == "" {
			return all, fmt.Errorf("document %d has no kind", n)
		}
		all = append(all, o)
	}
}

// add takes an object, or the items of a list.
func (f *folder) add(o map[string]any) error {
	kind, _ := o["kind"].(string)
	if kind == "" {
		return errors.New("an object has no kind")
	}
	items, listed := o["items"]
	if !listed || !strings.HasSuffix(kind, "List") {
		f.objects = append(f.objects, o)
		return nil
	}
	all, ok := items.([]any)
	if !ok && items != nil {
		return fmt.Errorf("the items of a %s are no list", kind)
	}
	for i, item := range all {
		inner, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("item %d of a %s is no object", i, kind)
		}
		if err := f.add(inner); err != nil {
			return err
		}
	}
	return nil
}
