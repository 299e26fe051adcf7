package verb

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Abort turns the update back to the stable revision. It carries no condition, because it must win whatever is written meanwhile.
func Abort(ctx context.Context, c client.Client, key client.ObjectKey) (string, error) {
	r, err := load(ctx, c, key)
	if err != nil {
		return "", err
	}
	if promoted(r) {
		return "", refuse(key, "nothing to abort: the current revision is the stable one; undo returns to an earlier one")
	}
	if err := patchStatus(ctx, c, r, "", fields{"abort": true}); err != nil {
		return "", fmt.Errorf("aborting %s: %w", named(key), err)
	}
	return said(key, "abort asked for, traffic returns to the stable revision"), nil
}
