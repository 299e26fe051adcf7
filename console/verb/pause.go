package verb

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Pause stops the update at its current step until a promote.
func Pause(ctx context.Context, c client.Client, key client.ObjectKey) (string, error) {
	r, err := load(ctx, c, key)
	if err != nil {
		return "", err
	}
	if r.Spec.Paused {
		return said(key, "is paused already"), nil
	}
	if err := patchSpec(ctx, c, r, fields{"paused": true}); err != nil {
		return "", fmt.Errorf("pausing %s: %w", named(key), err)
	}
	return said(key, "paused, promote goes on"), nil
}
