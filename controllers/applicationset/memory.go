package applicationset

import (
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// memory holds what was answered to each set, for as long as its generators ask for, so that a change of one of its Applications asks nobody anew, and so that
// what was learned before a failure need not be asked again. Its zero value is empty.
type memory struct {
	mu   sync.Mutex
	sets map[types.NamespacedName]*recollection
}

// recollection is what is remembered for one spec of one set.
type recollection struct {
	uid        types.UID
	generation int64
	answers    map[generate.Question]remembered
	failure    error
	failedAt   time.Time
}

type remembered struct {
	answer generate.Answer
	at     time.Time
}

// recall gives the answers that are still young enough, and why the last questions had none if that was a moment ago. Fresh forgets everything before.
func (m *memory) recall(set *gitopsv1.ApplicationSet, now time.Time, fresh bool) (map[generate.Question]generate.Answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(set, fresh)
	answers := map[generate.Question]generate.Answer{}
	maps.DeleteFunc(r.answers, func(q generate.Question, a remembered) bool { return now.Sub(a.at) >= q.MaxAge })
	for q, a := range r.answers {
		answers[q] = a.answer
	}
	if now.Sub(r.failedAt) >= errorAgain {
		r.failure = nil
	}
	return answers, r.failure
}

// keep remembers the answers that may be used again, and the failure of questions that cost a provider something.
func (m *memory) keep(set *gitopsv1.ApplicationSet, now time.Time, questions []generate.Question, answers map[generate.Question]generate.Answer, failure error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(set, false)
	for q, answer := range answers {
		if q.MaxAge > 0 {
			r.answers[q] = remembered{answer, now}
		}
	}
	if failure != nil && slices.ContainsFunc(questions, ages) {
		r.failure, r.failedAt = failure, now
	}
}

// ages reports whether an answer may be remembered, which is what asks somebody else's server.
func ages(q generate.Question) bool { return q.MaxAge > 0 }

func (m *memory) of(set *gitopsv1.ApplicationSet, anew bool) *recollection {
	name := types.NamespacedName{Namespace: set.Namespace, Name: set.Name}
	r := m.sets[name]
	if r == nil || anew || r.uid != set.UID || r.generation != set.Generation {
		r = &recollection{uid: set.UID, generation: set.Generation, answers: map[generate.Question]remembered{}}
		if m.sets == nil {
			m.sets = map[types.NamespacedName]*recollection{}
		}
		m.sets[name] = r
	}
	return r
}

func (m *memory) forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sets, name)
}
