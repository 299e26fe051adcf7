package render

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/google/go-jsonnet"
	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	utiljson "sigs.k8s.io/json"
)

// maxLibrary bounds one imported file.
const maxLibrary = 10 << 20

// jsonnetMachine evaluates the Jsonnet files of one source. Time and memory are bounded by the process that it runs in.
type jsonnetMachine struct {
	machine *jsonnet.VM
	files   *importer
}

func newJsonnet(t *tree, options gitopsv1.Jsonnet, env *environment) (*jsonnetMachine, error) {
	j := &jsonnetMachine{machine: jsonnet.MakeVM(), files: &importer{tree: t, loaded: map[string]jsonnet.Contents{}}}
	j.machine.Importer(j.files)
	for _, lib := range options.Libs {
		dir, err := t.folder(filepath.Join(t.root, lib))
		if err != nil {
			return nil, fmt.Errorf("directory.jsonnet.libs holds %q: %w", lib, err)
		}
		j.files.libraries = append(j.files.libraries, dir)
	}
	for _, v := range options.ExtVars {
		set := j.machine.ExtVar
		if v.Code {
			set = j.machine.ExtCode
		}
		value, err := env.expand(v.Value)
		if err != nil {
			return nil, fmt.Errorf("directory.jsonnet.extVars, %s: %w", v.Name, err)
		}
		set(v.Name, value)
	}
	for _, v := range options.TLAs {
		set := j.machine.TLAVar
		if v.Code {
			set = j.machine.TLACode
		}
		value, err := env.expand(v.Value)
		if err != nil {
			return nil, fmt.Errorf("directory.jsonnet.tlas, %s: %w", v.Name, err)
		}
		set(v.Name, value)
	}
	return j, nil
}

// evaluate adds the object, or the objects of the array, that a file gives. Items that are null are dropped.
func (j *jsonnetMachine) evaluate(path string, to *collection) error {
	text, err := j.machine.EvaluateFile(path)
	if err != nil {
		return fmt.Errorf("evaluating: %w", j.files.tree.withoutRoot(err))
	}
	var given any
	if err := utiljson.UnmarshalCaseSensitivePreserveInts([]byte(text), &given); err != nil {
		return err
	}
	items, listed := given.([]any)
	if !listed {
		items = []any{given}
	}
	for _, item := range items {
		if item == nil && listed {
			continue
		}
		o, ok := item.(map[string]any)
		if !ok {
			return errors.New("it gives neither an object nor an array of objects")
		}
		if err := to.add(o); err != nil {
			return err
		}
	}
	return nil
}

// importer finds imported files beside the importing one, then in the libraries, the last of which comes first; nowhere else.
type importer struct {
	tree      *tree
	libraries []string
	loaded    map[string]jsonnet.Contents
}

func (i *importer) Import(from, path string) (jsonnet.Contents, string, error) {
	if filepath.IsAbs(path) && !i.tree.holds(path) {
		return jsonnet.Contents{}, "", errOutside
	}
	places := []string{filepath.Dir(from)}
	for n := len(i.libraries) - 1; n >= 0; n-- {
		places = append(places, i.libraries[n])
	}
	for _, place := range places {
		at := filepath.Join(place, path)
		if filepath.IsAbs(path) {
			at = path
		}
		if !i.tree.holds(at) {
			return jsonnet.Contents{}, "", errOutside
		}
		if !i.tree.exists(at) {
			continue
		}
		contents, err := i.load(at)
		return contents, at, err
	}
	return jsonnet.Contents{}, "", errors.New("there is no such file, neither beside the importing one nor in directory.jsonnet.libs")
}

// load gives the same contents for the same path, which the interpreter relies on.
func (i *importer) load(at string) (jsonnet.Contents, error) {
	if known, found := i.loaded[at]; found {
		return known, nil
	}
	text, err := i.tree.read(at, maxLibrary)
	if err != nil {
		return jsonnet.Contents{}, err
	}
	contents := jsonnet.MakeContentsRaw(text)
	i.loaded[at] = contents
	return contents, nil
}
