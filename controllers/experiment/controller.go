package experiment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy/experiment"
)

const (
	// passLimit ends a pass whose requests hang.
	passLimit = time.Minute
)

// Controller brings Experiments to their ends. Its fields must be set before use.
type Controller struct {
	// Client reads from a cache that has ReplicaSets and AnalysisRuns indexed by kube.OwnerField, and knows its own writes; see kube.Recent.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Events takes what people are told.
	Events record.EventRecorder
	// Concurrency is how many Experiments are worked on at the same time.
	Concurrency int
	// Clock is the time; nil means the real one.
	Clock func() time.Time

	passes *kube.Passes
}

// Register adds the loop to a manager and its metrics to a registry. The indexes by owner are those that the loop of Rollouts adds.
func (c *Controller) Register(mgr ctrl.Manager, registry prometheus.Registerer) error {
	c.passes = kube.NewPasses("experiment", "an Experiment")
	if err := errors.Join(registry.Register(c.passes), registry.Register(newCensus(mgr.GetCache()))); err != nil {
		return fmt.Errorf("registering the metrics of experiments: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).Named("experiment").
		For(&v1alpha1.Experiment{}).
		Owns(&appsv1.ReplicaSet{}).
		Owns(&v1alpha1.AnalysisRun{}).
		Owns(&corev1.Service{}).
		WithOptions(kube.LoopOptions(mgr, "experiment", c.Concurrency, passLimit)).
		Complete(c)
}

// Reconcile makes one pass over an Experiment: observe, decide, apply, settle.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	return c.passes.Measure(request.NamespacedName, func() (ctrl.Result, error) { return c.pass(ctx, request) })
}

func (c *Controller) pass(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	e := &v1alpha1.Experiment{}
	err := c.Client.Get(ctx, request.NamespacedName, e)
	if apierrors.IsNotFound(err) {
		return ctrl.Result{}, kube.ErrGone
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if e.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // the garbage collector takes what the Experiment owns
	}
	s, err := c.observe(ctx, e)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("experiment %s: %v", request.NamespacedName, err) //nolint:errorlint // what is not found here is not the Experiment
	}
	ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues("generation", e.Generation))
	plan := experiment.Decide(s.Observation)
	problem := c.apply(ctx, s, &plan)
	settled := e.DeepCopy()
	settled.Status = plan.Status
	next, written, err := kube.Settle(ctx, kube.MainPatch(c.Client), e, settled, plan.After, problem)
	if written {
		for _, note := range plan.Notes {
			c.tell(ctx, s, note)
		}
	}
	if err != nil {
		return next, fmt.Errorf("experiment %s: %w", request.NamespacedName, err)
	}
	return next, nil
}

func (c *Controller) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}
