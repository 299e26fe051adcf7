package kubetest

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Rest is when a loop counts as having come to rest.
type Rest struct {
	// Passes without a change are enough.
	Passes int
	// Longest is the wait that is no rest: who wants to look again earlier is given the time.
	Longest time.Duration
}

// Settle makes passes, lets the world around go on after each, and lets the time at go by, until nothing changes any more. It fails the test if that
// takes too long.
func (c *Calls) Settle(t testing.TB, at *time.Time, rest Rest, pass func() (ctrl.Result, error), around func() (moved bool)) {
	t.Helper()
	quiet := 0
	for range 1000 {
		before := len(c.Made)
		next, err := pass()
		moved := around()
		*at = at.Add(50 * time.Millisecond)
		switch {
		case err != nil:
			*at = at.Add(time.Second)
			quiet = 0
		case moved || len(c.Made) > before:
			quiet = 0
		case next.RequeueAfter > 0 && next.RequeueAfter < rest.Longest:
			*at = at.Add(next.RequeueAfter)
			quiet = 0
		default:
			if quiet++; quiet == rest.Passes {
				return
			}
		}
	}
	t.Fatalf("nothing settles; the last writes are %v", c.Made[max(0, len(c.Made)-10):])
}

// Run plays the ReplicaSet controller and the kubelets: all pods of some sets are available at once. It reports whether anything changed.
func Run(ctx context.Context, t testing.TB, server client.Client, sets []appsv1.ReplicaSet) (moved bool) {
	t.Helper()
	for _, set := range sets {
		size := ptr.Deref(set.Spec.Replicas, 1)
		if set.Status.Replicas == size && set.Status.AvailableReplicas == size {
			continue
		}
		set.Status.Replicas, set.Status.ReadyReplicas, set.Status.AvailableReplicas = size, size, size
		if err := server.Status().Update(ctx, &set); err != nil {
			t.Fatal(err)
		}
		moved = true
	}
	return moved
}
