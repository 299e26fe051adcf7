package main

import (
	"bufio"
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// mostBytes is the size up to which a file is read; no object of the API comes near it.
const mostBytes = 16 << 20

// manifest is one document of a file.
type manifest struct {
	// at is FILE:DOCUMENT, documents counted from 1.
	at   string
	kind string
	// apiVersion may be missing from what people write by hand.
	apiVersion string
	raw        []byte
	// fault says why the document could not be read; kind is then empty.
	fault error
}

type manifests []manifest

func (m manifests) rollouts() int {
	n := 0
	for _, d := range m {
		if d.kind == v1alpha1.RolloutKind.Kind {
			n++
		}
	}
	return n
}

// readManifests reads files, all manifests below folders, and the standard input for "-". A document that cannot be read is kept with its
// fault, so that the others are still looked at; a file that cannot be read is an error.
func readManifests(paths []string, in io.Reader) (manifests, error) {
	var all manifests
	for _, path := range paths {
		if path == "-" {
			documents, err := split("standard input", in)
			if err != nil {
				return nil, err
			}
			all = append(all, documents...)
			continue
		}
		files, err := filesBelow(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			documents, err := readFile(file)
			if err != nil {
				return nil, err
			}
			all = append(all, documents...)
		}
	}
	return all, nil
}

// filesBelow lists a file itself, or the manifests below a folder.
func filesBelow(path string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		manifest := slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(p))
		if !entry.IsDir() && (p == path || manifest && entry.Type().IsRegular()) {
			files = append(files, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	return files, nil
}

func readFile(path string) (manifests, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	defer file.Close()
	return split(path, file)
}

// split cuts a file into its documents; empty ones are counted and left out.
func split(name string, in io.Reader) (manifests, error) {
	content, err := io.ReadAll(io.LimitReader(in, mostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(content) > mostBytes {
		return nil, fmt.Errorf("reading %s: more than %d MiB are no manifest", name, mostBytes>>20)
	}
	var all manifests
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		m := parse(document)
		m.at = fmt.Sprintf("%s:%d", name, n)
		if m.fault != nil || m.kind != "" {
			all = append(all, m.unfold()...)
		}
	}
}

// unfold takes the objects out of a List, which is what kubectl get prints; anything else is itself.
func (m manifest) unfold() manifests {
	if m.kind != "List" {
		return manifests{m}
	}
	var list struct {
		Items []stdjson.RawMessage `json:"items"`
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(m.raw, &list); err != nil {
		return manifests{{at: m.at, fault: fmt.Errorf("items: %w", err)}}
	}
	var all manifests
	for i, item := range list.Items {
		one := parse(item)
		one.at = fmt.Sprintf("%s[%d]", m.at, i)
		var named metav1.PartialObjectMetadata
		if json.UnmarshalCaseSensitivePreserveInts(item, &named) == nil && named.Name != "" {
			one.at += " " + path.Join(named.Namespace, named.Name)
		}
		all = append(all, one)
	}
	return all
}

func parse(document []byte) manifest {
	raw, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return manifest{fault: err}
	}
	if string(raw) == "null" {
		return manifest{}
	}
	var meta metav1.TypeMeta
	if err := json.UnmarshalCaseSensitivePreserveInts(raw, &meta); err != nil {
		return manifest{fault: errors.New("is no object")}
	}
	if meta.Kind == "" {
		return manifest{fault: errors.New("kind: is missing")}
	}
	return manifest{kind: meta.Kind, apiVersion: meta.APIVersion, raw: raw}
}
