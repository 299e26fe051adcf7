package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"
)

func main() {
	if err := run("config/crd", "docs/api.md"); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(crds, reference string) error {
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
	if err := os.WriteFile(reference, []byte(describe(all)), 0o644); err != nil {
		return fmt.Errorf("writing the reference of the API: %w", err)
	}
	return nil
}

// boundFile rewrites one CRD and returns the parts of it that the reference needs.
func boundFile(file string) (crd, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return crd{}, fmt.Errorf("reading a CRD: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return crd{}, fmt.Errorf("reading %s: %w", file, err)
	}
	bound(tree)
	text, err = yaml.Marshal(tree)
	if err != nil {
		return crd{}, fmt.Errorf("writing %s: %w", file, err)
	}
	if err := os.WriteFile(file, append([]byte("---\n"), text...), 0o644); err != nil {
		return crd{}, fmt.Errorf("writing a CRD: %w", err)
	}
	var one crd
	if err := yaml.Unmarshal(text, &one); err != nil {
		return crd{}, fmt.Errorf("reading %s: %w", file, err)
	}
	return one, nil
}
