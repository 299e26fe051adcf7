package application

import (
	"context"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// Compare looks at an Application as a pass does and tells what it would change. It asks dry runs and writes nothing. Operations under way do not count.
func (c *Controller) Compare(ctx context.Context, app *gitopsv1.Application) (gitsync.Comparison, error) {
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
		return gitsync.Comparison{}, err
	}
	if s.trouble != nil {
		return gitsync.Comparison{}, s.trouble
	}
	return gitsync.Compare(s.Observation)
}
