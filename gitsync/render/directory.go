package render

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gobwas/glob"
	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	utiljson "sigs.k8s.io/json"
)

const (
	maxManifests = 10 << 20
	// skipMark anywhere in a file keeps it from being read as manifests.
	skipMark = "+argocd:skip-file-rendering"
)

// folder is one reading of a plain folder.
type folder struct {
	*tree
	collection
	options          gitopsv1.DirectorySource
	include, exclude glob.Glob
	jsonnet          *jsonnetMachine
	size             int64
}

func (t *tree) directory(options *gitopsv1.DirectorySource, env *environment) (collection, error) {
	f := &folder{tree: t}
	if options != nil {
		f.options = *options
	}
	var err error
	if f.include, err = glob.Compile(f.options.Include); err != nil {
		return collection{}, fmt.Errorf("directory.include is no glob: %w", err)
	}
	if f.exclude, err = glob.Compile(f.options.Exclude); err != nil {
		return collection{}, fmt.Errorf("directory.exclude is no glob: %w", err)
	}
	if f.jsonnet, err = newJsonnet(t, f.options.Jsonnet, env); err != nil {
		return collection{}, err
	}
	err = t.walk(t.dir, f.options.Recurse, f.visit)
	return f.collection, err
}

// visit reads one file. A link is judged by its own name.
func (f *folder) visit(name, real string) error {
	if !f.wants(name) {
		return nil
	}
	text, err := f.tree.read(real, maxManifests)
	if err != nil {
		return err
	}
	if filepath.Ext(name) != ".jsonnet" {
		f.size += int64(len(text))
	}
	if f.size > maxManifests {
		return fmt.Errorf("the manifests are larger than %d MiB together", maxManifests>>20)
	}
	if bytes.Contains(text, []byte(skipMark)) {
		return nil
	}
	if err := f.take(name, real, text); err != nil {
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

func (f *folder) take(name, real string, text []byte) error {
	if filepath.Ext(name) == ".jsonnet" {
		return f.jsonnet.evaluate(real, &f.collection)
	}
	text, err := plainText(text)
	if err != nil {
		return err
	}
	if filepath.Ext(name) == ".json" {
		var o map[string]any
		if err := utiljson.UnmarshalCaseSensitivePreserveInts(text, &o); err != nil {
			return fmt.Errorf("it must hold exactly one JSON object: %w", err)
		}
		return f.add(o)
	}
	before := len(f.objects)
	err = f.documents(name, text)
	if err == nil {
		return nil
	}
	looksReal := bytes.Contains(text, []byte("apiVersion:")) && bytes.Contains(text, []byte("kind:")) && bytes.Contains(text, []byte("metadata:"))
	if looksReal || len(f.objects) > before || errors.Is(err, errTooMany) {
		return err
	}
	f.warn("%s was left out, because it is no manifest: %v", name, err)
	return nil
}
