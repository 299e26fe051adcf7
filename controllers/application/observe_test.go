package application

import (
	"context"
	"errors"
	"slices"
	"testing"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// asked notes which repositories somebody wants to know of.
type asked struct{ urls []string }

func (a *asked) Resolve(_ context.Context, want gitsync.Want) (string, error) {
	a.urls = append(a.urls, want.Source.RepoURL)
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
