package verb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Refused says that a verb makes no sense for the object as it stands. Nothing was written.
type Refused struct {
	// Object is the kind and key, such as "rollout shop/web".
	Object string
	// Why says what stands against it, and what to do instead.
	Why string
}

func (e *Refused) Error() string { return e.Object + ": " + e.Why }

// IsRefused reports whether a verb was refused for what the object is, and did not fail on the way.
func IsRefused(err error) bool {
	var refused *Refused
	return errors.As(err, &refused)
}

func refuse(key client.ObjectKey, format string, args ...any) error {
	return &Refused{Object: named(key), Why: fmt.Sprintf(format, args...)}
}

func named(key client.ObjectKey) string { return "rollout " + key.String() }

func said(key client.ObjectKey, format string, args ...any) string {
	return named(key) + ": " + fmt.Sprintf(format, args...)
}

func load(ctx context.Context, c client.Client, key client.ObjectKey) (*v1alpha1.Rollout, error) {
	r := &v1alpha1.Rollout{}
	err := c.Get(ctx, key, r)
	if apierrors.IsNotFound(err) {
		return nil, refuse(key, "does not exist")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", named(key), err)
	}
	return r, nil
}

// fields is a part of a merge patch; nil stands for "remove".
type fields map[string]any

// patchSpec sends a merge patch for the spec alone. It carries no condition, so it cannot conflict.
func patchSpec(ctx context.Context, c client.Client, o client.Object, spec fields) error {
	return merge(ctx, c, o, fields{"spec": spec})
}

func merge(ctx context.Context, c client.Client, o client.Object, body fields) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("writing the patch: %w", err)
	}
	return c.Patch(ctx, o, client.RawPatch(types.MergePatchType, raw))
}

// patchStatus sends a merge patch for the status, through the main resource where the CRD has no status subresource.
// With a version it is refused with a conflict if the object is no longer at it.
func patchStatus(ctx context.Context, c client.Client, r *v1alpha1.Rollout, version string, status fields) error {
	body := fields{"status": status}
	if version != "" {
		body["metadata"] = fields{"resourceVersion": version}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("writing the patch: %w", err)
	}
	patch := client.RawPatch(types.MergePatchType, raw)
	if err := c.Status().Patch(ctx, r, patch); !apierrors.IsNotFound(err) {
		return err
	}
	return c.Patch(ctx, r, patch)
}

// promoted reports whether the controller has seen the spec and made its revision the stable one.
func promoted(r *v1alpha1.Rollout) bool {
	return observed(r) && r.Status.CurrentPodHash != "" && r.Status.CurrentPodHash == r.Status.StableRS
}

// observed reports whether the status speaks of the spec as it is.
func observed(r *v1alpha1.Rollout) bool { return reached(r.Status.ObservedGeneration, r.Generation) }

// reached compares a generation as a status holds it; one that is no number counts as reached.
func reached(seen string, generation int64) bool {
	n, err := strconv.ParseInt(seen, 10, 64)
	return err != nil || n >= generation
}
