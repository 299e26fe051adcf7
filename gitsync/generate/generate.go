package generate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/gitops/validation"
	"github.com/sluice-delivery/sluice/gitsync/generate/sandbox"
)

const (
	// maxSets is how many sets of parameters one ApplicationSet may have, at every stage.
	maxSets = 10_000
	// maxQuestions is how many things one ApplicationSet may look up at once.
	maxQuestions = 50_000
)

// Result is what an ApplicationSet asks for.
type Result struct {
	// Applications are sorted by name; two may have the same one. There are none as long as there are Questions.
	Applications []gitopsv1.Application
	Questions    []Question
	// After is when the generators want to look again; zero if events are enough.
	After time.Duration
	Notes []Note
}

// Params is one set of parameters. Without Go templates its keys are flat, and only its strings are used.
type Params = sandbox.Params

// errUnanswered stops a generator whose question was not answered yet; it never leaves the package.
var errUnanswered = errors.New("a question has no answer yet")

// run is one pass of Generate.
type run struct {
	Observation
	sandbox *sandbox.Sandbox
	// outer is the set of the first generator of each matrix around the one that is being asked.
	outer     Params
	questions map[Question]bool
	notes     []Note
}

// Generate renders the Applications of a set. An error is an *Error; nothing may be changed then, and nothing as long as the result holds
// questions.
func Generate(o Observation) (Result, error) {
	r := &run{Observation: o, questions: map[Question]bool{}}
	result := Result{After: requeueAfter(o.Set.Spec.Generators)}
	err := refused(o.Set)
	if err != nil {
		return result, err
	}
	spec := o.Set.Spec
	r.sandbox, err = sandbox.New(sandbox.Options{GoTemplate: spec.GoTemplate, GoTemplateOptions: spec.GoTemplateOptions, Now: o.Now})
	if err != nil {
		return result, &Error{gitopsv1.ReasonTemplateError, err}
	}
	bundles, err := r.bundles()
	if err != nil {
		return result, &Error{gitopsv1.ReasonParamsError, err}
	}
	if len(r.questions) > maxQuestions {
		return result, &Error{gitopsv1.ReasonParamsError, fmt.Errorf("more than %d things must be looked up; narrow the filters, or divide the ApplicationSet", maxQuestions)}
	}
	if len(r.questions) > 0 {
		result.Questions = sortedQuestions(r.questions)
		return result, nil
	}
	if result.Applications, err = r.applications(bundles); err != nil {
		return result, &Error{gitopsv1.ReasonTemplateError, err}
	}
	result.Notes = r.notes
	return result, nil
}

// refused is what is wrong with a set before anything is looked up.
func refused(set *gitopsv1.ApplicationSet) error {
	problem := validation.ApplicationSet(set).ToAggregate()
	switch {
	case problem == nil:
		return nil
	case len(validation.Strategy(set)) > 0:
		return &Error{string(gitopsv1.ConditionInvalidRollout), problem}
	}
	return &Error{gitopsv1.ReasonParamsError, problem}
}

// bundle is the sets of one generator and the template that they fill.
type bundle struct {
	template map[string]any
	sets     []Params
}

func (r *run) bundles() ([]bundle, error) {
	base, err := tree(r.Set.Spec.Template)
	if err != nil {
		return nil, err
	}
	var all []bundle
	total := 0
	for i, g := range r.Set.Spec.Generators {
		at := fmt.Sprintf("spec.generators[%d]", i)
		found, err := r.bundlesOf(at, g, base)
		if err != nil {
			return nil, err
		}
		for _, b := range found {
			total += len(b.sets)
		}
		if err := fewEnough(at, total); err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// bundlesOf asks one entry of the list of generators; each kind that it sets fills a template of its own.
func (r *run) bundlesOf(at string, g gitopsv1.Generator, base map[string]any) ([]bundle, error) {
	var all []bundle
	kinds := gitopsv1.KindsOf(g)
	if len(kinds) == 0 {
		return nil, unknownGenerator(at)
	}
	for _, kind := range kinds {
		template, err := overlaid(base, templateOf(kind, g))
		if err != nil {
			return nil, fmt.Errorf("reading %s.%s.template: %w", at, kind, err)
		}
		sets, err := r.find(at, kind, g, 0)
		if errors.Is(err, errUnanswered) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, bundle{template, sets})
	}
	return all, nil
}

// find asks one kind of a generator and keeps the sets that its selector lets through. Depth counts the generators around it.
func (r *run) find(at string, kind gitopsv1.GeneratorKind, g gitopsv1.Generator, depth int) ([]Params, error) {
	if err := checkSelector(g.Selector); err != nil {
		return nil, fmt.Errorf("reading %s.selector: %w", at, err)
	}
	at = at + "." + string(kind)
	sets, err := r.ask(at, kind, g, depth)
	if err != nil {
		return nil, err
	}
	if err := fewEnough(at, len(sets)); err != nil {
		return nil, err
	}
	return selected(g.Selector, sets), nil
}

func (r *run) ask(at string, kind gitopsv1.GeneratorKind, g gitopsv1.Generator, depth int) ([]Params, error) {
	switch kind {
	case gitopsv1.GeneratorList:
		return r.list(at, g.List)
	case gitopsv1.GeneratorClusters:
		return r.clusters(at, g.Clusters)
	case gitopsv1.GeneratorGit:
		return r.git(at, g.Git)
	case gitopsv1.GeneratorMatrix:
		return r.matrix(at, g.Matrix, depth)
	case gitopsv1.GeneratorMerge:
		return r.merge(at, g.Merge, depth)
	case gitopsv1.GeneratorSCMProvider:
		return r.repositories(at, g.SCMProvider)
	case gitopsv1.GeneratorPullRequest:
		return r.pullRequests(at, g.PullRequest)
	case gitopsv1.GeneratorPlugin:
		return r.plugin(at, g.Plugin)
	default:
		return nil, fmt.Errorf("%s cannot be used; remove it", at)
	}
}

// answer returns what was found for a question, or notes that it must be asked.
func (r *run) answer(q Question) (Answer, error) {
	if a, ok := r.Answers[q]; ok {
		return a, nil
	}
	if len(r.questions) <= maxQuestions {
		r.questions[q] = true
	}
	return Answer{}, errUnanswered
}

func fewEnough(at string, sets int) error {
	if sets > maxSets {
		return fmt.Errorf("%s gives more than %d sets of parameters; narrow it, or divide the ApplicationSet", at, maxSets)
	}
	return nil
}

func unknownGenerator(at string) error {
	return fmt.Errorf("%s names no generator that is known here; set one of list, clusters, git, matrix, merge, scmProvider, pullRequest and plugin", at)
}

func templateOf(kind gitopsv1.GeneratorKind, g gitopsv1.Generator) *apiextensionsv1.JSON {
	switch kind {
	case gitopsv1.GeneratorList:
		return g.List.Template
	case gitopsv1.GeneratorClusters:
		return g.Clusters.Template
	case gitopsv1.GeneratorGit:
		return g.Git.Template
	case gitopsv1.GeneratorMatrix:
		return g.Matrix.Template
	case gitopsv1.GeneratorMerge:
		return g.Merge.Template
	case gitopsv1.GeneratorSCMProvider:
		return g.SCMProvider.Template
	case gitopsv1.GeneratorPullRequest:
		return g.PullRequest.Template
	case gitopsv1.GeneratorPlugin:
		return g.Plugin.Template
	default:
		return nil
	}
}

func sortedQuestions(asked map[Question]bool) []Question {
	var all []Question
	for q := range asked {
		all = append(all, q)
	}
	slices.SortFunc(all, func(a, b Question) int {
		return strings.Compare(string(a.About)+"\x00"+a.Generator+"\x00"+a.Repository+"\x00"+a.Revision+"\x00"+a.Path,
			string(b.About)+"\x00"+b.Generator+"\x00"+b.Repository+"\x00"+b.Revision+"\x00"+b.Path)
	})
	return all
}

// tree is a value as the maps and lists of its JSON.
func tree(value any) (map[string]any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var t map[string]any
	err = json.Unmarshal(text, &t)
	return t, err
}
