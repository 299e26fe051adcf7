package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// feature is a part of the contract that is not built. Whoever builds it removes its row from a table below.
type feature[T any] struct {
	what string
	// path of the part inside T.
	path []string
	used func(T) bool
}

var applicationFeatures = []feature[gitopsv1.ApplicationSpec]{
	{"rendering into a branch", []string{"sourceHydrator"}, func(s gitopsv1.ApplicationSpec) bool { return s.SourceHydrator != nil }},
}

var sourceFeatures = []feature[gitopsv1.Source]{
	{"a config management plugin", []string{"plugin"}, func(s gitopsv1.Source) bool { return s.Plugin != nil }},
}

var generatorFeatures = []feature[gitopsv1.Generator]{
	{"a generator of the kind clusterDecisionResource", []string{"clusterDecisionResource"}, func(g gitopsv1.Generator) bool { return g.ClusterDecisionResource != nil }},
	scm("bitbucket", func(s gitopsv1.SCMProviderGenerator) bool { return s.Bitbucket != nil }),
	scm("bitbucketServer", func(s gitopsv1.SCMProviderGenerator) bool { return s.BitbucketServer != nil }),
	scm("azureDevOps", func(s gitopsv1.SCMProviderGenerator) bool { return s.AzureDevOps != nil }),
	scm("awsCodeCommit", func(s gitopsv1.SCMProviderGenerator) bool { return s.AWSCodeCommit != nil }),
	pullRequest("bitbucket", func(p gitopsv1.PullRequestGenerator) bool { return p.Bitbucket != nil }),
	pullRequest("bitbucketServer", func(p gitopsv1.PullRequestGenerator) bool { return p.BitbucketServer != nil }),
	pullRequest("azuredevops", func(p gitopsv1.PullRequestGenerator) bool { return p.AzureDevOps != nil }),
}

func scm(provider string, used func(gitopsv1.SCMProviderGenerator) bool) feature[gitopsv1.Generator] {
	return feature[gitopsv1.Generator]{"the provider " + provider, []string{"scmProvider", provider}, func(g gitopsv1.Generator) bool {
		return g.SCMProvider != nil && used(*g.SCMProvider)
	}}
}

func pullRequest(provider string, used func(gitopsv1.PullRequestGenerator) bool) feature[gitopsv1.Generator] {
	return feature[gitopsv1.Generator]{"pull requests of " + provider, []string{"pullRequest", provider}, func(g gitopsv1.Generator) bool {
		return g.PullRequest != nil && used(*g.PullRequest)
	}}
}

func unsupported[T any](table []feature[T], in T, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, f := range table {
		if f.used(in) {
			errs = append(errs, field.Forbidden(at.Child(f.path[0], f.path[1:]...), f.what+" cannot be used yet; remove it"))
		}
	}
	return errs
}

// Application refuses what is not built in the spec of an Application.
func Application(app *gitopsv1.Application) field.ErrorList {
	return applicationSpec(app.Spec, field.NewPath("spec"))
}

func applicationSpec(spec gitopsv1.ApplicationSpec, at *field.Path) field.ErrorList {
	errs := unsupported(applicationFeatures, spec, at)
	for i, s := range spec.Sources {
		errs = append(errs, unsupported(sourceFeatures, s, at.Child("sources").Index(i))...)
	}
	if len(spec.Sources) == 0 && spec.Source != nil {
		errs = append(errs, unsupported(sourceFeatures, *spec.Source, at.Child("source"))...)
	}
	return errs
}

// generator refuses what is not built in a generator and in the ones inside it. What cannot be read is told when it is asked.
func generator(g gitopsv1.Generator, at *field.Path) field.ErrorList {
	errs := unsupported(generatorFeatures, g, at)
	if g.Matrix != nil {
		for i, raw := range g.Matrix.Generators {
			if child, err := gitopsv1.NestedGenerator(raw); err == nil {
				errs = append(errs, generator(child, at.Child("matrix", "generators").Index(i))...)
			}
		}
	}
	if g.Merge != nil {
		for i, raw := range g.Merge.Generators {
			if child, err := gitopsv1.NestedGenerator(raw); err == nil {
				errs = append(errs, generator(child, at.Child("merge", "generators").Index(i))...)
			}
		}
	}
	return errs
}

// oneOf refuses a text that is none of those that are known; empty stands for the first.
func oneOf(at *field.Path, value string, known ...string) field.ErrorList {
	for _, k := range known {
		if value == k || value == "" {
			return nil
		}
	}
	return field.ErrorList{field.NotSupported(at, value, known)}
}

func invalid(at *field.Path, value any, format string, args ...any) field.ErrorList {
	return field.ErrorList{field.Invalid(at, value, fmt.Sprintf(format, args...))}
}
