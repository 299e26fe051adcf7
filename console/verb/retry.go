package verb

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Retry begins an aborted update again at its first step.
func Retry(ctx context.Context, c client.Client, key client.ObjectKey) (string, error) {
	r, err := load(ctx, c, key)
	if err != nil {
		return "", err
	}
	if !r.Status.Abort {
		return "", refuse(key, "nothing to retry: the update is not aborted")
	}
	if err := patchStatus(ctx, c, r, "", fields{"abort": false}); err != nil {
		return "", fmt.Errorf("retrying %s: %w", named(key), err)
	}
	return said(key, "retry asked for, the update begins again at its first step"), nil
}

// RetryExperiment lets an Experiment run again from the start by dropping its status.
func RetryExperiment(ctx context.Context, c client.Client, key client.ObjectKey) (string, error) {
	e := &v1alpha1.Experiment{}
	e.Namespace, e.Name = key.Namespace, key.Name
	if err := merge(ctx, c, e, fields{"status": nil}); err != nil {
		return "", fmt.Errorf("retrying experiment %s: %w", key, err)
	}
	return fmt.Sprintf("experiment %s: retry asked for", key), nil
}
