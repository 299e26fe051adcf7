package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lookAgain is how long a conflict waits at most. What changed wakes the object anyway; this is for the case that nothing did.
const lookAgain = time.Second

// Patch writes part of an object: client.Client's Patch for kinds without a status subresource, or StatusPatch.
type Patch func(ctx context.Context, o client.Object, patch client.Patch) error

// StatusPatch writes to the status subresource.
func StatusPatch(c client.Client) Patch {
	return func(ctx context.Context, o client.Object, patch client.Patch) error {
		return c.Status().Patch(ctx, o, patch)
	}
}

// MainPatch writes to the object itself, as kinds without a status subresource need it.
func MainPatch(c client.Client) Patch {
	return func(ctx context.Context, o client.Object, patch client.Patch) error { return c.Patch(ctx, o, patch) }
}

// Settle ends a pass: it makes the one write of the status, from the object that was observed to the settled one, and says what comes next.
//
// The patch carries the resource version that was observed, so that a command that a client gave meanwhile is never overwritten,
// and it is sent only if something differs. It is sent after a failed write as well, because a status tells what was seen and decided.
// written tells whether the status holds now what it did not hold before, so that the decisions in it may be told.
//
// There are three outcomes: look again (after a conflict, or when after has passed), back off (an error, cause included),
// and wait for a change (neither). Conflicts in cause count as the first; they are nobody's fault and are not reported.
func Settle(ctx context.Context, write Patch, observed, settled client.Object, after time.Duration, cause error) (next ctrl.Result, written bool, err error) {
	if !equality.Semantic.DeepEqual(observed, settled) {
		patch := client.MergeFromWithOptions(observed, client.MergeFromWithOptimisticLock{})
		switch err := write(ctx, settled, patch); {
		case err == nil:
			written = true
		case apierrors.IsNotFound(err): // the object is gone, and its status with it
			return ctrl.Result{}, false, Serious(cause)
		default:
			cause = errors.Join(cause, fmt.Errorf("writing the status: %w", err))
		}
	}
	if err := Serious(cause); err != nil {
		return ctrl.Result{}, written, err
	}
	if cause != nil && (after == 0 || after > lookAgain) {
		after = lookAgain
	}
	return ctrl.Result{RequeueAfter: after}, written, nil
}

// Serious takes the conflicts out of joined errors; nil if nothing is left, because a conflict is nobody's fault and goes away with the next look.
func Serious(err error) error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var kept []error
		for _, one := range joined.Unwrap() {
			kept = append(kept, Serious(one))
		}
		return errors.Join(kept...)
	}
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}
