package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	if err := run("config/crd", "docs/spec"); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(crds, pages string) error {
	files, err := filepath.Glob(filepath.Join(crds, "argoproj.io_*.yaml"))
	if err != nil {
		return fmt.Errorf("listing the CRDs in %s: %w", crds, err)
	}
	var all []crd
	for _, file := range files {
		one, err := boundFile(file)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b crd) int {
		return slices.Index(order, a.Spec.Names.Kind) - slices.Index(order, b.Spec.Names.Kind)
	})
	told := &reference{}
	for _, one := range all {
		if err := told.write(filepath.Join(pages, pageOf(one.Spec.Names.Kind)), one); err != nil {
			return fmt.Errorf("writing the reference of %s: %w", one.Spec.Names.Kind, err)
		}
	}
	return nil
}

// mute finds a row of a page without a meaning.
var mute = regexp.MustCompile(`(?m)^.*\|  *(\*Admission.*)?\|$`)

// write renews the generated part of a page, and keeps what stands above it.
func (r *reference) write(file string, one crd) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, _, found := strings.Cut(string(text), marker)
	if !found {
		return fmt.Errorf("%s has lost the line that begins its generated part: %s", file, marker)
	}
	described := r.describe(one)
	if row := mute.FindString(described); row != "" {
		return fmt.Errorf("a field has no comment that says what it means, its default and its unit: %s", row)
	}
	return os.WriteFile(file, []byte(head+described), 0o644)
}

// boundFile rewrites one CRD and returns the parts of it that the reference needs.
func boundFile(file string) (crd, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return crd{}, fmt.Errorf("reading a CRD: %w", err)
	}
	var one crd
	if err := yaml.Unmarshal(text, &one); err != nil {
		return crd{}, fmt.Errorf("reading %s: %w", file, err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return crd{}, fmt.Errorf("reading %s: %w", file, err)
	}
	bound(tree)
	if len(text) > large {
		hush(tree, false)
	}
	text, err = yaml.Marshal(tree)
	if err != nil {
		return crd{}, fmt.Errorf("writing %s: %w", file, err)
	}
	if err := os.WriteFile(file, append([]byte("---\n"), text...), 0o644); err != nil {
		return crd{}, fmt.Errorf("writing a CRD: %w", err)
	}
	return one, nil
}
