package analysis

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Limits of a composition: templates below one another, and templates in all.
const (
	maxDepth     = 10
	maxTemplates = 50
)

// ErrNoTemplate is in the chain of an error about a template that is not there.
var ErrNoTemplate = errors.New("not found")

// Compose merges the templates that a names, and those that they name, into the spec of a run. args override the defaults of the
// arguments that the templates declare; others are left out. Arguments that refer to a field of the Rollout stay references.
//
// Errors, each with the name of the template: one that is not there, a cycle, two metrics of one name, two defaults for one
// argument, an argument without a value, a metric that makes no sense.
func Compose(a v1alpha1.RolloutAnalysis, lib Library, args []v1alpha1.Argument) (v1alpha1.AnalysisRunSpec, error) {
	c := composer{lib: lib, origin: map[string]string{}}
	for _, ref := range a.Templates {
		if err := c.add(templateKey{ref.TemplateName, ref.InCluster()}); err != nil {
			return v1alpha1.AnalysisRunSpec{}, err
		}
	}
	c.spec.DryRun = append(c.spec.DryRun, a.DryRun...)
	c.spec.MeasurementRetention = append(c.spec.MeasurementRetention, a.MeasurementRetention...)
	for i := range c.spec.Args {
		declared := &c.spec.Args[i]
		for _, given := range args {
			if given.Name == declared.Name {
				*declared = *given.DeepCopy()
			}
		}
		if declared.Value == nil && declared.ValueFrom == nil {
			return c.spec, fmt.Errorf("argument %s of %s has no value: give it one in args", declared.Name, c.origin[argKey+declared.Name])
		}
	}
	return c.spec, nil
}

// composer collects templates.
type composer struct {
	lib   Library
	spec  v1alpha1.AnalysisRunSpec
	path  []templateKey
	added []templateKey
	// origin tells which template a metric or argument came from.
	origin map[string]string
}

const (
	metricKey = "metric "
	argKey    = "argument "
)

// templateKey is one template of a Library.
type templateKey struct {
	name    string
	cluster bool
}

func (k templateKey) String() string {
	if k.cluster {
		return "ClusterAnalysisTemplate " + k.name
	}
	return "AnalysisTemplate " + k.name
}

// add merges a template and then the ones that it names; one that is already there is not merged again.
func (c *composer) add(ref templateKey) error {
	if slices.Contains(c.path, ref) {
		text := ""
		for _, p := range append(c.path[slices.Index(c.path, ref):], ref) {
			text += " -> " + p.name
		}
		return fmt.Errorf("%s refers to itself: %s", ref, text[len(" -> "):])
	}
	if slices.Contains(c.added, ref) {
		return nil
	}
	if len(c.path) >= maxDepth || len(c.added) >= maxTemplates {
		return fmt.Errorf("%s is one too many: at most %d templates, and %d below one another, make a run",
			ref, maxTemplates, maxDepth)
	}
	templates := c.lib.Templates
	if ref.cluster {
		templates = c.lib.ClusterTemplates
	}
	t, ok := templates[ref.name]
	if !ok {
		return fmt.Errorf("%s: %w", ref, ErrNoTemplate)
	}
	c.path, c.added = append(c.path, ref), append(c.added, ref)
	defer func() { c.path = c.path[:len(c.path)-1] }()
	if err := c.merge(ref.String(), *t.DeepCopy()); err != nil {
		return err
	}
	for _, nested := range t.Templates {
		if err := c.add(templateKey{nested.TemplateName, nested.InCluster()}); err != nil {
			return err
		}
	}
	return nil
}

func (c *composer) merge(title string, t v1alpha1.AnalysisTemplateSpec) error {
	for _, m := range t.Metrics {
		if other, taken := c.origin[metricKey+m.Name]; taken {
			return fmt.Errorf("%s has a metric %s, which %s has as well: rename one of them", title, m.Name, other)
		}
		c.origin[metricKey+m.Name] = title
		c.spec.Metrics = append(c.spec.Metrics, m)
	}
	for _, a := range t.Args {
		if err := c.declare(title, a); err != nil {
			return err
		}
	}
	c.spec.DryRun = append(c.spec.DryRun, t.DryRun...)
	c.spec.MeasurementRetention = append(c.spec.MeasurementRetention, t.MeasurementRetention...)
	return nil
}

// declare adds an argument; of two declarations the one with a default counts.
func (c *composer) declare(title string, a v1alpha1.Argument) error {
	i := slices.IndexFunc(c.spec.Args, func(b v1alpha1.Argument) bool { return b.Name == a.Name })
	if i < 0 {
		c.origin[argKey+a.Name] = title
		c.spec.Args = append(c.spec.Args, a)
		return nil
	}
	known := &c.spec.Args[i]
	switch {
	case a.Value == nil && a.ValueFrom == nil:
	case known.Value == nil && known.ValueFrom == nil:
		*known = a
	case !sameArgument(*known, a):
		return fmt.Errorf("%s has a default for argument %s that differs from that of %s: make them equal",
			title, a.Name, c.origin[argKey+a.Name])
	}
	return nil
}
