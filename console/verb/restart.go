package verb

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Restart replaces every pod that was created before at, a few at a time; at may lie in the future.
func Restart(ctx context.Context, c client.Client, key client.ObjectKey, at time.Time) (string, error) {
	r, err := load(ctx, c, key)
	if err != nil {
		return "", err
	}
	moment := at.UTC().Format(time.RFC3339)
	if err := patchSpec(ctx, c, r, fields{"restartAt": moment}); err != nil {
		return "", fmt.Errorf("restarting %s: %w", named(key), err)
	}
	return said(key, "pods older than %s are restarted", moment), nil
}
