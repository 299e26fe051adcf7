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
