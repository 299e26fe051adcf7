package application

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// Compare looks at an Application as a pass does and tells what it would change. It asks dry runs and writes nothing. Operations under way do not count.
func (c *Controller) Compare(ctx context.Context, app *gitopsv1.Application) (gitsync.Comparison, error) {
	s, err := c.look(ctx, app)
	if err != nil {
		return gitsync.Comparison{}, err
	}
	return gitsync.Compare(s.Observation)
}

// Render gives the manifests of an Application as they are rendered, with the values of Secrets.
func (c *Controller) Render(ctx context.Context, app *gitopsv1.Application) ([]*unstructured.Unstructured, error) {
	s, err := c.look(ctx, app)
	if err != nil {
		return nil, err
	}
	if s.Target.Problem != "" {
		return nil, errors.New(gitsync.NewMask().And(s.Secrets...).Text(s.Target.Problem))
	}
	return s.Target.Objects, nil
}

func (c *Controller) look(ctx context.Context, app *gitopsv1.Application) (*seen, error) {
	app = app.DeepCopy()
	app.Operation, app.Status.OperationState, app.DeletionTimestamp = nil, nil, nil
	if app.Annotations == nil {
		app.Annotations = map[string]string{}
	}
	if app.Annotations[gitopsv1.AnnotationRefresh] == "" {
		app.Annotations[gitopsv1.AnnotationRefresh] = gitopsv1.RefreshNormal
	}
	s, err := c.observe(ctx, app)
	if err != nil {
		return nil, err
	}
	if problem := gitsync.Refusal(s.Observation); problem != "" {
		return nil, errors.New(problem)
	}
	return s, s.trouble
}
