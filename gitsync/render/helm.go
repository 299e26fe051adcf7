package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/render/chart"
)

const (
	maxChart        = 64 << 20
	maxValues       = 10 << 20
	maxDependencies = 10 // how deep charts may lie in one another
)

// helm renders a chart. It is never installed, so there is no release, and lookup finds nothing.
func (t *tree) helm(o order, refs map[string]*tree, env *environment) (collection, error) {
	options := gitopsv1.HelmSource{}
	if o.Source.Helm != nil {
		options = *o.Source.Helm
	}
	loaded, err := t.chart(t.dir, nil)
	if err != nil {
		return collection{}, err
	}
	v := &valuesReader{tree: t, refs: refs, env: env, options: options}
	if err := v.read(); err != nil {
		return collection{}, err
	}
	documents, err := loaded.Render(chart.Options{
		Release: first(options.ReleaseName, o.Release), Namespace: first(options.Namespace, o.Namespace), Values: v.values.Map(),
		KubeVersion: first(options.KubeVersion, o.KubeVersion), APIVersions: slices.Concat(o.APIVersions, options.APIVersions),
		SkipCRDs: options.SkipCrds, SkipSchema: options.SkipSchemaValidation,
	})
	if err != nil {
		return collection{}, fmt.Errorf("rendering chart %s: %w", loaded.Name(), err)
	}
	made := collection{warnings: v.warnings}
	for _, d := range documents {
		if err := made.documents(d.Name, []byte(d.Text)); err != nil {
			return collection{}, fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	if options.SkipTests {
		made.objects = slices.DeleteFunc(made.objects, isTest)
	}
	return made, nil
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// isTest recognises what only helm test would run.
func isTest(o map[string]any) bool {
	metadata, _ := o["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	hook, _ := annotations[gitopsv1.AnnotationHelmHook].(string)
	return slices.ContainsFunc(strings.Split(hook, ","), func(event string) bool {
		return slices.Contains([]string{"test", "test-success", "test-failure"}, strings.TrimSpace(event))
	})
}

// chart loads the chart in a folder with what it depends on in this repository. The charts that it is needed by must not be among these.
func (t *tree) chart(dir string, neededBy []string) (*chart.Chart, error) {
	if len(neededBy) > maxDependencies || slices.Contains(neededBy, dir) {
		return nil, fmt.Errorf("chart %s depends on itself, or dependencies are nested more than %d deep", t.name(dir), maxDependencies)
	}
	files, err := t.chartFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("reading chart %s: %w", t.name(dir), err)
	}
	c, err := chart.Load(files)
	if err != nil {
		return nil, err
	}
	for _, needed := range c.Missing() {
		path, local := strings.CutPrefix(needed.Repository, "file://")
		if !local {
			return nil, errors.New(needed.Complaint())
		}
		at, err := t.folder(filepath.Join(dir, path))
		if err != nil {
			return nil, fmt.Errorf("the chart needs %s from %s: %w", needed.Name, needed.Repository, err)
		}
		dependency, err := t.chart(at, append(slices.Clone(neededBy), dir))
		if err == nil {
			err = c.Add(needed, dependency)
		}
		if err != nil {
			return nil, fmt.Errorf("adding the dependency %s: %w", needed.Name, err)
		}
	}
	return c, nil
}

func (t *tree) chartFiles(dir string) ([]chart.File, error) {
	text, err := t.read(filepath.Join(dir, chart.IgnoreFile), maxValues)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	rules, err := chart.ParseRules(text)
	if err != nil {
		return nil, err
	}
	var files []chart.File
	left := int64(maxChart)
	err = t.walk(dir, true, func(name, real string) error {
		if rules.Ignores(name) {
			return nil
		}
		text, err := t.read(real, left)
		if err != nil {
			return fmt.Errorf("a chart may have %d MiB: %w", maxChart>>20, err)
		}
		left -= int64(len(text))
		files = append(files, chart.File{Name: name, Data: text})
		return nil
	})
	return files, err
}

// valuesReader puts the values of a source together: files, then values, then parameters.
type valuesReader struct {
	tree     *tree
	refs     map[string]*tree
	env      *environment
	options  gitopsv1.HelmSource
	values   chart.Values
	warnings []string
}

func (v *valuesReader) read() error {
	for _, name := range v.options.ValueFiles {
		if err := v.addFiles(name); err != nil {
			return fmt.Errorf("source.helm.valueFiles holds %.200s: %w", name, err)
		}
	}
	text := []byte(v.options.Values)
	if v.options.ValuesObject != nil && len(v.options.ValuesObject.Raw) > 0 {
		text = v.options.ValuesObject.Raw
	}
	if err := v.values.AddText(text); err != nil {
		return fmt.Errorf("source.helm.values: %w", err)
	}
	for _, forced := range []bool{false, true} {
		if err := v.setParameters(forced); err != nil {
			return err
		}
	}
	for _, p := range v.options.FileParameters {
		t, at, err := v.locate(p.Path)
		if err != nil {
			return fmt.Errorf("source.helm.fileParameters, %.80s: %w", p.Name, err)
		}
		text, err := t.read(at, maxValues)
		if err == nil {
			err = v.values.SetFile(p.Name, text)
		}
		if err != nil {
			return fmt.Errorf("source.helm.fileParameters, %.80s: %w", p.Name, err)
		}
	}
	return nil
}

func (v *valuesReader) setParameters(forced bool) error {
	set := v.values.Set
	if forced {
		set = v.values.SetText
	}
	for _, p := range v.options.Parameters {
		if p.ForceString != forced {
			continue
		}
		value, err := v.env.expand(p.Value)
		if err == nil {
			err = set(p.Name, value)
		}
		if err != nil {
			return fmt.Errorf("source.helm.parameters, %.80s: %w", p.Name, err)
		}
	}
	return nil
}

// locate finds the place that a path means: below the chart, from the root of the repository if it begins with a slash, or $ref of another source.
func (v *valuesReader) locate(path string) (*tree, string, error) {
	if strings.Contains(path, "://") {
		return nil, "", errors.New("values cannot come from the network; put the file into a repository, and name that by ref")
	}
	if name, inside, _ := strings.Cut(path, "/"); strings.HasPrefix(name, "$") {
		if ref := v.refs[name[1:]]; ref != nil {
			path, err := v.env.expand(inside)
			return ref, filepath.Join(ref.root, path), err
		}
		if _, known := v.env.values[name[1:]]; !known {
			return nil, "", fmt.Errorf("no source of the Application has the ref %.80s", name[1:])
		}
	}
	path, err := v.env.expand(path)
	if filepath.IsAbs(path) {
		return v.tree, filepath.Join(v.tree.root, path), err
	}
	return v.tree, filepath.Join(v.tree.dir, path), err
}

// addFiles adds one file, or those that a glob finds in the order of their names.
func (v *valuesReader) addFiles(name string) error {
	t, path, err := v.locate(name)
	if err != nil {
		return err
	}
	found := []string{path}
	if strings.ContainsAny(name, "*?[{") {
		if found, err = t.glob(path); err != nil {
			return err
		}
	}
	if len(found) == 0 && !v.options.IgnoreMissingValueFiles {
		return errors.New("no file matches; ignoreMissingValueFiles would accept that")
	}
	for _, at := range found {
		text, err := t.read(at, maxValues)
		if errors.Is(err, fs.ErrNotExist) && v.options.IgnoreMissingValueFiles {
			continue
		}
		if err == nil {
			err = v.values.AddText(text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// glob finds files by a pattern in which ** crosses folders.
func (t *tree) glob(pattern string) ([]string, error) {
	dir, err := t.folder(fixedPart(pattern))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rest, err := filepath.Rel(fixedPart(pattern), pattern)
	if err != nil || !doublestar.ValidatePattern(rest) {
		return nil, errors.New("it is no glob")
	}
	var found []string
	err = t.walk(dir, strings.Contains(rest, "/") || strings.Contains(rest, "**"), func(name, real string) error {
		if doublestar.MatchUnvalidated(rest, name) {
			found = append(found, real)
		}
		return nil
	})
	return found, err
}
