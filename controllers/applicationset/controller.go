package applicationset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
	"github.com/sluice-delivery/sluice/internal/kube"
)

const (
	// errorAgain is when a set is looked at again after its generators failed.
	errorAgain = 3 * time.Minute
	// askLimit bounds what one pass asks. What was answered by then is remembered, and the next pass goes on from there.
	askLimit = 10 * time.Minute
)

// Controller keeps the Applications of ApplicationSets as their generators and templates ask. Its fields must be set before use.
type Controller struct {
	// Client reads ApplicationSets, Applications and AppProjects from a cache, and knows its own writes; see kube.Recent.
	Client client.Client
	// Secrets reads the cluster Secrets.
	Secrets client.Reader
	Library Library
	// Events takes what people are told.
	Events record.EventRecorder
	// Namespace is the control namespace.
	Namespace string
	// Policy limits what sets may do, unless MayOverride lets them say more; empty for what each says itself.
	Policy      gitopsv1.ApplicationsSync
	MayOverride bool
	// Concurrency is how many sets are worked on at the same time.
	Concurrency int
	// MetricLabels are the labels of sets that the metric argocd_appset_labels shows; without any there is no such metric.
	MetricLabels []string

	memory memory
	clock  func() time.Time
	// took is nil where nothing is measured.
	took *prometheus.HistogramVec
}

// Reconcile makes one pass over a set: observe, decide, apply, settle.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	set := &gitopsv1.ApplicationSet{}
	err := c.Client.Get(ctx, request.NamespacedName, set)
	if apierrors.IsNotFound(err) {
		c.memory.forget(request.NamespacedName)
		if c.took != nil {
			c.took.DeleteLabelValues(request.Namespace, request.Name)
		}
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading application set %s: %w", request, err)
	}
	began := c.now()
	next, err := c.pass(ctx, set)
	if c.took != nil {
		c.took.WithLabelValues(set.Namespace, set.Name).Observe(c.now().Sub(began).Seconds())
	}
	if err != nil {
		return next, fmt.Errorf("application set %s: %w", request, err)
	}
	return next, nil
}

func (c *Controller) pass(ctx context.Context, set *gitopsv1.ApplicationSet) (ctrl.Result, error) {
	s, err := c.observe(ctx, set)
	if err != nil {
		return ctrl.Result{}, err
	}
	if set.DeletionTimestamp != nil {
		return c.unwind(ctx, s)
	}
	if gitopsv1.DeletesInReverse(set.Spec) && !slices.Contains(set.Finalizers, gitopsv1.FinalizerResources) {
		return c.hold(ctx, set)
	}
	outcome := generate.Outcome{Applications: s.own}
	after := errorAgain
	var notes []generate.Note
	result, problem := c.generate(ctx, s)
	if problem == nil {
		after, notes = result.After, result.Notes
		outcome.Plan = generate.Decide(c.state(s, result))
		notes = append(notes, outcome.Plan.Notes...)
		problem = c.apply(ctx, s, &outcome)
	}
	settled := set.DeepCopy()
	if problem != nil && kube.Serious(problem) == nil { // somebody wrote an Application meanwhile, which is nothing to tell anybody
		return c.settle(ctx, s, settled, nil, after, problem)
	}
	outcome.Problem = problem
	settled.Status = generate.StatusOf(set, outcome, s.now)
	return c.settle(ctx, s, settled, notes, after, problem)
}

// hold keeps a set that is to be deleted in reverse from going at once, and its Applications with it, all at the same time. It comes before there are
// any, and the write has the set looked at again.
func (c *Controller) hold(ctx context.Context, set *gitopsv1.ApplicationSet) (ctrl.Result, error) {
	held := set.DeepCopy()
	held.Finalizers = append(held.Finalizers, gitopsv1.FinalizerResources)
	next, _, err := kube.Settle(ctx, kube.MainPatch(c.Client), set, held, 0, nil)
	return next, err
}

// settle writes the status and takes the served refresh away. What the generators cannot do stands in the status, and is tried again later; it is no
// failure of this loop.
func (c *Controller) settle(ctx context.Context, s *seen, settled *gitopsv1.ApplicationSet, notes []generate.Note, after time.Duration, problem error) (ctrl.Result, error) {
	var expected *generate.Error
	if errors.As(problem, &expected) {
		problem, after = nil, errorAgain
	}
	next, written, err := kube.Settle(ctx, kube.StatusPatch(c.Client), s.set, settled, after, problem)
	if err != nil {
		return next, err
	}
	if written {
		for _, n := range notes {
			kube.Tell(ctx, c.Events, s.set, corev1.EventTypeNormal, n.Reason, n.Message)
		}
	}
	if s.fresh {
		served := settled.DeepCopy()
		delete(served.Annotations, gitopsv1.AnnotationApplicationSetRefresh)
		if err := c.Client.Patch(ctx, served, client.MergeFromWithOptions(settled, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return next, fmt.Errorf("taking the served refresh away: %w", err)
		}
	}
	return next, nil
}

func (c *Controller) state(s *seen, result generate.Result) generate.State {
	return generate.State{
		Set: s.set, Wanted: result.Applications, Current: s.current, Projects: s.projects, Clusters: s.clusters,
		Policy: generate.PolicyOf(s.set.Spec, c.Policy, c.MayOverride), Paths: s.paths,
	}
}

// generate asks until all questions are answered.
func (c *Controller) generate(ctx context.Context, s *seen) (generate.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	answers, failure := c.memory.recall(s.set, s.now, s.fresh)
	o := generate.Observation{Set: s.set, Now: s.now, Clusters: s.clusters, Answers: answers}
	for {
		result, err := generate.Generate(o)
		if err != nil || len(result.Questions) == 0 {
			return result, err
		}
		if failure == nil || !slices.ContainsFunc(result.Questions, ages) {
			failure = c.ask(ctx, s, result.Questions, o.Answers)
		}
		if failure != nil {
			return result, &generate.Error{Reason: gitopsv1.ReasonParamsError, Err: failure}
		}
	}
}

// ask adds the answers to some questions to those that are known.
func (c *Controller) ask(ctx context.Context, s *seen, questions []generate.Question, known map[generate.Question]generate.Answer) error {
	answers, err := c.Library.Answer(ctx, s.set, questions, s.fresh)
	maps.Copy(known, answers)
	for _, q := range questions {
		if _, answered := answers[q]; !answered && err == nil {
			err = fmt.Errorf("a question about %s %s has no answer", q.About, q.Repository)
		}
	}
	c.memory.keep(s.set, c.now(), questions, answers, err)
	return err
}

// apply creates, updates and deletes Applications, and starts the syncs of a RollingSync. One that fails stops none of the others.
func (c *Controller) apply(ctx context.Context, s *seen, outcome *generate.Outcome) error {
	var problems []error
	try := func(doing, name string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s application %s: %w", doing, name, err))
		}
	}
	for i := range outcome.Plan.Create {
		app := &outcome.Plan.Create[i]
		try("creating", app.Name, c.Client.Create(ctx, app))
	}
	for i := range outcome.Plan.Update {
		app := &outcome.Plan.Update[i]
		try("updating", app.Name, c.Client.Update(ctx, app))
	}
	for i := range outcome.Plan.Delete {
		app := &outcome.Plan.Delete[i]
		try("deleting", app.Name, c.delete(ctx, app))
	}
	if gitopsv1.IsRolling(s.set.Spec) {
		applied := outcome.Plan.Applied(s.own) // as they were written just now
		rollout := generate.Roll(s.set, applied, s.now)
		outcome.Rollout = &rollout
		if len(problems) == 0 {
			for _, sync := range rollout.Sync {
				try("starting the sync of", sync.Application, c.start(ctx, applied, sync))
			}
			for _, name := range rollout.Refresh {
				try("refreshing", name, c.refresh(ctx, applied, name))
			}
		}
	}
	return errors.Join(problems...)
}

// delete deletes what was observed, and nothing else of that name.
func (c *Controller) delete(ctx context.Context, app *gitopsv1.Application) error {
	return client.IgnoreNotFound(c.Client.Delete(ctx, app, client.Preconditions{UID: &app.UID, ResourceVersion: &app.ResourceVersion}))
}

// start sets the operation of an Application, unless somebody has set one meanwhile.
func (c *Controller) start(ctx context.Context, apps []gitopsv1.Application, sync generate.SyncNow) error {
	return c.patch(ctx, apps, sync.Application, func(app *gitopsv1.Application) { app.Operation = &sync.Operation })
}

func (c *Controller) refresh(ctx context.Context, apps []gitopsv1.Application, name string) error {
	return c.patch(ctx, apps, name, func(app *gitopsv1.Application) {
		if app.Annotations == nil {
			app.Annotations = map[string]string{}
		}
		app.Annotations[gitopsv1.AnnotationRefresh] = gitopsv1.RefreshNormal
	})
}

func (c *Controller) patch(ctx context.Context, apps []gitopsv1.Application, name string, change func(*gitopsv1.Application)) error {
	for i := range apps {
		if apps[i].Name != name {
			continue
		}
		before, after := apps[i].DeepCopy(), apps[i].DeepCopy()
		change(after)
		return c.Client.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}
	return nil
}

// unwind deletes the Applications of a set that is being deleted, step by step where that is asked for. Without the finalizer of the reverse order
// the garbage collector does it.
func (c *Controller) unwind(ctx context.Context, s *seen) (ctrl.Result, error) {
	if !s.unwinds() {
		return ctrl.Result{}, nil
	}
	var problems []error
	for _, app := range generate.Unwind(s.set, s.own) {
		if err := c.delete(ctx, &app); err != nil {
			problems = append(problems, fmt.Errorf("deleting application %s: %w", app.Name, err))
		}
	}
	settled := s.set.DeepCopy()
	if len(s.own) == 0 {
		settled.Finalizers = without(settled.Finalizers, gitopsv1.FinalizerResources)
	}
	next, _, err := kube.Settle(ctx, kube.MainPatch(c.Client), s.set, settled, unwindAgain, errors.Join(problems...))
	return next, err
}

func (c *Controller) now() time.Time {
	if c.clock != nil {
		return c.clock()
	}
	return time.Now()
}

// unwindAgain is how often a deletion in steps looks whether a step is over.
const unwindAgain = 10 * time.Second
