package generate

import (
	"maps"
	"slices"
	"testing"
)

// world is what generators can look up. Any revision of a repository holds the same files.
type world struct {
	Repos        map[string]map[string]string
	Repositories []Repository
	// Branches are those of each repository of a provider, as "organization/repository".
	Branches map[string][]Branch
	// Paths are files by repository of a provider and branch, as "organization/repository@branch".
	Paths        map[string][]string
	PullRequests []PullRequest
	NotFound     bool
	Parameters   []map[string]any
}

const commit = "c0ffee"

// settle asks again until every question is answered.
func settle(t *testing.T, o Observation, w world) (Result, error) {
	t.Helper()
	o.Answers = maps.Clone(o.Answers)
	if o.Answers == nil {
		o.Answers = map[Question]Answer{}
	}
	for range 10 {
		result, err := Generate(o)
		if err != nil || len(result.Questions) == 0 {
			return result, err
		}
		if len(result.Applications) > 0 {
			t.Fatalf("%d Applications although %d questions are open", len(result.Applications), len(result.Questions))
		}
		for _, q := range result.Questions {
			o.Answers[q] = w.answer(t, q)
		}
	}
	t.Fatal("the questions do not come to an end")
	return Result{}, nil
}

func (w world) answer(t *testing.T, q Question) Answer {
	t.Helper()
	if _, err := GeneratorOf(q); err != nil {
		t.Fatal(err)
	}
	files, ok := w.Repos[q.Repository]
	switch {
	case ok && q.About == AboutTree:
		return Answer{Commit: commit, Paths: slices.Sorted(maps.Keys(files))}
	case ok && q.About == AboutFile && q.Revision == commit:
		return Answer{Content: []byte(files[q.Path])}
	case q.About == AboutRepositories:
		return Answer{Repositories: w.Repositories}
	case q.About == AboutBranches:
		other := func(b Branch) bool { return q.Revision != "" && b.Name != q.Revision }
		return Answer{Branches: slices.DeleteFunc(slices.Clone(w.Branches[q.Repository]), other)}
	case q.About == AboutPath:
		return Answer{Exists: slices.Contains(w.Paths[q.Repository+"@"+q.Revision], q.Path)}
	case q.About == AboutPullRequests:
		return Answer{PullRequests: w.PullRequests, NotFound: w.NotFound}
	case q.About == AboutPlugin:
		return Answer{Parameters: w.Parameters}
	}
	t.Fatalf("nobody can answer %+v", q)
	return Answer{}
}
