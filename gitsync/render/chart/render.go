package chart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
)

// Options are those of helm template.
type Options struct {
	Release, Namespace string
	Values             map[string]any
	// KubeVersion is that of the cluster, such as v1.37.2; the one that Helm was built for if it is empty.
	KubeVersion string
	// APIVersions are added to those that Helm knows.
	APIVersions          []string
	SkipCRDs, SkipSchema bool
}

// Document is a YAML text with manifests, by the path that people find it under.
type Document struct{ Name, Text string }

// Render gives the manifests, hooks among them: custom resource definitions first, then templates by name.
func (c *Chart) Render(o Options) ([]Document, error) {
	if err := chartutil.ValidateReleaseName(o.Release); err != nil {
		return nil, fmt.Errorf("the release cannot be called %q: %w", o.Release, err)
	}
	versions, err := capabilities(o)
	if err != nil {
		return nil, err
	}
	if err := c.check(versions.KubeVersion.String()); err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependencies(c.inner, o.Values); err != nil {
		return nil, fmt.Errorf("choosing the dependencies: %w", err)
	}
	release := common.ReleaseOptions{Name: o.Release, Namespace: o.Namespace, Revision: 1, IsInstall: true}
	values, err := util.ToRenderValuesWithSchemaValidation(c.inner, o.Values, release, versions, true)
	if err != nil {
		return nil, fmt.Errorf("putting the values together: %w", err)
	}
	if !o.SkipSchema {
		if err := c.validate(values["Values"]); err != nil {
			return nil, err
		}
	}
	texts, err := engine.Engine{}.RenderWithContext(context.Background(), c.inner, values) // what ends it is the end of the process
	if err != nil {
		return nil, err
	}
	return c.documents(texts, o.SkipCRDs), nil
}

func (c *Chart) documents(texts map[string]string, skipCRDs bool) []Document {
	var all []Document
	if !skipCRDs {
		for _, crd := range c.inner.CRDObjects() {
			all = append(all, Document{crd.Filename, string(crd.File.Data)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if base := path.Base(name); strings.HasPrefix(base, "_") || base == "NOTES.txt" || strings.TrimSpace(texts[name]) == "" {
			continue
		}
		all = append(all, Document{name, texts[name]})
	}
	return all
}

func capabilities(o Options) (*common.Capabilities, error) {
	c := common.DefaultCapabilities.Copy()
	c.APIVersions = append(slices.Clone(c.APIVersions), o.APIVersions...)
	if o.KubeVersion == "" {
		return c, nil
	}
	version, err := common.ParseKubeVersion(o.KubeVersion)
	if err != nil {
		return nil, fmt.Errorf("kubeVersion %q is no version: %w", o.KubeVersion, err)
	}
	c.KubeVersion = *version
	return c, nil
}

// validate checks values against the schemas of a chart and the charts in it.
func (c *Chart) validate(values any) error {
	problems := schemaProblems(c.inner, values)
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("the values do not fit values.schema.json: %w", errors.Join(problems...))
}
