package gitsync

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/gitops/validation"
)

// refuse checks the spec against itself and its project; the first thing that is wrong stops the comparison.
func (d *decision) refuse() bool {
	problem := refusal(validation.Application(d.app))
	if problem == "" {
		problem = SpecProblem(d.app.Spec)
	}
	if problem == "" {
		problem = d.projectProblem()
	}
	if problem == "" {
		return false
	}
	d.refusal = gitopsv1.ApplicationCondition{Type: gitopsv1.ConditionInvalidSpecError, Message: problem}
	return true
}

// SpecProblem says what is wrong with a spec by itself, besides what is not built; empty if nothing is.
func SpecProblem(spec gitopsv1.ApplicationSpec) string {
	if spec.Destination.Server != "" && spec.Destination.Name != "" {
		return "application destination can't have both name and server defined: remove one of spec.destination.name and spec.destination.server"
	}
	sources := gitopsv1.SourcesOf(spec)
	if len(sources) == 0 {
		return "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
	}
	for _, s := range sources {
		if problem := sourceProblem(s, gitopsv1.HasSeveralSources(spec)); problem != "" {
			return problem
		}
	}
	return ""
}

// sourceProblem says what a source lacks. One of several may do no more than lend its files to the others.
func sourceProblem(s gitopsv1.Source, several bool) string {
	switch {
	case s.RepoURL == "" || s.Path == "" && s.Chart == "" && (s.Ref == "" || !several):
		return "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
	case s.Chart != "" && s.TargetRevision == "":
		return "spec.source.targetRevision is required if the manifest source is a helm chart"
	case s.Ref != "" && s.Chart != "":
		return fmt.Sprintf("source %s has a ref and a chart: a ref names the files of a repository", s.Ref)
	}
	return ""
}

// refusal is the first of some mistakes; empty if there is none.
func refusal(errs field.ErrorList) string {
	if len(errs) == 0 {
		return ""
	}
	return errs[0].Error()
}

// ProjectProblem says which rule of a project could not be kept as it was meant; empty if all can.
func ProjectProblem(p *gitopsv1.AppProject) string {
	if problem := brokenDenial(p.Spec); problem != "" {
		return problem
	}
	return refusal(validation.AppProject(p))
}

func (d *decision) projectProblem() string {
	spec, name := d.app.Spec, gitopsv1.ProjectName(d.app.Spec)
	if d.o.Project == nil {
		return fmt.Sprintf("application references project %s which does not exist", name)
	}
	rules := d.o.Project.Spec
	if problem := ProjectProblem(d.o.Project); problem != "" {
		return fmt.Sprintf("project %s cannot be used: %s", name, problem)
	}
	if d.app.Namespace != d.o.ControlNamespace && !PermitsNamespace(rules, d.app.Namespace) {
		return fmt.Sprintf("application '%s' in namespace '%s' is not permitted to use project '%s'", d.app.Name, d.app.Namespace, name)
	}
	for _, s := range gitopsv1.SourcesOf(spec) {
		if !PermitsSource(rules, s.RepoURL) {
			return fmt.Sprintf("application repo %s is not permitted in project '%s'", s.RepoURL, name)
		}
	}
	if d.o.Cluster.Problem != "" {
		return "application destination spec for " + d.app.Name + " is invalid: " + d.o.Cluster.Problem
	}
	if !PermitsDestination(rules, d.o.Cluster, spec.Destination.Namespace) {
		return fmt.Sprintf("application destination server '%s' and namespace '%s' do not match any of the allowed destinations in project '%s'",
			d.o.Cluster.Server, spec.Destination.Namespace, name)
	}
	if _, err := ServiceAccount(d.o); err != nil {
		return err.Error()
	}
	return ""
}

// forbidden says why the project does not let an object be touched; empty if it does.
func (d *decision) forbidden(k Key) string {
	name, rules := gitopsv1.ProjectName(d.app.Spec), d.o.Project.Spec
	kind := GroupKind{k.Group, k.Kind}
	namespaced := k.Namespace != ""
	if known := d.o.Kinds[kind]; known.Known {
		namespaced = known.Namespaced
	}
	if why := d.o.Cluster.Confines(namespaced, k.Namespace); why != "" {
		return fmt.Sprintf("%s is out of reach: %s", title(k), why)
	}
	if why := d.o.Kinds[kind].Unread; why != "" {
		return why
	}
	if !PermitsKind(rules, kind, k.Name, namespaced) {
		return fmt.Sprintf("resource %s:%s is not permitted in project %s", k.Group, k.Kind, name)
	}
	if namespaced && !PermitsDestination(rules, d.o.Cluster, k.Namespace) {
		return fmt.Sprintf("namespace %s is not permitted in project '%s'", k.Namespace, name)
	}
	return ""
}

// guard is the filter of the project over the finished comparison: what it forbids is refused aloud where Git wants it, and left alone where it only lives.
func (d *decision) guard() {
	kept := d.items[:0:0]
	for _, it := range d.items {
		why := d.forbidden(it.key)
		switch {
		case why == "":
			kept = append(kept, it)
		case it.desired != nil:
			it.problem = why
			kept = append(kept, it)
		}
	}
	d.items = kept
}
