package generate

import (
	"maps"
	"slices"
	"testing"
)

// repos are Git repositories by URL, each with its files by path; any revision holds the same.
type repos map[string]map[string]string

// settle asks again until every question is answered.
func settle(t *testing.T, o Observation, in repos) (Result, error) {
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
		for _, q := range result.Questions {
			o.Answers[q] = in.answer(t, q)
		}
	}
	t.Fatal("the questions do not come to an end")
	return Result{}, nil
}

func (in repos) answer(t *testing.T, q Question) Answer {
	t.Helper()
	files, ok := in[q.Repository]
	switch {
	case ok && q.About == AboutTree:
		return Answer{Commit: "c0ffee", Paths: slices.Sorted(maps.Keys(files))}
	case ok && q.About == AboutFile && q.Revision == "c0ffee":
		return Answer{Content: []byte(files[q.Path])}
	}
	t.Fatalf("nobody can answer %+v", q)
	return Answer{}
}
