package analysisrun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

const (
	// atOnce is how many runs are measured at the same time: a measurement waits for its server and costs little meanwhile, so that a
	// few hundred servers may hang before a run waits for another one.
	atOnce = 256
	// measureLimit ends the measurements of a pass, whatever time limits they have of their own; passLimit leaves time to write that.
	measureLimit = 10 * time.Minute
	passLimit    = measureLimit + time.Minute
)

// Controller brings AnalysisRuns to their verdicts. Its fields must be set before use.
type Controller struct {
	// Client reads from a cache and knows its own writes; see kube.Recent.
	Client client.Client
	// Live reads Secrets from the API server, by name and only when a measurement needs them.
	Live client.Reader
	// Providers take measurements.
	Providers Providers
	// Events takes what people are told.
	Events record.EventRecorder
	// Clock is the time; nil means the real one.
	Clock func() time.Time

	passes *kube.Passes
}

// Register adds the loop to a manager and its metrics to a registry.
func (c *Controller) Register(mgr ctrl.Manager, registry prometheus.Registerer) error {
	c.passes = kube.NewPasses("analysis_run", "an AnalysisRun")
	if err := errors.Join(registry.Register(c.passes), registry.Register(newCensus(mgr.GetCache()))); err != nil {
		return fmt.Errorf("registering the metrics of analysis runs: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).Named("analysisrun").
		For(&v1alpha1.AnalysisRun{}).
		Owns(&batchv1.Job{}, builder.OnlyMetadata).
		WithOptions(kube.LoopOptions(mgr, "analysisrun", atOnce, passLimit)).
		Complete(c)
}

// Reconcile makes one pass over an AnalysisRun: what is due, measure it, what does it mean, write that.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	return c.passes.Measure(request.NamespacedName, func() (ctrl.Result, error) { return c.pass(ctx, request) })
}

func (c *Controller) pass(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	run := &v1alpha1.AnalysisRun{}
	err := c.Client.Get(ctx, request.NamespacedName, run)
	if apierrors.IsNotFound(err) {
		return ctrl.Result{}, kube.ErrGone
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if run.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	if run.Status.Phase.Completed() {
		return c.expire(ctx, run)
	}
	settled := c.advance(ctx, run)
	if err := ctx.Err(); err != nil {
		return ctrl.Result{}, err // the lease is lost or the process ends: what was measured is measured again by whoever comes next
	}
	next, written, err := kube.Settle(ctx, kube.MainPatch(c.Client), run, settled, c.wait(settled), nil)
	if written {
		c.tell(ctx, run, settled)
	}
	if err != nil {
		return next, fmt.Errorf("analysis run %s: %w", request.NamespacedName, err)
	}
	return next, nil
}

// advance takes what is due and judges it. A verdict that ends the run is not written before the rest of the run has ended too: whoever
// waits for the run hears of it with one write less, and sooner.
func (c *Controller) advance(ctx context.Context, run *v1alpha1.AnalysisRun) *v1alpha1.AnalysisRun {
	settled := run.DeepCopy()
	for range 2 {
		due, _ := analysis.Due(settled, c.now())
		taken := c.measure(ctx, settled, due)
		settled.Status = analysis.Assess(settled, taken, c.now())
		if settled.Status.Phase.Completed() || !analysis.Ending(settled) {
			break
		}
	}
	return settled
}

// wait is how long from now something else of a run becomes due; zero if nothing does.
func (c *Controller) wait(run *v1alpha1.AnalysisRun) time.Duration {
	if run.Status.Phase.Completed() {
		_, after := analysis.Expired(run, c.now())
		return after
	}
	due, after := analysis.Due(run, c.now())
	if slices.ContainsFunc(due, func(t analysis.Task) bool { return !t.Early }) {
		return time.Millisecond
	}
	return after
}

// expire deletes a run whose time to live is over.
func (c *Controller) expire(ctx context.Context, run *v1alpha1.AnalysisRun) (ctrl.Result, error) {
	expired, after := analysis.Expired(run, c.now())
	if !expired {
		return ctrl.Result{RequeueAfter: after}, nil
	}
	err := c.Client.Delete(ctx, run, client.Preconditions{UID: ptr.To(run.UID)})
	if err := client.IgnoreNotFound(err); err != nil {
		return ctrl.Result{}, fmt.Errorf("deleting analysis run %s/%s after its time to live: %w", run.Namespace, run.Name, err)
	}
	return ctrl.Result{}, nil
}

// tell says what has changed: the end of each metric, and that of the run.
func (c *Controller) tell(ctx context.Context, before, after *v1alpha1.AnalysisRun) {
	ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues("generation", after.Generation))
	for _, m := range after.Status.MetricResults {
		if m.Phase.Completed() && !phaseOf(before, m.Name).Completed() {
			kube.Tell(ctx, c.Events, after, kindOf(m.Phase), "Metric"+string(m.Phase), fmt.Sprintf("Metric '%s' Completed. Result: %s", m.Name, m.Phase))
		}
	}
	if phase := after.Status.Phase; phase.Completed() {
		message := fmt.Sprintf("Analysis Completed. Result: %s", phase)
		if after.Status.Message != "" {
			message += ": " + after.Status.Message
		}
		kube.Tell(ctx, c.Events, after, kindOf(phase), "AnalysisRun"+string(phase), message)
	}
}

func phaseOf(run *v1alpha1.AnalysisRun, metric string) v1alpha1.AnalysisPhase {
	for _, m := range run.Status.MetricResults {
		if m.Name == metric {
			return m.Phase
		}
	}
	return ""
}

func kindOf(phase v1alpha1.AnalysisPhase) string {
	if phase == v1alpha1.AnalysisPhaseFailed || phase == v1alpha1.AnalysisPhaseError {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}

func (c *Controller) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}
