package application

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// asked notes which repositories somebody wants to know of, and which at once.
type asked struct {
	urls  []string
	fresh []bool
	since []time.Time
}

func (a *asked) Resolve(_ context.Context, want gitsync.Want) (string, error) {
	a.urls, a.fresh, a.since = append(a.urls, want.Source.RepoURL), append(a.fresh, want.Fresh), append(a.since, want.Since)
	return "", errors.New("nothing is there")
}

func (a *asked) Fetch(context.Context, gitsync.Want, string) (gitsync.Checkout, error) {
	return gitsync.Checkout{}, errors.New("nothing is there")
}

func TestARepositoryThatTheProjectDoesNotPermitIsNotAskedForAnOperationEither(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	source := &asked{}
	c.Source = source
	app := c.app(t)
	app.Operation = &gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{Source: &gitopsv1.Source{RepoURL: "https://elsewhere.example.com/org/repo.git", Path: "."}}}
	app.Status.OperationState = &gitopsv1.OperationState{Operation: *app.Operation, Phase: gitopsv1.OperationRunning}
	s := &seen{memory: c.memories.of(shop), Observation: gitsync.Observation{App: app, Project: &gitopsv1.AppProject{
		Spec: gitopsv1.AppProjectSpec{SourceRepos: []string{"https://git.example.com/org/*"}},
	}}}
	c.observeSources(t.Context(), s)
	if !slices.Equal(source.urls, []string{app.Spec.Source.RepoURL}) {
		t.Errorf("asked were %v", source.urls)
	}
	if s.Running == nil || s.Running.Problem == "" {
		t.Errorf("the operation has %+v", s.Running)
	}
}

func TestASyncByHandIsOfTheNewestCommitAndNotOfTheLastThatWasSeen(t *testing.T) {
	started := metav1.NewTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	branch := &gitopsv1.SyncOperation{Revision: "feature"}
	for name, c := range map[string]struct {
		operation *gitopsv1.Operation
		begun     bool
		fresh     []bool
	}{
		"nobody asks":               {nil, false, []bool{false}},
		"somebody asks":             {&gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}}, false, []bool{true}},
		"somebody's sync has begun": {&gitopsv1.Operation{Sync: &gitopsv1.SyncOperation{}}, true, []bool{false}},
		"somebody names a branch":   {&gitopsv1.Operation{Sync: branch}, true, []bool{false, true}},
		"an automated sync":         {&gitopsv1.Operation{Sync: branch, InitiatedBy: gitopsv1.OperationInitiator{Automated: true}}, false, []bool{false}},
		"one that has begun":        {&gitopsv1.Operation{Sync: branch, InitiatedBy: gitopsv1.OperationInitiator{Automated: true}}, true, []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			loop := newController(t, interceptor.Funcs{})
			source := &asked{}
			loop.Source = source
			app := loop.app(t)
			app.Status.Sync.ComparedTo = gitopsv1.ComparedTo{Source: *app.Spec.Source, Destination: app.Spec.Destination}
			app.Operation = c.operation
			if c.begun {
				app.Status.OperationState = &gitopsv1.OperationState{Operation: *app.Operation, Phase: gitopsv1.OperationRunning, StartedAt: started}
			}
			s := &seen{memory: loop.memories.of(shop), Observation: gitsync.Observation{App: app, Project: &gitopsv1.AppProject{
				Spec: gitopsv1.AppProjectSpec{SourceRepos: []string{"*"}},
			}}}
			loop.observeSources(t.Context(), s)
			if !slices.Equal(source.fresh, c.fresh) {
				t.Fatalf("repositories are asked at once: %v, want %v", source.fresh, c.fresh)
			}
			if len(c.fresh) == 2 && c.fresh[1] && !source.since[1].Equal(started.Time) {
				t.Errorf("what is known since %s is good enough, and not since the sync began", source.since[1])
			}
		})
	}
}

func TestWhatWasKnownStaysTrueForOneTimeWhateverCannotBeAsked(t *testing.T) {
	began := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	type look struct {
		minute                  int
		target, running, unread bool
		left                    time.Duration
	}
	for name, looks := range map[string][]look{
		"a repository": {{0, true, false, false, 3 * time.Minute}, {2, true, false, false, time.Minute}, {4, true, false, false, -time.Minute}},
		// The repository answers at each look, and that must not hide the destination.
		"the destination":               {{0, false, false, true, 3 * time.Minute}, {4, false, false, true, -time.Minute}},
		"what an operation is of":       {{0, false, true, false, 3 * time.Minute}, {4, false, true, false, -time.Minute}},
		"one after the other":           {{0, true, false, false, 3 * time.Minute}, {2, false, false, true, time.Minute}},
		"a repository that comes again": {{0, true, false, false, 3 * time.Minute}, {2, false, false, false, 0}, {4, true, false, false, 3 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			for _, l := range looks {
				s := &seen{memory: m, Observation: gitsync.Observation{App: &gitopsv1.Application{}, Now: began.Add(time.Duration(l.minute) * time.Minute)}}
				s.Target.Unreachable = l.target
				if l.running {
					s.Running = &gitsync.Material{Unreachable: true}
				}
				if l.unread {
					s.unread(errors.New("it does not answer"))
				}
				s.bear()
				left := s.Target.Grace
				if l.running {
					left = s.Running.Grace
				}
				if left != l.left {
					t.Errorf("after %d minutes %s are left, want %s", l.minute, left, l.left)
				}
			}
		})
	}
}

func TestARepositoryIsAskedFromTimeToTimeForASyncThatCannotBegin(t *testing.T) {
	m, seen := &memory{}, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after time.Duration
		want  time.Time
	}{{0, seen}, {time.Second, seen}, {time.Minute, seen.Add(time.Minute - gitsync.AskAgain)}} {
		if got := m.wish(true, seen.Add(c.after)); !got.Equal(c.want) {
			t.Errorf("%s after it was asked for an answer of %s is good enough, want %s", c.after, got, c.want)
		}
	}
	if got := m.wish(false, seen); !got.IsZero() {
		t.Errorf("nobody asks, and an answer must be of %s", got)
	}
}
