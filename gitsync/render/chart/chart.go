package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/ignore"
)

// IgnoreFile names the files of a folder that do not belong to its chart.
const IgnoreFile = ignore.HelmIgnore

// File is one file of a chart; the name is its path in the chart, with slashes.
type File struct {
	Name string
	Data []byte
}

// Chart is a chart with the charts in its folder charts.
type Chart struct{ inner *chartv2.Chart }

// Dependency is what a chart says about another one that it needs.
type Dependency struct{ Name, Version, Repository string }

// Rules say which files of a folder are left out.
type Rules struct{ inner *ignore.Rules }

// ParseRules reads the text of an IgnoreFile; it may be empty.
func ParseRules(text []byte) (Rules, error) {
	rules, err := ignore.Parse(bytes.NewReader(text))
	if err != nil {
		return Rules{}, fmt.Errorf("%s: %w", IgnoreFile, err)
	}
	rules.AddDefaults()
	return Rules{rules}, nil
}

// Ignores tells whether a file, or a folder that it lies in, is left out.
func (r Rules) Ignores(name string) bool {
	if r.inner.Ignore(name, entry{name: path.Base(name)}) {
		return true
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if r.inner.Ignore(dir, entry{name: path.Base(dir), dir: true}) {
			return true
		}
	}
	return false
}

// entry is what rules ask of a file.
type entry struct {
	name string
	dir  bool
}

func (e entry) Name() string     { return e.name }
func (entry) Size() int64        { return 0 }
func (entry) ModTime() time.Time { return time.Time{} }
func (e entry) IsDir() bool      { return e.dir }
func (entry) Sys() any           { return nil }
func (e entry) Mode() fs.FileMode {
	if e.dir {
		return fs.ModeDir
	}
	return 0
}

// Load puts a chart together.
func Load(files []File) (*Chart, error) {
	var all []*archive.BufferedFile
	for _, f := range files {
		all = append(all, &archive.BufferedFile{Name: f.Name, Data: bytes.TrimPrefix(f.Data, []byte("\xEF\xBB\xBF"))})
	}
	c, err := loader.LoadFiles(all)
	if err != nil {
		return nil, fmt.Errorf("loading the chart: %w", err)
	}
	return &Chart{c}, nil
}

// Name is the name in Chart.yaml.
func (c *Chart) Name() string { return c.inner.Name() }

// Missing lists the dependencies that Chart.yaml names and charts does not hold.
func (c *Chart) Missing() []Dependency {
	held := map[string]bool{}
	for _, d := range c.inner.Dependencies() {
		held[d.Name()] = true
	}
	var missing []Dependency
	for _, d := range c.inner.Metadata.Dependencies {
		if d != nil && !held[d.Name] {
			missing = append(missing, Dependency{d.Name, d.Version, d.Repository})
		}
	}
	return missing
}

// Add holds a dependency that lies elsewhere, which must be what was asked for.
func (c *Chart) Add(asked Dependency, dependency *Chart) error {
	m := dependency.inner.Metadata
	if m.Name != asked.Name || !chartutil.IsCompatibleRange(asked.Version, m.Version) {
		return fmt.Errorf("%s holds chart %s %s, where %s %s is asked for", asked.Repository, m.Name, m.Version, asked.Name, asked.Version)
	}
	c.inner.AddDependency(dependency.inner)
	return nil
}

// check refuses what cannot be installed on its own.
func (c *Chart) check(kubeVersion string) error {
	if err := c.inner.Validate(); err != nil {
		return err
	}
	if kind := c.inner.Metadata.Type; kind != "" && kind != "application" {
		return fmt.Errorf("a chart of the type %s cannot be rendered on its own", kind)
	}
	if asked := c.inner.Metadata.KubeVersion; asked != "" && !chartutil.IsCompatibleRange(asked, kubeVersion) {
		return fmt.Errorf("the chart asks for Kubernetes %s, and the cluster has %s", asked, kubeVersion)
	}
	for _, d := range c.Missing() {
		return errors.New(d.Complaint())
	}
	return nil
}

// Complaint says what to do about a dependency that is missing.
func (d Dependency) Complaint() string {
	from := "charts/"
	if d.Repository != "" && !strings.HasPrefix(d.Repository, "file://") {
		return fmt.Sprintf("the chart needs %s %s from %s, which is not in %s; run helm dependency build and commit %s", d.Name, d.Version, d.Repository, from, from)
	}
	return fmt.Sprintf("the chart needs %s %s, which is not in %s; commit it there", d.Name, d.Version, from)
}
