package application

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// Controller brings Applications to what Git says. Its fields must be set before use.
type Controller struct {
	// Client reads Applications and AppProjects from a cache, and knows its own writes; see kube.Recent.
	Client client.Client
	// Clusters are the destinations.
	Clusters Clusters
	Source   Source
	// Reverter pushes what Applications ask to be reverted; it must be set.
	Reverter Reverter
	Renderer Renderer
	Health   Health
	// Settings tells what holds for all Applications; nothing does without it.
	Settings func(context.Context) (gitsync.Settings, error)
	// Events takes what people are told.
	Events record.EventRecorder
	// Namespace is the control namespace, in which projects are.
	Namespace string
	// Concurrency is how many Applications are worked on at the same time.
	Concurrency int
	// Poll is how often repositories are asked, unless the Settings say something else.
	Poll gitsync.Interval
	// MetricLabels are the labels of Applications that the metric argocd_app_labels shows; without any there is no such metric.
	MetricLabels []string

	clock    func() time.Time
	measures *measures
	memories memories
	mu       sync.Mutex
	queue    workqueue.TypedRateLimitingInterface[ctrl.Request]
}

// Reconcile makes one pass over an Application: observe, decide, apply, settle.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	app := &gitopsv1.Application{}
	err := c.Client.Get(ctx, request.NamespacedName, app)
	if apierrors.IsNotFound(err) {
		c.forget(ctx, request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading application %s: %w", request, err)
	}
	if app.Annotations[gitopsv1.AnnotationSkipReconcile] == "true" {
		return ctrl.Result{}, nil
	}
	next, err := c.pass(ctx, app)
	if err != nil {
		return next, fmt.Errorf("application %s: %w", request, err)
	}
	return next, nil
}

func (c *Controller) pass(ctx context.Context, app *gitopsv1.Application) (ctrl.Result, error) {
	began := c.now()
	s, err := c.observe(ctx, app)
	if errors.Is(err, cluster.ErrFrozen) {
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	plan := gitsync.Decide(s.Observation)
	problem := plan.Masked(errors.Join(c.apply(ctx, s, &plan), s.trouble))
	after := plan.After
	for _, sooner := range []time.Duration{poll(c.interval(s.Settings)), s.again} {
		if sooner > 0 && (after == 0 || sooner < after) {
			after = sooner
		}
	}
	next, written, err := kube.Settle(ctx, kube.MainPatch(c.Client), app, plan.App, after, problem)
	c.measures.passed(app, plan.App, cmp.Or(s.Cluster.Server, serverOf(app.Spec.Destination)), written, c.now().Sub(began))
	c.measures.found(s.Observation)
	if written {
		for _, n := range plan.Notes {
			kube.Tell(ctx, c.Events, app, n.Type, n.Reason, n.Message)
		}
	}
	if err == nil {
		next = c.revert(ctx, s, plan, next)
	}
	return next, err
}

func (c *Controller) now() time.Time {
	if c.clock != nil {
		return c.clock()
	}
	return time.Now()
}

// apply writes a plan, but for the Application itself, and notes what came of it there. It gives the conflicts and the failures that are no outcome.
func (c *Controller) apply(ctx context.Context, s *seen, plan *gitsync.Plan) error {
	if len(plan.Release)+len(plan.Delete)+len(plan.Apply) == 0 {
		return nil
	}
	w, err := s.writer()
	if err != nil {
		return err
	}
	var problems []error
	for _, o := range plan.Release {
		if err := w.Release(ctx, o); err != nil {
			problems = append(problems, fmt.Errorf("releasing %s %s: %w", o.GetKind(), o.GetName(), err))
		}
	}
	var outcomes []gitsync.Outcome
	note := func(o gitsync.Outcome, err error) {
		if err != nil {
			problems = append(problems, err)
			return
		}
		outcomes = append(outcomes, o)
	}
	sideBySide(plan.Delete, func(d gitsync.Deletion) (gitsync.Outcome, error) { return w.Delete(ctx, d) }, func(d gitsync.Deletion, o gitsync.Outcome, err error) {
		if !d.Task.Hook || err != nil || o.Problem != "" { // that the object of a hook is deleted is no result of its own
			note(o, err)
		}
	})
	for _, group := range plan.Apply {
		if ctx.Err() != nil {
			break
		}
		sideBySide(group, func(write gitsync.Write) (gitsync.Outcome, error) { return w.Apply(ctx, write) }, func(_ gitsync.Write, o gitsync.Outcome, err error) { note(o, err) })
	}
	plan.Record(outcomes)
	return errors.Join(append(problems, ctx.Err())...)
}
