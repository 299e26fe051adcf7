package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// Controller brings Rollouts to what they ask for. Its fields must be set before use.
type Controller struct {
	// Client reads from a cache that has the indexes of Register, and knows its own writes; see kube.Recent.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Workloads reads the metadata of what workloadRef may name, from a cache of its own; nothing else is read through it.
	Workloads client.Reader
	// Router divides traffic for the Rollouts that it handles.
	Router trafficrouting.Router
	// Routes are the kinds of object that Router reads.
	Routes RouteKinds
	// Events takes what people are told.
	Events record.EventRecorder
	// Outbox takes the same for notifications; nil for none.
	Outbox Outbox
	// Concurrency is how many Rollouts are worked on at the same time.
	Concurrency int

	clock     func() time.Time
	memories  memories
	routes    kindWatches
	workloads kindWatches
	// patience is that of reads from Workloads; Client has its own.
	patience kube.Patience
	passes   *kube.Passes
	// told counts the events; nil counts nothing.
	told *prometheus.CounterVec
}

// Outbox sends notifications, but not before its methods return: they only take note, and nobody changes their Rollout afterwards.
type Outbox interface {
	// Seen takes each Rollout as a pass begins.
	Seen(r *v1alpha1.Rollout)
	// Told takes what was told, with the Rollout as it was then.
	Told(r *v1alpha1.Rollout, eventType, reason string)
	// Forget takes the name of a Rollout that is gone.
	Forget(key types.NamespacedName)
}

// Reconcile makes one pass over a Rollout: observe, decide, apply, settle.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	return c.passes.Measure(request.NamespacedName, func() (ctrl.Result, error) { return c.pass(ctx, request) })
}

func (c *Controller) pass(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	s, err := c.observe(ctx, request.NamespacedName)
	if apierrors.IsNotFound(err) {
		c.memories.forget(request.NamespacedName)
		if c.told != nil {
			c.told.DeletePartialMatch(prometheus.Labels{"namespace": request.Namespace, "name": request.Name})
		}
		if c.Outbox != nil {
			c.Outbox.Forget(request.NamespacedName)
		}
		return ctrl.Result{}, kube.ErrGone
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if s.Rollout.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // the garbage collector takes what the Rollout owns
	}
	ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues(
		"generation", s.Rollout.Generation, "revision", s.Rollout.Annotations[v1alpha1.AnnotationRevision]))
	if c.Outbox != nil {
		c.Outbox.Seen(s.Rollout)
	}
	c.tellTrouble(ctx, s)
	plan := strategy.Decide(s.Observation)
	s.withhold(&plan)
	problem := c.apply(ctx, s, &plan)
	if errors.Is(problem, errRejected) {
		// The spec turned out to be wrong, so this status would tell of an update that does not begin. The next look says what is wrong.
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	return c.settle(ctx, s, plan, errors.Join(problem, s.trouble))
}

// settle writes the status and tells what it decided; one that only counts pods waits for more of them.
func (c *Controller) settle(ctx context.Context, s *seen, plan strategy.Plan, problem error) (ctrl.Result, error) {
	settled := s.Rollout.DeepCopy()
	settled.Status = plan.Status
	counting := problem == nil && plan.Calm && len(plan.Notes) == 0 && !equality.Semantic.DeepEqual(s.Rollout.Status, plan.Status)
	if left := s.memory.holdBack(counting, s.Now); left > 0 {
		settled.Status = s.Rollout.Status
		plan.After = shorter(plan.After, left)
	}
	next, written, err := kube.Settle(ctx, kube.StatusPatch(c.Client), s.Rollout, settled, shorter(plan.After, s.again), problem)
	if written {
		s.memory.wrote(counting, s.Now)
		for _, note := range plan.Notes {
			c.tellNote(ctx, settled, note)
		}
		if now := progress(settled); now.Reason == v1alpha1.ReasonRolloutResumed && progress(s.Rollout).Reason != now.Reason {
			c.tell(ctx, settled, corev1.EventTypeNormal, now.Reason, now.Message)
		}
	}
	if err != nil {
		return next, fmt.Errorf("rollout %s/%s: %w", s.Rollout.Namespace, s.Rollout.Name, err)
	}
	return next, nil
}

func progress(r *v1alpha1.Rollout) v1alpha1.RolloutCondition {
	for _, c := range r.Status.Conditions {
		if c.Type == v1alpha1.ConditionProgressing {
			return c
		}
	}
	return v1alpha1.RolloutCondition{}
}

// shorter is the shorter of two waits, of which 0 means none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (c *Controller) now() time.Time {
	if c.clock != nil {
		return c.clock()
	}
	return time.Now()
}

func (c *Controller) tellNote(ctx context.Context, r *v1alpha1.Rollout, note strategy.Note) {
	c.tell(ctx, r, note.Type, note.Reason, note.Message)
}

func (c *Controller) tell(ctx context.Context, r *v1alpha1.Rollout, eventType, reason, message string) {
	kube.Tell(ctx, c.Events, r, eventType, reason, message)
	if c.told != nil {
		c.told.WithLabelValues(r.Namespace, r.Name, eventType, reason).Inc()
	}
	if c.Outbox != nil {
		c.Outbox.Told(r, eventType, reason)
	}
}
